/* SPDX-License-Identifier: MIT */
/* What COMMAND and CONFIG need of the command table and nobody else does. */
#ifndef SERVER_COMMAND_INTERNAL_H
#define SERVER_COMMAND_INTERNAL_H

#include "command.h"

/* One CONFIG SET at a time: it takes its changes back if it fails half-way, and must not take back
 * another client's. */
void command_config_lock(struct command_table *table);
void command_config_unlock(struct command_table *table);

#endif
