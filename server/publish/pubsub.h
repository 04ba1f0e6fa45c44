/* SPDX-License-Identifier: MIT */
/* Publish/subscribe among the clients of this server: which client is subscribed to what, in one
 * table under one lock.  Other servers are not its business (peers.h).
 *
 * A message is addressed first: its receivers are found.  Then it is delivered: it goes to the
 * mailbox of each receiver's worker (subscriber.h).  All functions may be called on any thread. */
#ifndef SERVER_PUBLISH_PUBSUB_H
#define SERVER_PUBLISH_PUBSUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/parser.h"
#include "server/publish/names.h"
#include "server/publish/subscriber.h"
#include "text/glob.h"

struct pubsub;

struct pubsub *pubsub_new(void); /* NULL if memory is short */
void pubsub_free(struct pubsub *pubsub);

/* Ends up to `most` subscriptions of a client, without confirmations.  Whether there are more. */
bool subscriber_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, size_t most);

/* Subscribes.  Twice is once.  False if memory is short. */
bool pubsub_subscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                      const struct resp_arg *name);
void pubsub_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                        const struct resp_arg *name);

/* Some name that the client is subscribed to, as a copy that the caller frees.  False if there is
 * none, or memory is short. */
bool pubsub_any(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                struct resp_arg *name);

/* Finds the receivers of a message: *deliveries becomes the list.  Returns their number; a client
 * counts once for the channel and once for each pattern. */
int64_t pubsub_address(struct pubsub *pubsub, struct message *message,
                       struct delivery **deliveries);

/* Finding receivers in steps, as matching a long name with many patterns takes long.  Patterns are
 * matched without the lock. */
struct addressing {
    struct message *message; /* lent */
    struct delivery *first, *last;
    int64_t count; /* receivers so far */
    bool begun;
    struct names_walk patterns;
    size_t at;        /* the next pattern of the batch */
    uint64_t matched; /* bit i: pattern i of the batch matched */
    bool matching;    /* `glob` has begun with the next pattern */
    struct glob glob;
};
_Static_assert(NAMES_BATCH <= 64, "a batch has a bit for each");

/* Goes on with an addressing, or begins it if all bytes but `message` are zero.  Subtracts the
 * steps that it takes, of about a byte each, from *steps.  True: done, and the list at `first` is
 * the caller's. */
bool pubsub_address_some(struct pubsub *pubsub, struct addressing *addressing, size_t *steps);

/* Gives up an addressing that is not done, and frees its deliveries. */
void pubsub_address_end(struct pubsub *pubsub, struct addressing *addressing);

/* Sends a message to its receivers at this server. */
void pubsub_publish(struct pubsub *pubsub, struct message *message);

/* Whether the receiver is still subscribed to the channel or pattern of a delivery.  If not, the
 * delivery is dropped: no message follows the confirmation of an UNSUBSCRIBE. */
bool pubsub_wants(struct pubsub *pubsub, const struct delivery *delivery);

/* Keeps the number of names that have subscribers in *count from now on (NULL: nowhere).  It is
 * raised before a subscription is confirmed. */
void pubsub_show_count(struct pubsub *pubsub, atomic_uint_least32_t *count);

/* The number of subscribers of a channel, not counting patterns. */
size_t pubsub_subscribers(struct pubsub *pubsub, const struct resp_arg *channel);

/* The number of names of a kind that have subscribers. */
size_t pubsub_names(struct pubsub *pubsub, enum pubsub_kind kind);

/* Take the lock and call names_walk_on and names_walk_end (names.h). */
bool pubsub_walk_on(struct pubsub *pubsub, enum pubsub_kind kind, struct names_walk *walk);
void pubsub_walk_end(struct pubsub *pubsub, enum pubsub_kind kind, struct names_walk *walk);

#endif
