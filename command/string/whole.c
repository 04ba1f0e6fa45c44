/* SPDX-License-Identifier: MIT */
/* The commands on whole strings: GET, SET and the like. */
#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/host.h"
#include "command/reply.h"
#include "command/string/string_access.h"
#include "command/table.h"

static void reply_value(struct call *call, const struct anystore_value *value, bool exists)
{
    if (exists)
        resp_write_bulk(call->reply, value->data, value->size);
    else
        resp_write_null(call->reply);
}

static void run_get(struct call *call)
{
    struct anystore_value value = {.size = 0};
    bool exists;
    if (read_string_or_reply(call, &call->argv[1], &value, &exists))
        reply_value(call, &value, exists);
}

static void run_mget(struct call *call)
{
    resp_write_array(call->reply, call->argc - 1);
    for (size_t i = 1; i < call->argc; i++) {
        const struct resp_arg *key = &call->argv[i];
        struct anystore_value value = {.size = 0};
        bool exists = anystore_get(call->txn, key->data, key->size, &value);
        count_lookup(call, key, exists);
        /* A key of another type is no error here. */
        reply_value(call, &value, exists && value.type == ANYSTORE_STRING);
    }
}

/* ---- SET ---------------------------------------------------------------------------------- */

enum set_expiry { SET_NO_EXPIRY, SET_EX, SET_PX, SET_EXAT, SET_PXAT };

/* The options of SET or GETEX. */
struct set_options {
    bool nx, xx, get, keep_ttl, persist;
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

/* If argument *index is the word of an expiry that is allowed here, takes the word and the time
 * behind it. */
static bool take_expiry(const struct call *call, struct set_options *options, size_t *index)
{
    enum set_expiry expiry = expiry_word(&call->argv[*index]);
    bool other = options->expiry != SET_NO_EXPIRY && options->expiry != expiry;
    if (expiry == SET_NO_EXPIRY || other || options->keep_ttl || options->persist ||
        *index + 1 == call->argc)
        return false;
    options->expiry = expiry;
    options->expiry_index = ++*index;
    return true;
}

/* As in Redis, an option may be repeated; the last time counts. */
static bool parse_set_options(const struct call *call, struct set_options *options)
{
    *options = (struct set_options){.expiry = SET_NO_EXPIRY};
    for (size_t i = 3; i < call->argc; i++) {
        const struct resp_arg *arg = &call->argv[i];
        if (take_expiry(call, options, &i))
            continue;
        if (arg_is(arg, "NX") && !options->xx)
            options->nx = true;
        else if (arg_is(arg, "XX") && !options->nx)
            options->xx = true;
        else if (arg_is(arg, "GET"))
            options->get = true;
        else if (arg_is(arg, "KEEPTTL") && options->expiry == SET_NO_EXPIRY)
            options->keep_ttl = true;
        else
            return false;
    }
    return true;
}

static bool parse_getex_options(const struct call *call, struct set_options *options)
{
    *options = (struct set_options){.expiry = SET_NO_EXPIRY};
    for (size_t i = 2; i < call->argc; i++) {
        if (take_expiry(call, options, &i))
            continue;
        if (!arg_is(&call->argv[i], "PERSIST") || options->expiry != SET_NO_EXPIRY)
            return false;
        options->persist = true;
    }
    return true;
}

/* *expire_ms: the Unix time that the options ask for; 0: none. */
static bool set_expiry_or_reply(struct call *call, const struct set_options *options,
                                int64_t *expire_ms)
{
    *expire_ms = 0;
    if (options->expiry == SET_NO_EXPIRY)
        return true;
    if (!arg_integer_or_reply(call, options->expiry_index, expire_ms))
        return false;
    bool in_seconds = options->expiry == SET_EX || options->expiry == SET_EXAT;
    bool relative = options->expiry == SET_EX || options->expiry == SET_PX;
    if (*expire_ms <= 0 || (in_seconds && __builtin_mul_overflow(*expire_ms, 1000, expire_ms)) ||
        (relative && __builtin_add_overflow(*expire_ms, anystore_now(call->txn), expire_ms))) {
        reply_invalid_expire(call);
        return false;
    }
    return true;
}

/* Tells the events of a key that is about to be set.  With a time that has passed, it expires at
 * once. */
static void tell_set(struct call *call, const struct resp_arg *key, int64_t expire_ms,
                     bool asked_to_expire)
{
    call_event_if_new(call, key);
    call_event(call, NOTIFY_STRING, "set", key);
    if (asked_to_expire)
        call_event(call, NOTIFY_GENERIC, "expire", key);
    if (asked_to_expire && expire_ms <= anystore_now(call->txn))
        call_event(call, NOTIFY_EXPIRED, "expired", key);
}

/* A key that expires as it is set counts as changed, even if it did not exist: its watchers at
 * this server are told.  There is nothing to commit. */
static enum anystore_status set_or_expire(struct call *call, const struct resp_arg *key,
                                          const struct anystore_value *value)
{
    const struct anystore_value passing = {.type = ANYSTORE_STRING};
    if (value->expire_ms != 0 && value->expire_ms <= anystore_now(call->txn)) {
        enum anystore_status status = anystore_put(call->txn, key->data, key->size, &passing);
        if (status != ANYSTORE_OK)
            return status;
    }
    return put_or_expire(call, key, value);
}

static void run_set(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    struct anystore_value value = {
        .type = ANYSTORE_STRING,
        .data = call->argv[2].data,
        .size = call->argv[2].size,
    };
    struct set_options options;
    if (!parse_set_options(call, &options)) {
        reply_syntax_error(call);
        return;
    }
    if (!set_expiry_or_reply(call, &options, &value.expire_ms))
        return;

    struct anystore_value old = {.size = 0};
    bool exists = false;
    size_t reply_start = resp_buffer_size(call->reply->out);
    if (options.get) {
        if (!read_string_or_reply(call, key, &old, &exists))
            return;
        /* Replied now: the change invalidates the old value. */
        reply_value(call, &old, exists);
    } else if (options.nx || options.xx || options.keep_ttl) {
        exists = anystore_get(call->txn, key->data, key->size, &old);
    }
    if ((options.nx && exists) || (options.xx && !exists)) {
        if (!options.get)
            resp_write_null(call->reply);
        return;
    }
    if (options.keep_ttl && exists)
        value.expire_ms = old.expire_ms;
    tell_set(call, key, value.expire_ms, options.expiry != SET_NO_EXPIRY);
    enum anystore_status status = set_or_expire(call, key, &value);
    if (!options.get)
        reply_ok(call);
    replace_reply_if_refused(call, reply_start, status);
}

/* Without GET the old value is not read. */
static void set_keys(size_t argc, const struct resp_arg *argv, struct key_range *range)
{
    range->flags = "OW update";
    for (size_t i = 3; i < argc; i++) {
        if (arg_is(&argv[i], "GET"))
            range->flags = "RW access update";
    }
}

static enum anystore_status put_arg(struct call *call, const struct resp_arg *key,
                                    const struct resp_arg *data)
{
    struct anystore_value value = {
        .type = ANYSTORE_STRING,
        .data = data->data,
        .size = data->size,
    };
    tell_set(call, key, 0, false);
    return anystore_put(call->txn, key->data, key->size, &value);
}

static void run_setnx(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    if (anystore_get(call->txn, key->data, key->size, NULL))
        resp_write_integer(call->reply, 0);
    else if (store_ok_or_reply(call, put_arg(call, key, &call->argv[2])))
        resp_write_integer(call->reply, 1);
}

static void set_with_time(struct call *call, enum set_expiry expiry)
{
    const struct set_options options = {.expiry = expiry, .expiry_index = 2};
    struct anystore_value value = {
        .type = ANYSTORE_STRING,
        .data = call->argv[3].data,
        .size = call->argv[3].size,
    };
    if (!set_expiry_or_reply(call, &options, &value.expire_ms))
        return;
    tell_set(call, &call->argv[1], value.expire_ms, true);
    if (store_ok_or_reply(call, put_or_expire(call, &call->argv[1], &value)))
        reply_ok(call);
}

static void run_setex(struct call *call)
{
    set_with_time(call, SET_EX);
}

static void run_psetex(struct call *call)
{
    set_with_time(call, SET_PX);
}

/* Sets the pairs of MSET or MSETNX.  False if the store refused one: then the error has been
 * replied. */
static bool set_pairs_or_reply(struct call *call)
{
    for (size_t i = 1; i < call->argc; i += 2) {
        const struct resp_arg *key = &call->argv[i];
        if (!store_ok_or_reply(call, put_arg(call, key, key + 1)))
            return false;
    }
    return true;
}

static void run_mset(struct call *call)
{
    if (call->argc % 2 == 0)
        reply_wrong_arity(call);
    else if (set_pairs_or_reply(call))
        reply_ok(call);
}

static void run_msetnx(struct call *call)
{
    if (call->argc % 2 == 0) {
        reply_wrong_arity(call);
        return;
    }
    for (size_t i = 1; i < call->argc; i += 2) {
        const struct resp_arg *key = &call->argv[i];
        if (anystore_get(call->txn, key->data, key->size, NULL)) {
            resp_write_integer(call->reply, 0);
            return;
        }
    }
    if (set_pairs_or_reply(call))
        resp_write_integer(call->reply, 1);
}

/* ---- GET that changes --------------------------------------------------------------------- */

static void run_getset(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    struct anystore_value old = {.size = 0};
    bool exists;
    size_t reply_start = resp_buffer_size(call->reply->out);
    if (!read_string_or_reply(call, key, &old, &exists))
        return;
    reply_value(call, &old, exists);
    replace_reply_if_refused(call, reply_start, put_arg(call, key, &call->argv[2]));
}

static void run_getdel(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    struct anystore_value old = {.size = 0};
    bool exists;
    size_t reply_start = resp_buffer_size(call->reply->out);
    if (!read_string_or_reply(call, key, &old, &exists))
        return;
    reply_value(call, &old, exists);
    if (!exists)
        return;
    call_event(call, NOTIFY_GENERIC, "del", key);
    replace_reply_if_refused(call, reply_start,
                             anystore_delete(call->txn, key->data, key->size, NULL));
}

static enum anystore_status change_expiry(struct call *call, const struct resp_arg *key,
                                          int64_t expire_ms)
{
    bool gone = expire_ms != 0 && expire_ms <= anystore_now(call->txn);
    call_event(call, NOTIFY_GENERIC, gone ? "del" : expire_ms != 0 ? "expire" : "persist", key);
    if (gone)
        return anystore_delete(call->txn, key->data, key->size, NULL);
    return anystore_set_expiry(call->txn, key->data, key->size, expire_ms, NULL);
}

static void run_getex(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    struct set_options options;
    struct anystore_value old = {.size = 0};
    int64_t expire_ms;
    bool exists;
    size_t reply_start = resp_buffer_size(call->reply->out);
    if (!parse_getex_options(call, &options)) {
        reply_syntax_error(call);
        return;
    }
    if (!read_string_or_reply(call, key, &old, &exists))
        return;
    /* As in Redis, the time is not checked for a key that does not exist. */
    if (exists && !set_expiry_or_reply(call, &options, &expire_ms))
        return;
    reply_value(call, &old, exists);
    bool changes = options.expiry != SET_NO_EXPIRY || (options.persist && old.expire_ms != 0);
    if (exists && changes)
        replace_reply_if_refused(call, reply_start, change_expiry(call, key, expire_ms));
}

/* ---- Rows --------------------------------------------------------------------------------- */

const struct command command_string_whole_rows[] = {
    {.name = "get",
     .run = run_get,
     .arity = 2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RO access"),
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Returns the string that a key holds."},
    {.name = "getdel",
     .run = run_getdel,
     .arity = 2,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RW access delete"),
     .since = "6.2.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Returns the string that a key holds and removes the key."},
    {.name = "getex",
     .run = run_getex,
     .arity = -2,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     KEYS({.flags = "RW access update",
           .notes = "RW and UPDATE because it changes the TTL",
           .first = 1,
           .step = 1}),
     .since = "6.2.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Returns the string that a key holds and may give the key another expiry."},
    {.name = "getset",
     .deprecated_since = "6.2.0",
     .replaced_by = "`SET` with the `!GET` argument",
     .run = run_getset,
     .arity = 3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RW access update"),
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Sets a key to a string and returns the string that it held."},
    {.name = "mget",
     .run = run_mget,
     .arity = -2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ALL_KEYS("RO access"),
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Returns the strings that several keys hold.",
     .tips = "request_policy:multi_shard"},
    {.name = "mset",
     .run = run_mset,
     .arity = -3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     KEYS({.flags = "OW update", .first = 1, .last = -1, .step = 2}),
     .since = "1.0.1",
     .group = "string",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Sets several keys to one string each, all at once.",
     .tips = "request_policy:multi_shard response_policy:all_succeeded"},
    {.name = "msetnx",
     .run = run_msetnx,
     .arity = -3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     KEYS({.flags = "OW insert", .first = 1, .last = -1, .step = 2}),
     .since = "1.0.1",
     .group = "string",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Sets several keys to one string each, if none of them exists.",
     .tips = "request_policy:multi_shard response_policy:agg_min"},
    {.name = "psetex",
     .run = run_psetex,
     .arity = 4,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     ONE_KEY("OW update"),
     .since = "2.6.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Sets a key to a string that expires after some milliseconds."},
    {.name = "set",
     .run = run_set,
     .arity = -3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     KEYS({.flags = "RW access update variable_flags",
           .notes = "RW and ACCESS due to the optional `GET` argument",
           .first = 1,
           .step = 1}),
     .call_keys = set_keys,
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Sets a key to a string, whatever it held."},
    {.name = "setex",
     .run = run_setex,
     .arity = 4,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     ONE_KEY("OW update"),
     .since = "2.0.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Sets a key to a string that expires after some seconds."},
    {.name = "setnx",
     .run = run_setnx,
     .arity = 3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("OW insert"),
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Sets a key to a string if it does not exist."},
    {0},
};
