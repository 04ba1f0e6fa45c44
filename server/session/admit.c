/* SPDX-License-Identifier: MIT */
/* Refuses what may not run.  admit_or_reply, at the end, has the order. */
#include "server/session/admit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/access.h"
#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/client/client.h"
#include "server/config/config.h"
#include "server/data/memory.h"
#include "server/observe/log.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/monitoring.h"
#include "server/session/needs.h"
#include "server/session/session.h"

/* ---- The command ---------------------------------------------------------------------------- */

static bool exists_or_reply(struct call *call)
{
    const struct command *container;
    call->command =
        command_find_call(call->session->server->commands, call->argc, call->argv, &container);
    /* As in Redis CLIENT LIST shows what is refused or queued, too, and not what EXEC runs. */
    atomic_store_explicit(&call->session->client->last_command, call->command,
                          memory_order_relaxed);
    if (call->command)
        return true;
    if (container)
        reply_unknown_subcommand(call, container);
    else
        reply_unknown_command(call);
    return false;
}

static bool arity_fits_or_reply(struct call *call)
{
    if (command_arity_fits(call->command, call->argc))
        return true;
    reply_wrong_arity(call);
    return false;
}

/* Whether enable-debug-command lets this client use what can do harm. */
static bool is_allowed_or_reply(struct call *call)
{
    const struct client *client = call->session->client;
    int64_t allowed = config_number(call->session->server->config, CONFIG_ENABLE_DEBUG_COMMAND);
    bool local = client->is_unix || strncmp(client->address, "127.", 4) == 0 ||
                 strncmp(client->address, "[::1]:", 6) == 0;
    if (!(call->command->flags & COMMAND_PROTECTED) || allowed == CONFIG_PROTECTED_YES ||
        (allowed == CONFIG_PROTECTED_LOCAL && local))
        return true;
    resp_write_error(call->reply,
                     "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
                     "\"local\", you can run it from a local connection, otherwise you need to set "
                     "this option in the configuration file, and then restart the server.");
    return false;
}

/* Redis looks whether a password is set at each command: when it is taken away, clients that were
 * not let in before are. */
static bool needs_auth(const struct session *session)
{
    if (session->authenticated)
        return false;
    char *password = config_text(session->server->config, CONFIG_REQUIREPASS);
    bool needed = !password || *password;
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    return needed;
}

static bool is_authenticated_or_reply(struct call *call)
{
    if ((call->command->flags & COMMAND_NO_AUTH) || !needs_auth(call->session))
        return true;
    resp_write_error(call->reply, "NOAUTH Authentication required.");
    return false;
}

static bool fits_transaction_or_reply(struct call *call)
{
    if (!call->session->transaction.open || !(call->command->flags & COMMAND_NO_MULTI))
        return true;
    resp_write_error(call->reply, "ERR Command not allowed inside a transaction");
    return false;
}

/* ---- Memory --------------------------------------------------------------------------------- */

/* Notes what the update that runs the call has added so far. */
static void note_update(const struct call *call)
{
    const struct scope *scope = call->scope;
    if (!scope || !scope->updating)
        return;
    database_bits bits = scope->databases ? scope->databases : database_bit(scope->database);
    for (; bits != 0; bits &= bits - 1) {
        unsigned number = database_first(bits);
        const struct anystore_txn *txn = call_txn(call, number);
        if (txn)
            memory_note_update(call->session->server->memory, number, anystore_update_memory(txn));
    }
}

/* Whether more is used than maxmemory, before a call runs that would take more.  While an update is
 * on its way to the disk, what it replaces is there, too: an eighth of maxmemory is granted for
 * that. */
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

/* Beyond maxmemory, as in Redis, nothing is done that takes more of it.  Nothing is queued either,
 * as that has no bound; what ends a transaction is let through. */
static bool is_memory_short(const struct call *call)
{
    const struct session *session = call->session;
    unsigned flags = session->needs.flags;
    bool queued = session->transaction.open && !(flags & COMMAND_AT_ONCE);
    return ((flags & COMMAND_DENYOOM) || queued) && memory_is_short(call);
}

static bool fits_memory_or_reply(struct call *call)
{
    static const char refusal[] = "OOM command not allowed when used memory > 'maxmemory'.";
    if (!is_memory_short(call))
        return true;
    resp_write_error(call->reply, refusal);
    return false;
}

/* ---- What the connection is used for -------------------------------------------------------- */

/* A subscribed client of RESP2 cannot tell replies from messages: it may send only few commands. */
static bool fits_subscription_or_reply(struct call *call)
{
    const struct session *session = call->session;
    if ((call->command->flags & COMMAND_WHILE_SUBSCRIBED) || session->resp_version != 2 ||
        subscriber_total(session->subscriber) == 0)
        return true;
    resp_write_errorf(
        call->reply,
        "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT "
        "/ RESET are allowed in this context",
        command_full_name(call->command));
    return false;
}

/* To Redis a client that monitors is a kind of replica. */
static bool fits_monitor_or_reply(struct call *call)
{
    const struct session *session = call->session;
    if (!subscriber_monitors(session->subscriber) ||
        !(session->needs.flags & (COMMAND_READONLY | COMMAND_WRITE | COMMAND_MAY_REPLICATE)))
        return true;
    resp_write_error(call->reply, "ERR Replica can't interact with the keyspace");
    return false;
}

/* ---- EXEC ----------------------------------------------------------------------------------- */

/* An EXEC that is refused, whatever the reason, ends the transaction and the watching. */
void admit_abort_exec(struct call *call, const char *reason)
{
    resp_write_errorf(call->reply, EXEC_ABORTED "%s", reason);
    transaction_free(&call->session->transaction);
    /* As in Redis those who monitor see the end of what they saw begin. */
    monitoring_show(call);
}

static bool fits_one_commit_or_reply(struct call *call)
{
    if (!needs_too_many(call, &call->session->needs))
        return true;
    resp_write_error(call->reply,
                     "it writes in several databases, each of which has a commit of its own");
    return false;
}

/* The error of a refused EXEC becomes the reason of another. */
static void refuse_exec(struct call *call, size_t start)
{
    struct resp_buffer *out = call->reply->out;
    if (out->failed)
        return;
    const char *error = (const char *)resp_buffer_bytes(out) + start + strlen("-");
    size_t size = resp_buffer_size(out) - start - strlen("-\r\n");
    size_t skip = size > 4 && memcmp(error, "ERR ", 4) == 0 ? 4 : 0;
    char reason[200];
    snprintf(reason, sizeof reason, "%.*s", (int)(size - skip), error + skip);
    resp_buffer_truncate(out, start);
    admit_abort_exec(call, reason);
}

bool admit_again_or_reply(struct call *call)
{
    size_t start = resp_buffer_size(call->reply->out);
    if (fits_memory_or_reply(call))
        return true;
    if (call->command->flags & COMMAND_RUNS_QUEUE)
        refuse_exec(call, start);
    return false;
}

bool admit_is_queued(const struct session *session)
{
    return session->transaction.open && !(session->needs.flags & COMMAND_AT_ONCE);
}

void admit_queue(struct call *call)
{
    struct transaction *transaction = &call->session->transaction;
    if (transaction_queue(transaction, call->command, call->argv, call->argc)) {
        resp_write_simple(call->reply, "QUEUED");
        return;
    }
    reply_out_of_memory(call);
    transaction->failed = true;
}

/* ---- In order ------------------------------------------------------------------------------- */

/* A browser that was tricked into sending a form to this port says POST, or Host: in its header. */
static bool is_cross_protocol(const struct call *call)
{
    return arg_is(&call->argv[0], "post") || arg_is(&call->argv[0], "host:");
}

/* As Redis does, closes such a connection without a reply. */
static void close_cross_protocol(struct call *call, size_t start)
{
    log_write(call->session->server->log, LOG_WARNING,
              "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: "
              "commands to AnyStore. Connection from %s aborted.",
              call->session->client->address);
    resp_buffer_truncate(call->reply->out, start);
    call->session->close_after_reply = true;
}

static void refused(struct call *call, size_t start)
{
    struct session *session = call->session;
    SESSION_STEP(session, refused);
    if (call->command && (call->command->flags & COMMAND_RUNS_QUEUE)) {
        refuse_exec(call, start);
        return;
    }
    session->transaction.failed |= session->transaction.open;
    if (!call->command && is_cross_protocol(call))
        close_cross_protocol(call, start);
}

/* What can be said before the needs of the call are known: its name, its arity, and the client. */
static bool check_or_reply(struct call *call)
{
    SESSION_STEP(call->session, checked);
    return exists_or_reply(call) && arity_fits_or_reply(call) && is_allowed_or_reply(call) &&
           is_authenticated_or_reply(call) && fits_transaction_or_reply(call);
}

bool admit_or_reply(struct call *call)
{
    struct session *session = call->session;
    size_t start = resp_buffer_size(call->reply->out);
    if (check_or_reply(call)) {
        needs_of(call, &session->needs);
        if (fits_memory_or_reply(call) && fits_subscription_or_reply(call) &&
            fits_monitor_or_reply(call) && fits_one_commit_or_reply(call)) {
            SESSION_STEP(session, admitted);
            return true;
        }
    }
    refused(call, start);
    return false;
}
