/* SPDX-License-Identifier: MIT */
/* How much a connection may do before others get their turn.  On a worker the other connections of
 * that wait; on a commit thread all that write do.  So what a client sends at once, however much that
 * is, costs the others a moment, and then another one.
 *
 * On a commit thread a turn is long, as what it runs shares a commit. */
#ifndef SERVER_SESSION_TURN_H
#define SERVER_SESSION_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

/* All bytes zero: a run of requests begins. */
struct turn {
    size_t consumed;  /* bytes of the requests that were run */
    int64_t began_ns; /* when the first one was done; 0: it is still to come */
};

/* A request of so many bytes was run.  Whether the next one is to wait. */
bool turn_is_over(struct turn *turn, const struct session *session, size_t request_size);

#endif
