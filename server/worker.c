/* SPDX-License-Identifier: MIT */
/* The event loop of a worker: reading, running, sending, and the way to the commit thread and
 * back. */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "client.h"
#include "clock.h"
#include "config.h"
#include "connection.h"
#include "latency.h"
#include "log.h"
#include "pubsub.h"
#include "server.h"
#include "tally.h"

#define READ_BYTES      ((size_t)16 << 10) /* one read, at least */
#define INPUT_BYTES     ((size_t)1 << 20)  /* read before what has come is run */
#define IDLE_MS         2000               /* after which an idle connection's buffers are freed */
#define KEEP_BYTES      ((size_t)64 << 10) /* larger buffers are freed as soon as they are empty */
#define LONGEST_WAIT_MS (3600 * 1000)      /* then the end of a pause is looked at again */
#define STOP_SECONDS    5                  /* for clients to take their replies at shutdown */

struct arrival {
    int fd;
    bool is_unix;
    struct arrival *next;
};

struct worker {
    struct server *server;
    pthread_t thread;
    struct event_base *base;
    int wake_fd;
    struct event *wake_event, *tick_event, *resume_event;
    struct tally_block *tally;
    struct connection *connections;
    bool stopping;
    int64_t stop_by_ms;

    pthread_mutex_t mutex;
    struct arrival *arrivals;                      /* guard: mutex */
    struct connection *finished;                   /* guard: mutex; updates that are done */
    struct delivery *deliveries, **deliveries_end; /* guard: mutex; published messages, in order */
    bool stop_asked;                               /* guard: mutex */
    bool look_asked;                               /* guard: mutex */
    bool woken; /* guard: mutex; the eventfd has been written to */
};

/* ---- Waking up ---------------------------------------------------------------------------- */

/* The mutex is held.  Only the first of several reasons needs to write. */
static void wake_locked(struct worker *worker)
{
    if (worker->woken)
        return;
    worker->woken = true;
    uint64_t one = 1;
    ssize_t n = write(worker->wake_fd, &one, sizeof one);
    (void)n; /* an eventfd with room takes it */
}

void worker_add(struct worker *worker, int fd, bool is_unix)
{
    struct arrival *arrival = malloc(sizeof *arrival);
    if (!arrival) {
        close(fd);
        atomic_fetch_sub(&worker->server->stats.clients, 1);
        return;
    }
    *arrival = (struct arrival){.fd = fd, .is_unix = is_unix};
    pthread_mutex_lock(&worker->mutex);
    arrival->next = worker->arrivals;
    worker->arrivals = arrival;
    wake_locked(worker);
    pthread_mutex_unlock(&worker->mutex);
}

void worker_deliver(struct worker *worker, struct delivery *delivery)
{
    delivery->next = NULL;
    pthread_mutex_lock(&worker->mutex);
    *worker->deliveries_end = delivery;
    worker->deliveries_end = &delivery->next;
    wake_locked(worker);
    pthread_mutex_unlock(&worker->mutex);
}

void worker_look(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->look_asked = true;
    wake_locked(worker);
    pthread_mutex_unlock(&worker->mutex);
}

struct tally_block *worker_tally(const struct worker *worker)
{
    return worker->tally;
}

void worker_stop(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->stop_asked = true;
    wake_locked(worker);
    pthread_mutex_unlock(&worker->mutex);
}

/* ---- Events of a connection --------------------------------------------------------------- */

static void enable_read(struct connection *connection, bool enable)
{
    if (connection->read_enabled == enable)
        return;
    if (enable)
        event_add(connection->read_event, NULL);
    else
        event_del(connection->read_event);
    connection->read_enabled = enable;
}

static void enable_write(struct connection *connection, bool enable)
{
    if (connection->write_enabled == enable)
        return;
    if (enable)
        event_add(connection->write_event, NULL);
    else
        event_del(connection->write_event);
    connection->write_enabled = enable;
}

static void free_deliveries(struct delivery *delivery)
{
    while (delivery) {
        struct delivery *next = delivery->next;
        delivery_free(delivery);
        delivery = next;
    }
}

static void close_connection(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (connection->busy) {
        /* The commit thread still has it: closed when it comes back. */
        connection->broken = true;
        enable_read(connection, false);
        enable_write(connection, false);
        return;
    }
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        worker->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    free_deliveries(connection->held);
    connection_free(connection);
    atomic_fetch_sub(&worker->server->stats.clients, 1);
}

/* ---- Sending ------------------------------------------------------------------------------ */

/* Whether the output is within the limits that client-output-buffer-limit sets. */
static bool output_within_limits(struct connection *connection)
{
    bool subscribed = subscriber_total(connection->subscriber) > 0;
    struct config_output_limit limit = config_output_limit(
        connection->server->config, subscribed ? CONFIG_CLASS_PUBSUB : CONFIG_CLASS_NORMAL);
    size_t size = resp_buffer_size(&connection->output);
    bool hard = limit.hard_bytes && size > limit.hard_bytes;
    bool soft = limit.soft_bytes && size > limit.soft_bytes;
    int64_t now = soft ? now_ms() : 0;
    if (!soft)
        connection->soft_limit_since_ms = 0;
    else if (connection->soft_limit_since_ms == 0)
        connection->soft_limit_since_ms = now;
    bool too_long = soft && now - connection->soft_limit_since_ms > limit.soft_seconds * 1000;
    if (!hard && !too_long)
        return true;
    atomic_fetch_add(&connection->server->stats.output_limit_disconnections, 1);
    log_write(connection->server->log, LOG_WARNING,
              "Client %s closed: %zu bytes of output exceed client-output-buffer-limit",
              connection->client->address, size);
    return false;
}

/* Sends what the socket takes.  False if the connection was closed. */
static bool flush_output(struct connection *connection)
{
    struct resp_buffer *output = &connection->output;
    size_t sent = 0;
    while (resp_buffer_size(output) > 0 && !connection->broken) {
        ssize_t n =
            send(connection->fd, resp_buffer_bytes(output), resp_buffer_size(output), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            connection->broken = true;
            break;
        }
        sent += (size_t)n;
        resp_buffer_consume(output, (size_t)n);
    }
    if (sent)
        atomic_fetch_add_explicit(&connection->server->stats.bytes_written, sent,
                                  memory_order_relaxed);
    bool empty = resp_buffer_size(output) == 0;
    if (empty)
        resp_buffer_trim(output, KEEP_BYTES);
    bool finished = connection->half_closing && empty;
    if (connection->broken || output->failed || finished || !output_within_limits(connection)) {
        close_connection(connection);
        return false;
    }
    enable_write(connection, !empty);
    return true;
}

/* ---- Published messages ------------------------------------------------------------------- */

static void write_message(struct connection *connection, const struct delivery *delivery)
{
    const struct pubsub_message *message = delivery->message;
    struct resp_writer writer = {&connection->output, connection->session.resp_version};
    resp_write_push(&writer, delivery->by_pattern ? 4 : 3);
    resp_write_bulk_text(&writer, delivery->by_pattern ? "pmessage" : "message");
    if (delivery->by_pattern)
        resp_write_bulk(&writer, delivery->pattern, delivery->pattern_size);
    resp_write_bulk(&writer, message->bytes, message->channel_size);
    resp_write_bulk(&writer, message->bytes + message->channel_size, message->payload_size);
}

/* What was published while an update was in flight, behind its replies: the confirmation of the
 * subscription may be among those. */
static void write_held(struct connection *connection)
{
    for (const struct delivery *d = connection->held; d; d = d->next)
        write_message(connection, d);
    free_deliveries(connection->held);
    connection->held = NULL;
}

/* Messages for the connections of this worker.  Each is sent at once: several to the same client share
 * a send only if its socket is full. */
static void deliver(struct delivery *delivery)
{
    struct connection *connection = delivery->subscriber->connection;
    delivery->next = NULL;
    if (!connection || connection->half_closing || connection->broken) {
        delivery_free(delivery);
    } else if (connection->busy) {
        struct delivery **end = &connection->held;
        while (*end)
            end = &(*end)->next;
        *end = delivery;
    } else {
        write_message(connection, delivery);
        delivery_free(delivery);
        flush_output(connection);
    }
}

/* ---- Running ------------------------------------------------------------------------------ */

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
    wake_locked(worker);
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

static bool output_full(const struct connection *connection)
{
    return resp_buffer_size(&connection->output) >= connection_output_pause(connection);
}

/* Goes on with a connection that is the worker's: runs, sends, hands over.  The connection may be
 * closed afterwards. */
static void go_on(struct connection *connection)
{
    for (;;) {
        bool input = resp_buffer_size(&connection->input) > 0;
        enum run_result result = input ? run_input(connection) : RUN_MORE_INPUT;
        set_paused(connection, result == RUN_PAUSED);
        if (connection->session.closing_now) {
            close_connection(connection);
            return;
        }
        if (result == RUN_NEEDS_UPDATE || result == RUN_NEEDS_ALONE)
            submit(connection, result == RUN_NEEDS_ALONE);
        if (result == RUN_CLOSE || (result == RUN_MORE_INPUT && connection->end_of_input))
            connection->half_closing = true;
        if (connection->half_closing && !connection->busy)
            enable_read(connection, false);
        if (!flush_output(connection))
            return;
        if (connection->half_closing || connection->busy)
            return;
        bool full = output_full(connection);
        if (result != RUN_OUTPUT_FULL || full) {
            /* A client that does not take its replies is not read from. */
            enable_read(connection, !full && !connection->paused && !connection->end_of_input &&
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
        resp_buffer_trim(&connection->input, KEEP_BYTES);
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

/* An update came back from the commit thread. */
static void finish_update(struct connection *connection)
{
    struct resp_buffer *replies = &connection->update_replies;
    connection->busy = false;
    note_commit(connection);
    if (connection->broken) {
        close_connection(connection);
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
    resp_buffer_trim(replies, KEEP_BYTES);
    write_held(connection);
    if (connection->run_result == RUN_CLOSE)
        connection->half_closing = true;
    go_on(connection);
}

/* ---- Reading ------------------------------------------------------------------------------ */

/* Reads until the socket is empty or enough has come for one run. */
static void read_input(struct connection *connection)
{
    struct resp_buffer *input = &connection->input;
    size_t total = 0;
    while (total < INPUT_BYTES) {
        size_t wanted = connection->parsed ? 0 : resp_parser_wanted(connection->parser);
        size_t size = wanted < READ_BYTES    ? READ_BYTES
                      : wanted < INPUT_BYTES ? wanted
                                             : INPUT_BYTES;
        uint8_t *place = resp_buffer_reserve(input, size);
        if (!place) {
            connection->broken = true;
            return;
        }
        ssize_t n = recv(connection->fd, place, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0) {
            connection->end_of_input = true;
            connection->broken = n < 0;
            break;
        }
        resp_buffer_commit(input, (size_t)n);
        total += (size_t)n;
        if ((size_t)n < size)
            break;
    }
    atomic_fetch_add_explicit(&connection->server->stats.bytes_read, total, memory_order_relaxed);
    atomic_store_explicit(&connection->client->last_active_ms, now_ms(), memory_order_relaxed);
}

static bool input_within_limits(struct connection *connection)
{
    size_t size = resp_buffer_size(&connection->input);
    if (size <=
        (uint64_t)config_number(connection->server->config, CONFIG_CLIENT_QUERY_BUFFER_LIMIT))
        return true;
    atomic_fetch_add(&connection->server->stats.query_limit_disconnections, 1);
    log_write(connection->server->log, LOG_WARNING,
              "Client %s closed: %zu bytes of input exceed client-query-buffer-limit",
              connection->client->address, size);
    return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct connection *connection = arg;
    if (connection->busy) {
        /* More is coming while a write is in flight: it waits in the socket, and the loop must not
         * be told again and again. */
        enable_read(connection, false);
        return;
    }
    read_input(connection);
    if (connection->broken || !input_within_limits(connection)) {
        close_connection(connection);
        return;
    }
    if (connection->end_of_input)
        enable_read(connection, false);
    go_on(connection);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct connection *connection = arg;
    if (flush_output(connection) && !connection->busy && !connection->half_closing &&
        !output_full(connection))
        go_on(connection);
}

/* ---- The loop ----------------------------------------------------------------------------- */

static void adopt(struct worker *worker, const struct arrival *arrival)
{
    struct connection *connection =
        connection_new(worker->server, worker, arrival->fd, arrival->is_unix);
    if (connection) {
        connection->read_event =
            event_new(worker->base, connection->fd, EV_READ | EV_PERSIST, on_readable, connection);
        connection->write_event =
            event_new(worker->base, connection->fd, EV_WRITE | EV_PERSIST, on_writable, connection);
    }
    if (!connection || !connection->read_event || !connection->write_event) {
        connection_free(connection);
        atomic_fetch_sub(&worker->server->stats.clients, 1);
        return;
    }
    connection->next = worker->connections;
    if (worker->connections)
        worker->connections->previous = connection;
    worker->connections = connection;
    enable_read(connection, true);
}

static void begin_stop(struct worker *worker)
{
    worker->stopping = true;
    worker->stop_by_ms = now_ms() + STOP_SECONDS * 1000;
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        enable_read(c, false);
        if (!c->busy) {
            c->half_closing = true;
            flush_output(c);
        }
    }
}

/* Ends the loop when nothing is left to do, or nobody takes it. */
static void end_if_done(struct worker *worker)
{
    bool too_late = now_ms() >= worker->stop_by_ms;
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        if (!c->busy && (too_late || resp_buffer_size(&c->output) == 0))
            close_connection(c);
    }
    if (!worker->connections)
        event_base_loopbreak(worker->base);
}

/* Closes the clients that were killed, and goes on with those that wait. */
static void look(struct worker *worker)
{
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        if (client_is_killed(c->client))
            close_connection(c);
        else if (c->paused && !c->busy && !c->half_closing)
            go_on(c);
    }
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *worker = arg;
    if (!worker->stopping)
        look(worker);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct worker *worker = arg;
    uint64_t count = 0;
    ssize_t n = read(fd, &count, sizeof count);
    (void)n;
    pthread_mutex_lock(&worker->mutex);
    struct arrival *arrivals = worker->arrivals;
    struct connection *finished = worker->finished;
    struct delivery *deliveries = worker->deliveries;
    bool stop_asked = worker->stop_asked, look_asked = worker->look_asked;
    worker->look_asked = false;
    worker->deliveries = NULL;
    worker->deliveries_end = &worker->deliveries;
    worker->arrivals = NULL;
    worker->finished = NULL;
    worker->woken = false;
    pthread_mutex_unlock(&worker->mutex);
    while (finished) {
        struct connection *next = finished->next_done;
        finish_update(finished);
        finished = next;
    }
    while (arrivals) {
        struct arrival *next = arrivals->next;
        adopt(worker, arrivals);
        free(arrivals);
        arrivals = next;
    }
    while (deliveries) {
        struct delivery *next = deliveries->next;
        deliver(deliveries);
        deliveries = next;
    }
    if (look_asked && !worker->stopping)
        look(worker);
    if (stop_asked && !worker->stopping)
        begin_stop(worker);
    if (worker->stopping)
        end_if_done(worker);
}

/* Once a second: clients that idle too long, soft limits, memory of idle connections. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *worker = arg;
    int64_t now = now_ms();
    int64_t timeout_ms = config_number(worker->server->config, CONFIG_TIMEOUT) * 1000;
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        if (c->busy)
            continue;
        int64_t idle_ms =
            now - atomic_load_explicit(&c->client->last_active_ms, memory_order_relaxed);
        if ((timeout_ms && idle_ms > timeout_ms && !c->paused) || !output_within_limits(c)) {
            close_connection(c);
            continue;
        }
        if (idle_ms > IDLE_MS) {
            resp_buffer_trim(&c->input, 0);
            resp_buffer_trim(&c->output, 0);
            resp_buffer_trim(&c->update_replies, 0);
        }
    }
    if (worker->stopping)
        end_if_done(worker);
}

static void *worker_run(void *arg)
{
    struct worker *worker = arg;
    event_base_dispatch(worker->base);
    while (worker->connections)
        close_connection(worker->connections);
    return NULL;
}

static void worker_free(struct worker *worker)
{
    if (worker->wake_event)
        event_free(worker->wake_event);
    if (worker->tick_event)
        event_free(worker->tick_event);
    if (worker->resume_event)
        event_free(worker->resume_event);
    if (worker->base)
        event_base_free(worker->base);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    while (worker->arrivals) {
        struct arrival *next = worker->arrivals->next;
        close(worker->arrivals->fd);
        free(worker->arrivals);
        worker->arrivals = next;
    }
    free_deliveries(worker->deliveries);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}

struct worker *worker_start(struct server *server, unsigned index, char **cause)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        *cause = strdup("out of memory");
        return NULL;
    }
    worker->server = server;
    worker->deliveries_end = &worker->deliveries;
    pthread_mutex_init(&worker->mutex, NULL);
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->base = event_base_new();
    worker->tally = tally_block_new(server->tally);
    if (worker->base && worker->wake_fd >= 0 && worker->tally) {
        const struct timeval second = {.tv_sec = 1};
        worker->wake_event =
            event_new(worker->base, worker->wake_fd, EV_READ | EV_PERSIST, on_wake, worker);
        worker->tick_event = event_new(worker->base, -1, EV_PERSIST, on_tick, worker);
        worker->resume_event = evtimer_new(worker->base, on_resume, worker);
        if (worker->wake_event && worker->tick_event && worker->resume_event &&
            event_add(worker->wake_event, NULL) == 0 &&
            event_add(worker->tick_event, &second) == 0 &&
            pthread_create(&worker->thread, NULL, worker_run, worker) == 0)
            return worker;
    }
    if (asprintf(cause, "cannot start worker thread %u: %s", index, strerror(errno)) < 0)
        *cause = NULL;
    worker_free(worker);
    return NULL;
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    worker_free(worker);
}
