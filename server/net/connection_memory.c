/* SPDX-License-Identifier: MIT */
/* Counts what memory connections take. */
#include "server/net/connection_memory.h"

#include "server/client/client.h"
#include "server/config/config.h"
#include "server/data/memory.h"
#include "server/net/connection.h"
#include "server/observe/log.h"
#include "server/observe/stats.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "text/number.h"

static void change(struct connection *connection, size_t now)
{
    struct client *client = connection->session.client;
    size_t before = atomic_load_explicit(&client->memory, memory_order_relaxed);
    if (now == before) /* mostly: the count that all share is left alone */
        return;
    atomic_store_explicit(&client->memory, now, memory_order_relaxed);
    atomic_fetch_add_explicit(&connection->session.server->memory->clients,
                              (uint64_t)now - (uint64_t)before, memory_order_relaxed);
}

/* Those that were closed for it may count for a while yet, so the registry has a closer look. */
static void evict(struct server *server)
{
    uint64_t most = session_clients_most(server->config);
    if (most == 0 || atomic_load_explicit(&server->memory->clients, memory_order_relaxed) < most)
        return;
    size_t count = client_evict(server->clients, most);
    if (count == 0)
        return;
    atomic_fetch_add(&server->stats->evicted_clients, count);
    log_write(server->log, LOG_NOTICE, "%zu client%s closed: all together exceed maxmemory-clients",
              count, number_plural(count));
}

void connection_memory_count(struct connection *connection)
{
    const struct session *session = &connection->session;
    change(connection, sizeof *connection + sizeof *session->client + sizeof *session->subscriber +
                           session_memory(session) + connection->output.capacity +
                           atomic_load_explicit(&session->subscriber->bytes, memory_order_relaxed));
    evict(session->server);
}

void connection_memory_forget(struct connection *connection)
{
    change(connection, 0);
}
