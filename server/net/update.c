/* SPDX-License-Identifier: MIT */
/* Hands updates over and takes their replies. */
#include "server/net/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/config.h"
#include "server/data/memory.h"
#include "server/net/connection.h"
#include "server/net/socket.h"
#include "server/observe/clock.h"
#include "server/observe/latency.h"
#include "server/observe/stats.h"
#include "server/observe/tally.h"
#include "server/server.h"
#include "server/session/run.h"

/* More of them are freed when they are not needed any more. */
#define KEEP_REPLIES ((size_t)1 << 10) /* struct reply_end */

/* ---- On its way --------------------------------------------------------------------------- */

void update_begin(struct connection *connection, enum update_kind kind)
{
    struct update *update = &connection->update;
    connection->session.in_flight = true;
    connection->session.reply_end_count = 0;
    update->kind = kind;
    update->kept_part = false;
    update->rewriting = false;
    update->began_ns = steady_ns();
}

void update_end(struct connection *connection, bool ran, const struct anystore_error *error)
{
    struct update *update = &connection->update;
    struct session *session = &connection->session;
    update->ran = ran;
    update->error = *error;
    memory_end_update(session->server->memory, update->kind == UPDATE_COMMIT
                                                   ? database_bit(update->database)
                                                   : needs_databases(&session->needs));
    outbox_send(&session->outbox, session->server->peers, ran && error->status == ANYSTORE_OK);
    mailbox_post_finished(connection->mailbox, &update->finished);
}

/* On the commit thread. */
static bool run_update(struct anystore_txn *txn, void *arg)
{
    struct connection *connection = arg;
    struct update *update = &connection->update;
    struct session *session = &connection->session;
    const struct scope scope = {
        .database = update->database, .txn = txn, .updating = true, .rewriting = update->rewriting};
    session_begin_run(session, &session->update_replies);
    update->state = session_run(session, &scope, &session->update_replies);
    session_end_run(session, &session->update_replies);
    return true;
}

/* On the commit thread: the update is durable, or failed. */
static void on_update_done(struct anystore_submission *submission, bool ran,
                           const struct anystore_error *error)
{
    update_end(submission->arg, ran, error);
}

void update_submit(struct connection *connection, unsigned database, bool rewriting)
{
    struct update *update = &connection->update;
    struct databases *databases = connection->session.server->databases;
    update_begin(connection, UPDATE_COMMIT);
    update->database = database;
    update->rewriting = rewriting;
    update->submission = (struct anystore_submission){
        .kind = rewriting ? ANYSTORE_SUBMIT_UPDATE_AND_BASE : ANYSTORE_SUBMIT_UPDATE,
        .fn = run_update,
        .arg = connection,
        .on_done = on_update_done};
    anystore_submit(databases_store(databases, database), &update->submission);
}

/* ---- Back on the worker ------------------------------------------------------------------- */

static void append_error(struct connection *connection, struct resp_writer *writer, bool of_exec,
                         const char *text)
{
    struct server *server = connection->session.server;
    const char *code = of_exec ? EXEC_ABORTED "MISCONF " : "MISCONF ";
    resp_write_errorf(writer, "%sNot persisted, %s: %s", code,
                      connection->update.kept_part ? "but for a part in another database"
                                                   : "nothing was changed",
                      text);
    tally_error(server->tally, code, strlen(code));
    atomic_fetch_add_explicit(&server->stats->error_replies, 1, memory_order_relaxed);
}

/* The replies of a commit that failed: each that depends on the map becomes the error. */
static void append_failure(struct connection *connection, const char *text)
{
    const struct session *session = &connection->session;
    const uint8_t *replies = resp_buffer_bytes(&session->update_replies);
    struct resp_writer writer = {&connection->output, 2};
    size_t start = 0;
    for (size_t i = 0; i < session->reply_end_count; i++) {
        const struct reply_end *reply = &session->reply_ends[i];
        if (reply->touched_store)
            append_error(connection, &writer, reply->of_exec, text);
        else
            resp_buffer_append(&connection->output, replies + start, reply->end - start);
        start = reply->end;
    }
    /* Behind the last request: a protocol error. */
    size_t size = resp_buffer_size(&session->update_replies);
    if (size > start)
        resp_buffer_append(&connection->output, replies + start, size - start);
}

/* Runs what waits in a scope that has the error in the place of what could not be had. */
static void refuse_in(struct connection *connection, struct anystore_txn *txn,
                      database_bits databases)
{
    struct update *update = &connection->update;
    struct session *session = &connection->session;
    char refusal[sizeof update->error.text + 64];
    snprintf(refusal, sizeof refusal, "%s, nothing was changed: %s",
             databases ? "Not done" : "Not persisted", update->error.text);
    const struct scope scope = {.database = update->database,
                                .txn = txn,
                                .databases = databases,
                                .fresh = true,
                                .refusal = refusal};
    session_begin_run(session, &connection->output);
    update->state = session_run(session, &scope, &connection->output);
    session_end_run(session, &connection->output);
}

static bool run_refused(struct anystore_txn *txn, void *arg)
{
    refuse_in(arg, txn, 0);
    return true;
}

/* Nothing was run, as the commit could not begin or a database not be opened: writes get the error,
 * or the one call that wanted these databases. */
static void refuse_update(struct connection *connection)
{
    const struct session *session = &connection->session;
    const struct update *update = &connection->update;
    const struct databases *databases = session->server->databases;
    if (update->kind != UPDATE_COMMIT)
        refuse_in(connection, NULL,
                  needs_databases(&session->needs) | session->needs.open | update->opening);
    else if (anystore_view(databases_store(databases, update->database), run_refused, connection,
                           NULL) != ANYSTORE_OK)
        refuse_in(connection, NULL, 0);
}

static void note_commit(struct connection *connection)
{
    struct server *server = connection->session.server;
    int64_t ns = steady_ns() - connection->update.began_ns;
    int64_t spike_ms = config_number(server->config, CONFIG_LATENCY_MONITOR_THRESHOLD);
    histogram_add(server->commit_times, ns, false);
    if (spike_ms > 0 && ns / 1000000 >= spike_ms)
        latency_note(server->latency, LATENCY_COMMIT, ns / 1000000);
}

static void append_replies(struct connection *connection)
{
    struct resp_buffer *replies = &connection->session.update_replies;
    if (resp_buffer_size(&connection->output) == 0) {
        struct resp_buffer empty = connection->output;
        connection->output = *replies;
        *replies = empty;
    } else {
        resp_buffer_append(&connection->output, resp_buffer_bytes(replies),
                           resp_buffer_size(replies));
    }
}

void update_take_replies(struct connection *connection)
{
    struct session *session = &connection->session;
    struct update *update = &connection->update;
    struct resp_buffer *replies = &session->update_replies;
    session->in_flight = false;
    if (update->kind != UPDATE_NOTHING)
        note_commit(connection);
    if (connection->broken)
        return;
    connection->output.failed |= replies->failed;
    connection->output.overrun |= replies->overrun;
    if (!update->ran && update->error.status != ANYSTORE_OK)
        refuse_update(connection);
    else if (update->error.status != ANYSTORE_OK)
        append_failure(connection, update->error.text);
    else
        append_replies(connection);
    resp_buffer_truncate(replies, 0);
    resp_buffer_trim(replies, SOCKET_KEEP_BYTES);
    if (session->reply_end_capacity > KEEP_REPLIES) {
        free(session->reply_ends);
        session->reply_ends = NULL;
        session->reply_end_count = session->reply_end_capacity = 0;
    }
}
