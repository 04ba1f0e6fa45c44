/* SPDX-License-Identifier: MIT */
/* The commands on keys of any type, on their expiry, and on the whole key space. */
#include "command.h"

#include "glob.h"

static void run_del(struct request *request)
{
    int64_t deleted = 0;
    for (size_t i = 1; i < request->argc; i++) {
        const struct resp_arg *key = &request->argv[i];
        bool existed = false;
        if (!store_ok_or_reply(request,
                               anystore_delete(request->txn, key->data, key->size, &existed)))
            return;
        deleted += existed;
    }
    resp_write_integer(request->reply, deleted);
}

/* A lookup by a command that only reads; value may be NULL. */
static bool read_key(struct request *request, const struct resp_arg *key,
                     struct anystore_value *value)
{
    bool there = anystore_get(request->txn, key->data, key->size, value);
    count_lookup(request, there);
    return there;
}

static void run_exists(struct request *request)
{
    int64_t count = 0;
    for (size_t i = 1; i < request->argc; i++)
        count += read_key(request, &request->argv[i], NULL);
    resp_write_integer(request->reply, count);
}

static const char *type_name(enum anystore_type type)
{
    switch (type) {
    case ANYSTORE_STRING:
        return "string";
    }
    return "unknown"; /* of a newer version's file */
}

static void run_type(struct request *request)
{
    struct anystore_value value;
    bool there = read_key(request, &request->argv[1], &value);
    resp_write_simple(request->reply, there ? type_name(value.type) : "none");
}

/* ---- The key space ------------------------------------------------------------------------ */

struct keys {
    struct request *request;
    const struct resp_arg *pattern;
    bool all;
    size_t count;
};

static bool reply_key(const void *key, size_t key_size, const struct anystore_value *value,
                      void *arg)
{
    struct keys *keys = arg;
    (void)value;
    /* To Redis an empty key fits "*" and "", but not "**". */
    bool can_match = key_size > 0 || keys->pattern->size == 0;
    if (keys->all || (can_match && glob_match(arg_text(keys->pattern), keys->pattern->size, key,
                                              key_size, false))) {
        resp_write_bulk(keys->request->reply, key, key_size);
        keys->count++;
    }
    return !keys->request->reply->out->failed;
}

static void run_keys(struct request *request)
{
    struct keys keys = {.request = request, .pattern = &request->argv[1]};
    keys.all = keys.pattern->size == 1 && keys.pattern->data[0] == '*';
    size_t mark = resp_write_begin(request->reply);
    anystore_each(request->txn, reply_key, &keys);
    resp_write_end(request->reply, mark, '*', keys.count);
}

static void run_dbsize(struct request *request)
{
    resp_write_integer(request->reply, (int64_t)anystore_count(request->txn));
}

/* ASYNC and SYNC tell Redis which thread frees the memory; here it is the store's matter. */
static void run_flush(struct request *request)
{
    bool known = request->argc == 1;
    if (request->argc == 2)
        known = arg_is(&request->argv[1], "ASYNC") || arg_is(&request->argv[1], "SYNC");
    if (!known)
        reply_syntax_error(request);
    else if (store_ok_or_reply(request, anystore_clear(request->txn)))
        reply_ok(request);
}

/* ---- Expiry ------------------------------------------------------------------------------- */

struct expire_options {
    bool nx, xx, gt, lt;
};

static bool expire_options_or_reply(struct request *request, struct expire_options *options)
{
    *options = (struct expire_options){.nx = false};
    for (size_t i = 3; i < request->argc; i++) {
        const struct resp_arg *arg = &request->argv[i];
        if (arg_is(arg, "NX")) {
            options->nx = true;
        } else if (arg_is(arg, "XX")) {
            options->xx = true;
        } else if (arg_is(arg, "GT")) {
            options->gt = true;
        } else if (arg_is(arg, "LT")) {
            options->lt = true;
        } else {
            int size = arg->size < INT32_MAX ? (int)arg->size : INT32_MAX;
            resp_write_errorf(request->reply, "ERR Unsupported option %.*s", size,
                              size > 0 ? arg_text(arg) : "");
            return false;
        }
    }
    if (options->nx && (options->xx || options->gt || options->lt)) {
        resp_write_error(request->reply,
                         "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (options->gt && options->lt) {
        resp_write_error(request->reply,
                         "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* *expire_ms: the Unix time that argument 2, in units of unit_ms from now, means.  It may lie in the
 * past, also before 1970. */
static bool expire_time_or_reply(struct request *request, int64_t unit_ms, int64_t *expire_ms)
{
    if (!arg_integer_or_reply(request, 2, expire_ms))
        return false;
    if (__builtin_mul_overflow(*expire_ms, unit_ms, expire_ms) ||
        __builtin_add_overflow(*expire_ms, anystore_now(request->txn), expire_ms)) {
        reply_invalid_expire(request);
        return false;
    }
    return true;
}

/* A key without expiry counts as one that expires at the end of time. */
static bool expire_wanted(const struct expire_options *options, int64_t old_ms, int64_t new_ms)
{
    bool has = old_ms != 0;
    if ((options->nx && has) || (options->xx && !has))
        return false;
    if (options->gt && (!has || new_ms <= old_ms))
        return false;
    return !(options->lt && has && new_ms >= old_ms);
}

static void expire_key(struct request *request, int64_t unit_ms)
{
    const struct resp_arg *key = &request->argv[1];
    struct expire_options options;
    struct anystore_value value;
    int64_t expire_ms;
    if (!expire_options_or_reply(request, &options) ||
        !expire_time_or_reply(request, unit_ms, &expire_ms))
        return;
    if (!anystore_get(request->txn, key->data, key->size, &value) ||
        !expire_wanted(&options, value.expire_ms, expire_ms)) {
        resp_write_integer(request->reply, 0);
        return;
    }
    enum anystore_status status;
    if (expire_ms <= anystore_now(request->txn))
        status = anystore_delete(request->txn, key->data, key->size, NULL);
    else
        status = anystore_set_expiry(request->txn, key->data, key->size, expire_ms, NULL);
    if (store_ok_or_reply(request, status))
        resp_write_integer(request->reply, 1);
}

static void run_expire(struct request *request)
{
    expire_key(request, 1000);
}

static void run_pexpire(struct request *request)
{
    expire_key(request, 1);
}

/* The time a key has left; -1: it does not expire, -2: it is not there. */
static int64_t time_left_ms(struct request *request)
{
    struct anystore_value value;
    if (!read_key(request, &request->argv[1], &value))
        return -2;
    return value.expire_ms == 0 ? -1 : value.expire_ms - anystore_now(request->txn);
}

static void run_ttl(struct request *request)
{
    int64_t left = time_left_ms(request);
    resp_write_integer(request->reply, left < 0 ? left : (left + 500) / 1000);
}

static void run_pttl(struct request *request)
{
    resp_write_integer(request->reply, time_left_ms(request));
}

static void run_persist(struct request *request)
{
    const struct resp_arg *key = &request->argv[1];
    struct anystore_value value;
    if (!anystore_get(request->txn, key->data, key->size, &value) || value.expire_ms == 0)
        resp_write_integer(request->reply, 0);
    else if (store_ok_or_reply(request,
                               anystore_set_expiry(request->txn, key->data, key->size, 0, NULL)))
        resp_write_integer(request->reply, 1);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define ONE_KEY  .first_key = 1, .last_key = 1, .key_step = 1
#define ALL_KEYS .first_key = 1, .last_key = -1, .key_step = 1

const struct command command_key_rows[] = {
    {
        .name = "dbsize",
        .run = run_dbsize,
        .arity = 1,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Answers how many keys there are",
        .tips = "request_policy:all_shards response_policy:agg_sum",
    },
    {
        .name = "del",
        .run = run_del,
        .arity = -2,
        .flags = COMMAND_WRITE,
        .categories = CATEGORY_KEYSPACE,
        ALL_KEYS,
        .key_flags = "RM delete",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(N) where N is the number of keys",
        .summary = "Removes keys and answers how many of them were there",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
    },
    {
        .name = "exists",
        .run = run_exists,
        .arity = -2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        ALL_KEYS,
        .key_flags = "RO",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(N) where N is the number of keys",
        .summary = "Answers how many of the given keys are there",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
    },
    {
        .name = "expire",
        .run = run_expire,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        ONE_KEY,
        .key_flags = "RW update",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Lets a key vanish after some seconds",
    },
    {
        .name = "flushall",
        .run = run_flush,
        .arity = -1,
        .flags = COMMAND_WRITE,
        .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(N) where N is the number of keys",
        .summary = "Removes all keys",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
    },
    {
        .name = "flushdb",
        .run = run_flush,
        .arity = -1,
        .flags = COMMAND_WRITE,
        .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
        .since = "1.0.0",
        .group = "server",
        .complexity = "O(N) where N is the number of keys",
        .summary = "Removes all keys of the selected database, which is the only one",
        .tips = "request_policy:all_shards response_policy:all_succeeded",
    },
    {
        .name = "keys",
        .run = run_keys,
        .arity = 2,
        .flags = COMMAND_READONLY,
        .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(N) where N is the number of keys in the database",
        .summary = "Answers all keys that match a pattern",
        .tips = "request_policy:all_shards nondeterministic_output_order",
    },
    {
        .name = "persist",
        .run = run_persist,
        .arity = 2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        ONE_KEY,
        .key_flags = "RW update",
        .since = "2.2.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Takes the expiry from a key: it stays until it is removed",
    },
    {
        .name = "pexpire",
        .run = run_pexpire,
        .arity = -3,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        ONE_KEY,
        .key_flags = "RW update",
        .since = "2.6.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Lets a key vanish after some milliseconds",
    },
    {
        .name = "pttl",
        .run = run_pttl,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        ONE_KEY,
        .key_flags = "RO access",
        .since = "2.6.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Answers how many milliseconds a key has left",
        .tips = "nondeterministic_output",
    },
    {
        .name = "ttl",
        .run = run_ttl,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        ONE_KEY,
        .key_flags = "RO access",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Answers how many seconds a key has left",
        .tips = "nondeterministic_output",
    },
    {
        .name = "type",
        .run = run_type,
        .arity = 2,
        .flags = COMMAND_READONLY | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        ONE_KEY,
        .key_flags = "RO",
        .since = "1.0.0",
        .group = "generic",
        .complexity = "O(1)",
        .summary = "Answers which type of value a key holds",
    },
    {
        .name = "unlink",
        .run = run_del,
        .arity = -2,
        .flags = COMMAND_WRITE | COMMAND_FAST,
        .categories = CATEGORY_KEYSPACE,
        ALL_KEYS,
        .key_flags = "RM delete",
        .since = "4.0.0",
        .group = "generic",
        .complexity = "O(N) where N is the number of keys",
        .summary = "Removes keys, as DEL does",
        .tips = "request_policy:multi_shard response_policy:agg_sum",
    },
    {.name = NULL},
};
