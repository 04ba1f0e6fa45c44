/* SPDX-License-Identifier: MIT */
/* The commands that set, remove and read the expiry of keys. */
#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/host.h"
#include "command/reply.h"
#include "command/table.h"

/* ---- Setting ------------------------------------------------------------------------------ */

struct expire_options {
    bool nx, xx, gt, lt;
};

static bool expire_options_or_reply(struct call *call, struct expire_options *options)
{
    *options = (struct expire_options){.nx = false};
    for (size_t i = 3; i < call->argc; i++) {
        const struct resp_arg *arg = &call->argv[i];
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
            resp_write_errorf(call->reply, "ERR Unsupported option %.*s", size,
                              size > 0 ? arg_text(arg) : "");
            return false;
        }
    }
    if (options->nx && (options->xx || options->gt || options->lt)) {
        resp_write_error(call->reply,
                         "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (options->gt && options->lt) {
        resp_write_error(call->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* *expire_ms: the Unix time that argument 2 means, counted from base_ms in units of unit_ms.  It
 * may lie in the past, even before 1970. */
static bool expire_time_or_reply(struct call *call, int64_t base_ms, int64_t unit_ms,
                                 int64_t *expire_ms)
{
    if (!arg_integer_or_reply(call, 2, expire_ms))
        return false;
    if (__builtin_mul_overflow(*expire_ms, unit_ms, expire_ms) ||
        __builtin_add_overflow(*expire_ms, base_ms, expire_ms)) {
        reply_invalid_expire(call);
        return false;
    }
    return true;
}

/* A key without an expiry counts as one that expires at the end of time. */
static bool expire_wanted(const struct expire_options *options, int64_t old_ms, int64_t new_ms)
{
    bool has = old_ms != 0;
    if ((options->nx && has) || (options->xx && !has))
        return false;
    if (options->gt && (!has || new_ms <= old_ms))
        return false;
    return !(options->lt && has && new_ms >= old_ms);
}

static void expire_key(struct call *call, int64_t base_ms, int64_t unit_ms)
{
    const struct resp_arg *key = &call->argv[1];
    struct expire_options options;
    struct anystore_value value;
    int64_t expire_ms;
    if (!expire_options_or_reply(call, &options) ||
        !expire_time_or_reply(call, base_ms, unit_ms, &expire_ms))
        return;
    if (!anystore_get(call->txn, key->data, key->size, &value) ||
        !expire_wanted(&options, value.expire_ms, expire_ms)) {
        resp_write_integer(call->reply, 0);
        return;
    }
    enum anystore_status status;
    bool gone = expire_ms <= anystore_now(call->txn);
    call_event(call, NOTIFY_GENERIC, gone ? "del" : "expire", key);
    if (gone)
        status = anystore_delete(call->txn, key->data, key->size, NULL);
    else
        status = anystore_set_expiry(call->txn, key->data, key->size, expire_ms, NULL);
    if (store_ok_or_reply(call, status))
        resp_write_integer(call->reply, 1);
}

static void run_expire(struct call *call)
{
    expire_key(call, anystore_now(call->txn), 1000);
}

static void run_pexpire(struct call *call)
{
    expire_key(call, anystore_now(call->txn), 1);
}

static void run_expireat(struct call *call)
{
    expire_key(call, 0, 1000);
}

static void run_pexpireat(struct call *call)
{
    expire_key(call, 0, 1);
}

static void run_persist(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    struct anystore_value value;
    if (!anystore_get(call->txn, key->data, key->size, &value) || value.expire_ms == 0) {
        resp_write_integer(call->reply, 0);
        return;
    }
    call_event(call, NOTIFY_GENERIC, "persist", key);
    if (store_ok_or_reply(call, anystore_set_expiry(call->txn, key->data, key->size, 0, NULL)))
        resp_write_integer(call->reply, 1);
}

/* ---- Asking ------------------------------------------------------------------------------- */

/* Half a second or more counts as a whole one. */
static int64_t to_seconds(int64_t ms)
{
    return ms / 1000 + (ms % 1000 >= 500);
}

/* The Unix time at which a key expires, minus base_ms. -1: it never expires; -2: it does not
 * exist. */
static int64_t expiry_ms(struct call *call, int64_t base_ms)
{
    struct anystore_value value;
    if (!read_key(call, &call->argv[1], &value))
        return -2;
    return value.expire_ms == 0 ? -1 : value.expire_ms - base_ms;
}

static void reply_seconds(struct call *call, int64_t ms)
{
    resp_write_integer(call->reply, ms < 0 ? ms : to_seconds(ms));
}

static void run_ttl(struct call *call)
{
    reply_seconds(call, expiry_ms(call, anystore_now(call->txn)));
}

static void run_pttl(struct call *call)
{
    resp_write_integer(call->reply, expiry_ms(call, anystore_now(call->txn)));
}

static void run_expiretime(struct call *call)
{
    reply_seconds(call, expiry_ms(call, 0));
}

static void run_pexpiretime(struct call *call)
{
    resp_write_integer(call->reply, expiry_ms(call, 0));
}

/* ---- Rows --------------------------------------------------------------------------------- */

const struct command command_expiry_rows[] = {
    {.name = "expire",
     .run = run_expire,
     .arity = -3,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RW update"),
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Makes a key expire after some seconds."},
    {.name = "expireat",
     .run = run_expireat,
     .arity = -3,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RW update"),
     .since = "1.2.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Makes a key expire at a Unix time in seconds."},
    {.name = "expiretime",
     .run = run_expiretime,
     .arity = 2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RO access"),
     .since = "7.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Returns the Unix time in seconds at which a key expires."},
    {.name = "persist",
     .run = run_persist,
     .arity = 2,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RW update"),
     .since = "2.2.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Removes the expiry of a key: the key stays until it is removed."},
    {.name = "pexpire",
     .run = run_pexpire,
     .arity = -3,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RW update"),
     .since = "2.6.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Makes a key expire after some milliseconds."},
    {.name = "pexpireat",
     .run = run_pexpireat,
     .arity = -3,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RW update"),
     .since = "2.6.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Makes a key expire at a Unix time in milliseconds."},
    {.name = "pexpiretime",
     .run = run_pexpiretime,
     .arity = 2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RO access"),
     .since = "7.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Returns the Unix time in milliseconds at which a key expires."},
    {.name = "pttl",
     .run = run_pttl,
     .arity = 2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RO access"),
     .since = "2.6.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Returns how many milliseconds a key has left.",
     .tips = "nondeterministic_output"},
    {.name = "ttl",
     .run = run_ttl,
     .arity = 2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RO access"),
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Returns how many seconds a key has left.",
     .tips = "nondeterministic_output"},
    {0},
};
