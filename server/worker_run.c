/* SPDX-License-Identifier: MIT */
/* Running what a client sent: on the worker, or by way of the commit thread and back. */
#include "worker_internal.h"

#include <stdio.h>
#include <string.h>

#include "client.h"
#include "clock.h"
#include "config.h"
#include "latency.h"
#include "server.h"
#include "tally.h"

#define LONGEST_WAIT_MS (3600 * 1000) /* then the end of a pause is looked at again */

static bool run_view(struct anystore_txn *txn, void *arg)
{
    struct connection *connection = arg;
    connection->run_result = connection_run(connection, txn, false, NULL, &connection->output);
    return true;
}

/* In a store without a file: right here, readers excluded. */
static bool run_update_here(struct anystore_txn *txn, void *arg)
{
    struct connection *connection = arg;
    connection->run_result = connection_run(connection, txn, true, NULL, &connection->output);
    return true;
}

/* On the commit thread. */
static bool run_update(struct anystore_txn *txn, void *arg)
{
    struct connection *connection = arg;
    connection->run_result =
        connection_run(connection, txn, true, NULL, &connection->update_replies);
    return true;
}

/* On the commit thread: the update is durable, or failed. */
static void on_update_done(struct anystore_request *request, bool ran,
                           const struct anystore_error *error)
{
    struct connection *connection = request->arg;
    struct worker *worker = connection->worker;
    connection->update_ran = ran;
    connection->update_error = *error;
    pthread_mutex_lock(&worker->mutex);
    connection->next_done = worker->finished;
    worker->finished = connection;
    worker_wake_locked(worker);
    pthread_mutex_unlock(&worker->mutex);
}

static void submit(struct connection *connection, bool alone)
{
    connection->busy = true;
    connection->reply_end_count = 0;
    connection->update_began_ns = measure_clock();
    connection->update = (struct anystore_request){
        .fn = run_update, .arg = connection, .rewrite = alone, .on_done = on_update_done};
    anystore_submit(connection->server->store, &connection->update);
}

/* Runs what has come, as far as possible. */
static enum run_result run_input(struct connection *connection)
{
    struct server *server = connection->server;
    struct anystore_error error;
    if (anystore_view(server->store, run_view, connection, &error) != ANYSTORE_OK) {
        char refusal[sizeof error.text + 64];
        snprintf(refusal, sizeof refusal, "Cannot catch up with the data file: %s", error.text);
        connection->run_result =
            connection_run(connection, NULL, false, refusal, &connection->output);
    } else if (connection->run_result == RUN_NEEDS_UPDATE && !server->data_path) {
        anystore_update(server->store, run_update_here, connection, NULL);
    }
    return connection->run_result;
}

/* The next request waits for the end of a CLIENT PAUSE, at which the worker looks again. */
static void set_paused(struct connection *connection, bool paused)
{
    struct worker *worker = connection->worker;
    int64_t end_ms = 0;
    if (connection->paused != paused) {
        connection->paused = paused;
        atomic_store_explicit(&connection->client->blocked, paused, memory_order_relaxed);
    }
    if (!paused)
        return;
    int64_t left_ms =
        pause_now(&worker->server->pause, &end_ms) != PAUSE_NONE ? end_ms - now_ms() : 0;
    left_ms = left_ms < 1 ? 1 : left_ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : left_ms;
    const struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(worker->resume_event, &left);
}

void worker_go_on(struct connection *connection)
{
    for (;;) {
        bool input = resp_buffer_size(&connection->input) > 0;
        enum run_result result = input ? run_input(connection) : RUN_MORE_INPUT;
        set_paused(connection, result == RUN_PAUSED);
        if (connection->session.closing_now) {
            worker_close(connection);
            return;
        }
        if (result == RUN_NEEDS_UPDATE || result == RUN_NEEDS_ALONE)
            submit(connection, result == RUN_NEEDS_ALONE);
        if (result == RUN_CLOSE || (result == RUN_MORE_INPUT && connection->end_of_input))
            connection->half_closing = true;
        if (connection->half_closing && !connection->busy)
            worker_enable_read(connection, false);
        if (!worker_flush(connection))
            return;
        if (connection->half_closing || connection->busy)
            return;
        bool full = worker_output_full(connection);
        if (result != RUN_OUTPUT_FULL || full) {
            /* A client that does not take its replies is not read from. */
            worker_enable_read(connection, !full && !connection->paused &&
                                               !connection->end_of_input &&
                                               !connection->worker->stopping);
            break;
        }
    }
    struct client *client = connection->client;
    atomic_store_explicit(&client->input_size, resp_buffer_size(&connection->input),
                          memory_order_relaxed);
    atomic_store_explicit(&client->input_capacity, connection->input.capacity,
                          memory_order_relaxed);
    atomic_store_explicit(&client->output_size, resp_buffer_size(&connection->output),
                          memory_order_relaxed);
    if (resp_buffer_size(&connection->input) == 0)
        resp_buffer_trim(&connection->input, WORKER_KEEP_BYTES);
}

static void append_error(struct connection *connection, struct resp_writer *writer,
                         const char *text)
{
    static const char code[] = "MISCONF ";
    resp_write_errorf(writer, "%sNot persisted, nothing was changed: %s", code, text);
    tally_error(connection->server->tally, code, strlen(code));
    atomic_fetch_add_explicit(&connection->server->stats.error_replies, 1, memory_order_relaxed);
}

/* The replies of a commit that failed: whatever depends on the map gets the error. */
static void append_failure(struct connection *connection, const char *text)
{
    const uint8_t *replies = resp_buffer_bytes(&connection->update_replies);
    struct resp_writer writer = {&connection->output, 2};
    size_t start = 0;
    for (size_t i = 0; i < connection->reply_end_count; i++) {
        const struct reply_end *reply = &connection->reply_ends[i];
        if (reply->touched_store)
            append_error(connection, &writer, text);
        else
            resp_buffer_append(&connection->output, replies + start, reply->end - start);
        start = reply->end;
    }
    /* What is behind the last request: a protocol error. */
    size_t size = resp_buffer_size(&connection->update_replies);
    if (size > start)
        resp_buffer_append(&connection->output, replies + start, size - start);
}

static bool run_refused(struct anystore_txn *txn, void *arg)
{
    struct connection *connection = arg;
    char refusal[sizeof connection->update_error.text + 64];
    snprintf(refusal, sizeof refusal, "Not persisted, nothing was changed: %s",
             connection->update_error.text);
    connection->run_result = connection_run(connection, txn, false, refusal, &connection->output);
    return true;
}

static void note_commit(struct connection *connection)
{
    struct server *server = connection->server;
    int64_t ns = measure_clock() - connection->update_began_ns;
    int64_t spike_ms = config_number(server->config, CONFIG_LATENCY_MONITOR_THRESHOLD);
    histogram_add(&server->commit_times, ns, false);
    if (spike_ms > 0 && ns / 1000000 >= spike_ms)
        latency_note(server->latency, LATENCY_COMMIT, ns / 1000000);
}

void worker_finish_update(struct connection *connection)
{
    struct resp_buffer *replies = &connection->update_replies;
    connection->busy = false;
    note_commit(connection);
    if (connection->broken) {
        worker_close(connection);
        return;
    }
    if (!connection->update_ran) {
        struct anystore_error error;
        if (anystore_view(connection->server->store, run_refused, connection, &error) !=
            ANYSTORE_OK)
            run_refused(NULL, connection);
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
    resp_buffer_truncate(replies, 0);
    resp_buffer_trim(replies, WORKER_KEEP_BYTES);
    worker_write_held(connection);
    if (connection->run_result == RUN_CLOSE)
        connection->half_closing = true;
    worker_go_on(connection);
}
