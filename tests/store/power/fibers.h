/* SPDX-License-Identifier: MIT */
/* Threads that take turns, so that each run of a program with several of them does the same.
 *
 * In a program that is linked with -Wl,--wrap for the functions in fibers.c, the threads that
 * pthread_create makes after fibers_begin are no threads of the system.  One of them runs at a
 * time, until it must wait, gives back a mutex, or comes to fibers_pause, where a seed chooses the
 * next one.  The clock stands still until all wait for a time, and RAND_bytes gives numbers that
 * depend only on the thread's group and on how many the group has had.
 *
 * A thread belongs to the group of its maker, as the threads of one process do.  A failure
 * (all wait, too many threads) ends the program. */
#ifndef TESTS_STORE_POWER_FIBERS_H
#define TESTS_STORE_POWER_FIBERS_H

#include <stdbool.h>
#include <stdint.h>

#define FIBERS_GROUPS 64

/* The caller is the first thread, of group 0.  A later call resets the clock and the random
 * numbers; no other threads may exist then. */
void fibers_begin(uint64_t seed);

/* Another thread may run now: one time in `rarely` it does. */
void fibers_pause(void);
void fibers_set_rarely(unsigned rarely);

/* Called, as if by fibers_enter, at each moment at which others may run, unless a thread has
 * entered.  NULL: nothing is called. */
void fibers_set_on_moment(void (*on_moment)(void *arg), void *arg);

/* Puts the caller into a group. */
void fibers_set_group(unsigned group);

/* The threads of a group stop from now on, until they are thawed. */
void fibers_freeze(unsigned group);
void fibers_thaw(unsigned group);

/* From now on only the caller and the threads that it makes run, in a fixed order, until the caller
 * leaves; then the clock and the random numbers are as before.  Calls nest. */
struct fibers_entry {
    uint64_t now_ns, count;
    unsigned group, depth;
};
struct fibers_entry fibers_enter(void);
void fibers_leave(const struct fibers_entry *entry);

#endif
