/* SPDX-License-Identifier: MIT */
/* What memory each client takes: its buffers, what it has queued, what it watches and is
 * subscribed to. */
#ifndef SERVER_SESSION_CLIENT_MEMORY_H
#define SERVER_SESSION_CLIENT_MEMORY_H

#include <stdint.h>

struct config;
struct connection;

/* What all clients together may take, as maxmemory-clients says, in bytes; 0: there is no limit. */
uint64_t client_memory_most(const struct config *config);

/* Counts a connection as it is now, in place of what was counted of it before, and has clients closed if
 * all together exceed maxmemory-clients: it may be among them, and is closed later then.  On the thread
 * of its worker, which has the session. */
void client_memory_count(struct connection *connection);

/* It is about to be freed. */
void client_memory_forget(struct connection *connection);

#endif
