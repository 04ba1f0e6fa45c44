/* SPDX-License-Identifier: MIT */
/* MEMORY: the memory of the data and of this process. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/data/databases.h"
#include "server/data/memory.h"
#include "server/family/families.h"
#include "server/server.h"
#include "server/session/session.h"

/* An entry is one piece of memory, with a head of 32 bytes, which the allocator rounds up, and it
 * has a slot in the table. */
static int64_t entry_bytes(size_t key_size, size_t value_size)
{
    const size_t head = 32, unit = 16, slot = sizeof(void *);
    size_t size = head + key_size + value_size + sizeof(size_t);
    return (int64_t)((size + unit - 1) / unit * unit + slot);
}

static void run_memory_usage(struct call *call)
{
    const struct resp_arg *argv = call->argv;
    for (size_t i = 3; i < call->argc; i += 2) {
        int64_t samples = 0;
        if (!arg_is(&argv[i], "samples") || i + 1 >= call->argc) {
            reply_syntax_error(call);
            return;
        }
        if (!arg_integer_or_reply(call, i + 1, &samples))
            return;
        if (samples < 0) {
            reply_syntax_error(call);
            return;
        }
    }
    struct anystore_value value;
    if (anystore_get(call->txn, argv[2].data, argv[2].size, &value))
        resp_write_integer(call->reply, entry_bytes(argv[2].size, value.size));
    else
        resp_write_null(call->reply);
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* The databases that hold keys. */
static database_bits filled_databases(const struct call *call)
{
    database_bits filled = 0;
    struct anystore_stats stats;
    for (database_bits bits = databases_opened(call->session->server->databases); bits;
         bits &= bits - 1) {
        anystore_stats_read(databases_store(call->session->server->databases, database_first(bits)),
                            &stats);
        if (stats.keys > 0)
            filled |= database_bit(database_first(bits));
    }
    return filled;
}

static void reply_database(struct call *call, unsigned number)
{
    struct resp_writer *reply = call->reply;
    struct anystore_stats stats;
    char name[16];
    anystore_stats_read(databases_store(call->session->server->databases, number), &stats);
    snprintf(name, sizeof name, "db.%u", number);
    resp_write_bulk_text(reply, name);
    resp_write_map(reply, 3);
    resp_write_bulk_text(reply, "overhead.hashtable.main");
    resp_write_integer(reply, (int64_t)(stats.keys * (uint64_t)entry_bytes(0, 0)));
    resp_write_bulk_text(reply, "overhead.hashtable.expires");
    resp_write_integer(reply, 0);
    resp_write_bulk_text(reply, "overhead.hashtable.slot-to-keys");
    resp_write_integer(reply, 0);
}

static void run_memory_stats(struct call *call)
{
    struct resp_writer *reply = call->reply;
    const struct server *server = call->session->server;
    struct memory_figures memory = memory_figures(server->memory, server->databases);
    struct anystore_stats store;
    databases_stats(call->session->server->databases, &store);
    uint64_t overhead = memory.startup + memory.clients;
    database_bits filled = filled_databases(call);
    int64_t loose = (int64_t)memory.heap - (int64_t)memory.allocated;
    int64_t heap_more = (int64_t)memory.heap_resident - (int64_t)memory.heap;
    int64_t rss_more = (int64_t)memory.resident - (int64_t)memory.heap_resident;
    const struct {
        const char *name;
        int64_t value;
    } before[] = {
        {"peak.allocated", (int64_t)memory.peak},
        {"total.allocated", (int64_t)memory.used},
        {"startup.allocated", (int64_t)memory.startup},
        {"replication.backlog", 0},
        {"clients.slaves", 0},
        {"clients.normal", (int64_t)memory.clients},
        {"cluster.links", 0},
        {"aof.buffer", 0},
        {"lua.caches", 0},
        {"functions.caches", 0},
    };
    const struct {
        const char *name;
        bool is_ratio;
        int64_t value;
        double number;
    } after[] = {
        {"overhead.total", false, (int64_t)overhead, 0},
        {"keys.count", false, (int64_t)store.keys, 0},
        {"keys.bytes-per-key", false, (int64_t)(store.keys ? memory.dataset / store.keys : 0), 0},
        {"dataset.bytes", false, (int64_t)memory.dataset, 0},
        {"dataset.percentage", true, 0, 100 * ratio(memory.dataset, memory.used - memory.startup)},
        {"peak.percentage", true, 0, 100 * ratio(memory.used, memory.peak)},
        {"allocator.allocated", false, (int64_t)memory.allocated, 0},
        {"allocator.active", false, (int64_t)memory.heap, 0},
        {"allocator.resident", false, (int64_t)memory.heap_resident, 0},
        {"allocator-fragmentation.ratio", true, 0, ratio(memory.heap, memory.allocated)},
        {"allocator-fragmentation.bytes", false, loose, 0},
        {"allocator-rss.ratio", true, 0, ratio(memory.heap_resident, memory.heap)},
        {"allocator-rss.bytes", false, heap_more, 0},
        {"rss-overhead.ratio", true, 0, ratio(memory.resident, memory.heap_resident)},
        {"rss-overhead.bytes", false, rss_more, 0},
        {"fragmentation", true, 0, ratio(memory.resident, memory.used)},
        {"fragmentation.bytes", false, (int64_t)memory.resident - (int64_t)memory.used, 0},
    };
    const size_t before_count = sizeof before / sizeof *before;
    const size_t after_count = sizeof after / sizeof *after;
    resp_write_map(reply, before_count + after_count + (size_t)__builtin_popcountll(filled));
    for (size_t i = 0; i < before_count; i++) {
        resp_write_bulk_text(reply, before[i].name);
        resp_write_integer(reply, before[i].value);
    }
    for (; filled != 0; filled &= filled - 1)
        reply_database(call, database_first(filled));
    for (size_t i = 0; i < after_count; i++) {
        resp_write_bulk_text(reply, after[i].name);
        if (after[i].is_ratio)
            resp_write_double(reply, after[i].number);
        else
            resp_write_integer(reply, after[i].value);
    }
}

static void run_memory_doctor(struct call *call)
{
    static const char small[] = "There is so little data in memory that nothing can be said yet.\n";
    static const char loose[] =
        "The process takes much more memory than it uses: the allocator keeps what was freed. It "
        "uses that again; MEMORY PURGE gives back to the system what can be given back.\n";
    static const char fine[] = "No memory issue was found.\n";
    const uint64_t mib = 1 << 20;
    const struct server *server = call->session->server;
    struct memory_figures memory = memory_figures(server->memory, server->databases);
    const char *text = fine;
    if (memory.used < 5 * mib)
        text = small;
    else if (memory.resident > memory.allocated + 10 * mib &&
             ratio(memory.resident, memory.allocated) > 1.4)
        text = loose;
    resp_write_verbatim(call->reply, "txt", text, strlen(text));
}

static void run_memory_malloc_stats(struct call *call)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool written = out && malloc_info(0, out) == 0;
    if (out)
        written = fclose(out) == 0 && written;
    if (written)
        resp_write_verbatim(call->reply, "txt", text, size);
    else
        reply_out_of_memory(call);
    free(text);
}

static void run_memory_purge(struct call *call)
{
    malloc_trim(0);
    reply_ok(call);
}

static void run_memory_help(struct call *call)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Return memory problems reports.",
        "MALLOC-STATS",
        "    Return internal statistics report from the memory allocator.",
        "PURGE",
        "    Give memory that is free back to the system.",
        "STATS",
        "    Return information about the memory usage of the server.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return memory in bytes used by <key> and its value.",
        NULL,
    };
    reply_help(call, lines);
}

#define MEMORY_SUB .arity = 2, .since = "4.0.0", .group = "server"
#define MEMORY_TIPS                                                                                \
    .tips = "nondeterministic_output request_policy:all_shards response_policy:special"

static const struct command memory_rows[] = {
    {.name = "doctor",
     .full_name = "memory|doctor",
     .run = run_memory_doctor,
     MEMORY_SUB,
     MEMORY_TIPS,
     .complexity = "O(1)",
     .summary = "Reports problems with memory, for people to read."},
    {.name = "help",
     .full_name = "memory|help",
     .run = run_memory_help,
     HELP_SUB,
     .since = "4.0.0",
     .group = "server"},
    {.name = "malloc-stats",
     .full_name = "memory|malloc-stats",
     .run = run_memory_malloc_stats,
     MEMORY_SUB,
     MEMORY_TIPS,
     .complexity = "Depends on how much memory is allocated, could be slow",
     .summary = "Returns what the allocator tells about itself."},
    {.name = "purge",
     .full_name = "memory|purge",
     .run = run_memory_purge,
     MEMORY_SUB,
     .complexity = "Depends on how much memory is allocated, could be slow",
     .tips = "request_policy:all_shards response_policy:all_succeeded",
     .summary = "Gives free memory back to the system."},
    {.name = "stats",
     .full_name = "memory|stats",
     .run = run_memory_stats,
     MEMORY_SUB,
     MEMORY_TIPS,
     .complexity = "O(1)",
     .summary = "Returns figures about the memory of this server."},
    {.name = "usage",
     .full_name = "memory|usage",
     .run = run_memory_usage,
     .arity = -3,
     .flags = COMMAND_READONLY,
     KEYS({.flags = "RO", .first = 2, .step = 1}),
     .since = "4.0.0",
     .group = "server",
     .complexity = "O(N) where N is the number of samples",
     .summary = "Estimates how many bytes a key and its value take."},
    {0},
};

const struct command command_memory_rows[] = {
    {.name = "memory",
     .arity = -2,
     .subcommands = memory_rows,
     .since = "4.0.0",
     .group = "server",
     .complexity = "Depends on the subcommand",
     .summary = "A container for commands about memory."},
    {0},
};
