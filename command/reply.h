/* SPDX-License-Identifier: MIT */
/* The replies that many commands have in common, with Redis's texts.  Each function writes one
 * whole reply to call->reply. */
#ifndef COMMAND_REPLY_H
#define COMMAND_REPLY_H

#include "command/call.h"

void reply_ok(struct call *call);
void reply_syntax_error(struct call *call);
void reply_wrong_type(struct call *call);
void reply_invalid_expire(struct call *call);
void reply_out_of_memory(struct call *call);

/* The first word names no command; the second word names no subcommand of `container`. */
void reply_unknown_command(struct call *call);
void reply_unknown_subcommand(struct call *call, const struct command *container);

void reply_wrong_arity(struct call *call);

/* For a subcommand whose row cannot tell its number of arguments. */
void reply_subcommand_syntax_error(struct call *call);

/* The reply of <container> HELP; `lines` ends with NULL. */
void reply_help(struct call *call, const char *const *lines);

#endif
