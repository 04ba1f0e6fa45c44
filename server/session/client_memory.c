/* SPDX-License-Identifier: MIT */
/* Counts what memory clients take. */
#include "server/session/client_memory.h"

#include "server/client/client.h"
#include "server/config/config.h"
#include "server/data/memory.h"
#include "server/observe/log.h"
#include "server/observe/stats.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/connection.h"

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

uint64_t client_memory_most(const struct config *config)
{
    const uint64_t least = 128 * 1024; /* as in Redis: below it no client could say anything */
    int64_t most = config_number(config, CONFIG_MAXMEMORY_CLIENTS);
    uint64_t memory = (uint64_t)config_number(config, CONFIG_MAXMEMORY);
    if (most == 0 || (most < 0 && memory == 0))
        return 0;
    uint64_t bytes = most > 0 ? (uint64_t)most : memory / 100 * (uint64_t)-most;
    return bytes > least ? bytes : least;
}

/* Those that were closed for it may count for a while yet, so the registry has a closer look. */
static void evict(struct server *server)
{
    uint64_t most = client_memory_most(server->config);
    if (most == 0 || atomic_load_explicit(&server->memory->clients, memory_order_relaxed) < most)
        return;
    size_t count = client_evict(server->clients, most);
    if (count == 0)
        return;
    atomic_fetch_add(&server->stats->evicted_clients, count);
    log_write(server->log, LOG_NOTICE, "%zu clients closed: all together exceed maxmemory-clients",
              count);
}

void client_memory_count(struct connection *connection)
{
    const struct transaction *transaction = &connection->session.transaction;
    change(connection,
           sizeof *connection + sizeof *connection->session.client +
               sizeof *connection->session.subscriber + connection->session.input.capacity +
               resp_parser_memory(connection->session.parser) + connection->output.capacity +
               connection->session.update_replies.capacity +
               connection->session.reply_end_capacity * sizeof *connection->session.reply_ends +
               atomic_load_explicit(&connection->session.subscriber->bytes, memory_order_relaxed) +
               transaction_memory(transaction));
    evict(connection->session.server);
}

void client_memory_forget(struct connection *connection)
{
    change(connection, 0);
}
