/* SPDX-License-Identifier: MIT */
/* The counters of one server that INFO shows.  Any thread. */
#ifndef SERVER_OBSERVE_STATS_H
#define SERVER_OBSERVE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

/* All bytes zero: nothing was counted yet.  All but the last two count events since the start, or
 * since stats_reset. */
struct server_stats {
    atomic_uint_fast64_t connections_received, connections_rejected;
    atomic_uint_fast64_t commands_processed;
    atomic_uint_fast64_t bytes_read, bytes_written; /* of clients */
    atomic_uint_fast64_t keyspace_hits, keyspace_misses;
    atomic_uint_fast64_t error_replies;
    atomic_uint_fast64_t output_limit_disconnections, query_limit_disconnections;
    atomic_uint_fast64_t evicted_clients; /* closed for maxmemory-clients */

    atomic_uint_fast64_t expired_before; /* the store's count of expired keys at the last reset */
    atomic_uint clients;                 /* connected now */
};

/* Starts all counts again, as CONFIG RESETSTAT does.  `expired` is the store's count of expired
 * keys, which goes on. */
void stats_reset(struct server_stats *stats, uint64_t expired);

#endif
