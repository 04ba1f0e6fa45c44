/* SPDX-License-Identifier: MIT */
/* Tells when a run of requests has taken long enough. */
#include "server/session/turn.h"

#include "server/observe/clock.h"

/* On a worker; a little more than Redis reads of one client before it looks at the others. */
#define WORKER_BYTES ((size_t)64 << 10)
#define WORKER_NS    (INT64_C(1) * 1000 * 1000)

/* On a commit thread: much more than a pipeline of thousands of small writes takes. */
#define UPDATE_NS (INT64_C(50) * 1000 * 1000)

void turn_count(struct turn *turn, bool on_worker, int64_t now_ns, size_t request_size)
{
    turn->consumed += request_size;
    if (on_worker && turn->consumed >= WORKER_BYTES) {
        turn->over = true;
        return;
    }
    if (now_ns == 0)
        now_ns = steady_ns();
    if (turn->began_ns == 0)
        turn->began_ns = now_ns;
    turn->over = now_ns - turn->began_ns >= (on_worker ? WORKER_NS : UPDATE_NS);
}
