/* SPDX-License-Identifier: MIT */
/* Tells when a run of requests has taken long enough. */
#include "server/session/turn.h"

#include "server/observe/clock.h"
#include "server/session/measure.h"
#include "server/session/session.h"

/* On a worker; a little more than Redis reads of one client before it looks at the others. */
#define WORKER_BYTES ((size_t)64 << 10)
#define WORKER_NS    (INT64_C(1) * 1000 * 1000)

/* On a commit thread: much more than a pipeline of thousands of small writes takes. */
#define UPDATE_NS (INT64_C(50) * 1000 * 1000)

/* The clock was read behind each command, unless all options are off that ask for durations. */
static int64_t read_clock(const struct session *session)
{
    return session->measure.last_ns ? session->measure.last_ns : steady_ns();
}

bool turn_is_over(struct turn *turn, const struct session *session, size_t request_size)
{
    bool on_worker = !session->in_flight;
    turn->consumed += request_size;
    if (on_worker && turn->consumed >= WORKER_BYTES)
        return true;
    int64_t now_ns = read_clock(session);
    if (turn->began_ns == 0)
        turn->began_ns = now_ns;
    return now_ns - turn->began_ns >= (on_worker ? WORKER_NS : UPDATE_NS);
}
