/* SPDX-License-Identifier: MIT */
/* When a round of group commit waits, and when it has learnt not to. */
#include "store/commit/gather.h"

/* A wait lasts at most the time of the last round divided by this.  Callers that need longer to
 * come back are better off in two halves: one is served while the other comes. */
#define WAIT_DIVISOR 2

/* Nor does it last longer than this: callers that come back do so soon, however slow the disk
 * was. */
#define MOST_US 4000

/* The most rounds without a wait after waits in vain: 2^6. */
#define MOST_DOUBLINGS 6

void gather_note_round(struct gather *gather, size_t ran, size_t waiting, uint64_t took_us,
                       uint64_t now_us)
{
    gather->expected = ran + waiting;
    uint64_t wait_us = took_us / WAIT_DIVISOR;
    gather->until_us = now_us + (wait_us < MOST_US ? wait_us : MOST_US);
}

bool gather_begin(struct gather *gather, uint64_t now_us)
{
    if (gather->expected <= 1 || now_us >= gather->until_us)
        return false;
    if (gather->rest == 0)
        return true;
    gather->rest--;
    return false;
}

void gather_end(struct gather *gather, size_t waiting)
{
    if (waiting >= gather->expected) {
        gather->in_vain = 0;
        return;
    }
    if (gather->in_vain < MOST_DOUBLINGS)
        gather->in_vain++;
    gather->rest = 1U << gather->in_vain;
}
