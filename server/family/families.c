/* SPDX-License-Identifier: MIT */
/* Lists the families of commands about a server. */
#include "server/family/families.h"

#include <stddef.h>

const struct command *const server_families[] = {
    command_acl_rows,        command_client_rows,      command_config_rows,
    command_connection_rows, command_database_rows,    command_debug_rows,
    command_introspect_rows, command_latency_rows,     command_memory_rows,
    command_pubsub_rows,     command_replication_rows, command_server_rows,
    command_slowlog_rows,    command_transaction_rows, NULL,
};
