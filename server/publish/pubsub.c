/* SPDX-License-Identifier: MIT */
/* The table of subscriptions: for each kind the names with their subscribers, and for each
 * subscriber a tree of the names that it is subscribed to. */
#include "server/publish/pubsub.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "server/peer/message.h"
#include "text/glob.h"

/* What a pattern costs in steps, beside its matching. */
#define STEPS_PER_PATTERN 16

struct pubsub {
    pthread_mutex_t mutex;
    struct names names[PUBSUB_KINDS];
    atomic_uint_least32_t *shown_count; /* see pubsub_show_count; may be NULL */
};

struct pubsub *pubsub_new(void)
{
    struct pubsub *pubsub = calloc(1, sizeof *pubsub);
    if (pubsub)
        pthread_mutex_init(&pubsub->mutex, NULL);
    return pubsub;
}

void pubsub_free(struct pubsub *pubsub)
{
    if (!pubsub)
        return;
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        names_free(&pubsub->names[kind]);
    pthread_mutex_destroy(&pubsub->mutex);
    free(pubsub);
}

static void show_count_locked(struct pubsub *pubsub)
{
    size_t count = pubsub->names[PUBSUB_CHANNEL].count + pubsub->names[PUBSUB_PATTERN].count;
    if (pubsub->shown_count)
        atomic_store(pubsub->shown_count, count < UINT32_MAX ? (uint32_t)count : UINT32_MAX);
}

void pubsub_show_count(struct pubsub *pubsub, atomic_uint_least32_t *count)
{
    pthread_mutex_lock(&pubsub->mutex);
    pubsub->shown_count = count;
    show_count_locked(pubsub);
    pthread_mutex_unlock(&pubsub->mutex);
}

/* ---- Subscribers -------------------------------------------------------------------------- */

/* The name, if the subscriber is subscribed to it, or NULL. */
static struct name *subscription(const struct subscriber *subscriber, enum pubsub_kind kind,
                                 const struct resp_arg *text)
{
    struct name *const *node = tfind(text, &subscriber->subscriptions[kind], names_compare);
    return node ? *node : NULL;
}

/* Includes the nodes of two trees and what the allocator adds. */
static size_t subscription_bytes(const struct name *name)
{
    return sizeof *name + name->text.size + 128;
}

static bool subscribe_locked(struct pubsub *pubsub, struct subscriber *subscriber,
                             enum pubsub_kind kind, const struct resp_arg *text)
{
    struct name *name = names_join(&pubsub->names[kind], text, subscriber);
    if (!name)
        return false;
    if (!tsearch(name, &subscriber->subscriptions[kind], names_compare)) {
        names_leave(&pubsub->names[kind], name, subscriber);
        return false;
    }
    atomic_fetch_add(&subscriber->count[kind], 1);
    atomic_fetch_add(&subscriber->bytes, subscription_bytes(name));
    show_count_locked(pubsub);
    return true;
}

bool pubsub_subscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                      const struct resp_arg *name)
{
    pthread_mutex_lock(&pubsub->mutex);
    bool ok =
        subscription(subscriber, kind, name) || subscribe_locked(pubsub, subscriber, kind, name);
    pthread_mutex_unlock(&pubsub->mutex);
    return ok;
}

static void unsubscribe_locked(struct pubsub *pubsub, struct subscriber *subscriber,
                               enum pubsub_kind kind, struct name *name)
{
    tdelete(name, &subscriber->subscriptions[kind], names_compare);
    atomic_fetch_sub(&subscriber->count[kind], 1);
    atomic_fetch_sub(&subscriber->bytes, subscription_bytes(name));
    atomic_fetch_add(&subscriber->ended, 1);
    names_leave(&pubsub->names[kind], name, subscriber);
    show_count_locked(pubsub);
}

void pubsub_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                        const struct resp_arg *text)
{
    pthread_mutex_lock(&pubsub->mutex);
    struct name *name = subscription(subscriber, kind, text);
    if (name)
        unsubscribe_locked(pubsub, subscriber, kind, name);
    pthread_mutex_unlock(&pubsub->mutex);
}

/* The root of a tree of search.h is a pointer to its first node, which begins with the key. */
static struct name *first_name(void *const *tree)
{
    return *tree ? **(struct name ***)(void *)tree : NULL;
}

bool pubsub_any(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                struct resp_arg *text)
{
    pthread_mutex_lock(&pubsub->mutex);
    const struct name *name = first_name(&subscriber->subscriptions[kind]);
    uint8_t *copy = name ? malloc(name->text.size + 1) : NULL;
    if (copy) {
        memcpy(copy, name->bytes, name->text.size);
        *text = (struct resp_arg){copy, name->text.size};
    }
    pthread_mutex_unlock(&pubsub->mutex);
    return copy != NULL;
}

bool subscriber_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, size_t most)
{
    bool more = false;
    pthread_mutex_lock(&pubsub->mutex);
    for (enum pubsub_kind kind = 0; kind < PUBSUB_KINDS; kind++) {
        struct name *name;
        while ((name = first_name(&subscriber->subscriptions[kind])) != NULL && most > 0) {
            unsubscribe_locked(pubsub, subscriber, kind, name);
            most--;
        }
        more |= name != NULL;
    }
    pthread_mutex_unlock(&pubsub->mutex);
    return more;
}

/* ---- Messages ----------------------------------------------------------------------------- */

/* Adds all subscribers of a name.  Those that memory is too short for are not counted. */
static void address_locked(struct addressing *addressing, const struct name *name,
                           enum delivery_kind kind)
{
    const struct resp_arg *pattern = kind == DELIVERY_PATTERN ? &name->text : NULL;
    for (size_t i = 0; i < name->count; i++) {
        struct delivery *delivery =
            delivery_new(name->subscribers[i], addressing->message, kind, pattern);
        if (!delivery)
            continue;
        *(addressing->last ? &addressing->last->next : &addressing->first) = delivery;
        addressing->last = delivery;
        addressing->count++;
    }
}

/* Adds the subscribers of the patterns that matched, and takes the next batch.  False if there is
 * none. */
static bool next_patterns_locked(struct pubsub *pubsub, struct addressing *addressing)
{
    struct names_walk *patterns = &addressing->patterns;
    for (size_t i = 0; i < patterns->count; i++)
        if (addressing->matched >> i & 1)
            address_locked(addressing, patterns->batch[i], DELIVERY_PATTERN);
    addressing->matched = 0;
    addressing->at = 0;
    return names_walk_on(&pubsub->names[PUBSUB_PATTERN], patterns);
}

static bool begin_or_go_on(struct pubsub *pubsub, struct addressing *addressing)
{
    pthread_mutex_lock(&pubsub->mutex);
    if (!addressing->begun) {
        const struct resp_arg channel = message_name(addressing->message);
        const struct name *name = names_find(&pubsub->names[PUBSUB_CHANNEL], &channel);
        if (name)
            address_locked(addressing, name, DELIVERY_CHANNEL);
        addressing->begun = true;
    }
    bool more = next_patterns_locked(pubsub, addressing);
    pthread_mutex_unlock(&pubsub->mutex);
    return more;
}

/* Matches the patterns of the batch.  False if the steps are used up. */
static bool match_batch(struct addressing *addressing, size_t *steps)
{
    const struct message *message = addressing->message;
    for (; addressing->at < addressing->patterns.count; addressing->at++) {
        const struct name *name = addressing->patterns.batch[addressing->at];
        if (*steps == 0)
            return false;
        if (!addressing->matching)
            glob_begin(&addressing->glob, (const char *)name->bytes, name->text.size,
                       (const char *)message->bytes, message->name_size, false);
        enum glob_result result = glob_continue(&addressing->glob, steps);
        addressing->matching = result == GLOB_MORE;
        if (addressing->matching)
            return false;
        addressing->matched |= (uint64_t)(result == GLOB_YES) << addressing->at;
        *steps -= *steps < STEPS_PER_PATTERN ? *steps : STEPS_PER_PATTERN;
    }
    return true;
}

bool pubsub_address_some(struct pubsub *pubsub, struct addressing *addressing, size_t *steps)
{
    bool more = addressing->begun || begin_or_go_on(pubsub, addressing);
    while (more && match_batch(addressing, steps))
        more = begin_or_go_on(pubsub, addressing);
    return !more;
}

void pubsub_address_end(struct pubsub *pubsub, struct addressing *addressing)
{
    pubsub_walk_end(pubsub, PUBSUB_PATTERN, &addressing->patterns);
    deliveries_free(addressing->first);
    addressing->first = addressing->last = NULL;
}

int64_t pubsub_address(struct pubsub *pubsub, struct message *message, struct delivery **deliveries)
{
    struct addressing addressing = {.message = message};
    size_t steps = SIZE_MAX;
    while (!pubsub_address_some(pubsub, &addressing, &steps))
        steps = SIZE_MAX;
    *deliveries = addressing.first;
    return addressing.count;
}

void pubsub_publish(struct pubsub *pubsub, struct message *message)
{
    struct delivery *deliveries = NULL;
    pubsub_address(pubsub, message, &deliveries);
    deliveries_send(deliveries);
}

bool pubsub_wants(struct pubsub *pubsub, const struct delivery *delivery)
{
    struct subscriber *subscriber = delivery->subscriber;
    if (atomic_load(&subscriber->ended) == delivery->ended)
        return true;
    const struct resp_arg pattern = {delivery->pattern, delivery->pattern_size};
    const struct resp_arg channel = message_name(delivery->message);
    pthread_mutex_lock(&pubsub->mutex);
    bool wants = delivery->kind == DELIVERY_PATTERN
                     ? subscription(subscriber, PUBSUB_PATTERN, &pattern) != NULL
                     : subscription(subscriber, PUBSUB_CHANNEL, &channel) != NULL;
    pthread_mutex_unlock(&pubsub->mutex);
    return wants;
}

/* ---- Questions ---------------------------------------------------------------------------- */

size_t pubsub_subscribers(struct pubsub *pubsub, const struct resp_arg *channel)
{
    pthread_mutex_lock(&pubsub->mutex);
    const struct name *name = names_find(&pubsub->names[PUBSUB_CHANNEL], channel);
    size_t count = name ? name->count : 0;
    pthread_mutex_unlock(&pubsub->mutex);
    return count;
}

size_t pubsub_names(struct pubsub *pubsub, enum pubsub_kind kind)
{
    pthread_mutex_lock(&pubsub->mutex);
    size_t count = pubsub->names[kind].count;
    pthread_mutex_unlock(&pubsub->mutex);
    return count;
}

bool pubsub_walk_on(struct pubsub *pubsub, enum pubsub_kind kind, struct names_walk *walk)
{
    pthread_mutex_lock(&pubsub->mutex);
    bool more = names_walk_on(&pubsub->names[kind], walk);
    pthread_mutex_unlock(&pubsub->mutex);
    return more;
}

void pubsub_walk_end(struct pubsub *pubsub, enum pubsub_kind kind, struct names_walk *walk)
{
    pthread_mutex_lock(&pubsub->mutex);
    names_walk_end(&pubsub->names[kind], walk);
    pthread_mutex_unlock(&pubsub->mutex);
}
