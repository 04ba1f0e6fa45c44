/* SPDX-License-Identifier: MIT */
/* Running the requests of a connection, on a worker or on the commit thread. */
#include "server/session/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "command/access.h"
#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/client/client.h"
#include "server/client/pause.h"
#include "server/config/config.h"
#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "server/observe/stats.h"
#include "server/publish/monitor.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/admit.h"
#include "server/session/call.h"
#include "server/session/check.h"
#include "server/session/client_memory.h"
#include "server/session/monitoring.h"
#include "server/session/turn.h"

/* Replies that wait to be sent, beyond which no further request of the same client is run: a client
 * that does not read its replies costs no more memory than this and one reply. */
#define OUTPUT_PAUSE ((size_t)1 << 20)

struct connection *connection_new(struct server *server, struct worker *worker,
                                  struct mailbox *mailbox, struct tally_block *tally, int fd,
                                  bool is_unix)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return NULL;
    }
    connection->session.server = server;
    connection->worker = worker;
    connection->mailbox = mailbox;
    connection->fd = fd;
    connection->session.resp_version = 2;
    char *password = config_text(server->config, CONFIG_REQUIREPASS);
    connection->session.authenticated = password && password[0] == '\0';
    free(password);
    connection->session.parser = resp_parser_new();
    connection->session.tally = tally;
    connection->session.client = client_new(server->clients, mailbox, fd, is_unix, wall_ms());
    connection->session.subscriber = subscriber_new(mailbox, server->config, connection);
    if (!connection->session.parser || !connection->session.client ||
        !connection->session.subscriber) {
        connection_free(connection);
        return NULL;
    }
    return connection;
}

void connection_free(struct connection *connection)
{
    if (!connection)
        return;
    if (connection->read_event)
        event_free(connection->read_event);
    if (connection->write_event)
        event_free(connection->write_event);
    if (connection->session.client && connection->session.subscriber)
        client_memory_forget(connection);
    if (connection->session.client)
        client_free(connection->session.server->clients, connection->session.client);
    close(connection->fd);
    if (connection->session.subscriber) {
        monitors_leave(connection->session.server->monitors, connection->session.subscriber);
        subscriber_leave(connection->session.server->pubsub, connection->session.subscriber);
    }
    transaction_free(&connection->session.transaction);
    outbox_rollback(&connection->session.outbox, NULL);
    resp_parser_free(connection->session.parser);
    resp_buffer_free(&connection->session.input);
    resp_buffer_free(&connection->output);
    resp_buffer_free(&connection->session.update_replies);
    free(connection->session.reply_ends);
    free(connection);
}

size_t connection_output_pause(const struct connection *connection)
{
    struct config_output_limit limit =
        config_output_limit(connection->session.server->config, CONFIG_CLASS_NORMAL);
    uint64_t most = limit.hard_bytes > limit.soft_bytes ? limit.hard_bytes : limit.soft_bytes;
    /* Whoever set a limit wants to see clients go that exceed it: so it can be exceeded. */
    return most ? (size_t)most + 1 : OUTPUT_PAUSE;
}

/* How many bytes of replies there may be at most while they are made: what may wait, and one more of the
 * size that may wait; 0: no limit.  Whoever asks for more would be closed for it when it is made. */
static size_t output_most(const struct connection *connection)
{
    bool subscribed = subscriber_total(connection->session.subscriber) > 0;
    struct config_output_limit limit = config_output_limit(
        connection->session.server->config, subscribed ? CONFIG_CLASS_PUBSUB : CONFIG_CLASS_NORMAL);
    uint64_t most = limit.hard_bytes > 0 && limit.hard_bytes < SIZE_MAX / 4
                        ? connection_output_pause(connection) + OUTPUT_PAUSE + limit.hard_bytes
                        : 0;
    /* Nor is it made if it would have the client closed for that. */
    uint64_t clients = client_memory_most(connection->session.server->config);
    if (clients && (!most || clients < most) &&
        !atomic_load_explicit(&connection->session.client->no_evict, memory_order_relaxed))
        most = clients;
    return (size_t)most;
}

static enum run_result protocol_error(struct connection *connection, struct resp_writer *writer)
{
    const char *text = resp_parser_error(connection->session.parser);
    log_write(connection->session.server->log, LOG_VERBOSE, "%s from client %s", text,
              connection->session.client->address);
    resp_write_errorf(writer, "ERR %s", text);
    connection->session.close_after_reply = true;
    return RUN_CLOSE;
}

/* Finds the next complete request in the input; the result tells how to go on if there is none. */
static bool next_request(struct connection *connection, struct resp_writer *writer,
                         enum run_result *result)
{
    struct resp_limits limits =
        connection->session.authenticated ? resp_limits_default : resp_limits_unauthenticated;
    limits.max_bulk =
        (size_t)config_number(connection->session.server->config, CONFIG_PROTO_MAX_BULK_LEN);
    while (!connection->session.parsed) {
        size_t size = resp_buffer_size(&connection->session.input);
        size_t consumed = 0;
        if (size == 0) {
            *result = RUN_MORE_INPUT;
            return false;
        }
        switch (resp_parse(connection->session.parser, &limits,
                           resp_buffer_bytes(&connection->session.input), size, &consumed)) {
        case RESP_PARSE_REQUEST:
            connection->session.parsed = true;
            connection->session.parsed_size = consumed;
            break;
        case RESP_PARSE_EMPTY:
            resp_buffer_consume(&connection->session.input, consumed);
            break;
        case RESP_PARSE_MORE:
            *result = RUN_MORE_INPUT;
            return false;
        case RESP_PARSE_ERROR:
            *result = protocol_error(connection, writer);
            return false;
        case RESP_PARSE_NOMEM:
            *result = RUN_CLOSE;
            return false;
        }
    }
    return true;
}

/* Notes where the reply of an update ends, so that it can be replaced if the commit fails. */
static bool note_reply(struct connection *connection, const struct call *call, bool touched_store)
{
    if (connection->session.reply_end_count == connection->session.reply_end_capacity) {
        size_t capacity = connection->session.reply_end_capacity
                              ? 2 * connection->session.reply_end_capacity
                              : 16;
        struct reply_end *ends = realloc(connection->session.reply_ends, capacity * sizeof *ends);
        if (!ends)
            return false;
        connection->session.reply_ends = ends;
        connection->session.reply_end_capacity = capacity;
    }
    connection->session.reply_ends[connection->session.reply_end_count++] =
        (struct reply_end){.end = resp_buffer_size(&connection->session.update_replies),
                           .touched_store = touched_store,
                           .of_exec = call->command && (call->command->flags & COMMAND_RUNS_QUEUE)};
    return true;
}

/* A browser that was tricked into sending a form to this port says POST, or Host: in its header:
 * as Redis does, such a connection is closed without a reply. */
static bool is_cross_protocol(const struct call *call)
{
    return arg_is(&call->argv[0], "post") || arg_is(&call->argv[0], "host:");
}

void session_select(struct session *session, unsigned database)
{
    session->database = database;
    atomic_store_explicit(&session->client->database, database, memory_order_relaxed);
}

/* A command that the store refuses a change (memory is short) changes nothing at all. */
static void run_write(struct call *call)
{
    const struct scope *scope = call->scope;
    database_bits all = scope->databases ? scope->databases : database_bit(scope->database);
    size_t savepoints[DATABASES_MOST];
    for (database_bits bits = all; bits != 0; bits &= bits - 1) {
        const struct anystore_txn *txn = call_txn(call, database_first(bits));
        savepoints[database_first(bits)] = txn ? anystore_savepoint(txn) : 0;
    }
    struct outbox *outbox = &call->session->outbox;
    struct outgoing *published = outbox->last;
    call->command->run(call);
    if (call->store_failed)
        outbox_rollback(outbox, published);
    for (database_bits bits = all; bits != 0 && call->store_failed; bits &= bits - 1) {
        struct anystore_txn *txn = call_txn(call, database_first(bits));
        if (txn)
            anystore_rollback(txn, savepoints[database_first(bits)]);
    }
    /* Of several databases those that commit later must be able to go back. */
    database_bits settled = scope->databases ? scope->commits_first : all;
    for (database_bits bits = settled; bits != 0; bits &= bits - 1) {
        struct anystore_txn *txn = call_txn(call, database_first(bits));
        if (txn)
            anystore_settle(txn);
    }
}

static bool is_silent(const struct session *session)
{
    return session->silence.off || session->silence.skip;
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
    size_t start = resp_buffer_size(call->reply->out);
    bool silent = is_silent(session);
    int64_t began = measure_begin(session);
    if (command_call_flags(call->command, call->argc, call->argv) & COMMAND_WRITE)
        run_write(call);
    else
        call->command->run(call);
    count_lookups(call);
    measure_end(call, start, began);
    if (!call->session->in_flight)
        outbox_send(&call->session->outbox, call->session->server->peers, true);
    if (!(call->command->flags & (COMMAND_SKIP_MONITOR | COMMAND_ADMIN)))
        monitoring_show(call);
    if (silent && is_silent(session) && !call->in_exec)
        resp_buffer_truncate(call->reply->out, start);
}

/* ---- One request -------------------------------------------------------------------------- */

/* What is common to the requests of one run. */
struct run {
    const struct scope *scope;
    bool alone;         /* the request that wanted a run of its own has had it */
    bool touched_store; /* the last reply depends on the map */
    bool ran;           /* the last request was run, not refused or queued */
};

/* Whether all databases that a request uses can be used in this run. */
static bool is_covered(const struct call *call, const struct needs *needs)
{
    const struct scope *scope = call->scope;
    database_bits usable = scope->databases ? scope->databases : database_bit(scope->database);
    if (needs_databases(needs) & ~usable)
        return false;
    if (needs->fresh && !scope->fresh && scope->databases == 0)
        return false;
    /* After a refusal they could not be opened. */
    return needs->open == 0 || scope->refusal ||
           (needs->open & ~databases_opened(call->session->server->databases)) == 0;
}

static void refuse(struct call *call, const char *refusal)
{
    if (!(call->command->flags & COMMAND_RUNS_QUEUE)) {
        resp_write_errorf(call->reply, "MISCONF %s", refusal);
        return;
    }
    char reason[sizeof "MISCONF " + 1000];
    snprintf(reason, sizeof reason, "MISCONF %s", refusal);
    admit_abort_exec(call, reason);
}

/* After MULTI: everything but what ends the transaction waits for EXEC. */
static void queue_command(struct call *call)
{
    struct transaction *transaction = &call->session->transaction;
    if (call->command->flags & COMMAND_NO_MULTI) {
        resp_write_error(call->reply, "ERR Command not allowed inside a transaction");
        transaction->failed = true;
    } else if (!transaction_queue(transaction, call->command, call->argv, call->argc)) {
        reply_out_of_memory(call);
        transaction->failed = true;
    } else {
        resp_write_simple(call->reply, "QUEUED");
    }
}

/* Also what is only to be queued waits, as in Redis; never a client that monitors. */
static bool is_paused(const struct call *call, unsigned flags)
{
    enum pause_kind kind = pause_now(call->session->server->pause, NULL);
    bool writes = flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE);
    return (kind == PAUSE_ALL || (kind == PAUSE_WRITES && writes)) &&
           !subscriber_monitors(call->session->subscriber);
}

/* Whether this run can do what a request needs; otherwise *result tells which can. */
static bool fits_run(const struct call *call, const struct needs *needs, struct run *run,
                     enum run_result *result)
{
    const struct scope *scope = run->scope;
    /* A view keeps commits from being published, and an update is everybody's. */
    if ((needs->flags & COMMAND_WAITS) && (scope->txn || scope->txns)) {
        *result = RUN_NEEDS_NO_MAP;
        return false;
    }
    if (!is_covered(call, needs)) {
        call->session->needs = *needs;
        *result = RUN_NEEDS_DATABASES;
        return false;
    }
    if (scope->databases)
        run->alone = true;
    if ((needs->flags & COMMAND_ALONE) && call->session->server->data_path && !scope->refusal) {
        if (!scope->updating || !scope->rewriting) {
            *result = RUN_NEEDS_ALONE;
            return false;
        }
        run->alone = true;
    }
    if ((needs->flags & COMMAND_WRITE) && !scope->updating && !scope->refusal) {
        *result = RUN_NEEDS_UPDATE;
        return false;
    }
    return true;
}

/* Runs a request whose checks have been made.  False if it must wait for another kind of run, which
 * *result tells; nothing has been done then. */
static bool run_checked(struct call *call, struct run *run, enum run_result *result)
{
    struct session *session = call->session;
    const struct scope *scope = run->scope;
    struct needs needs = needs_of(call);
    if (!admit_or_reply(call, needs.flags))
        return true;
    if (is_paused(call, needs.flags)) {
        *result = RUN_PAUSED;
        return false;
    }
    if (session->transaction.open && !(needs.flags & COMMAND_AT_ONCE)) {
        queue_command(call);
        return true;
    }
    if (needs_too_many(call, &needs)) {
        admit_abort_exec(call, "it writes in several databases, each of which has a commit of "
                               "its own");
        return true;
    }
    if (!fits_run(call, &needs, run, result))
        return false;
    call->txn = call_txn(call, call->database);
    if (scope->refusal && (needs.flags & NEEDS_MAP) &&
        (!call->txn || (needs.flags & (COMMAND_WRITE | COMMAND_ALONE)))) {
        refuse(call, scope->refusal);
        return true;
    }
    run->touched_store = needs.flags & NEEDS_MAP;
    run->ran = true;
    call_run(call);
    return true;
}

/* An EXEC whose checks said no: its error becomes the reason of another. */
static void rejected_exec(struct call *call, size_t start, struct resp_buffer *replies)
{
    if (replies->failed)
        return;
    const char *error = (const char *)resp_buffer_bytes(replies) + start + strlen("-");
    size_t size = resp_buffer_size(replies) - start - strlen("-\r\n");
    size_t skip = size > 4 && memcmp(error, "ERR ", 4) == 0 ? 4 : 0;
    char reason[200];
    snprintf(reason, sizeof reason, "%.*s", (int)(size - skip), error + skip);
    resp_buffer_truncate(replies, start);
    admit_abort_exec(call, reason);
}

/* The checks said no: the error is replied already. */
static void rejected(struct call *call, size_t start, struct resp_buffer *replies)
{
    struct session *session = call->session;
    if (call->command && (call->command->flags & COMMAND_RUNS_QUEUE)) {
        rejected_exec(call, start, replies);
        return;
    }
    session->transaction.failed |= session->transaction.open;
    if (!is_cross_protocol(call))
        return;
    log_write(call->session->server->log, LOG_WARNING,
              "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: "
              "commands to AnyStore. Connection from %s aborted.",
              call->session->client->address);
    resp_buffer_truncate(replies, start);
    session->close_after_reply = true;
}

/* What CLIENT LIST shows of the session. */
static void show_session(const struct connection *connection)
{
    const struct session *session = &connection->session;
    const struct transaction *transaction = &session->transaction;
    struct subscriber *subscriber = connection->session.subscriber;
    struct client *client = connection->session.client;
    atomic_store_explicit(&client->queued, transaction->open ? (int)transaction->count : -1,
                          memory_order_relaxed);
    atomic_store_explicit(
        &client->channels,
        atomic_load_explicit(&subscriber->count[PUBSUB_CHANNEL], memory_order_relaxed),
        memory_order_relaxed);
    atomic_store_explicit(
        &client->patterns,
        atomic_load_explicit(&subscriber->count[PUBSUB_PATTERN], memory_order_relaxed),
        memory_order_relaxed);
    atomic_store_explicit(&client->monitors, subscriber_monitors(subscriber), memory_order_relaxed);
    atomic_store_explicit(&client->queued_bytes, transaction->bytes, memory_order_relaxed);
}

enum run_result connection_run(struct connection *connection, const struct scope *scope,
                               struct resp_buffer *replies)
{
    struct server *server = connection->session.server;
    struct session *session = &connection->session;
    struct run run = {.scope = scope};
    const bool empty = !scope->txn && !scope->txns && !scope->refusal;
    const size_t pause = connection_output_pause(connection);
    struct turn turn = {0};
    enum run_result result = RUN_MORE_INPUT;
    uint64_t commands = 0;
    measure_prepare(session);
    replies->most = output_most(connection);
    while (!run.alone) {
        struct resp_writer writer = {replies, connection->session.resp_version};
        if (connection->session.close_after_reply || replies->failed ||
            client_is_killed(connection->session.client)) {
            result = RUN_CLOSE;
            break;
        }
        if (resp_buffer_size(replies) >= pause) {
            result = RUN_OUTPUT_FULL;
            break;
        }
        size_t start = resp_buffer_size(replies);
        bool silent = is_silent(session);
        if (!next_request(connection, &writer, &result)) {
            if (silent)
                resp_buffer_truncate(replies, start);
            break;
        }
        struct call call = {.host = server->host,
                            .session = session,
                            .database = session->database,
                            .scope = scope,
                            .argc = resp_parser_argc(connection->session.parser),
                            .argv = resp_parser_argv(connection->session.parser),
                            .reply = &writer};
        run.touched_store = run.ran = false;
        bool checked = check_or_reply(&call);
        /* As Redis does: also what is refused or queued, not what EXEC runs. */
        atomic_store_explicit(&connection->session.client->last_command, call.command,
                              memory_order_relaxed);
        if (!checked)
            rejected(&call, start, replies);
        else if (!run_checked(&call, &run, &result))
            break;
        if (!run.ran)
            measure_rejected(&call, start);
        outbox_settle(&connection->session.outbox, run.touched_store);
        if (silent && is_silent(session)) {
            resp_buffer_truncate(replies, start);
            run.touched_store = false;
        }
        session->silence.skip = session->silence.skip_next;
        session->silence.skip_next = false;
        commands++;
        run.alone |= empty;
        const size_t request_size = connection->session.parsed_size;
        resp_buffer_consume(&connection->session.input, request_size);
        connection->session.parsed = false;
        if (connection->session.in_flight && !note_reply(connection, &call, run.touched_store)) {
            result = RUN_CLOSE;
            break;
        }
        if (turn_is_over(&turn, session, request_size) &&
            resp_buffer_size(&connection->session.input) > 0 &&
            !connection->session.close_after_reply) {
            result = RUN_TURN_OVER;
            break;
        }
    }
    if (run.alone && connection->session.close_after_reply)
        result = RUN_CLOSE;
    replies->most = 0;
    show_session(connection);
    atomic_fetch_add_explicit(&server->stats->commands_processed, commands, memory_order_relaxed);
    return result;
}
