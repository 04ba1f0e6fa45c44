/* SPDX-License-Identifier: MIT */
/* The families of commands about a server: the rows of each file, and the list of them all. */
#ifndef SERVER_FAMILY_FAMILIES_H
#define SERVER_FAMILY_FAMILIES_H

#include "command/table.h"

extern const struct command command_acl_rows[];
extern const struct command command_client_rows[];
extern const struct command command_config_rows[];
extern const struct command command_connection_rows[];
extern const struct command command_database_rows[];
extern const struct command command_debug_rows[];
extern const struct command command_introspect_rows[];
extern const struct command command_latency_rows[];
extern const struct command command_memory_rows[];
extern const struct command command_pubsub_rows[];
extern const struct command command_replication_rows[];
extern const struct command command_server_rows[];
extern const struct command command_slowlog_rows[];
extern const struct command command_transaction_rows[];

/* All of these; ends with NULL. */
extern const struct command *const server_families[];

#endif
