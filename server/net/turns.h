/* SPDX-License-Identifier: MIT */
/* The connections of a worker that have more to run than fits a turn, in order.  Worker's
 * thread. */
#ifndef SERVER_NET_TURNS_H
#define SERVER_NET_TURNS_H

struct connection;
struct worker;

/* The connection goes on when the loop has looked at all others.  It is not read from until
 * then. */
void turns_wait(struct connection *connection);

/* Has the event of turns called when the loop has looked at all sockets. */
void turns_wake(struct worker *worker);

/* The connection does not wait any more, if it did. */
void turns_leave(struct connection *connection);

#endif
