/* SPDX-License-Identifier: MIT */
/* The events of a worker: mail, sockets, turns, the tick, the end. */
#include "server/net/worker.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/client/client.h"
#include "server/config/config.h"
#include "server/net/connection_memory.h"
#include "server/net/serve.h"
#include "server/net/socket.h"
#include "server/net/turns.h"
#include "server/net/worker_state.h"
#include "server/observe/clock.h"
#include "server/observe/stats.h"
#include "server/observe/tally.h"
#include "server/publish/subscriber.h"
#include "server/server.h"

#define IDLE_MS      2000 /* after which an idle connection's buffers are freed */
#define FINISH_MOST  8    /* updates answered at once, before the sockets are looked at again */
#define STOP_SECONDS 5    /* for clients to take their replies at shutdown */

/* ---- On any thread ------------------------------------------------------------------------ */

void worker_add(struct worker *worker, int fd, bool is_unix)
{
    struct arrival *arrival = malloc(sizeof *arrival);
    if (!arrival) {
        close(fd);
        atomic_fetch_sub(&worker->server->stats->clients, 1);
        return;
    }
    *arrival = (struct arrival){.fd = fd, .is_unix = is_unix};
    mailbox_post_arrival(worker->mailbox, arrival);
}

void worker_stop(struct worker *worker)
{
    mailbox_ask_stop(worker->mailbox);
}

/* ---- The loop ----------------------------------------------------------------------------- */

/* Frees a closed connection, or a part of it.  Whether there is more to free. */
static bool dissolve_some(struct worker *worker)
{
    struct connection *connection = worker->closed;
    if (!connection)
        return false;
    struct connection *next = connection->next;
    if (connection_dissolve(connection))
        worker->closed = next;
    return worker->closed != NULL;
}

/* The first of the list leaves it at once; another one only when it is closed. */
static void leave_unsent(struct connection *connection)
{
    struct connection **at = &connection->worker->unsent;
    if (!connection->unsent)
        return;
    while (*at != connection)
        at = &(*at)->next_unsent;
    *at = connection->next_unsent;
    connection->unsent = false;
}

/* Closes a connection, or marks it for that while its session is another thread's. */
static void close_connection(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (connection->session.in_flight) {
        connection->broken = true;
        socket_enable_read(connection, false);
        socket_enable_write(connection, false);
        return;
    }
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        worker->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    turns_leave(connection);
    leave_unsent(connection);
    connection_close(connection);
    atomic_fetch_sub(&worker->server->stats->clients, 1);
    connection->next = worker->closed;
    worker->closed = connection;
    if (dissolve_some(worker))
        turns_wake(worker);
}

/* Does what a step of a connection has decided.  The connection may be gone afterwards. */
static void conclude(struct connection *connection, enum verdict verdict)
{
    if (verdict == CONNECTION_CLOSE)
        close_connection(connection);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    conclude(arg, serve_readable(arg));
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    conclude(arg, serve_writable(arg));
}

static void adopt(struct worker *worker, const struct arrival *arrival)
{
    struct event_base *base = loop_base(worker->loop);
    struct connection *connection = connection_new(worker->server, worker, worker->mailbox,
                                                   worker->tally, arrival->fd, arrival->is_unix);
    if (connection) {
        connection->read_event =
            event_new(base, connection->fd, EV_READ | EV_PERSIST, on_readable, connection);
        connection->write_event =
            event_new(base, connection->fd, EV_WRITE | EV_PERSIST, on_writable, connection);
    }
    if (!connection || !connection->read_event || !connection->write_event) {
        if (connection) {
            connection_close(connection);
            connection_dissolve(connection);
        }
        atomic_fetch_sub(&worker->server->stats->clients, 1);
        return;
    }
    connection->next = worker->connections;
    if (worker->connections)
        worker->connections->previous = connection;
    worker->connections = connection;
    connection_memory_count(connection);
    socket_enable_read(connection, true);
}

static void begin_stop(struct worker *worker)
{
    worker->stopping = true;
    worker->stop_by_ms = steady_ms() + STOP_SECONDS * 1000;
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        socket_enable_read(c, false);
        if (!c->session.in_flight) {
            c->half_closing = true;
            conclude(c, socket_send(c));
        }
    }
}

/* Closes each connection that has sent its replies, or all when time is up.  Ends the loop with the
 * last one. */
static void end_if_done(struct worker *worker)
{
    bool too_late = steady_ms() >= worker->stop_by_ms;
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        if (!c->session.in_flight && (too_late || resp_buffer_size(&c->output) == 0))
            close_connection(c);
    }
    if (!worker->connections)
        loop_end(worker->loop);
}

/* Closes the clients that were killed, and goes on with those that a CLIENT PAUSE made wait. */
static void recheck_clients(struct worker *worker)
{
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        if (client_is_killed(c->session.client))
            close_connection(c);
        else if (c->paused && !c->session.in_flight && !c->half_closing)
            conclude(c, serve_continue(c));
    }
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct worker *worker = arg;
    if (!worker->stopping)
        recheck_clients(worker);
}

/* Gives a turn to each connection that waits for one now.  A connection that is not done queues up
 * again, behind the last of these. */
static void run_turns(struct worker *worker)
{
    const struct connection *last = worker->last_turn;
    bool more = last != NULL;
    while (more && worker->turns) {
        struct connection *connection = worker->turns;
        more = connection != last;
        conclude(connection, serve_continue(connection));
    }
    if (dissolve_some(worker))
        turns_wake(worker);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    run_turns(arg);
}

static struct connection *connection_of(struct finished_update *update)
{
    return (struct connection *)(void *)((char *)update -
                                         offsetof(struct connection, update.finished));
}

/* Answers some of the finished updates, the oldest first.  Other clients are served before the
 * rest. */
static void finish_updates(struct worker *worker, struct finished_update *more)
{
    *worker->finished_end = more;
    while (*worker->finished_end)
        worker->finished_end = &(*worker->finished_end)->next;
    for (unsigned i = 0; i < FINISH_MOST && worker->finished; i++) {
        struct finished_update *update = worker->finished;
        worker->finished = update->next;
        if (!worker->finished)
            worker->finished_end = &worker->finished;
        conclude(connection_of(update), serve_finish_update(connection_of(update)));
    }
    if (worker->finished)
        loop_wake(worker->loop);
}

static void adopt_all(struct worker *worker, struct arrival *arrival)
{
    while (arrival) {
        struct arrival *next = arrival->next;
        adopt(worker, arrival);
        free(arrival);
        arrival = next;
    }
}

static void deliver(struct worker *worker, struct delivery *delivery)
{
    struct connection *connection = delivery->subscriber->connection;
    if (!connection) {
        delivery_free(delivery);
        return;
    }
    if (!connection->unsent) {
        connection->unsent = true;
        connection->next_unsent = worker->unsent;
        worker->unsent = connection;
    }
    conclude(connection, serve_message(connection, delivery));
}

/* Writes all messages, then sends: once for each receiver, however many it gets. */
static void deliver_all(struct worker *worker, struct delivery *delivery)
{
    while (delivery) {
        struct delivery *next = delivery->next;
        deliver(worker, delivery);
        delivery = next;
    }
    while (worker->unsent) {
        struct connection *connection = worker->unsent;
        leave_unsent(connection);
        conclude(connection, serve_messages(connection));
    }
}

static void on_wake(void *arg)
{
    struct worker *worker = arg;
    struct mail mail;
    mailbox_take(worker->mailbox, &mail);
    finish_updates(worker, mail.finished);
    adopt_all(worker, mail.arrivals);
    deliver_all(worker, mail.deliveries);
    if (mail.recheck_clients && !worker->stopping)
        recheck_clients(worker);
    if (mail.stop && !worker->stopping)
        begin_stop(worker);
    if (worker->stopping)
        end_if_done(worker);
}

/* A client may be silent while it waits for messages, for the end of a pause, or for its turn. */
static bool may_idle(const struct connection *connection)
{
    return connection->paused || connection->waits_for_turn ||
           subscriber_total(connection->session.subscriber) > 0 ||
           subscriber_monitors(connection->session.subscriber);
}

/* Once a second: clients that idle too long, soft limits, memory of idle connections. */
static void on_second(void *arg)
{
    struct worker *worker = arg;
    int64_t now = steady_ms();
    int64_t timeout_ms = config_number(worker->server->config, CONFIG_TIMEOUT) * 1000;
    for (struct connection *c = worker->connections, *next; c; c = next) {
        next = c->next;
        if (c->session.in_flight)
            continue;
        int64_t idle_ms =
            now - atomic_load_explicit(&c->session.client->last_active_ms, memory_order_relaxed);
        if ((timeout_ms && idle_ms > timeout_ms && !may_idle(c)) ||
            !socket_output_within_limits(c)) {
            close_connection(c);
            continue;
        }
        if (idle_ms > IDLE_MS) {
            resp_buffer_trim(&c->session.input, 0);
            resp_buffer_trim(&c->output, 0);
            resp_buffer_trim(&c->session.update_replies, 0);
        }
        connection_memory_count(c);
    }
    if (worker->stopping)
        end_if_done(worker);
}

static void drop_mail(struct mailbox *mailbox)
{
    struct mail mail;
    mailbox_take(mailbox, &mail);
    while (mail.arrivals) {
        struct arrival *next = mail.arrivals->next;
        close(mail.arrivals->fd);
        free(mail.arrivals);
        mail.arrivals = next;
    }
    deliveries_free(mail.deliveries);
}

void worker_free(struct worker *worker)
{
    if (worker->resume_event)
        event_free(worker->resume_event);
    if (worker->turn_event)
        event_free(worker->turn_event);
    loop_free(worker->loop);
    if (worker->mailbox)
        drop_mail(worker->mailbox);
    mailbox_free(worker->mailbox);
    free(worker);
}

static bool make_parts(struct worker *worker)
{
    const struct loop_hooks hooks = {.on_wake = on_wake, .on_second = on_second, .arg = worker};
    worker->loop = loop_new(&hooks);
    if (!worker->loop)
        return false;
    worker->mailbox = mailbox_new(worker->loop);
    worker->tally = tally_block_new(worker->server->tally);
    worker->resume_event = evtimer_new(loop_base(worker->loop), on_resume, worker);
    worker->turn_event = evtimer_new(loop_base(worker->loop), on_turn, worker);
    return worker->mailbox && worker->tally && worker->resume_event && worker->turn_event;
}

struct worker *worker_start(struct server *server, unsigned index, char **cause)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        *cause = strdup("out of memory");
        return NULL;
    }
    worker->server = server;
    worker->finished_end = &worker->finished;
    if (make_parts(worker) && loop_start(worker->loop))
        return worker;
    if (asprintf(cause, "cannot start worker thread %u: %s", index, strerror(errno)) < 0)
        *cause = NULL;
    worker_free(worker);
    return NULL;
}

void worker_join(struct worker *worker)
{
    loop_join(worker->loop);
    while (dissolve_some(worker)) /* while the stores of the watched keys are open */
        ;
}
