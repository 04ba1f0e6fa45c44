/* SPDX-License-Identifier: MIT */
/* Where the keys stand among the arguments of commands and calls. */
#ifndef COMMAND_KEYS_H
#define COMMAND_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "command/table.h"

/* One range that covers all ranges that the row knows, as COMMAND INFO shows it.  The members are
 * numbers of arguments; -1 is the last argument.  All 0: the command has no keys. */
struct key_span {
    int first, last, step;
};

struct key_span command_key_span(const struct command *command);

/* Whether keys may stand outside that range. */
bool command_has_movable_keys(const struct command *command);

/* The keys of one range in one call. */
struct call_keys {
    size_t first, last, step; /* numbers of arguments, all below argc */
    const char *flags;        /* as in struct key_range */
};

/* Finds the keys of a range, which is one of command->keys, in a call whose arity fits.  False if
 * the call has none. */
bool command_call_keys(const struct command *command, const struct key_range *range, size_t argc,
                       const struct resp_arg *argv, struct call_keys *keys);

#endif
