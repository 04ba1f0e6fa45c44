/* SPDX-License-Identifier: MIT */
/* The messages that the commands of a session publish, until they may leave.
 *
 * During an update nothing leaves before the commit is durable.  So a client that gets a message
 * and then reads sees what was written before the message, at every server; and a commit that fails
 * publishes nothing.  The receivers are those of the moment at which the command ran.
 *
 * An outbox belongs to a session (session.h) and to the thread that has it. */
#ifndef SERVER_PUBLISH_OUTBOX_H
#define SERVER_PUBLISH_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

struct delivery;
struct message;
struct peers;
struct pubsub;

/* A message that waits. */
struct outgoing {
    struct outgoing *next;
    struct message *message;     /* a reference */
    struct delivery *deliveries; /* to the receivers at this server */
    bool depends;                /* on the commit: dropped if that fails */
    bool here_only;              /* not for other servers */
};

/* All bytes zero is an empty one. */
struct outbox {
    struct outgoing *first, *last;
    struct outgoing *unsettled; /* the first one of the request that runs; NULL: none */
};

/* Keeps a message for all servers, with the deliveries to its receivers here.  Takes both over,
 * also if it fails.  False if memory is short. */
bool outbox_add(struct outbox *outbox, struct message *message, struct delivery *deliveries);

/* Finds the receivers of a message for this server only, and keeps it if there are any.  Takes it
 * over.  If memory is short, the message is lost. */
void outbox_add_here(struct outbox *outbox, struct pubsub *pubsub, struct message *message);

/* Keeps a message for the other servers only.  Takes it over.  If memory is short, it is lost. */
void outbox_add_there(struct outbox *outbox, struct message *message);

/* Sends the queued messages: right after a command, or at the end of an update.  After a failed
 * update, messages that depended on it are dropped.  `peers` may be NULL: there are no other
 * servers. */
void outbox_send(struct outbox *outbox, struct peers *peers, bool committed);

/* A request of an update is over: notes whether its messages depend on the commit. */
void outbox_settle(struct outbox *outbox, bool depends);

/* Drops the messages behind `last` (outbox->last of an earlier moment; NULL: all of them). */
void outbox_rollback(struct outbox *outbox, struct outgoing *last);

#endif
