/* SPDX-License-Identifier: MIT */
/* Commands about whole databases, and those that use two: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB, MOVE,
 * COPY. */
#include <limits.h>
#include <string.h>

#include "command/access.h"
#include "command/args.h"
#include "command/host.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/family/families.h"
#include "server/server.h"
#include "server/session/needs.h"
#include "server/session/session.h"

/* ---- COPY and MOVE ------------------------------------------------------------------------ */

struct copy_options {
    bool replace;
    int64_t database;
};

static void reply_same_object(struct call *call)
{
    resp_write_error(call->reply, "ERR source and destination objects are the same");
}

/* Without the words about what is wrong. */
static bool find_copy_database(const struct call *call, int64_t *database)
{
    *database = call->database;
    for (size_t i = 3; i + 1 < call->argc; i++)
        if (arg_is(&call->argv[i], "DB") && !arg_is_database(call, &call->argv[++i], database))
            return false;
    return true;
}

static void copy_databases(const struct call *call, struct needs *needs)
{
    int64_t database;
    if (!find_copy_database(call, &database) || (unsigned)database == call->database)
        return;
    needs->read |= database_bit(call->database);
    needs->write = database_bit((unsigned)database);
}

static bool copy_options_or_reply(struct call *call, struct copy_options *options)
{
    *options = (struct copy_options){.database = call->database};
    for (size_t i = 3; i < call->argc; i++) {
        const struct resp_arg *arg = &call->argv[i];
        if (arg_is(arg, "REPLACE")) {
            options->replace = true;
        } else if (i + 1 < call->argc && arg_is(arg, "DB")) {
            if (!arg_database_or_reply(call, ++i, &options->database))
                return false;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

static void run_copy(struct call *call)
{
    const struct resp_arg *from = &call->argv[1];
    const struct resp_arg *to = &call->argv[2];
    struct copy_options options;
    struct anystore_value value;
    if (!copy_options_or_reply(call, &options))
        return;
    bool same_database = options.database == (int64_t)call->database;
    if (same_database && from->size == to->size && memcmp(from->data, to->data, to->size) == 0) {
        reply_same_object(call);
        return;
    }
    struct anystore_txn *target = call_txn(call, (unsigned)options.database);
    bool usable = read_key(call, from, &value) &&
                  (options.replace || !anystore_get(target, to->data, to->size, NULL));
    if (!usable) {
        resp_write_integer(call->reply, 0);
        return;
    }
    call_event_in(call, NOTIFY_NEW, (unsigned)options.database, "new", to);
    call_event_in(call, NOTIFY_GENERIC, (unsigned)options.database, "copy_to", to);
    if (store_ok_or_reply(call, anystore_put(target, to->data, to->size, &value)))
        resp_write_integer(call->reply, 1);
}

static void move_databases(const struct call *call, struct needs *needs)
{
    int64_t database;
    if (arg_is_database(call, &call->argv[2], &database))
        needs->write |= database_bit((unsigned)database);
}

static void run_move(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    struct anystore_value value;
    int64_t database;
    if (!arg_database_or_reply(call, 2, &database))
        return;
    if (database == (int64_t)call->database) {
        reply_same_object(call);
        return;
    }
    struct anystore_txn *target = call_txn(call, (unsigned)database);
    if (!anystore_get(call->txn, key->data, key->size, &value) ||
        anystore_get(target, key->data, key->size, NULL)) {
        resp_write_integer(call->reply, 0);
        return;
    }
    call_event_in(call, NOTIFY_NEW, (unsigned)database, "new", key);
    call_event(call, NOTIFY_GENERIC, "move_from", key);
    call_event_in(call, NOTIFY_GENERIC, (unsigned)database, "move_to", key);
    if (store_ok_or_reply(call, anystore_put(target, key->data, key->size, &value)) &&
        store_ok_or_reply(call, anystore_delete(call->txn, key->data, key->size, NULL)))
        resp_write_integer(call->reply, 1);
}

/* ---- Whole databases ---------------------------------------------------------------------- */

static void run_dbsize(struct call *call)
{
    resp_write_integer(call->reply, (int64_t)anystore_count(call->txn));
}

/* ASYNC and SYNC tell Redis which thread frees the memory; here it is the store's matter. */
static bool flush_options_fit(const struct call *call)
{
    return call->argc == 1 ||
           (call->argc == 2 && (arg_is(&call->argv[1], "ASYNC") || arg_is(&call->argv[1], "SYNC")));
}

static void run_flushdb(struct call *call)
{
    if (!flush_options_fit(call))
        reply_syntax_error(call);
    else if (store_ok_or_reply(call, anystore_clear(call->txn)))
        reply_ok(call);
}

/* Those that hold or may hold data; the selected one need not be there. */
static void flushall_databases(const struct call *call, struct needs *needs)
{
    needs->write = databases_present(call->session->server->databases);
}

static void run_flushall(struct call *call)
{
    if (!flush_options_fit(call)) {
        reply_syntax_error(call);
        return;
    }
    database_bits bits = databases_opened(call->session->server->databases);
    for (; bits != 0; bits &= bits - 1) {
        struct anystore_txn *txn = call_txn(call, database_first(bits));
        if (txn && !store_ok_or_reply(call, anystore_clear(txn)))
            return;
    }
    reply_ok(call);
}

/* ---- SWAPDB ------------------------------------------------------------------------------- */

static void swap_databases(const struct call *call, struct needs *needs)
{
    int64_t first, second;
    if (!arg_is_database(call, &call->argv[1], &first) ||
        !arg_is_database(call, &call->argv[2], &second) || first == second)
        return;
    needs->write = database_bit((unsigned)first) | database_bit((unsigned)second);
    needs->swap = true;
}

static bool index_or_reply(struct call *call, size_t index, const char *error, int64_t *database)
{
    if (arg_integer(&call->argv[index], database) && *database >= INT_MIN && *database <= INT_MAX)
        return true;
    resp_write_error(call->reply, error);
    return false;
}

/* They have been exchanged already, by who ran this: see worker_several.c. */
static void run_swapdb(struct call *call)
{
    int64_t count = config_number(call->session->server->config, CONFIG_DATABASES);
    int64_t first = 0, second = 0;
    if (!index_or_reply(call, 1, "ERR invalid first DB index", &first) ||
        !index_or_reply(call, 2, "ERR invalid second DB index", &second))
        return;
    if (first < 0 || second < 0 || first >= count || second >= count)
        resp_write_error(call->reply, "ERR DB index is out of range");
    else
        reply_ok(call);
}

/* ---- Rows --------------------------------------------------------------------------------- */

/* What is read and what is overwritten. */
static const struct key_range copy_ranges[] = {
    {.flags = "RO access", .first = 1, .step = 1},
    {.flags = "OW update", .first = 2, .step = 1},
    {0},
};

const struct command command_database_rows[] = {
    {
        .name = "copy",
        .run = run_copy,
        .call_databases = copy_databases,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .categories = CATEGORY_KEYSPACE,
        .keys = copy_ranges,
        .since = "6.2.0",
        .group = "generic",
        .complexity = "O(N) where N is the size of the value",
        .summary = "Sets a key to what another one holds, with its expiry",
    },
    {
        .name = "dbsize",
        .run = run_dbsize,
        .arity = 1,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Answers how many keys the selected database has",
        .tips = "request_policy:all_shards response_policy:agg_sum",
    },
    {
        .name = "flushall",
        .run = run_flushall,
        .call_databases = flushall_databases,
        .arity = -1,
        .flags = COMMAND_WRITE,
        .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(N) where N is the number of keys",
        .summary = "Removes all keys of all databases",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
    },
    {
        .name = "flushdb",
        .run = run_flushdb,
        .arity = -1,
        .flags = COMMAND_WRITE,
        .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(N) where N is the number of keys",
        .summary = "Removes all keys of the selected database",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
    },
    {
        .name = "move",
        .run = run_move,
        .call_databases = move_databases,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        ONE_KEY("RW access update"),
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(N) where N is the size of the value",
        .summary = "Moves a key to another database",
    },
    {
        .name = "swapdb",
        .run = run_swapdb,
        .call_databases = swap_databases,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
        .since = "4.0.0",
        .group = "server",
        .complexity = "O(N) where N is the count of clients watching or blocking on keys from both "
                      "databases.",
        .summary = "Swaps two databases.",
    },
    {.name = NULL},
};
