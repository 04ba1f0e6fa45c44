/* SPDX-License-Identifier: MIT */
/* The text of INFO. */
#ifndef SERVER_FAMILY_INFO_H
#define SERVER_FAMILY_INFO_H

#include "resp/buffer.h"
#include "resp/parser.h"

struct server;

/* Appends the sections named (none: the default ones; "all", "everything" and "default" as in
 * Redis), in Redis's form and with its field names, and our own section "anystore". */
void info_write(struct server *server, const struct resp_arg *sections, size_t count,
                struct resp_buffer *out);

#endif
