/* SPDX-License-Identifier: MIT */
/* The text of INFO. */
#ifndef SERVER_FAMILY_INFO_H
#define SERVER_FAMILY_INFO_H

#include "resp/buffer.h"
#include "resp/parser.h"

struct server;

/* Appends the sections that are named, in Redis's form and with its field names.  Without names
 * these are the default ones; "all", "everything" and "default" mean what they do in Redis.  The
 * section "anystore" is ours. */
void info_write(struct server *server, const struct resp_arg *names, size_t count,
                struct resp_buffer *out);

#endif
