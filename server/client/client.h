/* SPDX-License-Identifier: MIT */
/* The registry of connected clients: what other threads may know of a client, and ask of it.
 *
 * The thread that has a client's session writes the atomics.  All functions may be called on any
 * thread. */
#ifndef SERVER_CLIENT_CLIENT_H
#define SERVER_CLIENT_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "resp/buffer.h"

struct command;
struct client_registry;
struct mailbox;

/* What a client says about itself. */
enum client_text { CLIENT_NAME, CLIENT_LIBRARY_NAME, CLIENT_LIBRARY_VERSION, CLIENT_TEXT_COUNT };

/* One client.  Constant but for the atomics and the members that the registry's lock guards. */
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
    atomic_size_t input_size, input_capacity, output_size, argument_bytes;
    atomic_size_t memory; /* all that it takes, see net/connection_memory.h */
    atomic_int resp_version;
    atomic_uint database;
    atomic_int queued; /* commands after MULTI; -1: no MULTI */
    atomic_size_t queued_bytes;
    atomic_size_t channels, patterns; /* that it is subscribed to */
    atomic_bool killed;               /* its worker will close it; it is not shown any more */
    atomic_bool blocked;              /* CLIENT PAUSE: its next command waits */
    atomic_bool monitors;             /* MONITOR */
    atomic_bool no_evict;             /* CLIENT NO-EVICT: maxmemory-clients does not close it */
    /* Guard: the registry's lock. */
    char *texts[CLIENT_TEXT_COUNT];
    struct client *previous, *next;
};

struct client_registry *client_registry_new(void);
void client_registry_free(struct client_registry *registry);

/* Registers the client of a connected socket.  NULL if memory is short. */
struct client *client_new(struct client_registry *registry, struct mailbox *mailbox, int fd,
                          bool is_unix, int64_t now_ms);
void client_free(struct client_registry *registry, struct client *client);

static inline bool client_is_killed(struct client *client)
{
    return atomic_load_explicit(&client->killed, memory_order_relaxed);
}

/* The kinds of clients of CLIENT LIST and CLIENT KILL. */
enum client_kind {
    CLIENT_KIND_ANY,
    CLIENT_KIND_NORMAL,
    CLIENT_KIND_PUBSUB,     /* subscribed to something */
    CLIENT_KIND_REPLICATION /* masters and replicas: there are none */
};

/* Which clients to kill: a client fits if every condition that is set holds. */
struct client_filter {
    uint64_t id;                                    /* 0: any */
    const struct resp_arg *address, *local_address; /* NULL: any */
    enum client_kind kind;
    const struct client *skip; /* not this one; NULL: all */
};

/* Asks the workers to close the clients that fit.  The caller closes `own` itself; *own_fits says
 * whether it fits.  Returns how many fit. */
size_t client_kill(struct client_registry *registry, const struct client_filter *filter,
                   const struct client *own, bool *own_fits);

/* Asks the workers to close the clients that take most memory, until the others together take less
 * than `most` bytes.  Returns how many are closed. */
size_t client_evict(struct client_registry *registry, uint64_t most);

/* Asks every worker that serves a client to look at its clients: CLIENT PAUSE has ended. */
void client_recheck_all(struct client_registry *registry);

/* How many clients wait for the end of a CLIENT PAUSE. */
size_t client_count_blocked(struct client_registry *registry);

/* Keeps a copy of a text; size 0 removes the text.  False if memory is short. */
bool client_set_text(struct client_registry *registry, struct client *client,
                     enum client_text which, const void *value, size_t size);

/* A copy of a text, which the caller frees; NULL if there is none. */
char *client_text(struct client_registry *registry, struct client *client, enum client_text which);

/* Appends the line that CLIENT INFO and CLIENT LIST show for a client, with its newline. */
void client_describe(struct client_registry *registry, struct client *client, int64_t now_ms,
                     struct resp_buffer *out);

/* Appends the lines of all clients of a kind, in the order in which they connected. */
void client_describe_all(struct client_registry *registry, enum client_kind kind, int64_t now_ms,
                         struct resp_buffer *out);

/* Appends the lines of the clients with the given ids, in that order. */
void client_describe_some(struct client_registry *registry, const uint64_t *ids, size_t id_count,
                          int64_t now_ms, struct resp_buffer *out);

#endif
