/* SPDX-License-Identifier: MIT */
/* The cases of client_commands_test: each runs against redis-server first, which proves that it
 * expects what Redis does, and then against ours. */
#ifndef TESTS_CLIENT_COMMANDS_H
#define TESTS_CLIENT_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

struct commands {
    bool ours; /* not redis-server */
    struct server *server;
    redisContext *client; /* RESP2 */
    struct raw *raw;      /* RESP3, by HELLO 3 */
};

struct commands_case {
    const char *name;
    void (*run)(struct commands *commands);
    bool only_ours; /* about something that Redis 7.0 lacks or does differently */
};

/* Expects an error about the number of arguments of a command, given as words with blanks
 * between. */
void commands_arity(redisContext *client, const char *command, const char *words);

/* Tables that end with a row without a name. */
extern const struct commands_case commands_strings[];
extern const struct commands_case commands_string_parts[];
extern const struct commands_case commands_bits[];
extern const struct commands_case commands_keys[];
extern const struct commands_case commands_generic[];
extern const struct commands_case commands_connection[];
extern const struct commands_case commands_server[];

#endif
