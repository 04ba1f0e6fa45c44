/* SPDX-License-Identifier: MIT */
/* Functions of CLIENT for HELLO and for CLIENT TRACKING. */
#ifndef SERVER_FAMILY_CLIENT_H
#define SERVER_FAMILY_CLIENT_H

#include <stdbool.h>

#include "command/call.h"
#include "server/client/client.h"

/* Whether a text that a client gives about itself fits into a line of CLIENT LIST. */
bool client_text_fits(const struct resp_arg *arg);

/* Keeps a text that a client gives about itself; errors call it `what`.  False if an error was
 * replied. */
bool client_set_text_or_reply(struct call *call, enum client_text which, const char *what,
                              const struct resp_arg *value);

/* The subcommands of CLIENT about client side caching. */
void run_client_caching(struct call *call);
void run_client_getredir(struct call *call);
void run_client_tracking(struct call *call);
void run_client_trackinginfo(struct call *call);

#endif
