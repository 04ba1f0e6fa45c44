/* SPDX-License-Identifier: MIT */
/* DUMP and RESTORE: values in Redis's serialised form, to and from other servers. */
#include <stdlib.h>

#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/host.h"
#include "command/key/rdb.h"
#include "command/reply.h"
#include "command/table.h"

static void run_dump(struct call *call)
{
    struct anystore_value value;
    uint8_t *payload;
    size_t size;
    if (!read_key(call, &call->argv[1], &value)) {
        resp_write_null(call->reply);
        return;
    }
    if (value.type != ANYSTORE_STRING) {
        reply_wrong_type(call);
        return;
    }
    if (!rdb_string_dump(value.data, value.size, &payload, &size)) {
        reply_out_of_memory(call);
        return;
    }
    resp_write_bulk(call->reply, payload, size);
    free(payload);
}

/* ---- RESTORE ------------------------------------------------------------------------------ */

struct restore_options {
    bool replace, absolute;
};

/* IDLETIME and FREQ serve eviction in Redis.  Their values are checked and then ignored. */
static bool restore_options_or_reply(struct call *call, struct restore_options *options)
{
    bool idle = false, frequency = false;
    *options = (struct restore_options){.replace = false};
    for (size_t i = 4; i < call->argc; i++) {
        const struct resp_arg *arg = &call->argv[i];
        bool has_value = i + 1 < call->argc;
        int64_t number;
        if (arg_is(arg, "REPLACE")) {
            options->replace = true;
        } else if (arg_is(arg, "ABSTTL")) {
            options->absolute = true;
        } else if (has_value && !frequency && arg_is(arg, "IDLETIME")) {
            if (!arg_integer_or_reply(call, ++i, &number))
                return false;
            if (number < 0) {
                resp_write_error(call->reply, "ERR Invalid IDLETIME value, must be >= 0");
                return false;
            }
            idle = true;
        } else if (has_value && !idle && arg_is(arg, "FREQ")) {
            if (!arg_integer_or_reply(call, ++i, &number))
                return false;
            if (number < 0 || number > 255) {
                resp_write_error(call->reply, "ERR Invalid FREQ value, must be >= 0 and <= 255");
                return false;
            }
            frequency = true;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* *expire_ms: the Unix time at which the key expires; 0: never. */
static bool restore_expiry_or_reply(struct call *call, const struct restore_options *options,
                                    int64_t *expire_ms)
{
    if (!arg_integer_or_reply(call, 2, expire_ms))
        return false;
    if (*expire_ms < 0) {
        resp_write_error(call->reply, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    if (*expire_ms == 0 || options->absolute)
        return true;
    /* In Redis this sum overflows, and the key expires at once. */
    if (__builtin_add_overflow(*expire_ms, anystore_now(call->txn), expire_ms)) {
        reply_invalid_expire(call);
        return false;
    }
    return true;
}

static bool load_or_reply(struct call *call, struct rdb_string *string)
{
    const struct resp_arg *payload = &call->argv[3];
    const char *error = NULL;
    switch (rdb_string_load(payload->data, payload->size, string)) {
    case RDB_OK:
        return true;
    case RDB_BAD_CHECKSUM:
        error = "ERR DUMP payload version or checksum are wrong";
        break;
    case RDB_BAD_FORMAT:
        error = "ERR Bad data format";
        break;
    case RDB_OTHER_TYPE:
        error = "ERR RESTORE of this type of value is not supported, only of strings";
        break;
    case RDB_NOMEM:
        error = "ERR out of memory";
        break;
    }
    resp_write_error(call->reply, error);
    return false;
}

/* Tells the events of a key that is about to be restored.  A key that has expired already is only
 * removed. */
static void tell_restore(struct call *call, const struct resp_arg *key, int64_t expire_ms)
{
    if (expire_ms == 0 || expire_ms > anystore_now(call->txn)) {
        call_event(call, NOTIFY_NEW, "new", key);
        call_event(call, NOTIFY_GENERIC, "restore", key);
    } else if (call_event_wanted(call, NOTIFY_GENERIC) &&
               anystore_get(call->txn, key->data, key->size, NULL)) {
        call_event(call, NOTIFY_GENERIC, "del", key);
    }
}

static void run_restore(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    struct restore_options options;
    struct anystore_value value = {.type = ANYSTORE_STRING};
    struct rdb_string string;
    if (!restore_options_or_reply(call, &options))
        return;
    if (!options.replace && anystore_get(call->txn, key->data, key->size, NULL)) {
        resp_write_error(call->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!restore_expiry_or_reply(call, &options, &value.expire_ms) || !load_or_reply(call, &string))
        return;
    value.data = string.data;
    value.size = string.size;
    tell_restore(call, key, value.expire_ms);
    if (store_ok_or_reply(call, put_or_expire(call, key, &value)))
        reply_ok(call);
    rdb_string_free(&string);
}

/* ---- Rows --------------------------------------------------------------------------------- */

const struct command command_dump_rows[] = {
    {.name = "dump",
     .run = run_dump,
     .arity = 2,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RO access"),
     .since = "2.6.0",
     .group = "generic",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Returns the value of a key in a form that RESTORE takes.",
     .tips = "nondeterministic_output"},
    {.name = "restore",
     .run = run_restore,
     .arity = -4,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     ONE_KEY("OW update"),
     .since = "2.6.0",
     .group = "generic",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Sets a key to a value that DUMP returned, here or at a Redis server."},
    {0},
};
