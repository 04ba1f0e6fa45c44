/* SPDX-License-Identifier: MIT */
/* The place: a directory in which the servers of a data file find each other.  Each server has a
 * UNIX socket there, named "<run id>.sock".
 *
 * A socket is made as "<run id>.new" and gets its final name when it listens.  So if a name is
 * there, its server hears; and if a name refuses a connection, its server is dead.  The path of a
 * UNIX socket is limited to about 100 bytes, so it leads through /proc/self/fd. */
#ifndef SERVER_PEER_PLACE_H
#define SERVER_PEER_PLACE_H

#include <stdbool.h>

#include "server/peer/frame.h"

struct peer_place {
    int directory, watch, listener;    /* -1: not open; watch: an inotify descriptor */
    char *path;                        /* of the directory */
    char run_id[PEER_RUN_ID_SIZE + 1]; /* of this server */
};

/* Makes the directory if need be, watches it, and listens in it.  On failure false and *cause
 * (allocated; NULL if memory is short), and nothing is open. */
bool peer_place_open(struct peer_place *place, const char *data_path, const char *run_id,
                     char **cause);

/* Removes the socket of this server, and the directory if that is empty then. */
void peer_place_close(struct peer_place *place);

/* Whether the others can find the socket of this server.  False if somebody removed the socket or
 * the directory.  True if a system call fails: that is no reason to give up a socket that works. */
bool peer_place_is_whole(const struct peer_place *place);

typedef void peer_place_found_fn(const char *run_id, void *arg);

/* Calls fn for each other server in the directory. */
void peer_place_scan(const struct peer_place *place, peer_place_found_fn *fn, void *arg);

/* Calls fn for each server that has come since the last call.  One system call if there is none. */
void peer_place_news(const struct peer_place *place, peer_place_found_fn *fn, void *arg);

/* Connects to a server without waiting.  A descriptor, or -1 with errno. */
int peer_place_connect(const struct peer_place *place, const char *run_id);

/* Removes a dead server's socket. */
void peer_place_remove(const struct peer_place *place, const char *run_id);

#endif
