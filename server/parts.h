/* SPDX-License-Identifier: MIT */
/* The parts of a server that need neither a file nor a thread. */
#ifndef SERVER_PARTS_H
#define SERVER_PARTS_H

#include <stdbool.h>

struct server;

/* Makes the command table, the registry of clients, publish/subscribe, the counters and the logs in
 * memory, and points *server at them.  False if memory is short; parts_free frees what was made. */
bool parts_make(struct server *server);

/* Frees what parts_make made, when no thread uses it any more.  All pointers may be NULL. */
void parts_free(struct server *server);

#endif
