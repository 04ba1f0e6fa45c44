/* SPDX-License-Identifier: MIT */
/* Repeatable random numbers: all numbers of a run follow from one printed seed. */
#ifndef TESTS_CLIENT_HARNESS_RANDOM_H
#define TESTS_CLIENT_HARNESS_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* The seed of this run: ANYSTORE_SEED if set, else a fresh one.  Printed, with its purpose
 * `what`. */
uint64_t random_run_seed(const char *what);

/* Streams of one seed with different numbers are independent of each other (one per thread). */
void random_start(struct random *random, uint64_t seed, uint64_t stream);

uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t limit); /* 0 <= result < limit */
bool random_chance(struct random *random, unsigned percent);
void random_fill(struct random *random, void *data, size_t size);

#endif
