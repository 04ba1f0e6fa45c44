/* SPDX-License-Identifier: MIT */
/* Counters for anystore_stats_read: any thread reads them, without a lock. */
#ifndef STORE_COMMIT_COUNTERS_H
#define STORE_COMMIT_COUNTERS_H

#include <stdatomic.h>

#include "store/format/chain.h"
#include "store/map/map.h"

/* See struct anystore_stats. */
struct store_counters {
    /* Any thread adds to these. */
    atomic_uint_fast64_t commits, updates, committed, failed_commits, catch_ups, catch_up_bytes,
        reloads, bases_written, bytes_written, last_commit_us, last_batch, largest_batch, expired;
    /* What the published map and the file are now; written where those change. */
    atomic_uint_fast64_t keys, expiring, data_bytes, memory, file_size, base_size;
    atomic_int_fast64_t last_commit_ms, mean_expiry_ms;
    /* enum anystore_status of the last one that this process tried; the commit thread writes. */
    atomic_int last_commit_status, last_base_status;
    atomic_bool base_in_progress; /* one is being written, or waits to be put in place */
};

/* Notes what the published map is now, for the thread that has changed it. */
static inline void counters_note_map(struct store_counters *counters, const struct map *map)
{
    atomic_store_explicit(&counters->keys, map->count, memory_order_relaxed);
    atomic_store_explicit(&counters->expiring, map->expiring, memory_order_relaxed);
    uint64_t mean_s = map->expiring ? map->expiry_s / map->expiring : 0;
    atomic_store_explicit(&counters->mean_expiry_ms, (int64_t)mean_s * 1000, memory_order_relaxed);
    atomic_store_explicit(&counters->data_bytes, map->bytes, memory_order_relaxed);
    atomic_store_explicit(&counters->memory, map_memory(map), memory_order_relaxed);
}

/* The same of the file, whose end is `chain`. */
static inline void counters_note_file(struct store_counters *counters, const struct chain *chain)
{
    atomic_store_explicit(&counters->file_size, chain->end, memory_order_relaxed);
    atomic_store_explicit(&counters->base_size, chain->base_end, memory_order_relaxed);
    atomic_store_explicit(&counters->last_commit_ms, chain->time_ms, memory_order_relaxed);
}

#endif
