/* SPDX-License-Identifier: MIT */
/* Publish/subscribe among the clients of this server: who is subscribed to what, one table under one
 * lock.  What comes from and goes to other servers is peers.h's.
 *
 * A message is addressed first (who receives it), then delivered: it goes to the worker of each
 * receiver, which writes it to the connection, as no other thread touches a connection.  All functions
 * may be called on any thread. */
#ifndef SERVER_PUBLISH_PUBSUB_H
#define SERVER_PUBLISH_PUBSUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/parser.h"
#include "server/peer/message.h"

struct connection;
struct pubsub;
struct worker;

enum pubsub_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_KINDS };

/* One connection as a receiver.  Lives as long as somebody holds a reference: the connection, and
 * each message on its way to it. */
struct subscriber {
    atomic_size_t references;
    struct worker *worker;
    struct connection *connection;     /* the worker's thread only; NULL: closed */
    atomic_size_t waiting;             /* bytes on their way, not yet in the connection's output */
    atomic_bool overrun;               /* they were too many: the connection is to be closed */
    atomic_bool monitors;              /* written with the lock of struct monitors */
    struct subscriber *next_monitor;   /* guard: that lock */
    atomic_size_t count[PUBSUB_KINDS]; /* subscriptions */
    atomic_size_t bytes;               /* memory that they take, as if their names were its own */
    atomic_size_t ended;               /* how many subscriptions have ended so far */
    void *subscriptions[PUBSUB_KINDS]; /* guard: pubsub's lock; trees by name */
};

enum delivery_kind {
    DELIVERY_CHANNEL, /* to a subscriber of the channel */
    DELIVERY_PATTERN, /* of a pattern that the channel fits */
    DELIVERY_LINE     /* MONITOR's: the payload as it is, no channel */
};

/* A message on its way to one receiver, which it holds references of. */
struct delivery {
    struct delivery *next;
    struct subscriber *subscriber;
    struct message *message;
    size_t ended; /* the subscriber's, when the message was addressed */
    enum delivery_kind kind;
    size_t pattern_size;
    uint8_t pattern[];
};

struct pubsub *pubsub_new(void); /* NULL if memory is short */
void pubsub_free(struct pubsub *pubsub);

struct subscriber *subscriber_new(struct worker *worker, struct connection *connection);

/* Subscribed to nothing any more. */
void subscriber_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber);

/* The connection is closed: it is subscribed to nothing any more, and its reference is given up. */
void subscriber_leave(struct pubsub *pubsub, struct subscriber *subscriber);

static inline size_t subscriber_total(struct subscriber *subscriber)
{
    return atomic_load_explicit(&subscriber->count[PUBSUB_CHANNEL], memory_order_relaxed) +
           atomic_load_explicit(&subscriber->count[PUBSUB_PATTERN], memory_order_relaxed);
}

static inline bool subscriber_monitors(struct subscriber *subscriber)
{
    return atomic_load_explicit(&subscriber->monitors, memory_order_relaxed);
}

/* Subscribes, once is enough.  False if memory is short. */
bool pubsub_subscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                      const struct resp_arg *name);
void pubsub_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                        const struct resp_arg *name);

/* A name that the subscriber is subscribed to, as a copy for the caller to free; false if there is
 * none. */
bool pubsub_any(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                struct resp_arg *name);

/* Finds who receives a message of a channel: *deliveries becomes the list.  Returns how many they are
 * (one twice, if by channel and by pattern). */
int64_t pubsub_address(struct pubsub *pubsub, struct message *message,
                       struct delivery **deliveries);

/* Hands the deliveries to the workers of their receivers, or forgets them. */
void pubsub_deliver(struct delivery *deliveries);
void pubsub_forget(struct delivery *deliveries);

/* Whether the receiver is still subscribed to what the delivery is for: no message comes behind the
 * confirmation of an UNSUBSCRIBE. */
bool pubsub_wants(struct pubsub *pubsub, const struct delivery *delivery);

/* Keeps the number of names that somebody is subscribed to in *count from now on, for others to see:
 * it is raised before a subscription is confirmed.  NULL: nowhere. */
void pubsub_show_count(struct pubsub *pubsub, atomic_uint_least32_t *count);

/* Subscribers of a channel; patterns do not count. */
size_t pubsub_subscribers(struct pubsub *pubsub, const struct resp_arg *channel);

/* Number of names of a kind that somebody is subscribed to. */
size_t pubsub_names(struct pubsub *pubsub, enum pubsub_kind kind);

/* Calls fn for each channel somebody is subscribed to, with the lock held. */
typedef void pubsub_each_fn(const struct resp_arg *channel, void *arg);
void pubsub_each_channel(struct pubsub *pubsub, pubsub_each_fn *fn, void *arg);

/* Sends a message on its way to one receiver.  `pattern` is for DELIVERY_PATTERN, else NULL.  False if
 * memory is short. */
bool delivery_send(struct subscriber *subscriber, struct message *message, enum delivery_kind kind,
                   const struct resp_arg *pattern);

/* What a delivery counts for in its receiver's `waiting`. */
static inline size_t delivery_size(const struct delivery *delivery)
{
    return sizeof *delivery + delivery->pattern_size + delivery->message->name_size +
           delivery->message->payload_size;
}

/* Gives up what a delivery holds, and frees it. */
void delivery_free(struct delivery *delivery);

#endif
