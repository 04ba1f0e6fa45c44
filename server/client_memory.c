/* SPDX-License-Identifier: MIT */
/* Counts what memory clients take. */
#include "client_memory.h"

#include "client.h"
#include "connection.h"
#include "pubsub.h"
#include "server.h"

static void change(struct connection *connection, size_t now)
{
    struct client *client = connection->client;
    size_t before = atomic_load_explicit(&client->memory, memory_order_relaxed);
    if (now == before) /* mostly: the count that all share is left alone */
        return;
    atomic_store_explicit(&client->memory, now, memory_order_relaxed);
    atomic_fetch_add_explicit(&connection->server->memory.clients, (uint64_t)now - (uint64_t)before,
                              memory_order_relaxed);
}

void client_memory_count(struct connection *connection)
{
    const struct transaction *transaction = &connection->session.transaction;
    change(connection, sizeof *connection + sizeof *connection->client +
                           sizeof *connection->subscriber + connection->input.capacity +
                           connection->output.capacity + connection->update_replies.capacity +
                           connection->reply_end_capacity * sizeof *connection->reply_ends +
                           transaction_memory(transaction));
}

void client_memory_forget(struct connection *connection)
{
    change(connection, 0);
}
