/* SPDX-License-Identifier: MIT */
/* What the commands of a connection publish, until it may leave.
 *
 * In an update nothing leaves before the commit is durable: whoever gets the message and reads then
 * sees what was written before it, at every server; and what a command of a failed commit had to tell
 * is not told.  The receivers are those of the moment at which the command ran.
 *
 * Belongs to the session side of a connection: used by whichever thread has that. */
#ifndef SERVER_PUBLISH_OUTBOX_H
#define SERVER_PUBLISH_OUTBOX_H

#include <stdbool.h>

#include "server/peer/message.h"

struct server;

/* All bytes zero is an empty one. */
struct outbox {
    struct message *first, *last;
    struct message *unsettled; /* the first one of the request that runs; NULL: none */
};

/* Finds the receivers, and keeps the message, which it takes over.  Returns how many receivers there
 * are at this server. */
int64_t outbox_add(struct outbox *outbox, struct server *server, struct message *message);

/* Keeps a message that is for the subscribers of this server only (dropped if there are none), or one
 * that is for other servers only.  Both take it over. */
void outbox_add_here(struct outbox *outbox, struct server *server, struct message *message);
void outbox_add_there(struct outbox *outbox, struct message *message);

/* Sends what waits: at once behind a command that is not part of an update, else at the end of the
 * update; if that was not committed, only what does not depend on it. */
void outbox_send(struct outbox *outbox, struct server *server, bool committed);

/* The end of a request in an update: notes whether what it published depends on the commit. */
void outbox_settle(struct outbox *outbox, bool depends);

/* Forgets what came behind `last` (outbox->last of an earlier moment, NULL: all). */
void outbox_rollback(struct outbox *outbox, struct message *last);

#endif
