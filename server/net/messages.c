/* SPDX-License-Identifier: MIT */
/* Writes published messages and the lines of MONITOR. */
#include "server/net/messages.h"

#include "resp/writer.h"
#include "server/net/connection.h"
#include "server/peer/message.h"
#include "server/publish/pubsub.h"
#include "server/server.h"

/* A line may still be on its way when its receiver has left MONITOR, or wants no replies. */
static void write_line(struct connection *connection, const struct message *line)
{
    const struct silence *silence = &connection->session.silence;
    if (subscriber_monitors(connection->session.subscriber) && !silence->off && !silence->skip)
        resp_buffer_append(&connection->output, line->bytes, line->payload_size);
}

void messages_write(struct connection *connection, const struct delivery *delivery)
{
    const struct message *message = delivery->message;
    const struct session *session = &connection->session;
    bool by_pattern = delivery->kind == DELIVERY_PATTERN;
    struct resp_writer writer = {&connection->output, session->resp_version};
    delivery_arrived(delivery);
    if (delivery->kind == DELIVERY_LINE) {
        write_line(connection, message);
        return;
    }
    if (!pubsub_wants(session->server->pubsub, delivery))
        return;
    resp_write_push(&writer, by_pattern ? 4 : 3);
    resp_write_bulk_text(&writer, by_pattern ? "pmessage" : "message");
    if (by_pattern)
        resp_write_bulk(&writer, delivery->pattern, delivery->pattern_size);
    resp_write_bulk(&writer, message->bytes, message->name_size);
    resp_write_bulk(&writer, message->bytes + message->name_size, message->payload_size);
}

void messages_hold(struct connection *connection, struct delivery *delivery)
{
    *(connection->held ? &connection->held_last->next : &connection->held) = delivery;
    connection->held_last = delivery;
}

void messages_write_held(struct connection *connection)
{
    for (const struct delivery *d = connection->held; d; d = d->next)
        messages_write(connection, d);
    deliveries_free(connection->held);
    connection->held = NULL;
}
