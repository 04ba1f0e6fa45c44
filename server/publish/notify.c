/* SPDX-License-Identifier: MIT */
/* Knows which events are wanted, and makes messages of events. */
#include "server/publish/notify.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "anystore.h"
#include "server/config/config.h"
#include "server/peer/message.h"
#include "server/peer/peers.h"
#include "server/publish/outbox.h"
#include "server/publish/pubsub.h"

struct notify {
    const struct config *config;
    struct pubsub *pubsub;
    atomic_uint own; /* flags of this server; 0 without K and E */

    pthread_mutex_t mutex;
    /* Guard: mutex.  Set by notify_start. */
    struct anystore *store; /* NULL: before notify_start, or after notify_end */
    _Atomic(struct anystore_shared *) *wanted;
    struct peers *peers; /* constant from notify_start on */
};

struct notify *notify_new(const struct config *config, struct pubsub *pubsub)
{
    struct notify *notify = calloc(1, sizeof *notify);
    if (!notify)
        return NULL;
    notify->config = config;
    notify->pubsub = pubsub;
    pthread_mutex_init(&notify->mutex, NULL);
    return notify;
}

void notify_free(struct notify *notify)
{
    if (!notify)
        return;
    pthread_mutex_destroy(&notify->mutex);
    free(notify);
}

/* ---- The flags ---------------------------------------------------------------------------- */

/* Raises bits in the shared number, and the count above them, so that a notify_tidy that has not
 * seen them cannot take them back. */
static void raise_shared(struct anystore_shared *shared, unsigned flags)
{
    uint64_t seen = anystore_shared_load(shared);
    while (!anystore_shared_replace(shared, &seen, (seen | flags) + NOTIFY_BITS + 1))
        ;
}

/* The shared number.  Its place changes when the lock file is replaced. */
static struct anystore_shared *find_shared_locked(struct notify *notify)
{
    struct anystore_shared *shared = anystore_shared_number(notify->store);
    atomic_store(notify->wanted, shared);
    return shared;
}

static void change_locked(struct notify *notify)
{
    unsigned flags =
        (unsigned)config_number(notify->config, CONFIG_NOTIFY_KEYSPACE_EVENTS) & NOTIFY_BITS;
    if (!(flags & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT)))
        flags = 0; /* no kind of message was asked for */
    struct anystore_shared *shared = find_shared_locked(notify);
    atomic_store(&notify->own, flags);
    peers_show_events(notify->peers, flags);
    if (!notify->peers)
        anystore_shared_store(shared, flags); /* shared with nobody */
    else if (flags)
        raise_shared(shared, flags);
}

void notify_start(struct notify *notify, struct anystore *store, struct peers *peers,
                  _Atomic(struct anystore_shared *) *wanted)
{
    pthread_mutex_lock(&notify->mutex);
    notify->store = store;
    notify->peers = peers;
    notify->wanted = wanted;
    change_locked(notify);
    pthread_mutex_unlock(&notify->mutex);
}

void notify_end(struct notify *notify)
{
    pthread_mutex_lock(&notify->mutex);
    notify->store = NULL;
    pthread_mutex_unlock(&notify->mutex);
}

void notify_change(struct notify *notify)
{
    pthread_mutex_lock(&notify->mutex);
    if (notify->store)
        change_locked(notify);
    pthread_mutex_unlock(&notify->mutex);
}

/* A bit is taken back if nobody wants it now.  A server that wants it shows that first and raises
 * the bit then.  So if the number is still the one that was read before looking, no wish was
 * overlooked. */
static void tidy_locked(struct notify *notify)
{
    struct anystore_shared *shared = find_shared_locked(notify);
    uint64_t seen = anystore_shared_load(shared);
    unsigned own = atomic_load(&notify->own), others = 0;
    if ((seen & own) != own) {
        raise_shared(shared, own);
        return;
    }
    if ((seen & NOTIFY_BITS & ~(uint64_t)own) == 0 || !peers_wanted_events(notify->peers, &others))
        return;
    uint64_t needed = (seen & ~NOTIFY_BITS) | own | (others & NOTIFY_BITS);
    if (needed != seen)
        anystore_shared_replace(shared, &seen, needed);
}

void notify_tidy(struct notify *notify)
{
    pthread_mutex_lock(&notify->mutex);
    if (notify->store)
        tidy_locked(notify);
    pthread_mutex_unlock(&notify->mutex);
}

/* ---- Messages ----------------------------------------------------------------------------- */

/* The messages of an event to the subscribers of this server: up to two. */
struct messages {
    struct message *list[2];
    size_t count;
};

static void add_message(struct messages *messages, const char *space, unsigned database,
                        const struct resp_arg *name, const struct resp_arg *payload)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "__%s@%u__:", space, database);
    struct message *message = message_new_behind(prefix, name, payload);
    if (message)
        messages->list[messages->count++] = message;
}

static void make_messages(const struct notify *notify, unsigned class, unsigned database,
                          const struct resp_arg *event, const struct resp_arg *key,
                          struct messages *messages)
{
    unsigned own = atomic_load_explicit(&notify->own, memory_order_relaxed);
    messages->count = 0;
    if ((own & class) == 0)
        return;
    if (own & NOTIFY_KEYSPACE)
        add_message(messages, "keyspace", database, key, event);
    if (own & NOTIFY_KEYEVENT)
        add_message(messages, "keyevent", database, event, key);
}

static void deliver(struct notify *notify, unsigned class, unsigned database,
                    const struct resp_arg *event, const struct resp_arg *key)
{
    struct messages messages;
    make_messages(notify, class, database, event, key, &messages);
    for (size_t i = 0; i < messages.count; i++) {
        pubsub_publish(notify->pubsub, messages.list[i]);
        message_release(messages.list[i]);
    }
}

void notify_send(struct notify *notify, struct outbox *outbox, enum notify_class class,
                 unsigned database, const char *event, const struct resp_arg *key)
{
    const struct resp_arg name = {(const uint8_t *)event, strlen(event)};
    struct messages messages;
    make_messages(notify, class, database, &name, key, &messages);
    for (size_t i = 0; i < messages.count; i++)
        outbox_add_here(outbox, notify->pubsub, messages.list[i]);
    struct message *message = notify->peers ? message_new_event(class, database, &name, key) : NULL;
    if (message)
        outbox_add_there(outbox, message);
}

void notify_hear(struct notify *notify, const struct message *event)
{
    const struct resp_arg name = message_name(event), key = message_payload(event);
    deliver(notify, event->class, event->database, &name, &key);
}

/* ---- Expired keys ------------------------------------------------------------------------- */

void notify_expired(unsigned database, const void *key, size_t key_size, void *arg)
{
    const struct resp_arg name = {(const uint8_t *)"expired", strlen("expired")};
    const struct resp_arg expired = {key, key_size};
    deliver(arg, NOTIFY_EXPIRED, database, &name, &expired);
}

bool notify_wants_expired(void *arg)
{
    const struct notify *notify = arg;
    return (atomic_load_explicit(&notify->own, memory_order_relaxed) & NOTIFY_EXPIRED) != 0;
}
