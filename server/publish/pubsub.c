/* SPDX-License-Identifier: MIT */
/* The table of subscriptions: for each kind a tree of names, each with its subscribers; and for
 * each subscriber a tree of what it is subscribed to. */
#include "server/publish/pubsub.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "server/peer/message.h"
#include "text/glob.h"

/* A channel or pattern with everybody who is subscribed to it. */
struct name {
    struct resp_arg text; /* points at bytes */
    struct subscriber **subscribers;
    size_t count, capacity;
    uint8_t bytes[];
};

struct pubsub {
    pthread_mutex_t mutex;
    void *names[PUBSUB_KINDS]; /* trees of struct name */
    size_t name_count[PUBSUB_KINDS];
    atomic_uint_least32_t *shown_count; /* see pubsub_show_count; may be NULL */
};

/* Names start with their text, so one order serves trees of names and looking up by argument. */
static int compare_texts(const void *a, const void *b)
{
    const struct resp_arg *x = a, *y = b;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return x->size == 0 ? 0 : memcmp(x->data, y->data, x->size);
}

/* What a tree holds for a text; NULL if there is none. */
static void *find(void *const *tree, const struct resp_arg *text)
{
    void *const *node = tfind(text, tree, compare_texts);
    return node ? *node : NULL;
}

struct pubsub *pubsub_new(void)
{
    struct pubsub *pubsub = calloc(1, sizeof *pubsub);
    if (pubsub)
        pthread_mutex_init(&pubsub->mutex, NULL);
    return pubsub;
}

static void name_free(void *name)
{
    free(((struct name *)name)->subscribers);
    free(name);
}

void pubsub_free(struct pubsub *pubsub)
{
    if (!pubsub)
        return;
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        tdestroy(pubsub->names[kind], name_free);
    pthread_mutex_destroy(&pubsub->mutex);
    free(pubsub);
}

static void show_count_locked(struct pubsub *pubsub)
{
    size_t count = pubsub->name_count[PUBSUB_CHANNEL] + pubsub->name_count[PUBSUB_PATTERN];
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

/* The name, made if there is none; NULL if memory is short. */
static struct name *need_name_locked(struct pubsub *pubsub, enum pubsub_kind kind,
                                     const struct resp_arg *text)
{
    struct name *name = find(&pubsub->names[kind], text);
    if (name)
        return name;
    name = calloc(1, sizeof *name + text->size);
    if (!name)
        return NULL;
    if (text->size > 0)
        memcpy(name->bytes, text->data, text->size);
    name->text = (struct resp_arg){name->bytes, text->size};
    if (!tsearch(name, &pubsub->names[kind], compare_texts)) {
        name_free(name);
        return NULL;
    }
    pubsub->name_count[kind]++;
    show_count_locked(pubsub);
    return name;
}

static void drop_name_if_unused_locked(struct pubsub *pubsub, enum pubsub_kind kind,
                                       struct name *name)
{
    if (name->count > 0)
        return;
    tdelete(name, &pubsub->names[kind], compare_texts);
    pubsub->name_count[kind]--;
    show_count_locked(pubsub);
    name_free(name);
}

/* With the nodes of two trees and what the allocator adds. */
static size_t subscription_bytes(const struct name *name)
{
    return sizeof *name + name->text.size + 128;
}

static bool subscribe_locked(struct pubsub *pubsub, struct subscriber *subscriber,
                             enum pubsub_kind kind, const struct resp_arg *text)
{
    struct name *name = need_name_locked(pubsub, kind, text);
    if (!name)
        return false;
    bool ok = true;
    if (name->count == name->capacity) {
        size_t capacity = name->capacity ? 2 * name->capacity : 4;
        struct subscriber **grown = realloc(name->subscribers, capacity * sizeof *grown);
        if (grown) {
            name->subscribers = grown;
            name->capacity = capacity;
        } else {
            ok = false;
        }
    }
    if (ok && tsearch(name, &subscriber->subscriptions[kind], compare_texts)) {
        name->subscribers[name->count++] = subscriber;
        atomic_fetch_add(&subscriber->count[kind], 1);
        atomic_fetch_add(&subscriber->bytes, subscription_bytes(name));
        return true;
    }
    drop_name_if_unused_locked(pubsub, kind, name);
    return false;
}

bool pubsub_subscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                      const struct resp_arg *name)
{
    pthread_mutex_lock(&pubsub->mutex);
    bool ok = find(&subscriber->subscriptions[kind], name) ||
              subscribe_locked(pubsub, subscriber, kind, name);
    pthread_mutex_unlock(&pubsub->mutex);
    return ok;
}

static void unsubscribe_locked(struct pubsub *pubsub, struct subscriber *subscriber,
                               enum pubsub_kind kind, struct name *name)
{
    tdelete(name, &subscriber->subscriptions[kind], compare_texts);
    atomic_fetch_sub(&subscriber->count[kind], 1);
    atomic_fetch_sub(&subscriber->bytes, subscription_bytes(name));
    atomic_fetch_add(&subscriber->ended, 1);
    size_t i = 0;
    while (name->subscribers[i] != subscriber)
        i++;
    name->subscribers[i] = name->subscribers[--name->count];
    drop_name_if_unused_locked(pubsub, kind, name);
}

void pubsub_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber, enum pubsub_kind kind,
                        const struct resp_arg *text)
{
    pthread_mutex_lock(&pubsub->mutex);
    struct name *name = find(&subscriber->subscriptions[kind], text);
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

/* A message that is being addressed. */
struct addressing {
    struct message *message;
    struct delivery **end; /* of the list */
    int64_t count;
};

/* Adds all subscribers of a name.  Messages may be lost; the count tells. */
static void address_locked(struct addressing *addressing, const struct name *name,
                           enum delivery_kind kind)
{
    const struct resp_arg *pattern = kind == DELIVERY_PATTERN ? &name->text : NULL;
    for (size_t i = 0; i < name->count; i++) {
        struct delivery *delivery =
            delivery_new(name->subscribers[i], addressing->message, kind, pattern);
        if (!delivery)
            continue;
        *addressing->end = delivery;
        addressing->end = &delivery->next;
        addressing->count++;
    }
}

static void address_if_matching(const void *node, VISIT visit, void *arg)
{
    if (visit != postorder && visit != leaf)
        return;
    const struct name *name = *(struct name *const *)node;
    struct addressing *addressing = arg;
    const struct message *message = addressing->message;
    if (glob_match((const char *)name->bytes, name->text.size, (const char *)message->bytes,
                   message->name_size, false))
        address_locked(addressing, name, DELIVERY_PATTERN);
}

int64_t pubsub_address(struct pubsub *pubsub, struct message *message, struct delivery **deliveries)
{
    const struct resp_arg channel = message_name(message);
    struct addressing addressing = {.message = message, .end = deliveries};
    *deliveries = NULL;
    pthread_mutex_lock(&pubsub->mutex);
    const struct name *name = find(&pubsub->names[PUBSUB_CHANNEL], &channel);
    if (name)
        address_locked(&addressing, name, DELIVERY_CHANNEL);
    twalk_r(pubsub->names[PUBSUB_PATTERN], address_if_matching, &addressing);
    pthread_mutex_unlock(&pubsub->mutex);
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
                     ? find(&subscriber->subscriptions[PUBSUB_PATTERN], &pattern) != NULL
                     : find(&subscriber->subscriptions[PUBSUB_CHANNEL], &channel) != NULL;
    pthread_mutex_unlock(&pubsub->mutex);
    return wants;
}

/* ---- Questions ---------------------------------------------------------------------------- */

size_t pubsub_subscribers(struct pubsub *pubsub, const struct resp_arg *channel)
{
    pthread_mutex_lock(&pubsub->mutex);
    const struct name *name = find(&pubsub->names[PUBSUB_CHANNEL], channel);
    size_t count = name ? name->count : 0;
    pthread_mutex_unlock(&pubsub->mutex);
    return count;
}

size_t pubsub_names(struct pubsub *pubsub, enum pubsub_kind kind)
{
    pthread_mutex_lock(&pubsub->mutex);
    size_t count = pubsub->name_count[kind];
    pthread_mutex_unlock(&pubsub->mutex);
    return count;
}

struct each {
    pubsub_each_fn *fn;
    void *arg;
};

static void call_each(const void *node, VISIT visit, void *arg)
{
    const struct each *each = arg;
    if (visit == postorder || visit == leaf)
        each->fn(&(*(struct name *const *)node)->text, each->arg);
}

void pubsub_each_channel(struct pubsub *pubsub, pubsub_each_fn *fn, void *arg)
{
    struct each each = {fn, arg};
    pthread_mutex_lock(&pubsub->mutex);
    twalk_r(pubsub->names[PUBSUB_CHANNEL], call_each, &each);
    pthread_mutex_unlock(&pubsub->mutex);
}
