/* SPDX-License-Identifier: MIT */
/* Refuses requests for want of memory, and of connections that subscribe or monitor. */
#include "server/session/admit.h"

#include "command/access.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/data/memory.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/monitoring.h"
#include "server/session/session.h"

/* An EXEC that is refused, whatever the reason, ends the transaction and the watching. */
void admit_abort_exec(struct call *call, const char *reason)
{
    resp_write_errorf(call->reply, EXEC_ABORTED "%s", reason);
    transaction_free(&call->session->transaction);
    /* As in Redis those who monitor see the end of what they saw begin. */
    monitoring_show(call);
}

/* A client of RESP2 that is subscribed cannot tell replies from messages: only few commands. */
static bool fits_subscription_or_reply(struct call *call)
{
    struct session *session = call->session;
    if ((call->command->flags & COMMAND_WHILE_SUBSCRIBED) || session->resp_version != 2 ||
        subscriber_total(session->subscriber) == 0)
        return true;
    resp_write_errorf(
        call->reply,
        "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT "
        "/ RESET are allowed in this context",
        command_full_name(call->command));
    session->transaction.failed |= session->transaction.open;
    return false;
}

/* To Redis a client that monitors is a kind of replica. */
static bool fits_monitor_or_reply(struct call *call, unsigned flags)
{
    struct session *session = call->session;
    if (!subscriber_monitors(session->subscriber) ||
        !(flags & (COMMAND_READONLY | COMMAND_WRITE | COMMAND_MAY_REPLICATE)))
        return true;
    resp_write_error(call->reply, "ERR Replica can't interact with the keyspace");
    session->transaction.failed |= session->transaction.open;
    return false;
}

/* Notes what the update that runs the call has added so far. */
static void note_update(const struct call *call)
{
    const struct scope *scope = call->scope;
    database_bits bits = scope->databases ? scope->databases : database_bit(scope->database);
    for (; scope->updating && bits != 0; bits &= bits - 1) {
        unsigned number = database_first(bits);
        const struct anystore_txn *txn = call_txn(call, number);
        if (txn)
            memory_note_update(call->session->server->memory, number, anystore_update_memory(txn));
    }
}

/* Whether more is used than maxmemory, before a call runs that would take more.  While an update is on its
 * way to the disk, what it replaces is there, too: an eighth of maxmemory is granted for that. */
static bool memory_is_short(const struct call *call)
{
    const struct server *server = call->session->server;
    uint64_t most = (uint64_t)config_number(server->config, CONFIG_MAXMEMORY);
    if (most == 0)
        return false;
    note_update(call);
    uint64_t granted = server->data_path ? most / 8 : 0;
    return memory_used_beyond(server->memory, server->databases, granted) > most;
}

/* Beyond maxmemory, as in Redis, nothing is done that takes more of it, and nothing queued, as there may
 * be no end to that; what ends a transaction is. */
static bool fits_memory_or_reply(struct call *call, unsigned flags)
{
    static const char refusal[] = "OOM command not allowed when used memory > 'maxmemory'.";
    struct transaction *transaction = &call->session->transaction;
    bool queued = transaction->open && !(flags & COMMAND_AT_ONCE);
    if (!(flags & COMMAND_DENYOOM) && !queued)
        return true;
    if (!memory_is_short(call))
        return true;
    if (flags & COMMAND_RUNS_QUEUE) {
        admit_abort_exec(call, refusal);
        return false;
    }
    resp_write_error(call->reply, refusal);
    transaction->failed |= transaction->open;
    return false;
}

bool admit_or_reply(struct call *call, unsigned flags)
{
    return fits_memory_or_reply(call, flags) && fits_subscription_or_reply(call) &&
           fits_monitor_or_reply(call, flags);
}
