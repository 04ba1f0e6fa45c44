/* SPDX-License-Identifier: MIT */
/* The distribution of durations: counts in bins that grow with the duration, four to each doubling.
 * So a percentile is off by at most a fifth, however long the durations are.
 *
 * Any thread may read.  Writers are named below. */
#ifndef SERVER_OBSERVE_HISTOGRAM_H
#define SERVER_OBSERVE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bin 0 is for less than 1,024 ns; the last ones are for a quarter of an hour and more. */
enum { HISTOGRAM_FIRST_BITS = 10, HISTOGRAM_DOUBLINGS = 30, HISTOGRAM_STEPS = 4 };
#define HISTOGRAM_BINS (1 + HISTOGRAM_DOUBLINGS * HISTOGRAM_STEPS)

/* All bytes zero: nothing was counted yet. */
struct histogram {
    atomic_uint_fast64_t bins[HISTOGRAM_BINS];
};

/* The counts of one moment, or of several histograms together. */
struct histogram_counts {
    uint64_t bins[HISTOGRAM_BINS];
    uint64_t total;
};

/* Adds to a counter that any thread reads.  `alone`: no other thread adds to it, which saves the
 * processor an atomic read-modify-write. */
static inline void counter_add(atomic_uint_fast64_t *counter, uint64_t count, bool alone)
{
    if (alone)
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

/* Counts a duration in nanoseconds; `alone` as above. */
void histogram_add(struct histogram *histogram, int64_t ns, bool alone);

/* Forgets everything. */
void histogram_clear(struct histogram *histogram);

/* Adds what the histogram holds to *counts. */
void histogram_collect(struct histogram *histogram, struct histogram_counts *counts);

/* The duration in nanoseconds that this percentage of all does not exceed, rounded up to the end of
 * its bin; 0 if nothing was counted. */
int64_t histogram_percentile(const struct histogram_counts *counts, double percent);

/* The number of durations below 1,024 * 2^doublings nanoseconds. */
uint64_t histogram_below(const struct histogram_counts *counts, unsigned doublings);

#endif
