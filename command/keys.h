/* SPDX-License-Identifier: MIT */
/* Where the keys stand among the arguments of commands and calls. */
#ifndef COMMAND_KEYS_H
#define COMMAND_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "command/table.h"

/* One range over all those that the row tells, as COMMAND INFO shows it: numbers of arguments, and
 * -1 for the last argument.  All 0: the command has no keys. */
struct key_span {
    int first, last, step;
};

struct key_span command_key_span(const struct command *command);

/* Whether keys may stand elsewhere than in that span. */
bool command_has_movable_keys(const struct command *command);

/* The keys of a range in one call. */
struct call_keys {
    size_t first, last, step; /* numbers of arguments, which are there */
    const char *flags;        /* as in struct key_range */
};

/* False if the call has no keys of that range. */
bool command_call_keys(const struct command *command, const struct key_range *range, size_t argc,
                       const struct resp_arg *argv, struct call_keys *keys);

#endif
