/* SPDX-License-Identifier: MIT */
/* The arguments of a call.  The functions whose names end in _or_reply reply with an error if
 * they return false; the others only read. */
#ifndef COMMAND_ARGS_H
#define COMMAND_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/call.h"

static inline const char *arg_text(const struct resp_arg *arg)
{
    return (const char *)arg->data;
}

/* Whether an argument is this word, in upper or lower case.  As in Redis, a NUL byte ends the
 * argument. */
bool arg_is(const struct resp_arg *arg, const char *word);

/* Reads an integer as number_parse does; false if the argument is no integer. */
bool arg_integer(const struct resp_arg *arg, int64_t *value);

/* As arg_integer; the error is "ERR value is not an integer or out of range". */
bool arg_integer_or_reply(struct call *call, size_t index, int64_t *value);

/* Reads the number of a database; false if the host has no such database. */
bool arg_is_database(const struct call *call, const struct resp_arg *arg, int64_t *database);

/* As arg_is_database; the error says what is wrong with the argument. */
bool arg_database_or_reply(struct call *call, size_t index, int64_t *database);

/* Reads a timeout in milliseconds, zero or more. */
bool arg_timeout_or_reply(struct call *call, size_t index, int64_t *ms);

/* An argument as logs and other clients may see it: "(redacted)" in place of a secret, such as a
 * password.  The bytes are the call's or constant. call->command must be set. */
struct resp_arg arg_shown(const struct call *call, size_t index);

#endif
