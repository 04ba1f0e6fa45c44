/* SPDX-License-Identifier: MIT */
/* How much a session may do before others have their turn.  On a worker its other connections wait;
 * on a commit thread everybody who writes does.  So whatever a client sends at once costs the
 * others a moment, and then another one.
 *
 * On a commit thread a turn is long, as what runs in it shares a commit. */
#ifndef SERVER_SESSION_TURN_H
#define SERVER_SESSION_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All bytes zero: a turn begins. */
struct turn {
    size_t consumed;  /* bytes of the requests that were answered */
    int64_t began_ns; /* when the first one was; 0: it is still to come */
    bool over;
};

/* A little more than Redis reads of one client before it looks at the others. */
#define TURN_WORKER_BYTES ((size_t)64 << 10)
#define TURN_WORKER_NS    (INT64_C(1) * 1000 * 1000)

/* Much more than a pipeline of thousands of small writes takes. */
#define TURN_UPDATE_NS (INT64_C(50) * 1000 * 1000)

/* A request of so many bytes was answered at a time of the steady clock. */
static inline void turn_count(struct turn *turn, bool on_worker, int64_t now_ns,
                              size_t request_size)
{
    turn->consumed += request_size;
    if (turn->began_ns == 0)
        turn->began_ns = now_ns;
    int64_t ns = now_ns - turn->began_ns;
    turn->over = on_worker ? ns >= TURN_WORKER_NS || turn->consumed >= TURN_WORKER_BYTES
                           : ns >= TURN_UPDATE_NS;
}

#endif
