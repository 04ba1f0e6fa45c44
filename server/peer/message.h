/* SPDX-License-Identifier: MIT */
/* What is published: one message, shared by all who receive it and by all links to other servers.
 *
 * A message does not change once it has been sent.  Reference counts may change on any thread. */
#ifndef SERVER_PEER_MESSAGE_H
#define SERVER_PEER_MESSAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/parser.h"

struct delivery;

/* The numbers are those of the protocol between servers (peer_frame.h): they never change meaning. */
enum message_kind {
    MESSAGE_LINE = 0,    /* MONITOR's, no name; never sent to other servers */
    MESSAGE_CHANNEL = 1, /* name: the channel */
    MESSAGE_EVENT = 2    /* name: a keyspace event, payload: the key; for other servers only */
};

struct message {
    atomic_size_t references;
    enum message_kind kind;
    unsigned class, database; /* MESSAGE_EVENT: an enum notify_class, and where */
    size_t name_size, payload_size;
    /* While it waits in an outbox; that owner's alone. */
    struct message *next;
    struct delivery *deliveries; /* to the receivers here */
    bool depends;                /* on the commit */
    bool here_only;              /* is not sent to other servers */
    uint8_t bytes[];             /* name, then payload */
};

/* Copies both; one reference.  NULL if memory is short. */
struct message *message_new(enum message_kind kind, const struct resp_arg *name,
                            const struct resp_arg *payload);

/* A MESSAGE_CHANNEL whose name begins with a prefix. */
struct message *message_new_behind(const char *prefix, const struct resp_arg *name,
                                   const struct resp_arg *payload);

void message_release(struct message *message);

static inline struct message *message_hold(struct message *message)
{
    atomic_fetch_add_explicit(&message->references, 1, memory_order_relaxed);
    return message;
}

/* The memory it takes, for limits. */
static inline size_t message_cost(const struct message *message)
{
    return sizeof *message + message->name_size + message->payload_size;
}

#endif
