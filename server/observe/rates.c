/* SPDX-License-Identifier: MIT */
/* Samples counters. */
#include "server/observe/rates.h"

#include <stdbool.h>

void rates_sample(struct rates *rates, const uint64_t counters[RATE_COUNT], int64_t now_ns)
{
    int64_t passed_ms = (now_ns - rates->last_ns) / 1000000;
    bool first = rates->last_ns == 0;
    if (!first && passed_ms == 0)
        return;
    for (unsigned i = 0; i < RATE_COUNT; i++) {
        uint64_t from = counters[i] < rates->last[i] ? 0 : rates->last[i];
        uint64_t per_second = first ? 0 : (counters[i] - from) * 1000 / (uint64_t)passed_ms;
        atomic_store_explicit(&rates->samples[i][rates->next], per_second, memory_order_relaxed);
        rates->last[i] = counters[i];
    }
    rates->last_ns = now_ns;
    rates->next = (rates->next + 1) % RATE_SAMPLES;
}

uint64_t rates_get(const struct rates *rates, enum rate rate)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < RATE_SAMPLES; i++)
        sum += atomic_load_explicit(&rates->samples[rate][i], memory_order_relaxed);
    return sum / RATE_SAMPLES;
}

void rates_reset(struct rates *rates)
{
    for (unsigned i = 0; i < RATE_COUNT; i++)
        for (unsigned j = 0; j < RATE_SAMPLES; j++)
            atomic_store_explicit(&rates->samples[i][j], 0, memory_order_relaxed);
}
