/* SPDX-License-Identifier: MIT */
/* Running what a client sent: on the worker, or by way of the commit thread and back. */
#include "server/net/worker_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/client/client.h"
#include "server/client/pause.h"
#include "server/config/config.h"
#include "server/data/memory.h"
#include "server/observe/clock.h"
#include "server/observe/histogram.h"
#include "server/observe/latency.h"
#include "server/observe/stats.h"
#include "server/observe/tally.h"
#include "server/server.h"
#include "server/session/client_memory.h"

#define LONGEST_WAIT_MS (3600 * 1000) /* then the end of a pause is looked at again */

static bool run_view(struct anystore_txn *txn, void *arg)
{
    struct connection *connection = arg;
    const struct scope scope = {
        .database = connection->run_database, .txn = txn, .fresh = connection->fresh};
    connection->run_result = connection_run(connection, &scope, &connection->output);
    return true;
}

/* In a store without a file: right here, readers excluded. */
static bool run_update_here(struct anystore_txn *txn, void *arg)
{
    struct connection *connection = arg;
    const struct scope scope = {.database = connection->run_database,
                                .txn = txn,
                                .updating = true,
                                .rewriting =
                                    connection->update.kind == ANYSTORE_SUBMIT_UPDATE_AND_BASE};
    connection->run_result = connection_run(connection, &scope, &connection->output);
    return true;
}

/* On the commit thread. */
static bool run_update(struct anystore_txn *txn, void *arg)
{
    struct connection *connection = arg;
    const struct scope scope = {.database = connection->run_database,
                                .txn = txn,
                                .updating = true,
                                .rewriting =
                                    connection->update.kind == ANYSTORE_SUBMIT_UPDATE_AND_BASE};
    connection->run_result =
        connection_run(connection, &scope, &connection->session.update_replies);
    return true;
}

void worker_begin_update(struct connection *connection, enum update_kind kind)
{
    connection->session.in_flight = true;
    connection->session.reply_end_count = 0;
    connection->update_kind = kind;
    connection->update_kept_part = false;
    connection->update_began_ns = steady_ns();
}

void worker_end_update(struct connection *connection, bool ran, const struct anystore_error *error)
{
    connection->update_ran = ran;
    connection->update_error = *error;
    memory_end_update(connection->session.server->memory,
                      connection->update_kind == UPDATE_COMMIT
                          ? database_bit(connection->run_database)
                          : needs_databases(&connection->session.needs));
    outbox_send(&connection->session.outbox, connection->session.server->peers,
                ran && error->status == ANYSTORE_OK);
    mailbox_post_finished(connection->mailbox, &connection->finished);
}

/* On the commit thread: the update is durable, or failed. */
static void on_update_done(struct anystore_submission *submission, bool ran,
                           const struct anystore_error *error)
{
    worker_end_update(submission->arg, ran, error);
}

static void submit(struct connection *connection, bool alone)
{
    struct databases *databases = connection->session.server->databases;
    worker_begin_update(connection, UPDATE_COMMIT);
    connection->update = (struct anystore_submission){
        .kind = alone ? ANYSTORE_SUBMIT_UPDATE_AND_BASE : ANYSTORE_SUBMIT_UPDATE,
        .fn = run_update,
        .arg = connection,
        .on_done = on_update_done};
    anystore_submit(databases_store(databases, connection->run_database), &connection->update);
}

/* Runs what has come in a view of one database. */
static enum run_result run_in_view(struct connection *connection, struct anystore *store)
{
    struct anystore_error error;
    if (anystore_view(store, run_view, connection, &error) != ANYSTORE_OK) {
        char refusal[sizeof error.text + 64];
        snprintf(refusal, sizeof refusal, "Cannot catch up with the data file: %s", error.text);
        const struct scope scope = {
            .database = connection->run_database, .fresh = connection->fresh, .refusal = refusal};
        connection->run_result = connection_run(connection, &scope, &connection->output);
    }
    return connection->run_result;
}

/* Runs the next request without holding a map, which it does not need. */
static enum run_result run_outside(struct connection *connection)
{
    const struct scope scope = {.database = connection->run_database};
    connection->run_result = connection_run(connection, &scope, &connection->output);
    connection->fresh = false;
    return connection->run_result;
}

static bool look(struct anystore_txn *txn, void *arg)
{
    (void)txn;
    (void)arg;
    return true;
}

/* A look into each open database, which brings it up to date.  Outside of any view: a thread that holds
 * one must not wait for another. */
static void freshen(struct connection *connection)
{
    const struct databases *databases = connection->session.server->databases;
    database_bits bits = databases_opened(databases);
    for (; bits != 0; bits &= bits - 1)
        anystore_view(databases_store(databases, database_first(bits)), look, NULL, NULL);
    connection->fresh = true;
}

/* Makes the next request's needs the worker's own matter: another database to read, or all of them up to
 * date.  False if the databases' thread has to see to them. */
static bool follow_needs(struct connection *connection)
{
    const struct needs *needs = &connection->session.needs;
    database_bits bits = needs_databases(needs);
    if ((needs->open & ~databases_opened(connection->session.server->databases)) != 0 ||
        (bits != 0 && !database_is_single(bits)))
        return false;
    if (needs->fresh)
        freshen(connection);
    if (bits != 0)
        connection->run_database = database_first(bits);
    return true;
}

/* The database of the run has to be open: to be written to, or as it has a file. */
static enum run_result needs_open(struct connection *connection)
{
    connection->session.needs = (struct needs){.open = database_bit(connection->run_database)};
    return RUN_NEEDS_DATABASES;
}

/* Runs what has come, as far as possible. */
enum run_result worker_run_input(struct connection *connection)
{
    struct server *server = connection->session.server;
    struct databases *databases = server->databases;
    connection->run_database = connection->session.database;
    connection->fresh = false;
    for (;;) {
        struct anystore *store = databases_to_read(databases, connection->run_database);
        if (!store)
            return needs_open(connection);
        enum run_result result = run_in_view(connection, store);
        if ((result == RUN_NEEDS_UPDATE || result == RUN_NEEDS_ALONE) &&
            !databases_store(databases, connection->run_database))
            return needs_open(connection);
        if (result == RUN_NEEDS_UPDATE && !server->data_path) {
            anystore_update(store, run_update_here, connection, NULL);
            memory_end_update(server->memory, database_bit(connection->run_database));
            result = connection->run_result;
        }
        if (result == RUN_NEEDS_NO_MAP) {
            result = run_outside(connection);
            if (result != RUN_MORE_INPUT)
                return result;
            continue;
        }
        if (result != RUN_NEEDS_DATABASES || !follow_needs(connection))
            return result;
    }
}

/* The next request waits for the end of a CLIENT PAUSE, at which the worker looks again. */
static void set_paused(struct connection *connection, bool paused)
{
    struct worker *worker = connection->worker;
    int64_t end_ms = 0;
    if (connection->paused != paused) {
        connection->paused = paused;
        atomic_store_explicit(&connection->session.client->blocked, paused, memory_order_relaxed);
    }
    if (!paused)
        return;
    int64_t left_ms =
        pause_now(worker->server->pause, &end_ms) != PAUSE_NONE ? end_ms - wall_ms() : 0;
    left_ms = left_ms < 1 ? 1 : left_ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : left_ms;
    const struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(worker->resume_event, &left);
}

/* ---- Turns -------------------------------------------------------------------------------- */

/* The connection goes on when the loop has looked at all others.  It is not read from until then. */
static void wait_for_turn(struct connection *connection)
{
    struct worker *worker = connection->worker;
    const struct timeval at_once = {0};
    connection->waits_for_turn = true;
    connection->previous_turn = worker->last_turn;
    connection->next_turn = NULL;
    *(worker->last_turn ? &worker->last_turn->next_turn : &worker->turns) = connection;
    worker->last_turn = connection;
    event_add(worker->turn_event, &at_once);
}

void worker_leave_turns(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (!connection->waits_for_turn)
        return;
    connection->waits_for_turn = false;
    *(connection->previous_turn ? &connection->previous_turn->next_turn : &worker->turns) =
        connection->next_turn;
    *(connection->next_turn ? &connection->next_turn->previous_turn : &worker->last_turn) =
        connection->previous_turn;
}

void worker_run_turns(struct worker *worker)
{
    /* Up to the one that is the last now: whoever is not done stands behind it again. */
    const struct connection *last = worker->last_turn;
    bool more = last != NULL;
    while (more && worker->turns) {
        struct connection *connection = worker->turns;
        more = connection != last;
        worker_leave_turns(connection);
        worker_go_on(connection);
    }
}

void worker_go_on(struct connection *connection)
{
    worker_leave_turns(connection);
    for (;;) {
        bool input = resp_buffer_size(&connection->session.input) > 0;
        enum run_result result = input ? worker_run_input(connection) : RUN_MORE_INPUT;
        set_paused(connection, result == RUN_PAUSED);
        if (connection->session.closing_now) {
            worker_close(connection);
            return;
        }
        if (result == RUN_NEEDS_UPDATE || result == RUN_NEEDS_ALONE ||
            result == RUN_NEEDS_DATABASES)
            client_memory_count(connection); /* later it is the other thread's */
        if (result == RUN_NEEDS_UPDATE || result == RUN_NEEDS_ALONE)
            submit(connection, result == RUN_NEEDS_ALONE);
        if (result == RUN_NEEDS_DATABASES)
            worker_submit_several(connection);
        if (result == RUN_CLOSE || (result == RUN_MORE_INPUT && connection->end_of_input))
            connection->half_closing = true;
        if (connection->half_closing && !connection->session.in_flight)
            worker_enable_read(connection, false);
        if (!worker_flush(connection))
            return;
        if (connection->half_closing || connection->session.in_flight)
            return;
        bool full = worker_output_full(connection);
        bool wait = result == RUN_TURN_OVER && !full;
        if (wait)
            wait_for_turn(connection);
        if (result != RUN_OUTPUT_FULL || full) {
            /* A client that does not take its replies is not read from. */
            worker_enable_read(connection, !full && !wait && !connection->paused &&
                                               !connection->end_of_input &&
                                               !connection->worker->stopping);
            break;
        }
    }
    struct client *client = connection->session.client;
    atomic_store_explicit(&client->input_size, resp_buffer_size(&connection->session.input),
                          memory_order_relaxed);
    atomic_store_explicit(&client->input_capacity, connection->session.input.capacity,
                          memory_order_relaxed);
    atomic_store_explicit(&client->output_size, resp_buffer_size(&connection->output),
                          memory_order_relaxed);
    if (resp_buffer_size(&connection->session.input) == 0) {
        resp_buffer_trim(&connection->session.input, WORKER_KEEP_BYTES);
        resp_parser_reset(connection->session.parser);
    }
    client_memory_count(connection);
}

static void append_error(struct connection *connection, struct resp_writer *writer, bool of_exec,
                         const char *text)
{
    const char *code = of_exec ? EXEC_ABORTED "MISCONF " : "MISCONF ";
    resp_write_errorf(writer, "%sNot persisted, %s: %s", code,
                      connection->update_kept_part ? "but for a part in another database"
                                                   : "nothing was changed",
                      text);
    tally_error(connection->session.server->tally, code, strlen(code));
    atomic_fetch_add_explicit(&connection->session.server->stats->error_replies, 1,
                              memory_order_relaxed);
}

/* The replies of a commit that failed: whatever depends on the map gets the error. */
static void append_failure(struct connection *connection, const char *text)
{
    const uint8_t *replies = resp_buffer_bytes(&connection->session.update_replies);
    struct resp_writer writer = {&connection->output, 2};
    size_t start = 0;
    for (size_t i = 0; i < connection->session.reply_end_count; i++) {
        const struct reply_end *reply = &connection->session.reply_ends[i];
        if (reply->touched_store)
            append_error(connection, &writer, reply->of_exec, text);
        else
            resp_buffer_append(&connection->output, replies + start, reply->end - start);
        start = reply->end;
    }
    /* What is behind the last request: a protocol error. */
    size_t size = resp_buffer_size(&connection->session.update_replies);
    if (size > start)
        resp_buffer_append(&connection->output, replies + start, size - start);
}

static void refuse_in(struct connection *connection, struct anystore_txn *txn,
                      database_bits databases)
{
    char refusal[sizeof connection->update_error.text + 64];
    snprintf(refusal, sizeof refusal, "%s, nothing was changed: %s",
             databases ? "Not done" : "Not persisted", connection->update_error.text);
    const struct scope scope = {.database = connection->run_database,
                                .txn = txn,
                                .databases = databases,
                                .fresh = true,
                                .refusal = refusal};
    connection->run_result = connection_run(connection, &scope, &connection->output);
}

static bool run_refused(struct anystore_txn *txn, void *arg)
{
    refuse_in(arg, txn, 0);
    return true;
}

/* Nothing was run, as the commit could not begin or a database not be opened: writes get the error, or
 * the one request that wanted these databases. */
static void refuse_update(struct connection *connection)
{
    struct databases *databases = connection->session.server->databases;
    const struct needs *needs = &connection->session.needs;
    if (connection->update_kind == UPDATE_COMMIT) {
        if (anystore_view(databases_store(databases, connection->run_database), run_refused,
                          connection, NULL) != ANYSTORE_OK)
            refuse_in(connection, NULL, 0);
    } else {
        refuse_in(connection, NULL, needs_databases(needs) | needs->open);
    }
}

static void note_commit(struct connection *connection)
{
    struct server *server = connection->session.server;
    int64_t ns = steady_ns() - connection->update_began_ns;
    int64_t spike_ms = config_number(server->config, CONFIG_LATENCY_MONITOR_THRESHOLD);
    histogram_add(server->commit_times, ns, false);
    if (spike_ms > 0 && ns / 1000000 >= spike_ms)
        latency_note(server->latency, LATENCY_COMMIT, ns / 1000000);
}

void worker_take_update(struct connection *connection)
{
    struct resp_buffer *replies = &connection->session.update_replies;
    connection->session.in_flight = false;
    if (connection->update_kind != UPDATE_NOTHING)
        note_commit(connection);
    if (connection->broken)
        return;
    if (!connection->update_ran && connection->update_error.status != ANYSTORE_OK) {
        refuse_update(connection);
    } else if (connection->update_error.status != ANYSTORE_OK) {
        append_failure(connection, connection->update_error.text);
    } else if (resp_buffer_size(&connection->output) == 0) {
        struct resp_buffer empty = connection->output;
        connection->output = *replies;
        *replies = empty;
    } else {
        resp_buffer_append(&connection->output, resp_buffer_bytes(replies),
                           resp_buffer_size(replies));
    }
    connection->output.failed |= replies->failed;
    connection->output.overrun |= replies->overrun;
    resp_buffer_truncate(replies, 0);
    resp_buffer_trim(replies, WORKER_KEEP_BYTES);
    if (connection->session.reply_end_capacity > WORKER_KEEP_REPLIES) {
        free(connection->session.reply_ends);
        connection->session.reply_ends = NULL;
        connection->session.reply_end_count = connection->session.reply_end_capacity = 0;
    }
}

void worker_finish_update(struct connection *connection)
{
    worker_take_update(connection);
    if (connection->broken) {
        worker_close(connection);
        return;
    }
    worker_write_held(connection);
    if (connection->run_result == RUN_CLOSE)
        connection->half_closing = true;
    worker_go_on(connection);
}
