/* SPDX-License-Identifier: MIT */
/* CLIENT PAUSE: for a while the clients of this server, or those that write, wait.  Any thread. */
#ifndef SERVER_CLIENT_PAUSE_H
#define SERVER_CLIENT_PAUSE_H

#include <stdatomic.h>
#include <stdint.h>

/* Each stops what the ones before it do. */
enum pause_kind { PAUSE_NONE, PAUSE_WRITES, PAUSE_ALL };

/* All bytes zero is no pause.  The end in milliseconds of Unix time and, in the lowest two bits, the
 * kind: both change together. */
struct pause {
    atomic_uint_fast64_t state;
};

/* Pauses until end_ms.  A pause that is still on becomes neither shorter nor weaker by that. */
void pause_begin(struct pause *pause, enum pause_kind kind, int64_t end_ms);
void pause_end(struct pause *pause);

/* What is paused now; *end_ms, which may be NULL, is until when. */
enum pause_kind pause_now(struct pause *pause, int64_t *end_ms);

#endif
