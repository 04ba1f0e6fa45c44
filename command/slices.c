/* SPDX-License-Identifier: MIT */
/* Tells a command when its slice is over. */
#include "command/slices.h"

#include <time.h>

#include "command/call.h"

bool call_yields(struct call *call)
{
    struct call_slices *slices = call->slices;
    struct timespec now;
    if (slices->until_ns == 0)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    slices->unfinished = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec >= slices->until_ns;
    return slices->unfinished;
}

void slices_free(struct call_slices *slices)
{
    resp_buffer_free(&slices->kept);
    if (slices->free_state)
        slices->free_state(slices->state);
    *slices = (struct call_slices){0};
}
