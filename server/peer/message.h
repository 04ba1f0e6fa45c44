/* SPDX-License-Identifier: MIT */
/* What is published: one message, shared by all its receivers and by all links to other servers.
 *
 * Nothing but the number of references changes after message_new.  Any thread may read a message
 * that it holds a reference of. */
#ifndef SERVER_PEER_MESSAGE_H
#define SERVER_PEER_MESSAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/parser.h"

/* The numbers are those of the protocol between servers (frame.h): they never change meaning. */
enum message_kind {
    MESSAGE_LINE = 0,    /* a line of MONITOR, no name; never sent to other servers */
    MESSAGE_CHANNEL = 1, /* name: the channel */
    MESSAGE_EVENT = 2    /* name: a keyspace event, payload: the key; for other servers only */
};

struct message {
    atomic_size_t references;
    enum message_kind kind;
    unsigned class,
        database; /* MESSAGE_EVENT: an enum notify_class, and of which database; else 0 */
    size_t name_size, payload_size;
    uint8_t bytes[]; /* name, then payload */
};

/* Messages with copies of name and payload, and one reference, the caller's.  NULL if memory is
 * short. */
struct message *message_new(enum message_kind kind, const struct resp_arg *name,
                            const struct resp_arg *payload);
struct message *message_new_event(unsigned class, unsigned database, const struct resp_arg *event,
                                  const struct resp_arg *key);

/* A MESSAGE_CHANNEL whose name begins with a prefix. */
struct message *message_new_behind(const char *prefix, const struct resp_arg *name,
                                   const struct resp_arg *payload);

/* Gives up a reference; the last one frees the message. */
void message_release(struct message *message);

/* The name, and the payload, for as long as the message. */
static inline struct resp_arg message_name(const struct message *message)
{
    return (struct resp_arg){message->bytes, message->name_size};
}

static inline struct resp_arg message_payload(const struct message *message)
{
    return (struct resp_arg){message->bytes + message->name_size, message->payload_size};
}

/* One more reference. */
static inline struct message *message_hold(struct message *message)
{
    atomic_fetch_add_explicit(&message->references, 1, memory_order_relaxed);
    return message;
}

/* The memory that a message takes, for limits. */
static inline size_t message_cost(const struct message *message)
{
    return sizeof *message + message->name_size + message->payload_size;
}

#endif
