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

/* A request of so many bytes was answered.  now_ns: the clock as it was read behind the command; 0:
 * it was not read. */
void turn_count(struct turn *turn, bool on_worker, int64_t now_ns, size_t request_size);

#endif
