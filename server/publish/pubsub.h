/* SPDX-License-Identifier: MIT */
/* Publish/subscribe among the clients of this server: who is subscribed to what, one table under
 * one lock.  What comes from and goes to other servers is peers.h's.
 *
 * A message is addressed first (who receives it), then delivered: it goes to the worker of each
 * receiver, which writes it to the connection, as no other thread touches a connection.  All
 * functions may be called on any thread. */
#ifndef SERVER_PUBLISH_PUBSUB_H
#define SERVER_PUBLISH_PUBSUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/parser.h"
#include "server/publish/subscriber.h"

struct pubsub;

struct pubsub *pubsub_new(void); /* NULL if memory is short */
void pubsub_free(struct pubsub *pubsub);

/* Ends at most so many subscriptions, without a confirmation.  Whether there are more. */
bool subscriber_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, size_t most);

/* Subscribes, once is enough.  False if memory is short. */
bool pubsub_subscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                      const struct resp_arg *name);
void pubsub_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                        const struct resp_arg *name);

/* A name that the subscriber is subscribed to, as a copy for the caller to free; false if there is
 * none. */
bool pubsub_any(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                struct resp_arg *name);

/* Finds who receives a message of a channel: *deliveries becomes the list.  Returns how many they
 * are (one twice, if by channel and by pattern). */
int64_t pubsub_address(struct pubsub *pubsub, struct message *message,
                       struct delivery **deliveries);

/* Sends a message to its receivers at this server. */
void pubsub_publish(struct pubsub *pubsub, struct message *message);

/* Whether the receiver is still subscribed to what the delivery is for: no message comes behind the
 * confirmation of an UNSUBSCRIBE. */
bool pubsub_wants(struct pubsub *pubsub, const struct delivery *delivery);

/* Keeps the number of names that somebody is subscribed to in *count from now on, for others to
 * see: it is raised before a subscription is confirmed.  NULL: nowhere. */
void pubsub_show_count(struct pubsub *pubsub, atomic_uint_least32_t *count);

/* Subscribers of a channel; patterns do not count. */
size_t pubsub_subscribers(struct pubsub *pubsub, const struct resp_arg *channel);

/* Number of names of a kind that somebody is subscribed to. */
size_t pubsub_names(struct pubsub *pubsub, enum pubsub_kind kind);

/* Calls fn for each channel somebody is subscribed to, with the lock held. */
typedef void pubsub_each_fn(const struct resp_arg *channel, void *arg);
void pubsub_each_channel(struct pubsub *pubsub, pubsub_each_fn *fn, void *arg);

#endif
