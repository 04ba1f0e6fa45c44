/* SPDX-License-Identifier: MIT */
/* Collects what the server tells about itself. */
#include "server/family/figures.h"

#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <event2/event.h>

#include "server/client/client.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/observe/clock.h"
#include "server/observe/rates.h"
#include "server/observe/stats.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/version.h"

/* ---- Collecting --------------------------------------------------------------------------- */

static void collect_server(struct server *server, struct figures *figures)
{
    struct utsname system = {0};
    uname(&system);
    snprintf(figures->server.os_text, sizeof figures->server.os_text, "%s %s %s", system.sysname,
             system.release, system.machine);
    int64_t uptime_s = (steady_ms() - server->started_steady_ms) / 1000;
    figures->server.os = figures->server.os_text;
    figures->server.arch_bits = sizeof(void *) * 8;
    snprintf(figures->server.event_api_text, sizeof figures->server.event_api_text, "libevent %s",
             event_get_version());
    figures->server.event_api = figures->server.event_api_text;
    figures->server.compiler = __VERSION__;
    figures->server.process_id = (uint64_t)getpid();
    figures->server.run_id = server->run_id;
    figures->server.tcp_port = server->tcp_port;
    figures->server.time_us = (uint64_t)wall_us();
    figures->server.uptime_s = (uint64_t)uptime_s;
    figures->server.uptime_days = (uint64_t)uptime_s / 86400;
    figures->server.executable = server->executable;
    figures->server.config_file = server->config_file;
    figures->server.threads_active = server->worker_count > 1;
}

static void collect_clients(struct server *server, struct figures *figures)
{
    figures->clients.connected = atomic_load(&server->stats->clients);
    figures->clients.most = (uint64_t)config_number(server->config, CONFIG_MAXCLIENTS);
    figures->clients.blocked = client_count_blocked(server->clients);
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

static void collect_memory(struct server *server, struct figures *figures)
{
    struct memory_figures memory = memory_figures(server->memory, server->databases);
    figures->memory = memory;
    figures->memory_parts.peak_percent = 100 * ratio(memory.used, memory.peak);
    figures->memory_parts.dataset_percent =
        100 * ratio(memory.dataset, memory.used - memory.startup);
    figures->memory_parts.fragmentation = ratio(memory.resident, memory.used);
    figures->memory_parts.overhead = memory.startup + memory.clients;
    figures->memory_parts.system_total =
        (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    figures->memory_parts.limit = (uint64_t)config_number(server->config, CONFIG_MAXMEMORY);
}

static void collect_persistence(struct server *server, struct figures *figures)
{
    const struct anystore_stats *store = &figures->store;
    int64_t saved_ms = store->last_commit_ms ? store->last_commit_ms : server->started_ms;
    figures->persistence.unsaved_changes = store->persistent ? 0 : store->updates;
    figures->persistence.saved_s = (uint64_t)saved_ms / 1000;
    bool writes_fail = store->last_commit_status != ANYSTORE_OK;
    bool saves_fail = writes_fail || store->last_base_status != ANYSTORE_OK;
    figures->persistence.saving = store->base_in_progress;
    figures->persistence.save_status = saves_fail ? "err" : "ok";
    figures->persistence.write_status = writes_fail ? "err" : "ok";
}

static void collect_stats(struct server *server, struct figures *figures)
{
    struct server_stats *stats = server->stats;
    figures->stats.connections_received = atomic_load(&stats->connections_received);
    figures->stats.connections_rejected = atomic_load(&stats->connections_rejected);
    figures->stats.commands_processed = atomic_load(&stats->commands_processed);
    figures->stats.bytes_read = atomic_load(&stats->bytes_read);
    figures->stats.bytes_written = atomic_load(&stats->bytes_written);
    figures->stats.keyspace_hits = atomic_load(&stats->keyspace_hits);
    figures->stats.keyspace_misses = atomic_load(&stats->keyspace_misses);
    figures->stats.error_replies = atomic_load(&stats->error_replies);
    figures->stats.output_limit_disconnections = atomic_load(&stats->output_limit_disconnections);
    figures->stats.query_limit_disconnections = atomic_load(&stats->query_limit_disconnections);
    figures->stats.evicted_clients = atomic_load(&stats->evicted_clients);
    figures->stats.expired = figures->store.expired - atomic_load(&stats->expired_before);
    figures->stats.channels = pubsub_names(server->pubsub, PUBSUB_CHANNEL);
    figures->stats.patterns = pubsub_names(server->pubsub, PUBSUB_PATTERN);
    figures->stats.commands_per_second = rates_get(server->rates, RATE_COMMANDS);
    figures->stats.kib_read_per_second = (double)rates_get(server->rates, RATE_BYTES_READ) / 1024;
    figures->stats.kib_written_per_second =
        (double)rates_get(server->rates, RATE_BYTES_WRITTEN) / 1024;
}

static void collect_replication(struct server *server, struct figures *figures)
{
    figures->server.run_id = server->run_id;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void collect_cpu(struct server *server, struct figures *figures)
{
    (void)server;
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    figures->cpu.system_s = seconds(usage.ru_stime);
    figures->cpu.user_s = seconds(usage.ru_utime);
}

static void collect_anystore(struct server *server, struct figures *figures)
{
    figures->persistent = figures->store.persistent ? "yes" : "no";
    figures->data_file = server->data_path;
    peers_figures(server->peers, &figures->peers);
}

void figures_collect(struct server *server, figure_sections sections, struct figures *figures)
{
    static void (*const collectors[FIGURES_SECTIONS])(struct server *, struct figures *) = {
        [FIGURES_SERVER] = collect_server, [FIGURES_CLIENTS] = collect_clients,
        [FIGURES_MEMORY] = collect_memory, [FIGURES_PERSISTENCE] = collect_persistence,
        [FIGURES_STATS] = collect_stats,   [FIGURES_REPLICATION] = collect_replication,
        [FIGURES_CPU] = collect_cpu,       [FIGURES_ANYSTORE] = collect_anystore,
    };
    *figures = (struct figures){.store = {.keys = 0}};
    databases_stats(server->databases, &figures->store);
    for (unsigned i = 0; i < FIGURES_SECTIONS; i++)
        if ((sections & 1U << i) && collectors[i])
            collectors[i](server, figures);
}

/* ---- The table ---------------------------------------------------------------------------- */

/* The last two columns of a row. */
#define CONSTANT(text) 0, text
#define VALUE(field)   offsetof(struct figures, field), NULL

static const struct figure table[] = {
    {FIGURES_SERVER, FIGURE_CONSTANT, "redis_version", CONSTANT(SERVER_REDIS_VERSION)},
    {FIGURES_SERVER, FIGURE_CONSTANT, "redis_git_sha1", CONSTANT("00000000")},
    {FIGURES_SERVER, FIGURE_CONSTANT, "redis_git_dirty", CONSTANT("0")},
    {FIGURES_SERVER, FIGURE_CONSTANT, "redis_mode", CONSTANT("standalone")},
    {FIGURES_SERVER, FIGURE_CONSTANT, "anystore_version", CONSTANT(ANYSTORE_VERSION_TEXT)},
    {FIGURES_SERVER, FIGURE_TEXT, "os", VALUE(server.os)},
    {FIGURES_SERVER, FIGURE_GAUGE, "arch_bits", VALUE(server.arch_bits)},
    {FIGURES_SERVER, FIGURE_TEXT, "multiplexing_api", VALUE(server.event_api)},
    {FIGURES_SERVER, FIGURE_TEXT, "gcc_version", VALUE(server.compiler)},
    {FIGURES_SERVER, FIGURE_GAUGE, "process_id", VALUE(server.process_id)},
    {FIGURES_SERVER, FIGURE_TEXT, "run_id", VALUE(server.run_id)},
    {FIGURES_SERVER, FIGURE_GAUGE, "tcp_port", VALUE(server.tcp_port)},
    {FIGURES_SERVER, FIGURE_GAUGE, "server_time_usec", VALUE(server.time_us)},
    {FIGURES_SERVER, FIGURE_COUNTER, "uptime_in_seconds", VALUE(server.uptime_s)},
    {FIGURES_SERVER, FIGURE_COUNTER, "uptime_in_days", VALUE(server.uptime_days)},
    {FIGURES_SERVER, FIGURE_TEXT, "executable", VALUE(server.executable)},
    {FIGURES_SERVER, FIGURE_TEXT, "config_file", VALUE(server.config_file)},
    {FIGURES_SERVER, FIGURE_GAUGE, "io_threads_active", VALUE(server.threads_active)},

    {FIGURES_CLIENTS, FIGURE_GAUGE, "connected_clients", VALUE(clients.connected)},
    {FIGURES_CLIENTS, FIGURE_CONSTANT, "cluster_connections", CONSTANT("0")},
    {FIGURES_CLIENTS, FIGURE_GAUGE, "maxclients", VALUE(clients.most)},
    {FIGURES_CLIENTS, FIGURE_GAUGE, "blocked_clients", VALUE(clients.blocked)},
    {FIGURES_CLIENTS, FIGURE_CONSTANT, "tracking_clients", CONSTANT("0")},
    {FIGURES_CLIENTS, FIGURE_CONSTANT, "clients_in_timeout_table", CONSTANT("0")},

    {FIGURES_MEMORY, FIGURE_BYTES, "used_memory", VALUE(memory.used)},
    {FIGURES_MEMORY, FIGURE_BYTES, "used_memory_rss", VALUE(memory.resident)},
    {FIGURES_MEMORY, FIGURE_BYTES, "used_memory_peak", VALUE(memory.peak)},
    {FIGURES_MEMORY, FIGURE_PERCENT, "used_memory_peak_perc", VALUE(memory_parts.peak_percent)},
    {FIGURES_MEMORY, FIGURE_GAUGE, "used_memory_overhead", VALUE(memory_parts.overhead)},
    {FIGURES_MEMORY, FIGURE_GAUGE, "used_memory_startup", VALUE(memory.startup)},
    {FIGURES_MEMORY, FIGURE_GAUGE, "used_memory_dataset", VALUE(memory.dataset)},
    {FIGURES_MEMORY, FIGURE_PERCENT, "used_memory_dataset_perc",
     VALUE(memory_parts.dataset_percent)},
    {FIGURES_MEMORY, FIGURE_GAUGE, "allocator_allocated", VALUE(memory.allocated)},
    {FIGURES_MEMORY, FIGURE_GAUGE, "allocator_active", VALUE(memory.heap)},
    {FIGURES_MEMORY, FIGURE_GAUGE, "allocator_resident", VALUE(memory.heap_resident)},
    {FIGURES_MEMORY, FIGURE_BYTES, "total_system_memory", VALUE(memory_parts.system_total)},
    {FIGURES_MEMORY, FIGURE_BYTES, "maxmemory", VALUE(memory_parts.limit)},
    {FIGURES_MEMORY, FIGURE_CONSTANT, "maxmemory_policy", CONSTANT("noeviction")},
    {FIGURES_MEMORY, FIGURE_RATIO, "mem_fragmentation_ratio", VALUE(memory_parts.fragmentation)},
    {FIGURES_MEMORY, FIGURE_CONSTANT, "mem_not_counted_for_evict", CONSTANT("0")},
    {FIGURES_MEMORY, FIGURE_CONSTANT, "mem_clients_slaves", CONSTANT("0")},
    {FIGURES_MEMORY, FIGURE_GAUGE, "mem_clients_normal", VALUE(memory.clients)},
    {FIGURES_MEMORY, FIGURE_CONSTANT, "mem_allocator", CONSTANT("libc")},

    {FIGURES_PERSISTENCE, FIGURE_CONSTANT, "loading", CONSTANT("0")},
    {FIGURES_PERSISTENCE, FIGURE_CONSTANT, "async_loading", CONSTANT("0")},
    {FIGURES_PERSISTENCE, FIGURE_GAUGE, "rdb_changes_since_last_save",
     VALUE(persistence.unsaved_changes)},
    {FIGURES_PERSISTENCE, FIGURE_GAUGE, "rdb_bgsave_in_progress", VALUE(persistence.saving)},
    {FIGURES_PERSISTENCE, FIGURE_GAUGE, "rdb_last_save_time", VALUE(persistence.saved_s)},
    {FIGURES_PERSISTENCE, FIGURE_TEXT, "rdb_last_bgsave_status", VALUE(persistence.save_status)},
    {FIGURES_PERSISTENCE, FIGURE_CONSTANT, "aof_enabled", CONSTANT("0")},
    {FIGURES_PERSISTENCE, FIGURE_CONSTANT, "aof_rewrite_in_progress", CONSTANT("0")},
    {FIGURES_PERSISTENCE, FIGURE_TEXT, "aof_last_write_status", VALUE(persistence.write_status)},

    {FIGURES_STATS, FIGURE_COUNTER, "total_connections_received",
     VALUE(stats.connections_received)},
    {FIGURES_STATS, FIGURE_COUNTER, "total_commands_processed", VALUE(stats.commands_processed)},
    {FIGURES_STATS, FIGURE_GAUGE, "instantaneous_ops_per_sec", VALUE(stats.commands_per_second)},
    {FIGURES_STATS, FIGURE_COUNTER, "total_net_input_bytes", VALUE(stats.bytes_read)},
    {FIGURES_STATS, FIGURE_COUNTER, "total_net_output_bytes", VALUE(stats.bytes_written)},
    {FIGURES_STATS, FIGURE_RATIO, "instantaneous_input_kbps", VALUE(stats.kib_read_per_second)},
    {FIGURES_STATS, FIGURE_RATIO, "instantaneous_output_kbps", VALUE(stats.kib_written_per_second)},
    {FIGURES_STATS, FIGURE_COUNTER, "rejected_connections", VALUE(stats.connections_rejected)},
    {FIGURES_STATS, FIGURE_COUNTER, "expired_keys", VALUE(stats.expired)},
    {FIGURES_STATS, FIGURE_CONSTANT, "evicted_keys", CONSTANT("0")},
    {FIGURES_STATS, FIGURE_COUNTER, "evicted_clients", VALUE(stats.evicted_clients)},
    {FIGURES_STATS, FIGURE_COUNTER, "keyspace_hits", VALUE(stats.keyspace_hits)},
    {FIGURES_STATS, FIGURE_COUNTER, "keyspace_misses", VALUE(stats.keyspace_misses)},
    {FIGURES_STATS, FIGURE_GAUGE, "pubsub_channels", VALUE(stats.channels)},
    {FIGURES_STATS, FIGURE_GAUGE, "pubsub_patterns", VALUE(stats.patterns)},
    {FIGURES_STATS, FIGURE_COUNTER, "total_error_replies", VALUE(stats.error_replies)},
    {FIGURES_STATS, FIGURE_COUNTER, "client_query_buffer_limit_disconnections",
     VALUE(stats.query_limit_disconnections)},
    {FIGURES_STATS, FIGURE_COUNTER, "client_output_buffer_limit_disconnections",
     VALUE(stats.output_limit_disconnections)},

    {FIGURES_REPLICATION, FIGURE_CONSTANT, "role", CONSTANT("master")},
    {FIGURES_REPLICATION, FIGURE_CONSTANT, "connected_slaves", CONSTANT("0")},
    {FIGURES_REPLICATION, FIGURE_TEXT, "master_replid", VALUE(server.run_id)},
    {FIGURES_REPLICATION, FIGURE_CONSTANT, "master_repl_offset", CONSTANT("0")},

    {FIGURES_CPU, FIGURE_SECONDS, "used_cpu_sys", VALUE(cpu.system_s)},
    {FIGURES_CPU, FIGURE_SECONDS, "used_cpu_user", VALUE(cpu.user_s)},

    {FIGURES_CLUSTER, FIGURE_CONSTANT, "cluster_enabled", CONSTANT("0")},

    {FIGURES_ANYSTORE, FIGURE_TEXT, "persistence", VALUE(persistent)},
    {FIGURES_ANYSTORE, FIGURE_TEXT, "data_file", VALUE(data_file)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "generation", VALUE(store.generation)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "commits", VALUE(store.commits)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "updates", VALUE(store.updates)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "updates_committed", VALUE(store.committed)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "failed_commits", VALUE(store.failed_commits)},
    {FIGURES_ANYSTORE, FIGURE_GAUGE, "last_batch_updates", VALUE(store.last_batch)},
    {FIGURES_ANYSTORE, FIGURE_GAUGE, "largest_batch_updates", VALUE(store.largest_batch)},
    {FIGURES_ANYSTORE, FIGURE_GAUGE, "last_commit_usec", VALUE(store.last_commit_us)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "catch_ups", VALUE(store.catch_ups)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "catch_up_bytes", VALUE(store.catch_up_bytes)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "reloads", VALUE(store.reloads)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "bases_written", VALUE(store.bases_written)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "bytes_written", VALUE(store.bytes_written)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "bytes_copied", VALUE(store.bytes_copied)},
    {FIGURES_ANYSTORE, FIGURE_GAUGE, "file_size", VALUE(store.file_size)},
    {FIGURES_ANYSTORE, FIGURE_GAUGE, "base_size", VALUE(store.base_size)},
    {FIGURES_ANYSTORE, FIGURE_GAUGE, "data_bytes", VALUE(store.data_bytes)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "expired_taken_out", VALUE(store.expired)},
    {FIGURES_ANYSTORE, FIGURE_TEXT, "copy_method", VALUE(store.copy_method)},
    {FIGURES_ANYSTORE, FIGURE_GAUGE, "peers", VALUE(peers.links)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "peer_messages_sent", VALUE(peers.sent)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "peer_messages_received", VALUE(peers.received)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "peer_messages_dropped", VALUE(peers.dropped)},
    {FIGURES_ANYSTORE, FIGURE_COUNTER, "peer_links_cut", VALUE(peers.cuts)},
};

const struct figure *figures_table(size_t *count)
{
    *count = sizeof table / sizeof *table;
    return table;
}
