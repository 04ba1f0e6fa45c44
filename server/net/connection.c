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
    connection_free(connection);
    return NULL;
}

void connection_free(struct connection *connection)
{
    if (!connection)
        return;
    struct session *session = &connection->session;
    struct server *server = session->server;
    if (connection->read_event)
        event_free(connection->read_event);
    if (connection->write_event)
        event_free(connection->write_event);
    if (session->client) {
        connection_memory_forget(connection);
        client_free(server->clients, session->client);
    }
    close(connection->fd);
    session_end(session);
    if (session->subscriber) {
        monitors_leave(server->monitors, session->subscriber);
        subscriber_leave(server->pubsub, session->subscriber);
    }
    resp_buffer_free(&connection->output);
    free(connection);
}
