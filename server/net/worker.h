/* SPDX-License-Identifier: MIT */
/* A worker thread: an event loop over the sockets of its connections.
 *
 * Reads run right here, on the published map.  A write goes to the store's queue together with
 * everything the client sent behind it; the commit thread runs it and gives the connection back
 * through the worker's list of finished updates. */
#ifndef SERVER_NET_WORKER_H
#define SERVER_NET_WORKER_H

#include <stdbool.h>

struct server;
struct worker;

/* Starts the thread.  NULL and *cause (allocated) on failure. */
struct worker *worker_start(struct server *server, unsigned index, char **cause);

/* Gives a connected, non-blocking socket to the worker.  Any thread. */
void worker_add(struct worker *worker, int fd, bool is_unix);

/* Asks the worker to finish: what has been read is run, replies are sent as far as the clients take
 * them at once, then the connections are closed.  Any thread. */
void worker_stop(struct worker *worker);

/* Waits for the end of the thread. */
void worker_join(struct worker *worker);

/* When nobody gives anything to it any more: neither another worker nor the store. */
void worker_free(struct worker *worker);

#endif
