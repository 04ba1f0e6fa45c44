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

/* Ends at most so many subscriptions, without a confirmation.  Whether there are more. */
bool subscriber_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, size_t most);

/* Subscribes.  Twice is once.  False if memory is short. */
bool pubsub_subscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                      const struct resp_arg *name);
void pubsub_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                        const struct resp_arg *name);

/* A name that the subscriber is subscribed to, as a copy for the caller to free; false if there is
 * none. */
bool pubsub_any(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                struct resp_arg *name);

/* Finds the receivers of a message: *deliveries becomes the list.  Returns how many they are (one
 * twice, if by channel and by pattern). */
int64_t pubsub_address(struct pubsub *pubsub, struct message *message,
                       struct delivery **deliveries);

/* The same in steps: matching a long name with many patterns takes its time.  The lock is not held
 * meanwhile. */
struct addressing {
    struct message *message; /* lent */
    struct delivery *first, *last;
    int64_t count; /* receivers so far */
    bool begun;
    struct names_walk patterns;
    size_t at;        /* in the batch of patterns */
    uint64_t matched; /* bit i: the batch's i-th one did */
    bool matching;    /* the pattern at `at` */
    struct glob glob;
};
_Static_assert(NAMES_BATCH <= 64, "a batch has a bit for each");

/* Begins or goes on; all bytes but `message` zero: begins.  Takes the steps that it did, of a byte
 * each or so, off *steps.  True: done, and `first` and `count` are the caller's. */
bool pubsub_address_some(struct pubsub *pubsub, struct addressing *addressing, size_t *steps);

/* Gives up an addressing that is not done. */
void pubsub_address_end(struct pubsub *pubsub, struct addressing *addressing);

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

/* Walks on through the names of a kind; see names.h. */
bool pubsub_walk_on(struct pubsub *pubsub, enum pubsub_kind kind, struct names_walk *walk);
void pubsub_walk_end(struct pubsub *pubsub, enum pubsub_kind kind, struct names_walk *walk);

#endif
