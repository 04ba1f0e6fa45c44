/* SPDX-License-Identifier: MIT */
/* What the files of a power run share. */
#ifndef TESTS_STORE_POWER_INTERNAL_H
#define TESTS_STORE_POWER_INTERNAL_H

#include <pthread.h>

#include "tests/store/disks/hook_disk.h"
#include "tests/store/power/run.h"
#include "tests/store/support.h"

struct run;

struct process {
    struct run *run;
    unsigned number, group; /* of the run's processes; of its threads */
    struct hook_disk hook;
    struct anystore *store;
    pthread_t thread, others[3]; /* clients beside the first */
    unsigned operation;
    unsigned calls_left;      /* until it dies; 0: it does not */
    unsigned faults, excused; /* calls that failed; those that can cause no error any more */
    bool dead;
};

struct run {
    const struct power_plan *plan;
    uint64_t seed;
    struct support_random random;
    struct power_images *images;
    struct power_totals *totals;
    struct memory_disk *memory, *next; /* next: the remains at the end of this life */
    struct process processes[POWER_PROCESSES_MOST];
    unsigned life, living; /* living: processes that have not ended */
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    uint64_t calls, ends_at;
    bool over;   /* this life has ended */
    bool opened; /* a caller was told that the store is open */
    struct power_history history;
    long least; /* the least that must remain: acknowledged or read */
    /* The last moment that was examined. */
    uint64_t changes;
    long looked_least;
    bool looked_opened;
};

/* Prints the fault and how to repeat it, and fails the test. */
void power_fail(const struct run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

/* moment.c: examines what could be left now, unless that is the same as last time.  For
 * fibers_set_on_moment. */
void power_moment(void *run);

/* Cuts the power for good, or kills all processes: the next life goes on from there. */
void power_end_life(struct run *run);

/* process.c: everything that a process does, as a thread. */
void *power_process(void *process);

/* The process gets errors from now on: it is dead, or all are. */
bool power_is_gone(const struct process *process);

#endif
