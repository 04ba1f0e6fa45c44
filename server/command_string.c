/* SPDX-License-Identifier: MIT */
/* The commands on strings: GET, SET, INCR, APPEND and their kin. */
#include "command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "server.h"

/* As get_string_or_reply, counted as a lookup. */
static bool read_string_or_reply(struct request *request, const struct resp_arg *key,
                                 struct anystore_value *value, bool *there)
{
    bool usable = get_string_or_reply(request, key, value, there);
    count_lookup(request, *there);
    return usable;
}

static void reply_value(struct request *request, const struct anystore_value *value, bool there)
{
    if (there)
        resp_write_bulk(request->reply, value->data, value->size);
    else
        resp_write_null(request->reply);
}

static void run_get(struct request *request)
{
    struct anystore_value value = {.size = 0};
    bool there;
    if (read_string_or_reply(request, &request->argv[1], &value, &there))
        reply_value(request, &value, there);
}

static void run_strlen(struct request *request)
{
    struct anystore_value value = {.size = 0};
    bool there;
    if (read_string_or_reply(request, &request->argv[1], &value, &there))
        resp_write_integer(request->reply, there ? (int64_t)value.size : 0);
}

static void run_mget(struct request *request)
{
    resp_write_array(request->reply, request->argc - 1);
    for (size_t i = 1; i < request->argc; i++) {
        const struct resp_arg *key = &request->argv[i];
        struct anystore_value value = {.size = 0};
        bool there = anystore_get(request->txn, key->data, key->size, &value);
        count_lookup(request, there);
        /* A key of another type is no error here. */
        reply_value(request, &value, there && value.type == ANYSTORE_STRING);
    }
}

/* ---- SET ---------------------------------------------------------------------------------- */

enum set_expiry { SET_NO_EXPIRY, SET_EX, SET_PX, SET_EXAT, SET_PXAT };

struct set_options {
    bool nx, xx, get, keep_ttl;
    enum set_expiry expiry;
    size_t expiry_index; /* the argument with the time */
};

static enum set_expiry expiry_word(const struct resp_arg *arg)
{
    static const struct {
        const char *word;
        enum set_expiry expiry;
    } words[] = {{"EX", SET_EX}, {"PX", SET_PX}, {"EXAT", SET_EXAT}, {"PXAT", SET_PXAT}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (arg_is(arg, words[i].word))
            return words[i].expiry;
    }
    return SET_NO_EXPIRY;
}

/* As in Redis an option may be repeated; of a repeated time the last one counts. */
static bool parse_set_options(const struct request *request, struct set_options *options)
{
    *options = (struct set_options){.expiry = SET_NO_EXPIRY};
    for (size_t i = 3; i < request->argc; i++) {
        const struct resp_arg *arg = &request->argv[i];
        enum set_expiry expiry = expiry_word(arg);
        if (expiry != SET_NO_EXPIRY) {
            bool other = options->expiry != SET_NO_EXPIRY && options->expiry != expiry;
            if (other || options->keep_ttl || i + 1 == request->argc)
                return false;
            options->expiry = expiry;
            options->expiry_index = ++i;
        } else if (arg_is(arg, "NX") && !options->xx) {
            options->nx = true;
        } else if (arg_is(arg, "XX") && !options->nx) {
            options->xx = true;
        } else if (arg_is(arg, "GET")) {
            options->get = true;
        } else if (arg_is(arg, "KEEPTTL") && options->expiry == SET_NO_EXPIRY) {
            options->keep_ttl = true;
        } else {
            return false;
        }
    }
    return true;
}

/* *expire_ms: the Unix time asked for, 0 if none. */
static bool set_expiry_or_reply(struct request *request, const struct set_options *options,
                                int64_t *expire_ms)
{
    *expire_ms = 0;
    if (options->expiry == SET_NO_EXPIRY)
        return true;
    if (!arg_integer_or_reply(request, options->expiry_index, expire_ms))
        return false;
    bool in_seconds = options->expiry == SET_EX || options->expiry == SET_EXAT;
    bool relative = options->expiry == SET_EX || options->expiry == SET_PX;
    if (*expire_ms <= 0 || (in_seconds && __builtin_mul_overflow(*expire_ms, 1000, expire_ms)) ||
        (relative && __builtin_add_overflow(*expire_ms, anystore_now(request->txn), expire_ms))) {
        reply_invalid_expire(request);
        return false;
    }
    return true;
}

/* A time that has come already: in Redis the key is then there, but nobody can see it; here it is
 * not even written. */
static enum anystore_status put_or_expire(struct request *request, const struct resp_arg *key,
                                          const struct anystore_value *value)
{
    if (value->expire_ms != 0 && value->expire_ms <= anystore_now(request->txn))
        return anystore_delete(request->txn, key->data, key->size, NULL);
    return anystore_put(request->txn, key->data, key->size, value);
}

static void run_set(struct request *request)
{
    const struct resp_arg *key = &request->argv[1];
    struct anystore_value value = {
        .type = ANYSTORE_STRING,
        .data = request->argv[2].data,
        .size = request->argv[2].size,
    };
    struct set_options options;
    if (!parse_set_options(request, &options)) {
        reply_syntax_error(request);
        return;
    }
    if (!set_expiry_or_reply(request, &options, &value.expire_ms))
        return;

    struct anystore_value old = {.size = 0};
    bool there = false;
    size_t reply_start = resp_buffer_size(request->reply->out);
    if (options.get) {
        if (!read_string_or_reply(request, key, &old, &there))
            return;
        /* Now, as the change makes the old value invalid. */
        reply_value(request, &old, there);
    } else if (options.nx || options.xx || options.keep_ttl) {
        there = anystore_get(request->txn, key->data, key->size, &old);
    }
    if ((options.nx && there) || (options.xx && !there)) {
        if (!options.get)
            resp_write_null(request->reply);
        return;
    }
    if (options.keep_ttl && there)
        value.expire_ms = old.expire_ms;
    enum anystore_status status = put_or_expire(request, key, &value);
    if (status != ANYSTORE_OK)
        resp_buffer_truncate(request->reply->out, reply_start);
    if (store_ok_or_reply(request, status) && !options.get)
        reply_ok(request);
}

/* Without GET the old value is neither read nor kept. */
static const char *set_key_flags(size_t argc, const struct resp_arg *argv)
{
    for (size_t i = 3; i < argc; i++) {
        if (arg_is(&argv[i], "GET"))
            return "RW access update";
    }
    return "OW update";
}

static void run_mset(struct request *request)
{
    if (request->argc % 2 == 0) {
        reply_wrong_arity(request);
        return;
    }
    for (size_t i = 1; i < request->argc; i += 2) {
        const struct resp_arg *key = &request->argv[i];
        struct anystore_value value = {
            .type = ANYSTORE_STRING,
            .data = key[1].data,
            .size = key[1].size,
        };
        if (!store_ok_or_reply(request, anystore_put(request->txn, key->data, key->size, &value)))
            return;
    }
    reply_ok(request);
}

/* ---- Numbers ------------------------------------------------------------------------------ */

static void add_integer(struct request *request, int64_t increment)
{
    const struct resp_arg *key = &request->argv[1];
    struct anystore_value value = {.type = ANYSTORE_STRING};
    int64_t number = 0;
    bool there;
    if (!get_string_or_reply(request, key, &value, &there))
        return;
    if (there && !parse_integer(value.data, value.size, &number)) {
        resp_write_error(request->reply, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(number, increment, &number)) {
        resp_write_error(request->reply, "ERR increment or decrement would overflow");
        return;
    }
    char digits[sizeof "-9223372036854775808"];
    value.size = (size_t)snprintf(digits, sizeof digits, "%" PRId64, number);
    value.data = digits;
    if (store_ok_or_reply(request, anystore_put(request->txn, key->data, key->size, &value)))
        resp_write_integer(request->reply, number);
}

static void run_incr(struct request *request)
{
    add_integer(request, 1);
}

static void run_decr(struct request *request)
{
    add_integer(request, -1);
}

static void run_incrby(struct request *request)
{
    int64_t increment;
    if (arg_integer_or_reply(request, 2, &increment))
        add_integer(request, increment);
}

static void run_decrby(struct request *request)
{
    int64_t decrement;
    if (!arg_integer_or_reply(request, 2, &decrement))
        return;
    if (decrement == INT64_MIN)
        resp_write_error(request->reply, "ERR decrement would overflow");
    else
        add_integer(request, -decrement);
}

/* ---- APPEND ------------------------------------------------------------------------------- */

static size_t longest_string(const struct request *request)
{
    int64_t configured = config_number(request->server->config, CONFIG_PROTO_MAX_BULK_LEN);
    return (uint64_t)configured < ANYSTORE_MAX_BYTES ? (size_t)configured : ANYSTORE_MAX_BYTES;
}

/* The store's bytes are only lent until the change, so both parts go into a new buffer. */
static enum anystore_status put_joined(struct request *request, const struct anystore_value *old,
                                       const struct resp_arg *tail)
{
    const struct resp_arg *key = &request->argv[1];
    struct anystore_value joined = *old;
    joined.size = old->size + tail->size;
    uint8_t *bytes = malloc(joined.size);
    if (!bytes)
        return ANYSTORE_NOMEM;
    if (old->size > 0)
        memcpy(bytes, old->data, old->size);
    memcpy(bytes + old->size, tail->data, tail->size);
    joined.data = bytes;
    enum anystore_status status = anystore_put(request->txn, key->data, key->size, &joined);
    free(bytes);
    return status;
}

static void run_append(struct request *request)
{
    const struct resp_arg *key = &request->argv[1];
    const struct resp_arg *tail = &request->argv[2];
    struct anystore_value old = {.type = ANYSTORE_STRING};
    bool there;
    if (!get_string_or_reply(request, key, &old, &there))
        return;

    size_t size = old.size + tail->size;
    size_t longest = longest_string(request);
    enum anystore_status status = ANYSTORE_OK;
    if (there && (size < old.size || size > longest)) {
        resp_write_error(request->reply,
                         "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return;
    }
    if (!there) {
        struct anystore_value value = {
            .type = ANYSTORE_STRING,
            .data = tail->data,
            .size = tail->size,
        };
        status = anystore_put(request->txn, key->data, key->size, &value);
    } else if (tail->size > 0) { /* else nothing changes, and nothing is to be written */
        status = put_joined(request, &old, tail);
    }
    if (store_ok_or_reply(request, status))
        resp_write_integer(request->reply, (int64_t)size);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define ONE_KEY  .first_key = 1, .last_key = 1, .key_step = 1
#define ALL_KEYS .first_key = 1, .last_key = -1, .key_step = 1

const struct command command_string_rows[] = {
    {
        .name = "append",
        .run = run_append,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .categories = CATEGORY_STRING,
        ONE_KEY,
        .key_flags = "RW insert",
        .since = "2.0.0",
        .group = "string",
        .complexity = "O(N) where N is the length of the resulting string",
        .summary = "Adds bytes to the end of a string, which is created if there is none",
    },
    {
        .name = "decr",
        .run = run_decr,
        .arity = 2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .categories = CATEGORY_STRING,
        ONE_KEY,
        .key_flags = "RW access update",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Subtracts one from the integer that a key holds",
    },
    {
        .name = "decrby",
        .run = run_decrby,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .categories = CATEGORY_STRING,
        ONE_KEY,
        .key_flags = "RW access update",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Subtracts a number from the integer that a key holds",
    },
    {
        .name = "get",
        .run = run_get,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .categories = CATEGORY_STRING,
        ONE_KEY,
        .key_flags = "RO access",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Answers the string that a key holds",
    },
    {
        .name = "incr",
        .run = run_incr,
        .arity = 2,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .categories = CATEGORY_STRING,
        ONE_KEY,
        .key_flags = "RW access update",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Adds one to the integer that a key holds",
    },
    {
        .name = "incrby",
        .run = run_incrby,
        .arity = 3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
        .categories = CATEGORY_STRING,
        ONE_KEY,
        .key_flags = "RW access update",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Adds a number to the integer that a key holds",
    },
    {
        .name = "mget",
        .run = run_mget,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .categories = CATEGORY_STRING,
        ALL_KEYS,
        .key_flags = "RO access",
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(N) where N is the number of keys",
        .summary = "Answers the strings that several keys hold",
        .tips = "request_policy:multi_shard",
    },
    {
        .name = "mset",
        .run = run_mset,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .categories = CATEGORY_STRING,
        .first_key = 1,
        .last_key = -1,
        .key_step = 2,
        .key_flags = "OW update",
        .since = "1.0.1",
        .group = "string",
        .complexity = "O(N) where N is the number of keys",
        .summary = "Sets several keys to a string each, all at once",
        .tips = "request_policy:multi_shard response_policy:all_succeeded",
    },
    {
        .name = "set",
        .run = run_set,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_DENYOOM,
        .categories = CATEGORY_STRING,
        ONE_KEY,
        .key_flags = "RW access update variable_flags",
        .key_notes = "RW and ACCESS due to the optional `GET` argument",
        .call_key_flags = set_key_flags,
        .since = "1.0.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Sets a key to a string, whatever it held",
    },
    {
        .name = "strlen",
        .run = run_strlen,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .categories = CATEGORY_STRING,
        ONE_KEY,
        .key_flags = "RO",
        .since = "2.2.0",
        .group = "string",
        .complexity = "O(1)",
        .summary = "Answers how many bytes the string of a key has",
    },
    {.name = NULL},
};
