/* SPDX-License-Identifier: MIT */
/* Makes connections and frees them. */
#include "server/net/connection.h"

#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "server/client/client.h"
#include "server/net/connection_memory.h"
#include "server/observe/clock.h"
#include "server/publish/monitor.h"
#include "server/publish/pubsub.h"
#include "server/server.h"

/* Subscriptions of a closed connection that end in a step: a small part of a millisecond. */
#define SUBSCRIPTIONS_AT_A_TIME 200

struct connection *connection_new(struct server *server, struct worker *worker,
                                  struct mailbox *mailbox, struct tally_block *tally, int fd,
                                  bool is_unix)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return NULL;
    }
    connection->worker = worker;
    connection->mailbox = mailbox;
    connection->fd = fd;
    struct client *client = client_new(server->clients, mailbox, fd, is_unix, steady_ms());
    struct subscriber *subscriber = subscriber_new(mailbox, server->config, connection);
    bool started = session_start(&connection->session, server, client, subscriber, tally);
    if (started && client && subscriber)
        return connection;
    connection_close(connection);
    connection_dissolve(connection);
    return NULL;
}

/* What others see of a connection ends at once, however long it takes to free the rest. */
void connection_close(struct connection *connection)
{
    struct session *session = &connection->session;
    struct server *server = session->server;
    if (connection->read_event)
        event_free(connection->read_event);
    if (connection->write_event)
        event_free(connection->write_event);
    close(connection->fd);
    deliveries_free(connection->held);
    if (session->client) {
        connection_memory_forget(connection);
        client_free(server->clients, session->client);
    }
    if (session->subscriber) {
        session->subscriber->connection = NULL;
        monitors_leave(server->monitors, session->subscriber);
    }
    transaction_free(&session->transaction);
}

bool connection_dissolve(struct connection *connection)
{
    struct session *session = &connection->session;
    if (session_tidy(session) ||
        (session->subscriber && subscriber_unsubscribe(session->server->pubsub, session->subscriber,
                                                       SUBSCRIPTIONS_AT_A_TIME)))
        return false;
    if (session->subscriber)
        subscriber_release(session->subscriber);
    session_end(session);
    resp_buffer_free(&connection->output);
    free(connection);
    return true;
}
