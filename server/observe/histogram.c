/* SPDX-License-Identifier: MIT */
/* Counts durations in bins. */
#include "server/observe/histogram.h"

static size_t bin_of(int64_t ns)
{
    if (ns < INT64_C(1) << HISTOGRAM_FIRST_BITS)
        return 0;
    unsigned bits = 63 - (unsigned)__builtin_clzll((unsigned long long)ns);
    unsigned doubling = bits - HISTOGRAM_FIRST_BITS;
    if (doubling >= HISTOGRAM_DOUBLINGS)
        return HISTOGRAM_BINS - 1;
    unsigned step = (unsigned)(ns >> (bits - 2)) & (HISTOGRAM_STEPS - 1);
    return 1 + doubling * HISTOGRAM_STEPS + step;
}

/* The shortest duration that is too long for the bin. */
static int64_t bin_end(size_t bin)
{
    unsigned doubling = (unsigned)bin / HISTOGRAM_STEPS, step = (unsigned)bin % HISTOGRAM_STEPS;
    return (INT64_C(1) << (HISTOGRAM_FIRST_BITS + doubling)) / HISTOGRAM_STEPS *
           (HISTOGRAM_STEPS + step);
}

void histogram_add(struct histogram *histogram, int64_t ns, bool alone)
{
    counter_add(&histogram->bins[bin_of(ns)], 1, alone);
}

void histogram_clear(struct histogram *histogram)
{
    for (size_t i = 0; i < HISTOGRAM_BINS; i++)
        atomic_store_explicit(&histogram->bins[i], 0, memory_order_relaxed);
}

void histogram_collect(struct histogram *histogram, struct histogram_counts *counts)
{
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) {
        uint64_t count = atomic_load_explicit(&histogram->bins[i], memory_order_relaxed);
        counts->bins[i] += count;
        counts->total += count;
    }
}

int64_t histogram_percentile(const struct histogram_counts *counts, double percent)
{
    double wanted = (double)counts->total * percent / 100;
    uint64_t seen = 0;
    size_t last = 0;
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) {
        if (counts->bins[i] == 0)
            continue;
        seen += counts->bins[i];
        last = i;
        if ((double)seen >= wanted)
            break;
    }
    return seen ? bin_end(last) - 1 : 0;
}

uint64_t histogram_below(const struct histogram_counts *counts, unsigned doublings)
{
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BINS && i < 1 + (size_t)doublings * HISTOGRAM_STEPS; i++)
        seen += counts->bins[i];
    return seen;
}
