/* SPDX-License-Identifier: MIT */
/* What a few families of commands share and the others do not need. */
#ifndef SERVER_FAMILY_SHARED_H
#define SERVER_FAMILY_SHARED_H

#include "command/table.h"
#include "server/client/client.h"

/* One CONFIG SET at a time: it takes its changes back if it fails half-way, and must not take back
 * another client's. */
void command_config_lock(struct command_table *table);
void command_config_unlock(struct command_table *table);

/* "get", "config|set": the names that COMMAND itself answers; NULL if there is none. */
const struct command *command_find_full(const struct command_table *table,
                                        const struct resp_arg *arg);

/* Whether a client's name, and what else it says of itself, fits into CLIENT LIST's lines. */
bool command_is_client_name(const struct resp_arg *arg);

/* Keeps what a client says of itself, `what` for short in errors.  False if an error was replied. */
bool command_set_text_or_reply(struct call *call, enum client_text which, const char *what,
                               const struct resp_arg *value);

/* OBJECT ENCODING's word for a value: what Redis would keep, had it been set as it is. */
const char *command_encoding(const struct anystore_value *value);

/* The subcommands of CLIENT about client side caching. */
void command_client_caching(struct call *call);
void command_client_getredir(struct call *call);
void command_client_tracking(struct call *call);
void command_client_trackinginfo(struct call *call);

#endif
