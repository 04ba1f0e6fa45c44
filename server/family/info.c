/* SPDX-License-Identifier: MIT */
/* INFO's sections. */
#include "server/family/info.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <event2/event.h>

#include "command/args.h"
#include "command/table.h"
#include "server/client/client.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/data/memory.h"
#include "server/observe/clock.h"
#include "server/observe/histogram.h"
#include "server/observe/stats.h"
#include "server/observe/tally.h"
#include "server/peer/peers.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/version.h"

static void append_args(struct resp_buffer *out, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void append(struct resp_buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void line(struct resp_buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append_args(struct resp_buffer *out, const char *format, va_list args)
{
    char text[1024];
    int size = vsnprintf(text, sizeof text, format, args);
    if (size > 0)
        resp_buffer_append(out, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void append(struct resp_buffer *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_args(out, format, args);
    va_end(args);
}

static void line(struct resp_buffer *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_args(out, format, args);
    va_end(args);
    resp_buffer_append(out, "\r\n", 2);
}

static void write_server(struct server *server, struct resp_buffer *out)
{
    struct utsname system = {0};
    uname(&system);
    int64_t uptime_s = (wall_ms() - server->started_ms) / 1000;
    line(out, "redis_version:%s", SERVER_REDIS_VERSION);
    line(out, "redis_git_sha1:00000000");
    line(out, "redis_git_dirty:0");
    line(out, "redis_mode:standalone");
    line(out, "anystore_version:%s", ANYSTORE_VERSION_TEXT);
    line(out, "os:%s %s %s", system.sysname, system.release, system.machine);
    line(out, "arch_bits:%zu", sizeof(void *) * 8);
    line(out, "multiplexing_api:libevent %s", event_get_version());
    line(out, "gcc_version:%s", __VERSION__);
    line(out, "process_id:%ld", (long)getpid());
    line(out, "run_id:%s", server->run_id);
    line(out, "tcp_port:%u", server->tcp_port);
    line(out, "server_time_usec:%lld", (long long)wall_us());
    line(out, "uptime_in_seconds:%lld", (long long)uptime_s);
    line(out, "uptime_in_days:%lld", (long long)(uptime_s / 86400));
    line(out, "executable:%s", server->executable ? server->executable : "");
    line(out, "config_file:%s", server->config_file ? server->config_file : "");
    line(out, "io_threads_active:%u", server->worker_count > 1);
}

static void write_clients(struct server *server, struct resp_buffer *out)
{
    line(out, "connected_clients:%u", atomic_load(&server->stats->clients));
    line(out, "cluster_connections:0");
    line(out, "maxclients:%lld", (long long)config_number(server->config, CONFIG_MAXCLIENTS));
    line(out, "blocked_clients:%zu", client_count_blocked(server->clients));
    line(out, "tracking_clients:0");
    line(out, "clients_in_timeout_table:0");
}

/* Bytes as a person reads them: "1.50M". */
static void human(char *out, size_t size, uint64_t bytes)
{
    static const char units[] = "BKMGT";
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && units[unit + 1]) {
        value /= 1024;
        unit++;
    }
    snprintf(out, size, unit ? "%.2f%c" : "%.0f%c", value, units[unit]);
}

/* A field, and the same for a person. */
static void bytes_line(struct resp_buffer *out, const char *name, uint64_t bytes)
{
    char text[32];
    human(text, sizeof text, bytes);
    line(out, "%s:%llu", name, (unsigned long long)bytes);
    line(out, "%s_human:%s", name, text);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static void write_memory(struct server *server, struct resp_buffer *out)
{
    struct memory_figures memory = memory_figures(server->memory, server->databases);
    uint64_t used = memory.used, rss = memory.resident;
    uint64_t overhead = memory.startup + memory.clients;
    bytes_line(out, "used_memory", used);
    bytes_line(out, "used_memory_rss", rss);
    bytes_line(out, "used_memory_peak", memory.peak);
    line(out, "used_memory_peak_perc:%.2f%%", percent(used, memory.peak));
    line(out, "used_memory_overhead:%llu", (unsigned long long)overhead);
    line(out, "used_memory_startup:%llu", (unsigned long long)memory.startup);
    line(out, "used_memory_dataset:%llu", (unsigned long long)memory.dataset);
    line(out, "used_memory_dataset_perc:%.2f%%", percent(memory.dataset, used - memory.startup));
    line(out, "allocator_allocated:%llu", (unsigned long long)memory.allocated);
    line(out, "allocator_active:%llu", (unsigned long long)memory.heap);
    line(out, "allocator_resident:%llu", (unsigned long long)memory.heap);
    bytes_line(out, "total_system_memory",
               (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
    bytes_line(out, "maxmemory", (uint64_t)config_number(server->config, CONFIG_MAXMEMORY));
    line(out, "maxmemory_policy:noeviction");
    line(out, "mem_fragmentation_ratio:%.2f", used ? (double)rss / (double)used : 0.0);
    line(out, "mem_not_counted_for_evict:0");
    line(out, "mem_clients_slaves:0");
    line(out, "mem_clients_normal:%llu", (unsigned long long)memory.clients);
    line(out, "mem_allocator:libc");
}

static void write_persistence(struct server *server, struct resp_buffer *out)
{
    struct anystore_stats stats;
    databases_stats(server->databases, &stats);
    int64_t saved_ms = stats.last_commit_ms ? stats.last_commit_ms : server->started_ms;
    line(out, "loading:0");
    line(out, "async_loading:0");
    line(out, "rdb_changes_since_last_save:%llu",
         (unsigned long long)(stats.persistent ? 0 : stats.updates));
    line(out, "rdb_bgsave_in_progress:0");
    line(out, "rdb_last_save_time:%lld", (long long)(saved_ms / 1000));
    line(out, "rdb_last_bgsave_status:ok");
    line(out, "aof_enabled:0");
    line(out, "aof_rewrite_in_progress:0");
    line(out, "aof_last_write_status:ok");
}

static void write_stats(struct server *server, struct resp_buffer *out)
{
    struct server_stats *stats = server->stats;
    struct anystore_stats store;
    databases_stats(server->databases, &store);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"total_connections_received", atomic_load(&stats->connections_received)},
        {"total_commands_processed", atomic_load(&stats->commands_processed)},
        {"total_net_input_bytes", atomic_load(&stats->bytes_read)},
        {"total_net_output_bytes", atomic_load(&stats->bytes_written)},
        {"rejected_connections", atomic_load(&stats->connections_rejected)},
        {"expired_keys", store.expired - atomic_load(&stats->expired_before)},
        {"evicted_keys", 0},
        {"evicted_clients", atomic_load(&stats->evicted_clients)},
        {"keyspace_hits", atomic_load(&stats->keyspace_hits)},
        {"keyspace_misses", atomic_load(&stats->keyspace_misses)},
        {"pubsub_channels", pubsub_names(server->pubsub, PUBSUB_CHANNEL)},
        {"pubsub_patterns", pubsub_names(server->pubsub, PUBSUB_PATTERN)},
        {"total_error_replies", atomic_load(&stats->error_replies)},
        {"client_query_buffer_limit_disconnections",
         atomic_load(&stats->query_limit_disconnections)},
        {"client_output_buffer_limit_disconnections",
         atomic_load(&stats->output_limit_disconnections)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        line(out, "%s:%llu", rows[i].name, (unsigned long long)rows[i].value);
}

static void write_replication(struct server *server, struct resp_buffer *out)
{
    line(out, "role:master");
    line(out, "connected_slaves:0");
    line(out, "master_replid:%s", server->run_id);
    line(out, "master_repl_offset:0");
}

static void write_cpu(struct server *server, struct resp_buffer *out)
{
    (void)server;
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    line(out, "used_cpu_sys:%lld.%06lld", (long long)usage.ru_stime.tv_sec,
         (long long)usage.ru_stime.tv_usec);
    line(out, "used_cpu_user:%lld.%06lld", (long long)usage.ru_utime.tv_sec,
         (long long)usage.ru_utime.tv_usec);
}

static void write_cluster(struct server *server, struct resp_buffer *out)
{
    (void)server;
    line(out, "cluster_enabled:0");
}

static void write_keyspace(struct server *server, struct resp_buffer *out)
{
    for (database_bits bits = databases_opened(server->databases); bits != 0; bits &= bits - 1) {
        unsigned number = database_first(bits);
        struct anystore_stats stats;
        anystore_stats_read(databases_store(server->databases, number), &stats);
        if (stats.keys)
            line(out, "db%u:keys=%llu,expires=%llu,avg_ttl=0", number,
                 (unsigned long long)stats.keys, (unsigned long long)stats.expiring);
    }
}

/* One line; `percentiles` as the option has them. */
static void write_percentiles(struct resp_buffer *out, const char *name, const char *percentiles,
                              const struct histogram_counts *counts)
{
    append(out, "%s:", name);
    for (const char *separator = ""; *percentiles; separator = ",") {
        char *end = NULL;
        double percent = strtod(percentiles, &end);
        append(out, "%sp%.*s=%.3f", separator, (int)(end - percentiles), percentiles,
               (double)histogram_percentile(counts, percent) / 1000);
        percentiles = end + (*end == ' ');
    }
    line(out, "%s", "");
}

/* Calls fn for each command and subcommand. */
static void each_command(struct server *server, struct resp_buffer *out,
                         void (*fn)(struct resp_buffer *out, const char *name,
                                    const struct tally_counts *counts, const char *arg),
                         const char *arg)
{
    for (size_t i = 0; i < command_count(server->commands); i++) {
        const struct command *command = command_at(server->commands, i);
        struct tally_counts counts;
        tally_collect(server->tally, command_number(server->commands, command), &counts);
        fn(out, command_full_name(command), &counts, arg);
        for (const struct command *row = command->subcommands; row && row->name; row++) {
            tally_collect(server->tally, command_number(server->commands, row), &counts);
            fn(out, command_full_name(row), &counts, arg);
        }
    }
}

static void write_calls(struct resp_buffer *out, const char *name,
                        const struct tally_counts *counts, const char *unused)
{
    (void)unused;
    if (counts->calls == 0 && counts->rejected == 0 && counts->failed == 0)
        return;
    uint64_t usec = counts->ns / 1000;
    line(out,
         "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
         "failed_calls=%llu",
         name, (unsigned long long)counts->calls, (unsigned long long)usec,
         counts->calls ? (double)usec / (double)counts->calls : 0.0,
         (unsigned long long)counts->rejected, (unsigned long long)counts->failed);
}

static void write_commandstats(struct server *server, struct resp_buffer *out)
{
    each_command(server, out, write_calls, NULL);
}

static void write_error(const char *code, uint64_t count, void *arg)
{
    char safe[64];
    snprintf(safe, sizeof safe, "%s", code);
    for (char *c = safe; *c; c++) { /* what would break INFO's form */
        if (strchr("#:\n\r", *c))
            *c = '_';
    }
    line(arg, "errorstat_%s:count=%llu", safe, (unsigned long long)count);
}

static void write_errorstats(struct server *server, struct resp_buffer *out)
{
    tally_each_error(server->tally, write_error, out);
}

static void write_durations(struct resp_buffer *out, const char *name,
                            const struct tally_counts *counts, const char *percentiles)
{
    char field[128];
    snprintf(field, sizeof field, "latency_percentiles_usec_%s", name);
    if (counts->durations.total > 0)
        write_percentiles(out, field, percentiles, &counts->durations);
}

static void write_latencystats(struct server *server, struct resp_buffer *out)
{
    char *percentiles = config_text(server->config, CONFIG_LATENCY_TRACKING_INFO_PERCENTILES);
    if (config_flag(server->config, CONFIG_LATENCY_TRACKING) && percentiles)
        each_command(server, out, write_durations, percentiles);
    free(percentiles);
}

/* There are none. */
static void write_modules(struct server *server, struct resp_buffer *out)
{
    (void)server;
    (void)out;
}

static void write_peers(struct server *server, struct resp_buffer *out)
{
    struct peer_figures peers;
    peers_figures(server->peers, &peers);
    line(out, "peers:%llu", (unsigned long long)peers.links);
    line(out, "peer_messages_sent:%llu", (unsigned long long)peers.sent);
    line(out, "peer_messages_received:%llu", (unsigned long long)peers.received);
    line(out, "peer_messages_dropped:%llu", (unsigned long long)peers.dropped);
    line(out, "peer_links_cut:%llu", (unsigned long long)peers.cuts);
}

static void write_anystore(struct server *server, struct resp_buffer *out)
{
    struct anystore_stats stats;
    databases_stats(server->databases, &stats);
    line(out, "persistence:%s", stats.persistent ? "yes" : "no");
    line(out, "data_file:%s", server->data_path ? server->data_path : "");
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"generation", stats.generation},
        {"commits", stats.commits},
        {"updates", stats.updates},
        {"updates_committed", stats.committed},
        {"failed_commits", stats.failed_commits},
        {"last_batch_updates", stats.last_batch},
        {"largest_batch_updates", stats.largest_batch},
        {"last_commit_usec", stats.last_commit_us},
        {"catch_ups", stats.catch_ups},
        {"catch_up_bytes", stats.catch_up_bytes},
        {"reloads", stats.reloads},
        {"bases_written", stats.bases_written},
        {"bytes_written", stats.bytes_written},
        {"bytes_copied", stats.bytes_copied},
        {"file_size", stats.file_size},
        {"base_size", stats.base_size},
        {"data_bytes", stats.data_bytes},
        {"expired_taken_out", stats.expired},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        line(out, "%s:%llu", rows[i].name, (unsigned long long)rows[i].value);
    line(out, "copy_method:%s", stats.copy_method);
    write_peers(server, out);
    struct histogram_counts times = {.total = 0};
    histogram_collect(server->commit_times, &times);
    write_percentiles(out, "write_latency_usec", "50 99 99.9", &times);
}

struct section {
    const char *name, *title;
    bool by_default;
    void (*write)(struct server *server, struct resp_buffer *out);
};

static const struct section all_sections[] = {
    {"server", "Server", true, write_server},
    {"clients", "Clients", true, write_clients},
    {"memory", "Memory", true, write_memory},
    {"persistence", "Persistence", true, write_persistence},
    {"stats", "Stats", true, write_stats},
    {"replication", "Replication", true, write_replication},
    {"cpu", "CPU", true, write_cpu},
    {"modules", "Modules", true, write_modules},
    {"commandstats", "Commandstats", false, write_commandstats},
    {"errorstats", "Errorstats", true, write_errorstats},
    {"latencystats", "Latencystats", false, write_latencystats},
    {"cluster", "Cluster", true, write_cluster},
    {"keyspace", "Keyspace", true, write_keyspace},
    {"anystore", "AnyStore", true, write_anystore},
};

static bool wanted(const struct section *section, const struct resp_arg *names, size_t count)
{
    if (count == 0)
        return section->by_default;
    for (size_t i = 0; i < count; i++)
        if (arg_is(&names[i], section->name) || arg_is(&names[i], "all") ||
            arg_is(&names[i], "everything") ||
            (arg_is(&names[i], "default") && section->by_default))
            return true;
    return false;
}

void info_write(struct server *server, const struct resp_arg *sections, size_t count,
                struct resp_buffer *out)
{
    bool first = true;
    for (size_t i = 0; i < sizeof all_sections / sizeof all_sections[0]; i++) {
        const struct section *section = &all_sections[i];
        if (!wanted(section, sections, count))
            continue;
        if (!first)
            resp_buffer_append(out, "\r\n", 2);
        first = false;
        line(out, "# %s", section->title);
        section->write(server, out);
    }
}
