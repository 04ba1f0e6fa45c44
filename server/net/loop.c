/* SPDX-License-Identifier: MIT */
/* The event loop of a worker: waking up, arrivals, what comes back, the tick, the end. */
#include "server/net/worker_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/client/client.h"
#include "server/config/config.h"
#include "server/observe/clock.h"
#include "server/observe/stats.h"
#include "server/observe/tally.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/client_memory.h"

#define IDLE_MS      2000 /* after which an idle connection's buffers are freed */
#define FINISH_MOST  8    /* updates answered at once, before the sockets are looked at again */
#define STOP_SECONDS 5    /* for clients to take their replies at shutdown */

/* ---- Waking up ---------------------------------------------------------------------------- */

static void wake(struct worker *worker)
{
    uint64_t one = 1;
    ssize_t n = write(worker->wake_fd, &one, sizeof one);
    (void)n; /* an eventfd with room takes it */
}

void worker_wake_locked(struct worker *worker)
{
    if (worker->woken)
        return;
    worker->woken = true;
    wake(worker);
}

void worker_add(struct worker *worker, int fd, bool is_unix)
{
    struct arrival *arrival = malloc(sizeof *arrival);
    if (!arrival) {
        close(fd);
        atomic_fetch_sub(&worker->server->stats->clients, 1);
        return;
    }
    *arrival = (struct arrival){.fd = fd, .is_unix = is_unix};
    pthread_mutex_lock(&worker->mutex);
    arrival->next = worker->arrivals;
    worker->arrivals = arrival;
    worker_wake_locked(worker);
    pthread_mutex_unlock(&worker->mutex);
}

/* Who gets more than its worker can pass on would need ever more memory here: beyond its limit of
 * output the receiver gets nothing any more, and is closed when its worker sees the last delivery. */
static bool takes_delivery(const struct worker *worker, const struct delivery *delivery)
{
    struct subscriber *subscriber = delivery->subscriber;
    if (atomic_load_explicit(&subscriber->overrun, memory_order_relaxed))
        return false;
    size_t size = delivery_size(delivery);
    size_t waiting = atomic_fetch_add(&subscriber->waiting, size) + size;
    uint64_t most = worker_output_limit(worker->server, subscriber).hard_bytes;
    if (most && waiting > most)
        atomic_store_explicit(&subscriber->overrun, true, memory_order_relaxed);
    return true;
}

void worker_deliver(struct worker *worker, struct delivery *delivery)
{
    if (!takes_delivery(worker, delivery)) {
        delivery_free(delivery);
        return;
    }
    delivery->next = NULL;
    pthread_mutex_lock(&worker->mutex);
    *worker->deliveries_end = delivery;
    worker->deliveries_end = &delivery->next;
    worker_wake_locked(worker);
    pthread_mutex_unlock(&worker->mutex);
}

void worker_look(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->look_asked = true;
    worker_wake_locked(worker);
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
    worker_wake_locked(worker);
    pthread_mutex_unlock(&worker->mutex);
}

/* ---- The loop ----------------------------------------------------------------------------- */

static void adopt(struct worker *worker, const struct arrival *arrival)
{
    struct connection *connection =
        connection_new(worker->server, worker, arrival->fd, arrival->is_unix);
    if (connection) {
        connection->read_event = event_new(worker->base, connection->fd, EV_READ | EV_PERSIST,
                                           worker_on_readable, connection);
        connection->write_event = event_new(worker->base, connection->fd, EV_WRITE | EV_PERSIST,
                                            worker_on_writable, connection);
    }
    if (!connection || !connection->read_event || !connection->write_event) {
        connection_free(connection);
        atomic_fetch_sub(&worker->server->stats->clients, 1);
        return;
    }
    connection->next = worker->connections;
    if (worker->connections)
        worker->connections->previous = connection;
    worker->connections = connection;
    client_memory_count(connection);
    worker_enable_read(connection, true);
}

static void begin_stop(struct worker *worker)
{
    worker->stopping = true;
    worker->stop_by_ms = wall_ms() + STOP_SECONDS * 1000;
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        worker_enable_read(c, false);
        if (!c->session.in_flight) {
            c->half_closing = true;
            worker_flush(c);
        }
    }
}

/* Ends the loop when nothing is left to do, or nobody takes it. */
static void end_if_done(struct worker *worker)
{
    bool too_late = wall_ms() >= worker->stop_by_ms;
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        if (!c->session.in_flight && (too_late || resp_buffer_size(&c->output) == 0))
            worker_close(c);
    }
    if (!worker->connections)
        event_base_loopbreak(worker->base);
}

/* Closes the clients that were killed, and goes on with those that wait. */
static void look(struct worker *worker)
{
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        if (client_is_killed(c->session.client))
            worker_close(c);
        else if (c->paused && !c->session.in_flight && !c->half_closing)
            worker_go_on(c);
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

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    worker_run_turns(arg);
}

/* Puts what has been done behind what waits already, in the order in which it was done. */
static void queue_finished(struct worker *worker, struct connection *latest)
{
    struct connection *first = NULL, *last = latest;
    while (latest) {
        struct connection *earlier = latest->next_done;
        latest->next_done = first;
        first = latest;
        latest = earlier;
    }
    if (!first)
        return;
    *worker->waiting_end = first;
    worker->waiting_end = &last->next_done;
}

/* Answers some of those whose updates are done; between two such bursts others are served. */
static void finish_updates(struct worker *worker)
{
    for (unsigned i = 0; i < FINISH_MOST && worker->waiting; i++) {
        struct connection *connection = worker->waiting;
        worker->waiting = connection->next_done;
        if (!worker->waiting)
            worker->waiting_end = &worker->waiting;
        worker_finish_update(connection);
    }
    if (worker->waiting)
        wake(worker);
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
    queue_finished(worker, finished);
    finish_updates(worker);
    while (arrivals) {
        struct arrival *next = arrivals->next;
        adopt(worker, arrivals);
        free(arrivals);
        arrivals = next;
    }
    while (deliveries) {
        struct delivery *next = deliveries->next;
        worker_pass_on(deliveries, next && next->subscriber == deliveries->subscriber);
        deliveries = next;
    }
    if (look_asked && !worker->stopping)
        look(worker);
    if (stop_asked && !worker->stopping)
        begin_stop(worker);
    if (worker->stopping)
        end_if_done(worker);
}

/* Who waits for messages, or for the end of a pause, may be silent. */
static bool may_idle(const struct connection *connection)
{
    return connection->paused || subscriber_total(connection->session.subscriber) > 0 ||
           subscriber_monitors(connection->session.subscriber);
}

/* Once a second: clients that idle too long, soft limits, memory of idle connections. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *worker = arg;
    int64_t now = wall_ms();
    int64_t timeout_ms = config_number(worker->server->config, CONFIG_TIMEOUT) * 1000;
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        if (c->session.in_flight)
            continue;
        int64_t idle_ms =
            now - atomic_load_explicit(&c->session.client->last_active_ms, memory_order_relaxed);
        if ((timeout_ms && idle_ms > timeout_ms && !may_idle(c)) ||
            !worker_output_within_limits(c)) {
            worker_close(c);
            continue;
        }
        if (idle_ms > IDLE_MS) {
            resp_buffer_trim(&c->session.input, 0);
            resp_buffer_trim(&c->output, 0);
            resp_buffer_trim(&c->session.update_replies, 0);
        }
        client_memory_count(c);
    }
    if (worker->stopping)
        end_if_done(worker);
}

static void *worker_run(void *arg)
{
    struct worker *worker = arg;
    event_base_dispatch(worker->base);
    while (worker->connections)
        worker_close(worker->connections);
    return NULL;
}

void worker_free(struct worker *worker)
{
    if (worker->wake_event)
        event_free(worker->wake_event);
    if (worker->tick_event)
        event_free(worker->tick_event);
    if (worker->resume_event)
        event_free(worker->resume_event);
    if (worker->turn_event)
        event_free(worker->turn_event);
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
    pubsub_forget(worker->deliveries);
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
    worker->waiting_end = &worker->waiting;
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
        worker->turn_event = evtimer_new(worker->base, on_turn, worker);
        if (worker->wake_event && worker->tick_event && worker->resume_event &&
            worker->turn_event && event_add(worker->wake_event, NULL) == 0 &&
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
}
