/* SPDX-License-Identifier: MIT */
/* Ties the peers' transport to the parts that publish. */
#ifndef SERVER_PEERING_H
#define SERVER_PEERING_H

#include <stdbool.h>

struct server;

/* Starts the peers of a server that has a data file, and sets server->peers.  Called before the
 * workers start: a client that is told that it is subscribed hears the other servers.  False and
 * *cause (allocated) on failure. */
bool peering_start(struct server *server, char **cause);

/* Called when nothing is published any more. */
void peering_stop(struct server *server);

#endif
