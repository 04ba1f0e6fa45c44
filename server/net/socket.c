/* SPDX-License-Identifier: MIT */
/* Reads from a client and sends to it, within limits. */
#include "server/net/socket.h"

#include <errno.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "server/client/client.h"
#include "server/config/config.h"
#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "server/observe/stats.h"
#include "server/publish/subscriber.h"
#include "server/server.h"

#define READ_BYTES  ((size_t)16 << 10) /* one read, at least */
#define INPUT_BYTES ((size_t)1 << 20)  /* read before what has come is run */

/* ---- Events ------------------------------------------------------------------------------- */

static void enable(struct event *event, bool *enabled, bool enable)
{
    if (*enabled == enable)
        return;
    if (enable)
        event_add(event, NULL);
    else
        event_del(event);
    *enabled = enable;
}

void socket_enable_read(struct connection *connection, bool enabled)
{
    enable(connection->read_event, &connection->read_enabled, enabled);
}

void socket_enable_write(struct connection *connection, bool enabled)
{
    enable(connection->write_event, &connection->write_enabled, enabled);
}

static void note_active(struct connection *connection)
{
    atomic_store_explicit(&connection->session.client->last_active_ms, steady_ms(),
                          memory_order_relaxed);
}

/* ---- Sending ------------------------------------------------------------------------------ */

void socket_note_overrun(const struct connection *connection, size_t size)
{
    const struct session *session = &connection->session;
    atomic_fetch_add(&session->server->stats->output_limit_disconnections, 1);
    log_write(session->server->log, LOG_WARNING,
              "Client %s closed: %zu bytes of output exceed client-output-buffer-limit%s",
              session->client->address, size,
              connection->output.overrun ? " or maxmemory-clients" : "");
}

bool socket_output_within_limits(struct connection *connection)
{
    const struct session *session = &connection->session;
    struct config_output_limit limit = subscriber_output_limit(session->subscriber);
    size_t size = resp_buffer_size(&connection->output);
    bool hard = limit.hard_bytes && size > limit.hard_bytes;
    bool soft = limit.soft_bytes && size > limit.soft_bytes;
    int64_t now = soft ? steady_ms() : 0;
    if (!soft)
        connection->soft_limit_since_ms = 0;
    else if (connection->soft_limit_since_ms == 0)
        connection->soft_limit_since_ms = now;
    bool too_long = soft && now - connection->soft_limit_since_ms > limit.soft_seconds * 1000;
    if (!hard && !too_long)
        return true;
    socket_note_overrun(connection, size);
    return false;
}

bool socket_output_full(const struct connection *connection)
{
    return resp_buffer_size(&connection->output) >= session_output_pause(&connection->session);
}

static void send_output(struct connection *connection)
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
    if (sent) {
        atomic_fetch_add_explicit(&connection->session.server->stats->bytes_written, sent,
                                  memory_order_relaxed);
        /* As in Redis a client is active while it takes its replies. */
        note_active(connection);
    }
}

enum verdict socket_send(struct connection *connection)
{
    struct resp_buffer *output = &connection->output;
    send_output(connection);
    bool empty = resp_buffer_size(output) == 0;
    if (empty)
        resp_buffer_trim(output, SOCKET_KEEP_BYTES);
    bool finished = connection->half_closing && empty;
    if (output->overrun && !connection->broken)
        socket_note_overrun(connection, resp_buffer_size(output));
    if (connection->broken || output->failed || finished ||
        !socket_output_within_limits(connection))
        return CONNECTION_CLOSE;
    socket_enable_write(connection, !empty);
    return CONNECTION_KEEP;
}

/* ---- Reading ------------------------------------------------------------------------------ */

/* Grows the buffer to at most twice what has arrived: an announced length allocates nothing. */
static size_t bytes_to_read(const struct session *session)
{
    size_t size = session->admitted ? 0 : resp_parser_wanted(session->parser);
    size_t come = resp_buffer_size(&session->input);
    if (size > come)
        size = come;
    if (size > INPUT_BYTES)
        size = INPUT_BYTES;
    return size < READ_BYTES ? READ_BYTES : size;
}

static void read_input(struct connection *connection)
{
    struct session *session = &connection->session;
    struct resp_buffer *input = &session->input;
    size_t total = 0;
    while (total < INPUT_BYTES) {
        size_t size = bytes_to_read(session);
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
    atomic_fetch_add_explicit(&session->server->stats->bytes_read, total, memory_order_relaxed);
    note_active(connection);
}

static bool input_within_limits(const struct connection *connection)
{
    const struct session *session = &connection->session;
    struct server *server = session->server;
    size_t size = resp_buffer_size(&session->input);
    if (size <= (uint64_t)config_number(server->config, CONFIG_CLIENT_QUERY_BUFFER_LIMIT))
        return true;
    atomic_fetch_add(&server->stats->query_limit_disconnections, 1);
    log_write(server->log, LOG_WARNING,
              "Client %s closed: %zu bytes of input exceed client-query-buffer-limit",
              session->client->address, size);
    return false;
}

enum verdict socket_read(struct connection *connection)
{
    read_input(connection);
    if (connection->broken || !input_within_limits(connection))
        return CONNECTION_CLOSE;
    if (connection->end_of_input)
        socket_enable_read(connection, false);
    return CONNECTION_KEEP;
}
