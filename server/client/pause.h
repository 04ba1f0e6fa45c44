/* SPDX-License-Identifier: MIT */
/* CLIENT PAUSE: all clients of this server, or those that write, wait for a while.  Any thread. */
#ifndef SERVER_CLIENT_PAUSE_H
#define SERVER_CLIENT_PAUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Each kind also stops what the kinds before it stop. */
enum pause_kind { PAUSE_NONE, PAUSE_WRITES, PAUSE_ALL };

/* A longer pause is taken for a mistake: 35,000 years. */
#define PAUSE_MOST_MS (INT64_C(1) << 50)

/* All bytes zero is no pause.  The end in milliseconds of the steady clock and, in the lowest two
 * bits, the kind: both change together. */
struct pause {
    atomic_uint_fast64_t state;
};

/* Pauses for so many milliseconds.  A pause that is on already becomes neither shorter nor weaker.
 * False, and no pause, beyond PAUSE_MOST_MS. */
bool pause_begin(struct pause *pause, enum pause_kind kind, int64_t ms);
void pause_end(struct pause *pause);

/* What is paused now; *left_ms, which may be NULL, is for how much longer. */
enum pause_kind pause_now(struct pause *pause, int64_t *left_ms);

/* Whether there may be a pause.  Looked at for each request. */
static inline bool pause_is_possible(const struct pause *pause)
{
    return atomic_load_explicit(&pause->state, memory_order_relaxed) != 0;
}

#endif
