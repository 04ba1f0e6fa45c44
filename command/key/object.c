/* SPDX-License-Identifier: MIT */
/* OBJECT: how Redis keeps a value.  Here every string is kept as its bytes; the replies are those
 * of a Redis in which the value was set by SET. */
#include <limits.h>

#include "command/access.h"
#include "command/families.h"
#include "command/reply.h"
#include "command/table.h"
#include "command/value.h"

enum {
    SHARED_INTEGERS = 10000 /* Redis shares one object for each integer below this */
};

/* Reads the key; replies null if it does not exist. */
static bool object_or_reply(struct call *call, struct anystore_value *value)
{
    if (read_key_quietly(call, &call->argv[2], value))
        return true;
    resp_write_null(call->reply);
    return false;
}

static void run_object_encoding(struct call *call)
{
    struct anystore_value value;
    if (object_or_reply(call, &value))
        resp_write_bulk_text(call->reply, value_encoding(&value));
}

static void run_object_refcount(struct call *call)
{
    struct anystore_value value;
    int64_t number;
    if (!object_or_reply(call, &value))
        return;
    bool shared = value_is_integer(&value, &number) && number >= 0 && number < SHARED_INTEGERS;
    resp_write_integer(call->reply, shared ? INT_MAX : 1);
}

/* Reads leave no trace in the store, so that they can run side by side: every key counts as just
 * used. */
static void run_object_idletime(struct call *call)
{
    struct anystore_value value;
    if (object_or_reply(call, &value))
        resp_write_integer(call->reply, 0);
}

static void run_object_freq(struct call *call)
{
    struct anystore_value value;
    if (object_or_reply(call, &value))
        resp_write_error(call->reply,
                         "ERR An LFU maxmemory policy is not selected, access frequency not "
                         "tracked. Please note that when switching between policies at runtime "
                         "LRU and LFU data will take some time to adjust.");
}

static void run_object_help(struct call *call)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Return the kind of internal representation used in order to store the value",
        "    associated with a <key>.",
        "FREQ <key>",
        "    Return the access frequency index of the <key>. The returned integer is",
        "    proportional to the logarithm of the recent access frequency of the key.",
        "IDLETIME <key>",
        "    Return the idle time of the <key>, that is the approximated number of",
        "    seconds elapsed since the last access to the key.",
        "REFCOUNT <key>",
        "    Return the number of references of the value associated with the specified",
        "    <key>.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define OBJECT_SUB                                                                                 \
    .arity = 3, .flags = COMMAND_READONLY, .categories = CATEGORY_KEYSPACE,                        \
    KEYS({.flags = "RO", .first = 2, .step = 1}), .group = "generic", .complexity = "O(1)",        \
    .tips = "nondeterministic_output"

static const struct command object_subcommands[] = {
    {.name = "encoding",
     .full_name = "object|encoding",
     .run = run_object_encoding,
     OBJECT_SUB,
     .since = "2.2.3",
     .summary = "Returns how Redis would keep the value of a key."},
    {.name = "freq",
     .full_name = "object|freq",
     .run = run_object_freq,
     OBJECT_SUB,
     .since = "4.0.0",
     .summary = "Returns how often a key is used: that is not counted."},
    {.name = "help",
     .full_name = "object|help",
     .run = run_object_help,
     HELP_SUB,
     .categories = CATEGORY_KEYSPACE,
     .since = "6.2.0",
     .group = "generic"},
    {.name = "idletime",
     .full_name = "object|idletime",
     .run = run_object_idletime,
     OBJECT_SUB,
     .since = "2.2.3",
     .summary = "Returns for how many seconds a key has not been used: that is not counted."},
    {.name = "refcount",
     .full_name = "object|refcount",
     .run = run_object_refcount,
     OBJECT_SUB,
     .since = "2.2.3",
     .summary = "Returns how many references to the value of a key there are."},
    {0},
};

const struct command command_object_rows[] = {
    {.name = "object",
     .arity = -2,
     .subcommands = object_subcommands,
     .since = "2.2.3",
     .group = "generic",
     .complexity = "Depends on the subcommand",
     .summary = "A container for commands about the value of a key."},
    {0},
};
