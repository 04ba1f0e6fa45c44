/* SPDX-License-Identifier: MIT */
/* The rates at which the counters of commands and bytes grow.  As in Redis, a rate is the mean of
 * the last 16 samples, which are taken every 100 ms.  One thread samples, any thread reads. */
#ifndef SERVER_OBSERVE_RATES_H
#define SERVER_OBSERVE_RATES_H

#include <stdatomic.h>
#include <stdint.h>

enum rate { RATE_COMMANDS, RATE_BYTES_READ, RATE_BYTES_WRITTEN, RATE_COUNT };

enum { RATE_SAMPLES = 16, RATE_INTERVAL_MS = 100 };

/* All bytes zero: no sample yet, which makes all rates 0. */
struct rates {
    int64_t last_ns;           /* steady clock, at the last sample; 0: there was none */
    uint64_t last[RATE_COUNT]; /* the counters then */
    unsigned next;             /* the sample to replace next */
    atomic_uint_fast64_t samples[RATE_COUNT][RATE_SAMPLES]; /* per second */
};

/* Takes a sample of the counters at now_ns of the steady clock.  A counter that went back was
 * reset. Only on the thread that samples. */
void rates_sample(struct rates *rates, const uint64_t counters[RATE_COUNT], int64_t now_ns);

/* The present rate per second. */
uint64_t rates_get(const struct rates *rates, enum rate rate);

/* Forgets all samples, as CONFIG RESETSTAT does. */
void rates_reset(struct rates *rates);

#endif
