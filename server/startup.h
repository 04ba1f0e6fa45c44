/* SPDX-License-Identifier: MIT */
/* From the configuration to the open databases. */
#ifndef SERVER_STARTUP_H
#define SERVER_STARTUP_H

#include <stdbool.h>

struct server;

/* Opens server->databases as the configuration and the environment say; sets server->key, data_path
 * and key_path.  False and *cause (allocated: one line that names the file and the reason; NULL if
 * memory is short) on failure. */
bool startup_open_store(struct server *server, char **cause);

#endif
