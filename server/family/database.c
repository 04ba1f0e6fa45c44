/* SPDX-License-Identifier: MIT */
/* Commands about whole databases: FLUSHDB, FLUSHALL, SWAPDB. */
#include <limits.h>

#include "command/access.h"
#include "command/args.h"
#include "command/host.h"
#include "command/needs.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/family/families.h"
#include "server/server.h"
#include "server/session/session.h"

/* ---- FLUSHDB and FLUSHALL ------------------------------------------------------------------- */

/* ASYNC and SYNC tell Redis which thread frees the memory; here the store decides. */
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

/* The databases that hold or may hold data; the selected one need not exist. */
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

/* Only answers: the thread that runs this has exchanged the databases already (net/several.c). */
static void run_swapdb(struct call *call)
{
    int64_t count = call->host->databases;
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

const struct command command_database_rows[] = {
    {.name = "flushall",
     .run = run_flushall,
     .call_databases = flushall_databases,
     .arity = -1,
     .flags = COMMAND_WRITE,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Removes all keys of all databases.",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "flushdb",
     .run = run_flushdb,
     .arity = -1,
     .flags = COMMAND_WRITE,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Removes all keys of the selected database.",
     .tips = "request_policy:all_shards response_policy:all_succeeded"},
    {.name = "swapdb",
     .run = run_swapdb,
     .call_databases = swap_databases,
     .arity = 3,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .since = "4.0.0",
     .group = "server",
     .complexity = "O(N) where N is the count of clients watching or blocking on keys from both "
                   "databases",
     .summary = "Swaps two databases."},
    {0},
};
