/* SPDX-License-Identifier: MIT */
/* A list of messages with their deliveries. */
#include "server/publish/outbox.h"

#include <stdlib.h>

#include "server/peer/message.h"
#include "server/peer/peers.h"
#include "server/publish/pubsub.h"

/* NULL if memory is short; the message is released then. */
static struct outgoing *outgoing_new(struct message *message)
{
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    if (outgoing)
        outgoing->message = message;
    else
        message_release(message);
    return outgoing;
}

/* The deliveries are the caller's. */
static void outgoing_free(struct outgoing *outgoing)
{
    message_release(outgoing->message);
    free(outgoing);
}

static void append(struct outbox *outbox, struct outgoing *outgoing)
{
    if (outbox->last)
        outbox->last->next = outgoing;
    else
        outbox->first = outgoing;
    outbox->last = outgoing;
    if (!outbox->unsettled)
        outbox->unsettled = outgoing;
}

bool outbox_add(struct outbox *outbox, struct message *message, struct delivery *deliveries)
{
    struct outgoing *outgoing = outgoing_new(message);
    if (!outgoing) {
        deliveries_free(deliveries);
        return false;
    }
    outgoing->deliveries = deliveries;
    append(outbox, outgoing);
    return true;
}

void outbox_add_here(struct outbox *outbox, struct pubsub *pubsub, struct message *message)
{
    struct outgoing *outgoing = outgoing_new(message);
    if (!outgoing)
        return;
    outgoing->here_only = true;
    if (pubsub_address(pubsub, message, &outgoing->deliveries) > 0)
        append(outbox, outgoing);
    else
        outgoing_free(outgoing);
}

void outbox_add_there(struct outbox *outbox, struct message *message)
{
    struct outgoing *outgoing = outgoing_new(message);
    if (outgoing)
        append(outbox, outgoing);
}

void outbox_send(struct outbox *outbox, struct peers *peers, bool committed)
{
    struct outgoing *outgoing = outbox->first;
    *outbox = (struct outbox){0};
    while (outgoing) {
        struct outgoing *next = outgoing->next;
        if (committed || !outgoing->depends) {
            if (!outgoing->here_only)
                peers_relay(peers, outgoing->message);
            deliveries_send(outgoing->deliveries);
        } else {
            deliveries_free(outgoing->deliveries);
        }
        outgoing_free(outgoing);
        outgoing = next;
    }
}

void outbox_settle(struct outbox *outbox, bool depends)
{
    for (struct outgoing *outgoing = outbox->unsettled; outgoing; outgoing = outgoing->next)
        outgoing->depends = depends;
    outbox->unsettled = NULL;
}

void outbox_rollback(struct outbox *outbox, struct outgoing *last)
{
    struct outgoing *outgoing = last ? last->next : outbox->first;
    if (last)
        last->next = NULL;
    else
        outbox->first = NULL;
    outbox->last = last;
    while (outgoing) {
        struct outgoing *next = outgoing->next;
        if (outbox->unsettled == outgoing)
            outbox->unsettled = NULL;
        deliveries_free(outgoing->deliveries);
        outgoing_free(outgoing);
        outgoing = next;
    }
}
