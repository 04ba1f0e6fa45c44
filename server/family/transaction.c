/* SPDX-License-Identifier: MIT */
/* MULTI, EXEC, DISCARD, WATCH, UNWATCH.
 *
 * EXEC runs all queued commands in one transaction of the store: in a view if none of them writes,
 * otherwise in an update, which is one commit.  session/needs.c adds up their needs. */
#include "command/access.h"
#include "command/reply.h"
#include "command/slices.h"
#include "command/table.h"
#include "server/family/families.h"
#include "server/server.h"
#include "server/session/call.h"
#include "server/session/needs.h"
#include "server/session/session.h"

static struct transaction *transaction_of(const struct call *call)
{
    return &call->session->transaction;
}

static void run_multi(struct call *call)
{
    struct transaction *transaction = transaction_of(call);
    if (transaction->open) {
        resp_write_error(call->reply, "ERR MULTI calls can not be nested");
        return;
    }
    transaction->open = true;
    reply_ok(call);
}

static void run_discard(struct call *call)
{
    struct transaction *transaction = transaction_of(call);
    if (!transaction->open) {
        resp_write_error(call->reply, "ERR DISCARD without MULTI");
        return;
    }
    transaction_free(transaction);
    reply_ok(call);
}

/* WATCH of more keys runs in slices, and looks at the clock after so many keys. */
enum { KEYS_FOR_SLICES = 1000, KEYS_BETWEEN_LOOKS = 64 };

static void run_watch(struct call *call)
{
    struct transaction *transaction = transaction_of(call);
    if (transaction->open) {
        resp_write_error(call->reply, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    unsigned database = call->database;
    struct anystore *store = databases_store(call->session->server->databases, database);
    /* Each key is watched from its slice on, and all of them when the client gets the reply. */
    struct call_slices *slices = call->slices;
    for (size_t i = 1 + slices->at; i < call->argc; i++, slices->at++) {
        if (i % KEYS_BETWEEN_LOOKS == 0 && call_yields(call))
            return;
        if (!transaction_watch(transaction, database, store, call->txn, &call->argv[i])) {
            reply_out_of_memory(call);
            return;
        }
    }
    reply_ok(call);
}

static unsigned watch_flags(size_t argc, const struct resp_arg *argv)
{
    (void)argv;
    return argc > KEYS_FOR_SLICES ? COMMAND_LONG : 0;
}

static void run_unwatch(struct call *call)
{
    transaction_unwatch(transaction_of(call));
    reply_ok(call);
}

static void run_exec(struct call *call)
{
    struct transaction *transaction = transaction_of(call);
    if (!transaction->open) {
        resp_write_error(call->reply, "ERR EXEC without MULTI");
        return;
    }
    if (transaction->failed) {
        resp_write_error(call->reply,
                         "EXECABORT Transaction discarded because of previous errors.");
        transaction_free(transaction);
        return;
    }
    if (transaction_broken(transaction, call)) {
        resp_write_null_array(call->reply);
        transaction_free(transaction);
        return;
    }
    transaction_unwatch(transaction);
    /* Closed while it runs: a command that runs in it is not queued again. */
    transaction->open = false;
    resp_write_array(call->reply, transaction->count);
    for (size_t i = 0; i < transaction->count; i++) {
        struct call queued = transaction_call(transaction, i, call);
        struct call_slices slices = {
            0}; /* a queued command may not slice, but keeps its state there */
        queued.slices = &slices;
        queued.database = call->session->database; /* a queued SELECT may have changed it */
        queued.txn = call_txn(call, queued.database);
        call_run(&queued);
        slices_free(&slices);
    }
    transaction_end(transaction);
}

/* A database must be open for its keys to be watched. */
static void watch_databases(const struct call *call, struct needs *needs)
{
    needs->open |= database_bit(call->database);
}

const struct command command_transaction_rows[] = {
    {.name = "discard",
     .run = run_discard,
     .arity = 1,
     .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST |
              COMMAND_ALLOW_BUSY | COMMAND_AT_ONCE,
     .categories = CATEGORY_TRANSACTION,
     .since = "2.0.0",
     .group = "transactions",
     .complexity = "O(N) where N is the number of queued commands",
     .summary = "Forgets the queued commands and the watched keys."},
    {.name = "exec",
     .run = run_exec,
     .arity = 1,
     .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_SKIP_SLOWLOG |
              COMMAND_AT_ONCE | COMMAND_RUNS_QUEUE,
     .categories = CATEGORY_TRANSACTION,
     .since = "1.2.0",
     .group = "transactions",
     .complexity = "Depends on the queued commands",
     .summary = "Runs the queued commands, all in one commit."},
    {.name = "multi",
     .run = run_multi,
     .arity = 1,
     .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST |
              COMMAND_ALLOW_BUSY | COMMAND_AT_ONCE,
     .categories = CATEGORY_TRANSACTION,
     .since = "1.2.0",
     .group = "transactions",
     .complexity = "O(1)",
     .summary = "Begins to queue commands."},
    {.name = "unwatch",
     .run = run_unwatch,
     .arity = 1,
     .flags =
         COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_ALLOW_BUSY,
     .categories = CATEGORY_TRANSACTION,
     .since = "2.2.0",
     .group = "transactions",
     .complexity = "O(1)",
     .summary = "Forgets the watched keys."},
    {.name = "watch",
     .run = run_watch,
     .arity = -2,
     .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST |
              COMMAND_ALLOW_BUSY | COMMAND_VIEW | COMMAND_AT_ONCE | COMMAND_SLICED,
     .call_flags = watch_flags,
     .call_databases = watch_databases,
     .categories = CATEGORY_TRANSACTION,
     ALL_KEYS("RO"),
     .since = "2.2.0",
     .group = "transactions",
     .complexity = "O(1) for every key",
     .summary = "Watches keys: EXEC does nothing if one of them was changed."},
    {0},
};
