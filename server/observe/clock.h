/* SPDX-License-Identifier: MIT */
/* The two clocks of the server.  The wall clock tells the time of day; somebody may set it, so it
 * may go back.  The steady clock only runs forwards, from an unknown start: durations are measured
 * by it. */
#ifndef SERVER_OBSERVE_CLOCK_H
#define SERVER_OBSERVE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Unix time in microseconds. */
static inline int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Unix time in milliseconds. */
static inline int64_t wall_ms(void)
{
    return wall_us() / 1000;
}

/* The steady clock in nanoseconds. */
static inline int64_t steady_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The steady clock in milliseconds. */
static inline int64_t steady_ms(void)
{
    return steady_ns() / 1000000;
}

#endif
