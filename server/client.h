/* SPDX-License-Identifier: MIT */
/* What is known about the connected clients across threads: CLIENT LIST, CLIENT INFO, CLIENT ID. */
#ifndef SERVER_CLIENT_H
#define SERVER_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "resp/buffer.h"

struct command;
struct client_registry;

/* The texts that a client gives about itself. */
enum client_text { CLIENT_NAME, CLIENT_LIBRARY_NAME, CLIENT_LIBRARY_VERSION, CLIENT_TEXT_COUNT };

/* One client.  Constant after client_new but for atomics and what the registry's lock guards. */
struct client {
    uint64_t id;
    int fd;
    bool is_unix;
    char address[128]; /* "127.0.0.1:50122", "/path:0" */
    char local_address[128];
    int64_t created_ms;
    atomic_int_fast64_t last_active_ms;
    _Atomic(const struct command *) last_command;
    atomic_size_t input_size, input_capacity, output_size, argument_bytes;
    atomic_int resp_version;
    atomic_int queued; /* commands after MULTI; -1: no MULTI */
    /* Guard: the registry's lock; through the functions below. */
    char *texts[CLIENT_TEXT_COUNT];
    struct client *previous, *next;
};

struct client_registry *client_registry_new(void);
void client_registry_free(struct client_registry *registry);

/* Registers a connected socket; NULL if memory is short. */
struct client *client_new(struct client_registry *registry, int fd, bool is_unix, int64_t now_ms);
void client_free(struct client_registry *registry, struct client *client);

/* A copy of the value is kept; size 0 removes it.  False if memory is short. */
bool client_set_text(struct client_registry *registry, struct client *client,
                     enum client_text which, const void *value, size_t size);

/* A copy the caller frees; NULL if there is none. */
char *client_text(struct client_registry *registry, struct client *client, enum client_text which);

/* Appends the line that CLIENT INFO and CLIENT LIST show for a client, with its newline. */
void client_describe(struct client_registry *registry, struct client *client, int64_t now_ms,
                     struct resp_buffer *out);

/* The same for all clients (ids NULL) or those with the given ids, in the order of ids given or of
 * connection. */
void client_describe_all(struct client_registry *registry, const uint64_t *ids, size_t id_count,
                         int64_t now_ms, struct resp_buffer *out);

#endif
