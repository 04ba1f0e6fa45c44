/* SPDX-License-Identifier: MIT */
/* The socket of a connection: sending, published messages, reading, limits, closing. */
#include "server/net/worker_state.h"

#include <errno.h>
#include <sys/socket.h>

#include "server/client/client.h"
#include "server/config/config.h"
#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "server/observe/stats.h"
#include "server/peer/message.h"
#include "server/publish/pubsub.h"
#include "server/server.h"

#define READ_BYTES  ((size_t)16 << 10) /* one read, at least */
#define INPUT_BYTES ((size_t)1 << 20)  /* read before what has come is run */
#define SEND_BYTES  ((size_t)64 << 10) /* of messages that are sent without waiting for more */

/* ---- Events of a connection --------------------------------------------------------------- */

void worker_enable_read(struct connection *connection, bool enable)
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

void worker_close(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (connection->session.in_flight) {
        /* The commit thread still has it: closed when it comes back. */
        connection->broken = true;
        worker_enable_read(connection, false);
        enable_write(connection, false);
        return;
    }
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        worker->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    worker_leave_turns(connection);
    deliveries_free(connection->held);
    connection_free(connection);
    atomic_fetch_sub(&worker->server->stats->clients, 1);
}

/* ---- Sending ------------------------------------------------------------------------------ */

static void note_output_overrun(const struct connection *connection, size_t size)
{
    atomic_fetch_add(&connection->session.server->stats->output_limit_disconnections, 1);
    log_write(connection->session.server->log, LOG_WARNING,
              "Client %s closed: %zu bytes of output exceed client-output-buffer-limit%s",
              connection->session.client->address, size,
              connection->output.overrun ? " or maxmemory-clients" : "");
}

bool worker_output_within_limits(struct connection *connection)
{
    struct config_output_limit limit = subscriber_output_limit(connection->session.subscriber);
    size_t size = resp_buffer_size(&connection->output);
    bool hard = limit.hard_bytes && size > limit.hard_bytes;
    bool soft = limit.soft_bytes && size > limit.soft_bytes;
    int64_t now = soft ? wall_ms() : 0;
    if (!soft)
        connection->soft_limit_since_ms = 0;
    else if (connection->soft_limit_since_ms == 0)
        connection->soft_limit_since_ms = now;
    bool too_long = soft && now - connection->soft_limit_since_ms > limit.soft_seconds * 1000;
    if (!hard && !too_long)
        return true;
    note_output_overrun(connection, size);
    return false;
}

bool worker_flush(struct connection *connection)
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
        atomic_fetch_add_explicit(&connection->session.server->stats->bytes_written, sent,
                                  memory_order_relaxed);
    bool empty = resp_buffer_size(output) == 0;
    if (empty)
        resp_buffer_trim(output, WORKER_KEEP_BYTES);
    bool finished = connection->half_closing && empty;
    if (output->overrun && !connection->broken)
        note_output_overrun(connection, resp_buffer_size(output));
    if (connection->broken || output->failed || finished ||
        !worker_output_within_limits(connection)) {
        worker_close(connection);
        return false;
    }
    enable_write(connection, !empty);
    return true;
}

bool worker_output_full(const struct connection *connection)
{
    return resp_buffer_size(&connection->output) >= connection_output_pause(connection);
}

/* ---- Published messages ------------------------------------------------------------------- */

/* A line may still be on its way when its receiver has left MONITOR, or wants no replies. */
static void write_line(struct connection *connection, const struct message *line)
{
    const struct silence *silence = &connection->session.silence;
    if (subscriber_monitors(connection->session.subscriber) && !silence->off && !silence->skip)
        resp_buffer_append(&connection->output, line->bytes, line->payload_size);
}

static void write_message(struct connection *connection, const struct delivery *delivery)
{
    const struct message *message = delivery->message;
    bool by_pattern = delivery->kind == DELIVERY_PATTERN;
    struct resp_writer writer = {&connection->output, connection->session.resp_version};
    delivery_arrived(delivery);
    if (delivery->kind == DELIVERY_LINE) {
        write_line(connection, message);
        return;
    }
    if (!pubsub_wants(connection->session.server->pubsub, delivery))
        return;
    resp_write_push(&writer, by_pattern ? 4 : 3);
    resp_write_bulk_text(&writer, by_pattern ? "pmessage" : "message");
    if (by_pattern)
        resp_write_bulk(&writer, delivery->pattern, delivery->pattern_size);
    resp_write_bulk(&writer, message->bytes, message->name_size);
    resp_write_bulk(&writer, message->bytes + message->name_size, message->payload_size);
}

/* What was published while an update was in flight, behind its replies: the confirmation of the
 * subscription may be among those. */
void worker_write_held(struct connection *connection)
{
    for (const struct delivery *d = connection->held; d; d = d->next)
        write_message(connection, d);
    deliveries_free(connection->held);
    connection->held = NULL;
}

/* Sends, and if that made room reads again from a client that was not read from for want of it. */
static void flush_and_go_on(struct connection *connection)
{
    if (worker_flush(connection) && !connection->session.in_flight && !connection->half_closing &&
        !worker_output_full(connection))
        worker_go_on(connection);
}

/* Messages for the connections of this worker.  What comes at once for one client is sent together. */
void worker_pass_on(struct delivery *delivery, bool more)
{
    struct connection *connection = delivery->subscriber->connection;
    delivery->next = NULL;
    if (!connection || connection->half_closing || connection->broken) {
        delivery_free(delivery);
    } else if (atomic_load_explicit(&delivery->subscriber->overrun, memory_order_relaxed)) {
        note_output_overrun(connection, atomic_load(&delivery->subscriber->waiting));
        delivery_free(delivery);
        worker_close(connection);
    } else if (connection->session.in_flight) {
        *(connection->held ? &connection->held_last->next : &connection->held) = delivery;
        connection->held_last = delivery;
    } else {
        write_message(connection, delivery);
        delivery_free(delivery);
        if (more && resp_buffer_size(&connection->output) < SEND_BYTES)
            return;
        if (connection->read_enabled)
            worker_flush(connection);
        else
            flush_and_go_on(connection);
    }
}

/* ---- Reading ------------------------------------------------------------------------------ */

/* For a large argument more, but room is only made for as much again as has come of it: what a client
 * announces costs nothing. */
static size_t bytes_to_read(const struct connection *connection)
{
    size_t size = connection->session.parsed ? 0 : resp_parser_wanted(connection->session.parser);
    size_t come = resp_buffer_size(&connection->session.input);
    if (size > come)
        size = come;
    if (size > INPUT_BYTES)
        size = INPUT_BYTES;
    return size < READ_BYTES ? READ_BYTES : size;
}

/* Reads until the socket is empty or enough has come for one run. */
static void read_input(struct connection *connection)
{
    struct resp_buffer *input = &connection->session.input;
    size_t total = 0;
    while (total < INPUT_BYTES) {
        size_t size = bytes_to_read(connection);
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
    atomic_fetch_add_explicit(&connection->session.server->stats->bytes_read, total,
                              memory_order_relaxed);
    atomic_store_explicit(&connection->session.client->last_active_ms, wall_ms(),
                          memory_order_relaxed);
}

static bool input_within_limits(struct connection *connection)
{
    size_t size = resp_buffer_size(&connection->session.input);
    if (size <= (uint64_t)config_number(connection->session.server->config,
                                        CONFIG_CLIENT_QUERY_BUFFER_LIMIT))
        return true;
    atomic_fetch_add(&connection->session.server->stats->query_limit_disconnections, 1);
    log_write(connection->session.server->log, LOG_WARNING,
              "Client %s closed: %zu bytes of input exceed client-query-buffer-limit",
              connection->session.client->address, size);
    return false;
}

void worker_on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct connection *connection = arg;
    if (connection->session.in_flight) {
        /* More is coming while a write is in flight: it waits in the socket, and the loop must not
         * be told again and again. */
        worker_enable_read(connection, false);
        return;
    }
    read_input(connection);
    if (connection->broken || !input_within_limits(connection)) {
        worker_close(connection);
        return;
    }
    if (connection->end_of_input)
        worker_enable_read(connection, false);
    worker_go_on(connection);
}

void worker_on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    flush_and_go_on(arg);
}
