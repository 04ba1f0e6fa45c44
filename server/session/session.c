/* SPDX-License-Identifier: MIT */
/* Sets up a session and ends it, and tells how much it may take. */
#include "server/session/session.h"

#include <stdlib.h>

#include "server/client/client.h"
#include "server/config/config.h"
#include "server/server.h"

/* Replies that wait to be sent, beyond which no further request of the same client is run.  A
 * client that does not read its replies costs no more memory than this and one reply. */
#define OUTPUT_PAUSE ((size_t)1 << 20)

bool session_start(struct session *session, struct server *server, struct client *client,
                   struct subscriber *subscriber, struct tally_block *tally)
{
    session->server = server;
    session->client = client;
    session->subscriber = subscriber;
    session->tally = tally;
    session->resp_version = 2;
    char *password = config_text(server->config, CONFIG_REQUIREPASS);
    session->authenticated = password && password[0] == '\0';
    free(password);
    session->parser = resp_parser_new();
    return session->parser != NULL;
}

void session_end(struct session *session)
{
    transaction_free(&session->transaction);
    while (transaction_tidy(&session->transaction))
        ;
    slices_free(&session->slices);
    outbox_rollback(&session->outbox, NULL);
    resp_parser_free(session->parser);
    resp_buffer_free(&session->input);
    resp_buffer_free(&session->unwanted);
    resp_buffer_free(&session->update_replies);
    free(session->reply_ends);
}

bool session_tidy(struct session *session)
{
    return transaction_tidy(&session->transaction);
}

void session_select(struct session *session, unsigned database)
{
    session->database = database;
    atomic_store_explicit(&session->client->database, database, memory_order_relaxed);
}

size_t session_memory(const struct session *session)
{
    return resp_parser_memory(session->parser) + session->input.capacity +
           session->unwanted.capacity + session->slices.kept.capacity +
           session->update_replies.capacity +
           session->reply_end_capacity * sizeof *session->reply_ends +
           transaction_memory(&session->transaction);
}

size_t session_output_pause(const struct session *session)
{
    struct config_output_limit limit =
        config_output_limit(session->server->config, CONFIG_CLASS_NORMAL);
    uint64_t most = limit.hard_bytes > limit.soft_bytes ? limit.hard_bytes : limit.soft_bytes;
    /* A limit is set to see clients go that exceed it: so it can be exceeded. */
    return most ? (size_t)most + 1 : OUTPUT_PAUSE;
}

uint64_t session_clients_most(const struct config *config)
{
    const uint64_t least = 128 * 1024; /* as in Redis: below it no client could say anything */
    int64_t most = config_number(config, CONFIG_MAXMEMORY_CLIENTS);
    uint64_t memory = (uint64_t)config_number(config, CONFIG_MAXMEMORY);
    if (most == 0 || (most < 0 && memory == 0))
        return 0;
    uint64_t bytes = most > 0 ? (uint64_t)most : memory / 100 * (uint64_t)-most;
    return bytes > least ? bytes : least;
}
