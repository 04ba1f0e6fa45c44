/* SPDX-License-Identifier: MIT */
/* The hooks of the peers. */
#include "server/peering.h"

#include <stddef.h>

#include "server/config/config.h"
#include "server/peer/message.h"
#include "server/peer/peers.h"
#include "server/publish/notify.h"
#include "server/publish/pubsub.h"
#include "server/server.h"

static void on_message(struct message *message, void *arg)
{
    struct server *server = arg;
    if (message->kind == MESSAGE_EVENT)
        notify_hear(server->notify, message);
    else
        pubsub_publish(server->pubsub, message);
}

static void on_second(void *arg)
{
    const struct server *server = arg;
    notify_tidy(server->notify);
}

/* A peer is a subscriber of everything. */
static uint64_t output_most(void *arg)
{
    const struct server *server = arg;
    return config_output_limit(server->config, CONFIG_CLASS_PUBSUB).hard_bytes;
}

static uint64_t part_most(void *arg)
{
    const struct server *server = arg;
    return (uint64_t)config_number(server->config, CONFIG_PROTO_MAX_BULK_LEN);
}

bool peering_start(struct server *server, char **cause)
{
    if (!server->data_path)
        return true;
    const struct peers_options options = {.data_path = server->data_path,
                                          .run_id = server->run_id,
                                          .log = server->log,
                                          .on_message = on_message,
                                          .on_second = on_second,
                                          .output_most = output_most,
                                          .part_most = part_most,
                                          .arg = server};
    server->peers = peers_start(&options, cause);
    pubsub_show_count(server->pubsub, peers_shown_names(server->peers));
    return server->peers != NULL;
}

void peering_stop(struct server *server)
{
    if (!server->peers)
        return;
    pubsub_show_count(server->pubsub, NULL);
    peers_stop(server->peers);
    server->peers = NULL;
}
