/* SPDX-License-Identifier: MIT */
/* Counts what is on its way to a subscriber, and posts deliveries. */
#include "server/publish/subscriber.h"

#include <stdlib.h>
#include <string.h>

#include "server/publish/mailbox.h"

struct subscriber *subscriber_new(struct mailbox *mailbox, const struct config *config,
                                  void *connection)
{
    struct subscriber *subscriber = calloc(1, sizeof *subscriber);
    if (!subscriber)
        return NULL;
    atomic_init(&subscriber->references, 1);
    subscriber->mailbox = mailbox;
    subscriber->config = config;
    subscriber->connection = connection;
    return subscriber;
}

void subscriber_release(struct subscriber *subscriber)
{
    if (atomic_fetch_sub(&subscriber->references, 1) == 1)
        free(subscriber);
}

/* As in Redis a client that monitors is a normal client.  But where normal clients have no limit,
 * which is the default, the limit of subscribers holds: a client that monitors cannot ask for
 * less. */
struct config_output_limit subscriber_output_limit(struct subscriber *subscriber)
{
    bool subscribed = subscriber_total(subscriber) > 0;
    struct config_output_limit limit = config_output_limit(
        subscriber->config, subscribed ? CONFIG_CLASS_PUBSUB : CONFIG_CLASS_NORMAL);
    if (!limit.hard_bytes && !limit.soft_bytes && subscriber_monitors(subscriber))
        limit = config_output_limit(subscriber->config, CONFIG_CLASS_PUBSUB);
    return limit;
}

struct delivery *delivery_new(struct subscriber *subscriber, struct message *message,
                              enum delivery_kind kind, const struct resp_arg *pattern)
{
    size_t pattern_size = pattern ? pattern->size : 0;
    struct delivery *delivery = malloc(sizeof *delivery + pattern_size);
    if (!delivery)
        return NULL;
    *delivery = (struct delivery){.subscriber = subscriber,
                                  .message = message_hold(message),
                                  .ended = atomic_load(&subscriber->ended),
                                  .kind = kind,
                                  .pattern_size = pattern_size};
    if (pattern_size > 0)
        memcpy(delivery->pattern, pattern->data, pattern_size);
    atomic_fetch_add(&subscriber->references, 1);
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    subscriber_release(delivery->subscriber);
    message_release(delivery->message);
    free(delivery);
}

/* What a delivery counts for in its receiver's `waiting`. */
static size_t size_of(const struct delivery *delivery)
{
    return sizeof *delivery + delivery->pattern_size + delivery->message->name_size +
           delivery->message->payload_size;
}

/* Bounds the messages queued for a slow receiver.  Beyond its limit of output it gets no more, and
 * its worker closes it when the last delivery arrives. */
static bool has_room(const struct delivery *delivery)
{
    struct subscriber *subscriber = delivery->subscriber;
    if (atomic_load_explicit(&subscriber->overrun, memory_order_relaxed))
        return false;
    size_t size = size_of(delivery);
    size_t waiting = atomic_fetch_add(&subscriber->waiting, size) + size;
    uint64_t most = subscriber_output_limit(subscriber).hard_bytes;
    if (most && waiting > most)
        atomic_store_explicit(&subscriber->overrun, true, memory_order_relaxed);
    return true;
}

void delivery_send(struct delivery *delivery)
{
    if (has_room(delivery))
        mailbox_post_delivery(delivery->subscriber->mailbox, delivery);
    else
        delivery_free(delivery);
}

void delivery_arrived(const struct delivery *delivery)
{
    atomic_fetch_sub(&delivery->subscriber->waiting, size_of(delivery));
}

void deliveries_send(struct delivery *first)
{
    while (first) {
        struct delivery *next = first->next;
        delivery_send(first);
        first = next;
    }
}

void deliveries_free(struct delivery *first)
{
    while (first) {
        struct delivery *next = first->next;
        delivery_free(first);
        first = next;
    }
}
