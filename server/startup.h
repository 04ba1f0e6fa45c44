/* SPDX-License-Identifier: MIT */
/* From the configuration to an open store: where the data and the key are, and which key is used. */
#ifndef SERVER_STARTUP_H
#define SERVER_STARTUP_H

#include <stdbool.h>

struct server;

/* Opens server->store as the configuration and the environment say; sets data_path and key_path.
 * False and *cause (allocated: one line that names the file and the cause) on failure. */
bool startup_open_store(struct server *server, char **cause);

#endif
