/* SPDX-License-Identifier: MIT */
/* Opens the databases, with the key and at the place that the configuration names. */
#ifndef SERVER_STARTUP_H
#define SERVER_STARTUP_H

#include <stdbool.h>

struct server;

/* Opens server->databases as the configuration and the environment say; sets server->key, data_path
 * and key_path.  False and *cause (allocated: one line with file and reason; NULL if memory is
 * short) on failure. */
bool startup_open_store(struct server *server, char **cause);

#endif
