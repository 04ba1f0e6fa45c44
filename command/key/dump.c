/* SPDX-License-Identifier: MIT */
/* DUMP and RESTORE: values in Redis's serialised form, from and to other servers. */
#include "command/reply.h"

#include <stdlib.h>

#include "command/key/rdb.h"
#include "server/publish/notify.h"

static void run_dump(struct request *request)
{
    struct anystore_value value;
    uint8_t *payload;
    size_t size;
    if (!read_key(request, &request->argv[1], &value)) {
        resp_write_null(request->reply);
        return;
    }
    if (value.type != ANYSTORE_STRING) {
        reply_wrong_type(request);
        return;
    }
    if (!rdb_string_dump(value.data, value.size, &payload, &size)) {
        reply_out_of_memory(request);
        return;
    }
    resp_write_bulk(request->reply, payload, size);
    free(payload);
}

/* ---- RESTORE ------------------------------------------------------------------------------ */

struct restore_options {
    bool replace, absolute;
};

/* IDLETIME and FREQ are for Redis's eviction: their values are checked, and no matter. */
static bool restore_options_or_reply(struct request *request, struct restore_options *options)
{
    bool idle = false, frequency = false;
    *options = (struct restore_options){.replace = false};
    for (size_t i = 4; i < request->argc; i++) {
        const struct resp_arg *arg = &request->argv[i];
        bool has_value = i + 1 < request->argc;
        int64_t number;
        if (arg_is(arg, "REPLACE")) {
            options->replace = true;
        } else if (arg_is(arg, "ABSTTL")) {
            options->absolute = true;
        } else if (has_value && !frequency && arg_is(arg, "IDLETIME")) {
            if (!arg_integer_or_reply(request, ++i, &number))
                return false;
            if (number < 0) {
                resp_write_error(request->reply, "ERR Invalid IDLETIME value, must be >= 0");
                return false;
            }
            idle = true;
        } else if (has_value && !idle && arg_is(arg, "FREQ")) {
            if (!arg_integer_or_reply(request, ++i, &number))
                return false;
            if (number < 0 || number > 255) {
                resp_write_error(request->reply, "ERR Invalid FREQ value, must be >= 0 and <= 255");
                return false;
            }
            frequency = true;
        } else {
            reply_syntax_error(request);
            return false;
        }
    }
    return true;
}

/* *expire_ms: the Unix time at which the key is to vanish, 0: never. */
static bool restore_expiry_or_reply(struct request *request, const struct restore_options *options,
                                    int64_t *expire_ms)
{
    if (!arg_integer_or_reply(request, 2, expire_ms))
        return false;
    if (*expire_ms < 0) {
        resp_write_error(request->reply, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    if (*expire_ms == 0 || options->absolute)
        return true;
    /* Redis lets this sum overflow, and the key vanish at once. */
    if (__builtin_add_overflow(*expire_ms, anystore_now(request->txn), expire_ms)) {
        reply_invalid_expire(request);
        return false;
    }
    return true;
}

static bool load_or_reply(struct request *request, struct rdb_string *string)
{
    const struct resp_arg *payload = &request->argv[3];
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
    resp_write_error(request->reply, error);
    return false;
}

/* Of a key that is about to be restored; one whose time has come is only removed. */
static void notify_restore(struct request *request, const struct resp_arg *key, int64_t expire_ms)
{
    if (expire_ms == 0 || expire_ms > anystore_now(request->txn)) {
        notify_event(request, NOTIFY_NEW, "new", key);
        notify_event(request, NOTIFY_GENERIC, "restore", key);
    } else if (notify_wanted(request->server, NOTIFY_GENERIC) &&
               anystore_get(request->txn, key->data, key->size, NULL)) {
        notify_event(request, NOTIFY_GENERIC, "del", key);
    }
}

static void run_restore(struct request *request)
{
    const struct resp_arg *key = &request->argv[1];
    struct restore_options options;
    struct anystore_value value = {.type = ANYSTORE_STRING};
    struct rdb_string string;
    if (!restore_options_or_reply(request, &options))
        return;
    if (!options.replace && anystore_get(request->txn, key->data, key->size, NULL)) {
        resp_write_error(request->reply, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!restore_expiry_or_reply(request, &options, &value.expire_ms) ||
        !load_or_reply(request, &string))
        return;
    value.data = string.data;
    value.size = string.size;
    notify_restore(request, key, value.expire_ms);
    if (store_ok_or_reply(request, put_or_expire(request, key, &value)))
        reply_ok(request);
    rdb_string_free(&string);
}

/* ---- Rows --------------------------------------------------------------------------------- */

const struct command command_dump_rows[] = {
    {
        .name = "dump",
        .run = run_dump,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .categories = CATEGORY_KEYSPACE,
        ONE_KEY,
        .key_flags = "RO access",
        .since = "2.6.0",
        .group = "generic",
        .complexity = "O(N) where N is the size of the value",
        .summary = "Answers the value of a key in a form that RESTORE takes",
        .tips = "nondeterministic_output",
    },
    {
        .name = "restore",
        .run = run_restore,
        .arity = -4,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
        ONE_KEY,
        .key_flags = "OW update",
        .since = "2.6.0",
        .group = "generic",
        .complexity = "O(N) where N is the size of the value",
        .summary = "Sets a key to a value that DUMP answered, here or at a Redis",
    },
    {.name = NULL},
};
