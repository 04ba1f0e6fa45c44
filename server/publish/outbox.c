/* SPDX-License-Identifier: MIT */
/* A list of messages, each with its deliveries, that is sent or forgotten. */
#include "server/publish/outbox.h"

#include "server/peer/peers.h"
#include "server/publish/pubsub.h"
#include "server/server.h"

static void append(struct outbox *outbox, struct message *message)
{
    message->next = NULL;
    if (outbox->last)
        outbox->last->next = message;
    else
        outbox->first = message;
    outbox->last = message;
    if (!outbox->unsettled)
        outbox->unsettled = message;
}

int64_t outbox_add(struct outbox *outbox, struct server *server, struct message *message)
{
    append(outbox, message);
    return pubsub_address(server->pubsub, message, &message->deliveries);
}

void outbox_add_here(struct outbox *outbox, struct server *server, struct message *message)
{
    message->here_only = true;
    if (pubsub_address(server->pubsub, message, &message->deliveries) > 0)
        append(outbox, message);
    else
        message_release(message);
}

void outbox_add_there(struct outbox *outbox, struct message *message)
{
    append(outbox, message);
}

void outbox_send(struct outbox *outbox, struct server *server, bool committed)
{
    struct message *message = outbox->first;
    *outbox = (struct outbox){0};
    while (message) {
        struct message *next = message->next;
        if (committed || !message->depends) {
            message->next = NULL;
            if (!message->here_only)
                peers_relay(server->peers, message);
            pubsub_deliver(message->deliveries);
        } else {
            pubsub_forget(message->deliveries);
        }
        message_release(message);
        message = next;
    }
}

void outbox_settle(struct outbox *outbox, bool depends)
{
    for (struct message *message = outbox->unsettled; message; message = message->next)
        message->depends = depends;
    outbox->unsettled = NULL;
}

void outbox_rollback(struct outbox *outbox, struct message *last)
{
    struct message *message = last ? last->next : outbox->first;
    if (last)
        last->next = NULL;
    else
        outbox->first = NULL;
    outbox->last = last;
    while (message) {
        struct message *next = message->next;
        if (outbox->unsettled == message)
            outbox->unsettled = NULL;
        pubsub_forget(message->deliveries);
        message_release(message);
        message = next;
    }
}
