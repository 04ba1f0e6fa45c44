/* SPDX-License-Identifier: MIT */
/* A workload of several processes on a disk in memory whose power could be cut at any moment: at
 * each one, everything that could be left, or some of it, is opened and compared with what was
 * acknowledged, read, and tried.
 *
 * The processes are threads that take turns (fibers.h): a seed decides who runs, what each of them
 * does, where it dies, which of its calls fail, and which crash the next ones go on from.  So a
 * seed repeats all of it. */
#ifndef TESTS_STORE_POWER_RUN_H
#define TESTS_STORE_POWER_RUN_H

#include "tests/store/power/images.h"

#define POWER_PROCESSES_MOST 4

struct power_plan {
    struct memory_disk_abilities abilities;
    unsigned processes,
        clients;         /* up to POWER_PROCESSES_MOST; threads in each that use its store */
    unsigned operations; /* of each client */
    unsigned lives;      /* how often the power is cut for good and the rest gone on with */
    size_t value_most;   /* bytes */
    unsigned views, rewrites, reopens; /* of 16 operations; the others are updates */
    unsigned deaths;                   /* processes that die in each life, by chance */
    unsigned
        faults; /* one of so many calls fails, writes less than asked, or syncs nothing; 0: none */
    unsigned rarely;      /* processes take turns at one of so many moments */
    bool fresh;           /* the store is made in the first life, not before */
    bool kills_only;      /* nothing is synced; all processes die together, and nothing else */
    const char *omitted;  /* see memory_disk_omit_syncs: losses are counted, no failures */
    size_t file_most;     /* see memory_cut_new */
    uint64_t images_most; /* of one moment that are examined */
};

struct power_totals {
    uint64_t runs, moments, full_moments; /* full: everything that could be left was examined */
    uint64_t crashes;                     /* images, at each moment anew */
    uint64_t commits, bases, opens, deaths, faults, cuts;
    uint64_t losses;
    uint64_t digest; /* of everything examined, in order */
};

/* Adds to *totals.  A fault fails the test, after a line with the seed. */
void power_run(const struct power_plan *plan, uint64_t seed, struct power_images *images,
               struct power_totals *totals);

#endif
