/* SPDX-License-Identifier: MIT */
/* Times in milliseconds: of the day, as INFO, CLIENT LIST and the log use it, and of a clock that nobody
 * sets, for waiting. */
#ifndef SERVER_OBSERVE_CLOCK_H
#define SERVER_OBSERVE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Unix time in milliseconds. */
static inline int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t steady_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
