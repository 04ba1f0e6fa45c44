/* SPDX-License-Identifier: MIT */
/* Runs one call, with all that belongs to it: savepoints, measuring, messages, MONITOR. */
#include "server/session/call.h"

#include "command/access.h"
#include "command/reply.h"
#include "server/observe/stats.h"
#include "server/server.h"
#include "server/session/monitoring.h"
#include "server/session/session.h"

static database_bits databases_of(const struct scope *scope)
{
    return scope->databases ? scope->databases : database_bit(scope->database);
}

static void save(const struct call *call, size_t *savepoints)
{
    for (database_bits bits = databases_of(call->scope); bits != 0; bits &= bits - 1) {
        const struct anystore_txn *txn = call_txn(call, database_first(bits));
        savepoints[database_first(bits)] = txn ? anystore_savepoint(txn) : 0;
    }
}

static void roll_back(const struct call *call, const size_t *savepoints)
{
    for (database_bits bits = databases_of(call->scope); bits != 0; bits &= bits - 1) {
        struct anystore_txn *txn = call_txn(call, database_first(bits));
        if (txn)
            anystore_rollback(txn, savepoints[database_first(bits)]);
    }
}

/* A command that the store refuses a change (memory is short) changes nothing at all.
 *
 * A change is settled when only the failure of its own commit can still undo it.  Of several
 * databases that is so in the one that commits first: if its commit fails, the store undoes the
 * others. */
static void run_write(struct call *call)
{
    size_t savepoints[DATABASES_MOST];
    struct outbox *outbox = &call->session->outbox;
    struct outgoing *published = outbox->last;
    save(call, savepoints);
    call->command->run(call);
    if (call->store_failed) {
        outbox_rollback(outbox, published);
        roll_back(call, savepoints);
    }
    const struct scope *scope = call->scope;
    database_bits settled = scope->databases ? scope->commits_first : databases_of(scope);
    for (database_bits bits = settled; bits != 0; bits &= bits - 1) {
        struct anystore_txn *txn = call_txn(call, database_first(bits));
        if (txn)
            anystore_settle(txn);
    }
}

static void count_lookups(const struct call *call)
{
    struct server_stats *stats = call->session->server->stats;
    if (call->hits > 0)
        atomic_fetch_add_explicit(&stats->keyspace_hits, call->hits, memory_order_relaxed);
    if (call->misses > 0)
        atomic_fetch_add_explicit(&stats->keyspace_misses, call->misses, memory_order_relaxed);
}

void call_run(struct call *call)
{
    struct session *session = call->session;
    struct server *server = session->server;
    size_t start = resp_buffer_size(call->reply->out);
    int64_t began = measure_begin(session);
    if (command_call_flags(call->command, call->argc, call->argv) & COMMAND_WRITE)
        run_write(call);
    else
        call->command->run(call);
    if (call->slices->unfinished) {
        measure_slice(session, began);
        return;
    }
    measure_end(call, start, began);
    count_lookups(call);
    if (!session->in_flight)
        outbox_send(&session->outbox, server->peers, true);
    if (!(call->command->flags & (COMMAND_SKIP_MONITOR | COMMAND_ADMIN)))
        monitoring_show(call);
}
