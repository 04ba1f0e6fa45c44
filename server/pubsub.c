/* SPDX-License-Identifier: MIT */
/* The table of subscriptions: for each kind a tree of names, each with its subscribers; and for each
 * subscriber a tree of what it is subscribed to. */
#include "pubsub.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "worker.h"

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

/* ---- Subscribers -------------------------------------------------------------------------- */

struct subscriber *subscriber_new(struct worker *worker, struct connection *connection)
{
    struct subscriber *subscriber = calloc(1, sizeof *subscriber);
    if (!subscriber)
        return NULL;
    atomic_init(&subscriber->references, 1);
    subscriber->worker = worker;
    subscriber->connection = connection;
    return subscriber;
}

static void subscriber_release(struct subscriber *subscriber)
{
    if (atomic_fetch_sub(&subscriber->references, 1) == 1)
        free(subscriber);
}

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
    return name;
}

static void drop_name_if_unused_locked(struct pubsub *pubsub, enum pubsub_kind kind,
                                       struct name *name)
{
    if (name->count > 0)
        return;
    tdelete(name, &pubsub->names[kind], compare_texts);
    pubsub->name_count[kind]--;
    name_free(name);
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
        ok = grown != NULL;
        if (ok) {
            name->subscribers = grown;
            name->capacity = capacity;
        }
    }
    if (ok && tsearch(name, &subscriber->subscriptions[kind], compare_texts)) {
        name->subscribers[name->count++] = subscriber;
        atomic_fetch_add(&subscriber->count[kind], 1);
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

void subscriber_unsubscribe(struct pubsub *pubsub, struct subscriber *subscriber)
{
    pthread_mutex_lock(&pubsub->mutex);
    for (enum pubsub_kind kind = 0; kind < PUBSUB_KINDS; kind++) {
        struct name *name;
        while ((name = first_name(&subscriber->subscriptions[kind])) != NULL)
            unsubscribe_locked(pubsub, subscriber, kind, name);
    }
    pthread_mutex_unlock(&pubsub->mutex);
}

void subscriber_leave(struct pubsub *pubsub, struct subscriber *subscriber)
{
    subscriber_unsubscribe(pubsub, subscriber);
    subscriber->connection = NULL;
    subscriber_release(subscriber);
}

/* ---- Messages ----------------------------------------------------------------------------- */

struct pubsub_message *pubsub_message_new(const struct resp_arg *channel,
                                          const struct resp_arg *payload)
{
    struct pubsub_message *message = malloc(sizeof *message + channel->size + payload->size);
    if (!message)
        return NULL;
    atomic_init(&message->references, 1);
    message->channel_size = channel->size;
    message->payload_size = payload->size;
    if (channel->size > 0)
        memcpy(message->bytes, channel->data, channel->size);
    if (payload->size > 0)
        memcpy(message->bytes + channel->size, payload->data, payload->size);
    return message;
}

void pubsub_message_release(struct pubsub_message *message)
{
    if (atomic_fetch_sub(&message->references, 1) == 1)
        free(message);
}

void delivery_free(struct delivery *delivery)
{
    subscriber_release(delivery->subscriber);
    pubsub_message_release(delivery->message);
    free(delivery);
}

bool delivery_send(struct subscriber *subscriber, struct pubsub_message *message,
                   enum delivery_kind kind, const struct resp_arg *pattern)
{
    size_t pattern_size = pattern ? pattern->size : 0;
    struct delivery *delivery = malloc(sizeof *delivery + pattern_size);
    if (!delivery)
        return false;
    *delivery = (struct delivery){
        .subscriber = subscriber, .message = message, .kind = kind, .pattern_size = pattern_size};
    if (pattern_size > 0)
        memcpy(delivery->pattern, pattern->data, pattern_size);
    atomic_fetch_add(&subscriber->references, 1);
    atomic_fetch_add(&message->references, 1);
    worker_deliver(subscriber->worker, delivery);
    return true;
}

/* Sends a message to all subscribers of a name; returns their number.  Messages may be lost; the
 * count tells. */
static int64_t send_locked(const struct name *name, struct pubsub_message *message,
                           enum delivery_kind kind)
{
    const struct resp_arg *pattern = kind == DELIVERY_PATTERN ? &name->text : NULL;
    int64_t sent = 0;
    for (size_t i = 0; i < name->count; i++)
        sent += delivery_send(name->subscribers[i], message, kind, pattern);
    return sent;
}

struct publishing {
    struct pubsub_message *message;
    int64_t sent;
};

static void send_if_matching(const void *node, VISIT visit, void *arg)
{
    if (visit != postorder && visit != leaf)
        return;
    const struct name *name = *(struct name *const *)node;
    struct publishing *publishing = arg;
    const struct pubsub_message *message = publishing->message;
    if (glob_match((const char *)name->bytes, name->text.size, (const char *)message->bytes,
                   message->channel_size, false))
        publishing->sent += send_locked(name, publishing->message, DELIVERY_PATTERN);
}

int64_t pubsub_publish(struct pubsub *pubsub, const struct resp_arg *channel,
                       const struct resp_arg *payload)
{
    struct publishing publishing = {.message = pubsub_message_new(channel, payload)};
    if (!publishing.message)
        return -1;
    pthread_mutex_lock(&pubsub->mutex);
    const struct name *name = find(&pubsub->names[PUBSUB_CHANNEL], channel);
    if (name)
        publishing.sent += send_locked(name, publishing.message, DELIVERY_CHANNEL);
    twalk_r(pubsub->names[PUBSUB_PATTERN], send_if_matching, &publishing);
    pthread_mutex_unlock(&pubsub->mutex);
    pubsub_message_release(publishing.message);
    return publishing.sent;
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
