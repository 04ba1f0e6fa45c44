/* SPDX-License-Identifier: MIT */
/* The directory in which the servers of a data file find each other: one UNIX socket each, named
 * "<run id>.sock".
 *
 * A socket is made as "<run id>.new" and gets its name when it listens: so a name that refuses a
 * connection is a dead server's, and a server whose name is there hears.  Paths may be longer than
 * a UNIX socket's can be: they go through /proc/self/fd. */
#ifndef SERVER_PEER_PLACE_H
#define SERVER_PEER_PLACE_H

#include <stdbool.h>

#include "server/peer/frame.h"

struct peer_place {
    int directory, watch, listener;    /* -1: not open; watch: an inotify descriptor */
    char *path;                        /* of the directory */
    char run_id[PEER_RUN_ID_SIZE + 1]; /* one's own */
};

/* Makes the directory if need be, watches it, and listens in it.  False and *cause (allocated) on
 * failure; nothing is open then. */
bool peer_place_open(struct peer_place *place, const char *data_path, const char *run_id,
                     char **cause);

/* Takes one's own socket away, and the directory if it was the last one. */
void peer_place_close(struct peer_place *place);

/* Whether the others can find one's own socket: false if somebody removed it, or the directory.
 * True if that cannot be told: a socket that works is not given up for a call that fails. */
bool peer_place_is_whole(const struct peer_place *place);

typedef void peer_place_found_fn(const char *run_id, void *arg);

/* Calls fn for each server there but oneself. */
void peer_place_scan(const struct peer_place *place, peer_place_found_fn *fn, void *arg);

/* The same for those that have come since the last call: one system call if there is none. */
void peer_place_news(const struct peer_place *place, peer_place_found_fn *fn, void *arg);

/* Connects without waiting: a descriptor, or -1 and errno. */
int peer_place_connect(const struct peer_place *place, const char *run_id);

/* Removes a dead server's socket. */
void peer_place_remove(const struct peer_place *place, const char *run_id);

#endif
