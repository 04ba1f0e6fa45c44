/* SPDX-License-Identifier: MIT */
/* The registry of connected clients and the lines that describe them. */
#include "server/client/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "command/table.h"
#include "server/publish/mailbox.h"

struct client_registry {
    pthread_mutex_t mutex;
    struct client *first, *last; /* in the order of their ids */
    uint64_t next_id;
};

struct client_registry *client_registry_new(void)
{
    struct client_registry *registry = calloc(1, sizeof *registry);
    if (registry) {
        pthread_mutex_init(&registry->mutex, NULL);
        registry->next_id = 1;
    }
    return registry;
}

void client_registry_free(struct client_registry *registry)
{
    if (!registry)
        return;
    pthread_mutex_destroy(&registry->mutex);
    free(registry);
}

/* "127.0.0.1:6379", "[::1]:6379", or for a UNIX socket "/path:0", as Redis writes them. */
static void format_address(char *out, size_t size, const struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;
        inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
        snprintf(out, size, "[%s]:%u", host, ntohs(in->sin6_port));
    } else {
        snprintf(out, size, "?:0");
    }
}

static void learn_addresses(struct client *client)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    bool known = getsockname(client->fd, (struct sockaddr *)&address, &size) == 0;
    if (client->is_unix) {
        /* The end of a client has no name, so both ends get the server's path. */
        const struct sockaddr_un *un = (const void *)&address;
        snprintf(client->address, sizeof client->address, "%s:0",
                 known && un->sun_path[0] ? un->sun_path : "?");
        memcpy(client->local_address, client->address, sizeof client->address);
        return;
    }
    format_address(client->local_address, sizeof client->local_address, &address);
    address = (struct sockaddr_storage){0};
    size = sizeof address;
    if (getpeername(client->fd, (struct sockaddr *)&address, &size) != 0)
        address.ss_family = AF_UNSPEC;
    format_address(client->address, sizeof client->address, &address);
}

struct client *client_new(struct client_registry *registry, struct mailbox *mailbox, int fd,
                          bool is_unix, int64_t now_ms)
{
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->fd = fd;
    client->mailbox = mailbox;
    client->is_unix = is_unix;
    client->created_ms = now_ms;
    atomic_init(&client->last_active_ms, now_ms);
    atomic_init(&client->resp_version, 2);
    atomic_init(&client->queued, -1);
    learn_addresses(client);
    pthread_mutex_lock(&registry->mutex);
    client->id = registry->next_id++;
    client->previous = registry->last;
    if (registry->last)
        registry->last->next = client;
    else
        registry->first = client;
    registry->last = client;
    pthread_mutex_unlock(&registry->mutex);
    return client;
}

void client_free(struct client_registry *registry, struct client *client)
{
    if (!client)
        return;
    pthread_mutex_lock(&registry->mutex);
    if (client->previous)
        client->previous->next = client->next;
    else
        registry->first = client->next;
    if (client->next)
        client->next->previous = client->previous;
    else
        registry->last = client->previous;
    pthread_mutex_unlock(&registry->mutex);
    for (size_t i = 0; i < CLIENT_TEXT_COUNT; i++)
        free(client->texts[i]);
    free(client);
}

bool client_set_text(struct client_registry *registry, struct client *client,
                     enum client_text which, const void *value, size_t size)
{
    char *copy = NULL;
    if (size > 0) {
        copy = malloc(size + 1);
        if (!copy)
            return false;
        memcpy(copy, value, size);
        copy[size] = '\0';
    }
    pthread_mutex_lock(&registry->mutex);
    char *old = client->texts[which];
    client->texts[which] = copy;
    pthread_mutex_unlock(&registry->mutex);
    free(old);
    return true;
}

char *client_text(struct client_registry *registry, struct client *client, enum client_text which)
{
    pthread_mutex_lock(&registry->mutex);
    const char *text = client->texts[which];
    char *copy = text ? strdup(text) : NULL;
    pthread_mutex_unlock(&registry->mutex);
    return copy;
}

static bool fits_address(const struct resp_arg *wanted, const char *address)
{
    size_t size = strlen(address);
    return !wanted || (wanted->size >= size && memcmp(wanted->data, address, size) == 0 &&
                       (wanted->size == size || wanted->data[size] == '\0'));
}

static bool is_subscribed(const struct client *client)
{
    return atomic_load_explicit(&client->channels, memory_order_relaxed) > 0 ||
           atomic_load_explicit(&client->patterns, memory_order_relaxed) > 0;
}

static bool is_of_kind(const struct client *client, enum client_kind kind)
{
    return kind == CLIENT_KIND_ANY ||
           kind == (is_subscribed(client) ? CLIENT_KIND_PUBSUB : CLIENT_KIND_NORMAL);
}

static bool fits(const struct client_filter *filter, const struct client *client)
{
    return (filter->id == 0 || filter->id == client->id) &&
           fits_address(filter->address, client->address) &&
           fits_address(filter->local_address, client->local_address) &&
           is_of_kind(client, filter->kind) && client != filter->skip;
}

size_t client_kill(struct client_registry *registry, const struct client_filter *filter,
                   const struct client *own, bool *own_fits)
{
    size_t count = 0;
    *own_fits = false;
    pthread_mutex_lock(&registry->mutex);
    for (struct client *c = registry->first; c; c = c->next) {
        if (client_is_killed(c) || !fits(filter, c))
            continue;
        count++;
        if (c == own) {
            *own_fits = true;
            continue;
        }
        atomic_store_explicit(&c->killed, true, memory_order_relaxed);
        mailbox_ask_recheck(c->mailbox);
    }
    pthread_mutex_unlock(&registry->mutex);
    return count;
}

/* The memory of all clients that are not killed, and the largest one that may be (NULL: none). */
static uint64_t sum_locked(const struct client_registry *registry, struct client **largest)
{
    uint64_t sum = 0;
    size_t most = 0;
    *largest = NULL;
    for (struct client *c = registry->first; c; c = c->next) {
        size_t bytes = atomic_load_explicit(&c->memory, memory_order_relaxed);
        if (client_is_killed(c))
            continue;
        sum += bytes;
        if (bytes <= most || atomic_load_explicit(&c->no_evict, memory_order_relaxed))
            continue;
        most = bytes;
        *largest = c;
    }
    return sum;
}

size_t client_evict(struct client_registry *registry, uint64_t most)
{
    size_t count = 0;
    struct client *largest = NULL;
    pthread_mutex_lock(&registry->mutex);
    while (sum_locked(registry, &largest) >= most && largest) {
        atomic_store_explicit(&largest->killed, true, memory_order_relaxed);
        mailbox_ask_recheck(largest->mailbox);
        count++;
    }
    pthread_mutex_unlock(&registry->mutex);
    return count;
}

size_t client_count_blocked(struct client_registry *registry)
{
    size_t count = 0;
    pthread_mutex_lock(&registry->mutex);
    for (struct client *c = registry->first; c; c = c->next)
        count += atomic_load_explicit(&c->blocked, memory_order_relaxed);
    pthread_mutex_unlock(&registry->mutex);
    return count;
}

void client_recheck_all(struct client_registry *registry)
{
    pthread_mutex_lock(&registry->mutex);
    for (const struct client *c = registry->first; c; c = c->next)
        mailbox_ask_recheck(c->mailbox);
    pthread_mutex_unlock(&registry->mutex);
}

static const char *text_or_empty(const struct client *client, enum client_text which)
{
    return client->texts[which] ? client->texts[which] : "";
}

/* Redis's letters for the state of a client. */
static void format_flags(char out[8], const struct client *client)
{
    char *at = out;
    if (atomic_load_explicit(&client->monitors, memory_order_relaxed))
        *at++ = 'O';
    if (is_subscribed(client))
        *at++ = 'P';
    if (atomic_load_explicit(&client->queued, memory_order_relaxed) >= 0)
        *at++ = 'x';
    if (atomic_load_explicit(&client->blocked, memory_order_relaxed))
        *at++ = 'b';
    if (client->is_unix)
        *at++ = 'U';
    if (atomic_load_explicit(&client->no_evict, memory_order_relaxed))
        *at++ = 'e';
    if (at == out)
        *at++ = 'N';
    *at = '\0';
}

static void describe_locked(const struct client *client, int64_t now_ms, struct resp_buffer *out)
{
    if (atomic_load_explicit(&client->killed, memory_order_relaxed))
        return;
    const struct command *command =
        atomic_load_explicit(&client->last_command, memory_order_relaxed);
    const char *command_name =
        command ? (command->full_name ? command->full_name : command->name) : "NULL";
    size_t input = atomic_load_explicit(&client->input_size, memory_order_relaxed);
    size_t capacity = atomic_load_explicit(&client->input_capacity, memory_order_relaxed);
    size_t output = atomic_load_explicit(&client->output_size, memory_order_relaxed);
    int64_t active = atomic_load_explicit(&client->last_active_ms, memory_order_relaxed);
    int queued = atomic_load_explicit(&client->queued, memory_order_relaxed);
    size_t queued_bytes = atomic_load_explicit(&client->queued_bytes, memory_order_relaxed);
    char flags[8];
    format_flags(flags, client);
    char line[1024];
    int size = snprintf(
        line, sizeof line,
        "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=%s db=%u sub=%zu psub=%zu "
        "ssub=0 multi=%d qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu rbs=0 rbp=0 obl=%zu oll=0 "
        "omem=0 tot-mem=%zu events=%s cmd=%s user=default redir=-1 resp=%d lib-name=%s "
        "lib-ver=%s\n",
        (unsigned long long)client->id, client->address, client->local_address, client->fd,
        text_or_empty(client, CLIENT_NAME), (long long)((now_ms - client->created_ms) / 1000),
        (long long)((now_ms - active) / 1000), flags,
        atomic_load_explicit(&client->database, memory_order_relaxed),
        atomic_load_explicit(&client->channels, memory_order_relaxed),
        atomic_load_explicit(&client->patterns, memory_order_relaxed), queued, input,
        capacity - (input < capacity ? input : capacity), queued_bytes, output,
        atomic_load_explicit(&client->memory, memory_order_relaxed), output ? "rw" : "r",
        command_name, atomic_load_explicit(&client->resp_version, memory_order_relaxed),
        text_or_empty(client, CLIENT_LIBRARY_NAME), text_or_empty(client, CLIENT_LIBRARY_VERSION));
    if (size > 0)
        resp_buffer_append(out, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

void client_describe(struct client_registry *registry, struct client *client, int64_t now_ms,
                     struct resp_buffer *out)
{
    pthread_mutex_lock(&registry->mutex);
    describe_locked(client, now_ms, out);
    pthread_mutex_unlock(&registry->mutex);
}

void client_describe_all(struct client_registry *registry, enum client_kind kind, int64_t now_ms,
                         struct resp_buffer *out)
{
    pthread_mutex_lock(&registry->mutex);
    for (const struct client *c = registry->first; c; c = c->next)
        if (is_of_kind(c, kind))
            describe_locked(c, now_ms, out);
    pthread_mutex_unlock(&registry->mutex);
}

void client_describe_some(struct client_registry *registry, const uint64_t *ids, size_t id_count,
                          int64_t now_ms, struct resp_buffer *out)
{
    pthread_mutex_lock(&registry->mutex);
    for (size_t i = 0; i < id_count; i++)
        for (const struct client *c = registry->first; c; c = c->next)
            if (c->id == ids[i])
                describe_locked(c, now_ms, out);
    pthread_mutex_unlock(&registry->mutex);
}
