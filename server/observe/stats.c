/* SPDX-License-Identifier: MIT */
/* Resets the counters of INFO. */
#include "server/observe/stats.h"

#include <stddef.h>

void stats_reset(struct server_stats *stats, uint64_t expired)
{
    atomic_uint_fast64_t *const counters[] = {
        &stats->connections_received,
        &stats->connections_rejected,
        &stats->commands_processed,
        &stats->bytes_read,
        &stats->bytes_written,
        &stats->keyspace_hits,
        &stats->keyspace_misses,
        &stats->error_replies,
        &stats->output_limit_disconnections,
        &stats->query_limit_disconnections,
        &stats->evicted_clients,
    };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        atomic_store_explicit(counters[i], 0, memory_order_relaxed);
    atomic_store_explicit(&stats->expired_before, expired, memory_order_relaxed);
}
