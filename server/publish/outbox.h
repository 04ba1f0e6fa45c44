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

/* Each of these three takes the message over, also where it fails for lack of memory.
 *
 * outbox_add: for all servers.  Takes over the deliveries to its receivers here, too.  False: no
 * memory.  outbox_add_here: for this server; finds the receivers, and drops it at once if there are
 * none.  outbox_add_there: for the other servers. */
bool outbox_add(struct outbox *outbox, struct message *message, struct delivery *deliveries);
void outbox_add_here(struct outbox *outbox, struct pubsub *pubsub, struct message *message);
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
