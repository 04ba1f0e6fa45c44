/* SPDX-License-Identifier: MIT */
/* A client as a receiver of messages, and the deliveries that are on their way to it.
 *
 * A delivery goes through the mailbox of the client's worker, which writes it to the connection.
 * What may wait for a client on that way is limited: a client that takes too little gets no more
 * deliveries, and its worker closes it. */
#ifndef SERVER_PUBLISH_SUBSCRIBER_H
#define SERVER_PUBLISH_SUBSCRIBER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/parser.h"
#include "server/config/config.h"
#include "server/peer/message.h"

struct mailbox;

enum pubsub_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_KINDS };

/* Lives as long as it is referred to: by its connection, and by each delivery on its way. */
struct subscriber {
    atomic_size_t references;
    struct mailbox *mailbox;           /* of its worker; constant */
    const struct config *config;       /* says what may wait; constant */
    void *connection;                  /* for its worker's thread only; NULL: closed */
    atomic_size_t waiting;             /* bytes on their way, not yet in the connection's output */
    atomic_bool overrun;               /* these exceeded the limit: the connection must be closed */
    atomic_bool monitors;              /* written under the lock of struct monitors */
    struct subscriber *next_monitor;   /* guard: that lock */
    atomic_size_t count[PUBSUB_KINDS]; /* subscriptions */
    atomic_size_t bytes;               /* memory that they take, as if it shared no name */
    atomic_size_t ended;               /* how many subscriptions have ended so far */
    void *subscriptions[PUBSUB_KINDS]; /* guard: the lock of pubsub; trees by name */
};

/* One reference, the caller's.  NULL if memory is short. */
struct subscriber *subscriber_new(struct mailbox *mailbox, const struct config *config,
                                  void *connection);

/* Gives up a reference.  Any thread. */
void subscriber_release(struct subscriber *subscriber);

/* The number of subscriptions of both kinds.  Any thread. */
static inline size_t subscriber_total(struct subscriber *subscriber)
{
    return atomic_load_explicit(&subscriber->count[PUBSUB_CHANNEL], memory_order_relaxed) +
           atomic_load_explicit(&subscriber->count[PUBSUB_PATTERN], memory_order_relaxed);
}

/* Whether the client monitors.  Any thread. */
static inline bool subscriber_monitors(struct subscriber *subscriber)
{
    return atomic_load_explicit(&subscriber->monitors, memory_order_relaxed);
}

/* What may wait for the client: replies, and messages on their way.  Any thread. */
struct config_output_limit subscriber_output_limit(struct subscriber *subscriber);

enum delivery_kind {
    DELIVERY_CHANNEL, /* to a subscriber of the channel */
    DELIVERY_PATTERN, /* to a subscriber of a pattern that the channel matches */
    DELIVERY_LINE     /* of MONITOR: the payload as it is, no channel */
};

/* A message on its way to one receiver.  It holds a reference of both. */
struct delivery {
    struct delivery *next; /* in the list of whoever has the delivery */
    struct subscriber *subscriber;
    struct message *message;
    size_t ended; /* the subscriber's, when the message was addressed */
    enum delivery_kind kind;
    size_t pattern_size;
    uint8_t pattern[];
};

/* A delivery that is not on its way yet.  `pattern` is for DELIVERY_PATTERN, else NULL.  NULL if
 * memory is short.  Any thread. */
struct delivery *delivery_new(struct subscriber *subscriber, struct message *message,
                              enum delivery_kind kind, const struct resp_arg *pattern);

/* Takes a delivery back.  Any thread. */
void delivery_free(struct delivery *delivery);

/* Sends a delivery to the receiver's mailbox, or drops it if too much waits there.  Any thread. */
void delivery_send(struct delivery *delivery);

/* The worker has got the delivery: its bytes do not wait any more. */
void delivery_arrived(const struct delivery *delivery);

/* The same for each delivery of a list, which may be empty. */
void deliveries_send(struct delivery *first);
void deliveries_free(struct delivery *first);

#endif
