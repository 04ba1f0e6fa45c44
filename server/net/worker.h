/* SPDX-License-Identifier: MIT */
/* A worker: a thread with an event loop over the sockets of its connections.
 *
 * Reads run on the worker, in a view of the published map.  A write goes to the store's queue with
 * the session of its client; the commit thread runs everything that the client has sent, and gives
 * the session back through the worker's mailbox (publish/mailbox.h). */
#ifndef SERVER_NET_WORKER_H
#define SERVER_NET_WORKER_H

#include <stdbool.h>

struct server;
struct worker;

/* Starts the thread.  NULL and *cause (allocated) on failure. */
struct worker *worker_start(struct server *server, unsigned index, char **cause);

/* Gives a connected, non-blocking socket to the worker, which owns it from then on.  Any thread. */
void worker_add(struct worker *worker, int fd, bool is_unix);

/* Asks the worker to end.  It runs what it has read, sends replies for some seconds at most, and
 * closes its connections.  Any thread. */
void worker_stop(struct worker *worker);

/* Waits for the end of the thread.  After worker_stop. */
void worker_join(struct worker *worker);

/* Frees a worker that has ended, when no thread posts to its mailbox any more. */
void worker_free(struct worker *worker);

#endif
