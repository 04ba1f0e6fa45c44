/* SPDX-License-Identifier: MIT */
/* Who wants events, and the way of an event to the outbox of its connection, to peers and to the
 * subscribers here. */
#include "server/publish/notify.h"

#include <stdio.h>
#include <string.h>

#include "command/host.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/peer/message.h"
#include "server/peer/peers.h"
#include "server/publish/outbox.h"
#include "server/publish/pubsub.h"

/* ---- The flags ---------------------------------------------------------------------------- */

/* Raises bits in the shared number, and its count, so that a notify_tidy that did not see them yet
 * cannot take them back. */
static void raise_shared(struct anystore_shared *shared, unsigned flags)
{
    uint64_t seen = anystore_shared_load(shared);
    while (!anystore_shared_replace(shared, &seen, (seen | flags) + NOTIFY_BITS + 1))
        ;
}

/* Where the shared number is now: another place after the lock file was replaced. */
static struct anystore_shared *find_shared(struct server *server)
{
    struct anystore_shared *shared = anystore_shared_number(databases_store(server->databases, 0));
    atomic_store(&server->host->events_wanted, shared);
    return shared;
}

static void change_locked(struct server *server)
{
    unsigned flags =
        (unsigned)config_number(server->config, CONFIG_NOTIFY_KEYSPACE_EVENTS) & NOTIFY_BITS;
    if (!(flags & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT)))
        flags = 0; /* no kind of message was asked for */
    struct anystore_shared *shared = find_shared(server);
    atomic_store(&server->notify.own, flags);
    peers_show_events(server->peers, flags);
    if (!server->peers)
        anystore_shared_store(shared, flags); /* shared with nobody */
    else if (flags)
        raise_shared(shared, flags);
}

void notify_start(struct server *server)
{
    pthread_mutex_lock(&server->notify.mutex);
    server->notify.active = true;
    change_locked(server);
    pthread_mutex_unlock(&server->notify.mutex);
}

void notify_end(struct server *server)
{
    pthread_mutex_lock(&server->notify.mutex);
    server->notify.active = false;
    pthread_mutex_unlock(&server->notify.mutex);
}

void notify_change(struct server *server)
{
    pthread_mutex_lock(&server->notify.mutex);
    change_locked(server);
    pthread_mutex_unlock(&server->notify.mutex);
}

/* A bit is taken back if nobody wants it now.  Whoever wants it shows that first and raises it then: so
 * if the number is still the one that was read before looking, nobody's wish was overlooked. */
static void tidy_locked(struct server *server)
{
    struct anystore_shared *shared = find_shared(server);
    uint64_t seen = anystore_shared_load(shared);
    unsigned own = atomic_load(&server->notify.own), others = 0;
    if ((seen & own) != own) {
        raise_shared(shared, own);
        return;
    }
    if ((seen & NOTIFY_BITS & ~(uint64_t)own) == 0 || !peers_wanted_events(server->peers, &others))
        return;
    uint64_t needed = (seen & ~NOTIFY_BITS) | own | (others & NOTIFY_BITS);
    if (needed != seen)
        anystore_shared_replace(shared, &seen, needed);
}

void notify_tidy(struct server *server)
{
    pthread_mutex_lock(&server->notify.mutex);
    if (server->notify.active)
        tidy_locked(server);
    pthread_mutex_unlock(&server->notify.mutex);
}

/* ---- Messages ----------------------------------------------------------------------------- */

/* What the subscribers of this server are told of an event: up to two messages. */
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

static void make_messages(const struct server *server, unsigned class, unsigned database,
                          const struct resp_arg *event, const struct resp_arg *key,
                          struct messages *messages)
{
    unsigned own = atomic_load_explicit(&server->notify.own, memory_order_relaxed);
    messages->count = 0;
    if ((own & class) == 0)
        return;
    if (own & NOTIFY_KEYSPACE)
        add_message(messages, "keyspace", database, key, event);
    if (own & NOTIFY_KEYEVENT)
        add_message(messages, "keyevent", database, event, key);
}

static void deliver(struct server *server, unsigned class, unsigned database,
                    const struct resp_arg *event, const struct resp_arg *key)
{
    struct messages messages;
    make_messages(server, class, database, event, key, &messages);
    for (size_t i = 0; i < messages.count; i++) {
        pubsub_publish(server->pubsub, messages.list[i]);
        message_release(messages.list[i]);
    }
}

/* As Redis, a message that memory is short for is lost. */
void notify_send(struct call *call, enum notify_class class, unsigned database, const char *event,
                 const struct resp_arg *key)
{
    struct server *server = call->session->server;
    struct outbox *outbox = &call->session->outbox;
    const struct resp_arg name = {(const uint8_t *)event, strlen(event)};
    struct messages messages;
    make_messages(server, class, database, &name, key, &messages);
    for (size_t i = 0; i < messages.count; i++)
        outbox_add_here(outbox, server->pubsub, messages.list[i]);
    struct message *message = server->peers ? message_new_event(class, database, &name, key) : NULL;
    if (message)
        outbox_add_there(outbox, message);
}

void notify_hear(struct server *server, const struct message *event)
{
    const struct resp_arg name = message_name(event), key = message_payload(event);
    deliver(server, event->class, event->database, &name, &key);
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
    const struct server *server = arg;
    return (atomic_load_explicit(&server->notify.own, memory_order_relaxed) & NOTIFY_EXPIRED) != 0;
}
