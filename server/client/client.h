/* SPDX-License-Identifier: MIT */
/* What is known about the connected clients across threads: CLIENT LIST, CLIENT INFO, CLIENT ID. */
#ifndef SERVER_CLIENT_CLIENT_H
#define SERVER_CLIENT_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "resp/buffer.h"

struct command;
struct client_registry;
struct mailbox;

/* The texts that a client gives about itself. */
enum client_text { CLIENT_NAME, CLIENT_LIBRARY_NAME, CLIENT_LIBRARY_VERSION, CLIENT_TEXT_COUNT };

/* One client.  Constant after client_new but for atomics and what the registry's lock guards. */
struct client {
    uint64_t id;
    int fd;
    bool is_unix;
    struct mailbox *mailbox; /* of its worker */
    char address[128];       /* "127.0.0.1:50122", "/path:0" */
    char local_address[128];
    int64_t created_ms; /* steady clock, as all times here */
    atomic_int_fast64_t last_active_ms;
    _Atomic(const struct command *) last_command;
    atomic_size_t input_size, input_capacity, output_size;
    atomic_size_t memory; /* all it takes, see net/connection_memory.h */
    atomic_int resp_version;
    atomic_uint database;
    atomic_int queued; /* commands after MULTI; -1: no MULTI */
    atomic_size_t queued_bytes;
    atomic_size_t channels, patterns; /* subscribed to */
    atomic_bool killed;               /* to be closed by its worker; nobody sees it any more */
    atomic_bool blocked;              /* its next command waits */
    atomic_bool monitors;             /* MONITOR */
    atomic_bool no_evict;             /* CLIENT NO-EVICT: not closed for maxmemory-clients */
    /* Guard: the registry's lock; through the functions below. */
    char *texts[CLIENT_TEXT_COUNT];
    struct client *previous, *next;
};

struct client_registry *client_registry_new(void);
void client_registry_free(struct client_registry *registry);

/* Registers a connected socket; NULL if memory is short. */
struct client *client_new(struct client_registry *registry, struct mailbox *mailbox, int fd,
                          bool is_unix, int64_t now_ms);
void client_free(struct client_registry *registry, struct client *client);

static inline bool client_is_killed(struct client *client)
{
    return atomic_load_explicit(&client->killed, memory_order_relaxed);
}

/* What a client is, as CLIENT LIST and KILL tell clients apart. */
enum client_kind {
    CLIENT_KIND_ANY,
    CLIENT_KIND_NORMAL,
    CLIENT_KIND_PUBSUB,     /* subscribed to something */
    CLIENT_KIND_REPLICATION /* masters and replicas, which there are none of */
};

/* Which clients to kill: those for which all holds that is set. */
struct client_filter {
    uint64_t id;                                    /* 0: any */
    const struct resp_arg *address, *local_address; /* NULL: any */
    enum client_kind kind;
    const struct client *skip; /* not this one; NULL: all */
};

/* Has the clients that fit closed by their workers, but for `own`, which the caller closes: whether
 * that fits goes to *own_fits.  Returns how many fit. */
size_t client_kill(struct client_registry *registry, const struct client_filter *filter,
                   const struct client *own, bool *own_fits);

/* Has those that take most closed by their workers, until the others take less than `most` bytes
 * together.  Returns how many they are. */
size_t client_evict(struct client_registry *registry, uint64_t most);

/* Has all workers that serve a client look at their clients: CLIENT PAUSE has ended. */
void client_recheck_all(struct client_registry *registry);

/* How many clients wait before their next command. */
size_t client_count_blocked(struct client_registry *registry);

/* A copy of the value is kept; size 0 removes it.  False if memory is short. */
bool client_set_text(struct client_registry *registry, struct client *client,
                     enum client_text which, const void *value, size_t size);

/* A copy the caller frees; NULL if there is none. */
char *client_text(struct client_registry *registry, struct client *client, enum client_text which);

/* Appends the line that CLIENT INFO and CLIENT LIST show for a client, with its newline. */
void client_describe(struct client_registry *registry, struct client *client, int64_t now_ms,
                     struct resp_buffer *out);

/* The same for all clients of a kind, in the order of connection. */
void client_describe_all(struct client_registry *registry, enum client_kind kind, int64_t now_ms,
                         struct resp_buffer *out);

/* The same for those with the given ids, in that order. */
void client_describe_some(struct client_registry *registry, const uint64_t *ids, size_t id_count,
                          int64_t now_ms, struct resp_buffer *out);

#endif
