/* SPDX-License-Identifier: MIT */
/* Random commands for client_differential_test, and how their replies are compared. */
#ifndef TESTS_CLIENT_DIFFERENTIAL_H
#define TESTS_CLIENT_DIFFERENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/random.h"
#include "tests/client/harness/raw.h"

enum compare {
    COMPARE_BYTES,  /* the same bytes */
    COMPARE_SORTED, /* the same elements in any order */
    COMPARE_NEAR,   /* numbers that differ by no more than the time the run has taken */
    COMPARE_KIND,   /* the same kind of reply */
    COMPARE_SCAN,   /* the same keys in any order, where both servers returned all at once */
    COMPARE_DUMP,   /* the same bytes, except where Redis has compressed them */
    COMPARE_HELLO   /* the same fields; those that name the server and the client differ */
};

#define COMMAND_ARGS_MAX 64

struct command {
    struct bytes args[COMMAND_ARGS_MAX];
    size_t count;
};

/* A command as words, some of which stand for something else, and how often it comes.
 *
 * Words that begin with % stand for
 *   %k key  %v value  %i integer  %j junk  %w word of SET's or EXPIRE's options  %p pattern
 *   %s %m relative and %S %M absolute times in seconds and milliseconds, far ahead
 *   %a %A absolute times that have passed  %n zero or less  %P the protocol's number
 * A template that begins with ! is never spoilt: spoilt it could mean something else. */
struct template
{
    unsigned weight;
    const char *words; /* NULL ends a table */
};

extern const struct template differential_generic[];
extern const struct template differential_keys[];
extern const struct template differential_strings[];

/* Appends the text that a word of these templates, %<letter>, stands for; false if there is
 * none. */
bool differential_keys_word(struct random *random, struct bytes *out, char letter);
bool differential_strings_word(struct random *random, struct bytes *out, char letter);

struct generator {
    struct random random;
    int protocol;    /* 2 or 3, for HELLO */
    int64_t started; /* wall_ms() at the start */
    unsigned unique; /* expiry times made so far */
};

void generator_start(struct generator *generator, uint64_t seed, int protocol);

/* The next command; overwrites *command and uses its memory again. */
void generator_next(struct generator *generator, struct command *command);

/* Makes a command of the words of a text, for the driver itself. */
void command_set(struct command *command, const char *words);
void command_encode(const struct command *command, struct bytes *out);
void command_describe(const struct command *command, struct bytes *text);
void command_free(struct command *command);
bool command_is(const struct command *command, const char *name);

/* EXISTS of every key that generated commands let expire in the past: redis-server counts such a
 * key in DBSIZE until a command has asked for it. */
void generator_touch_all(struct command *command);

/* How replies to the command are compared.  An error is always compared byte for byte. */
enum compare command_compare(const struct command *command);

#endif
