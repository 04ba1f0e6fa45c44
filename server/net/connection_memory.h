/* SPDX-License-Identifier: MIT */
/* What memory each connection takes: its buffers, what its session has queued, watches and is
 * subscribed to. */
#ifndef SERVER_NET_CONNECTION_MEMORY_H
#define SERVER_NET_CONNECTION_MEMORY_H

struct connection;

/* Counts a connection as it is now, in place of what was counted of it before.  If all together
 * exceed maxmemory-clients, has clients closed: this one may be among them, and is closed later
 * then.  On the thread of its worker, which has the session. */
void connection_memory_count(struct connection *connection);

/* The connection is about to be freed. */
void connection_memory_forget(struct connection *connection);

#endif
