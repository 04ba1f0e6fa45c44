/* SPDX-License-Identifier: MIT */
/* The commands on keys of any type and on the whole database. */
#include <string.h>

#include "command/access.h"
#include "command/families.h"
#include "command/host.h"
#include "command/reply.h"
#include "command/table.h"
#include "command/value.h"

static void run_del(struct call *call)
{
    int64_t deleted = 0;
    for (size_t i = 1; i < call->argc; i++) {
        const struct resp_arg *key = &call->argv[i];
        bool existed = false;
        if (!store_ok_or_reply(call, anystore_delete(call->txn, key->data, key->size, &existed)))
            return;
        if (existed)
            call_event(call, NOTIFY_GENERIC, "del", key);
        deleted += existed;
    }
    resp_write_integer(call->reply, deleted);
}

static void run_exists(struct call *call)
{
    int64_t count = 0;
    for (size_t i = 1; i < call->argc; i++)
        count += read_key(call, &call->argv[i], NULL);
    resp_write_integer(call->reply, count);
}

static void run_type(struct call *call)
{
    struct anystore_value value;
    bool exists = read_key(call, &call->argv[1], &value);
    resp_write_simple(call->reply, exists ? value_type_name(value.type) : "none");
}

static void run_dbsize(struct call *call)
{
    resp_write_integer(call->reply, (int64_t)anystore_count(call->txn));
}

/* ---- Other names -------------------------------------------------------------------------- */

static bool same_key(const struct resp_arg *one, const struct resp_arg *other)
{
    return one->size == other->size &&
           (one->size == 0 || !memcmp(one->data, other->data, one->size));
}

/* The store copies a value before it changes anything, so a value that it lent may be put back. */
static bool put_or_reply(struct call *call, const struct resp_arg *key,
                         const struct anystore_value *value)
{
    return store_ok_or_reply(call, anystore_put(call->txn, key->data, key->size, value));
}

static bool key_exists(struct call *call, const struct resp_arg *key)
{
    return anystore_get(call->txn, key->data, key->size, NULL);
}

/* False if the key does not exist, or if the new name is taken and only_new is set, or on an
 * error.  Then the reply has been written. */
static bool rename_or_reply(struct call *call, bool only_new)
{
    const struct resp_arg *from = &call->argv[1];
    const struct resp_arg *to = &call->argv[2];
    struct anystore_value value;
    if (!anystore_get(call->txn, from->data, from->size, &value)) {
        resp_write_error(call->reply, "ERR no such key");
        return false;
    }
    if (only_new && key_exists(call, to)) {
        resp_write_integer(call->reply, 0);
        return false;
    }
    if (same_key(from, to))
        return true;
    call_event(call, NOTIFY_NEW, "new", to); /* Redis says "new" even if the name was taken */
    call_event(call, NOTIFY_GENERIC, "rename_from", from);
    call_event(call, NOTIFY_GENERIC, "rename_to", to);
    return put_or_reply(call, to, &value) &&
           store_ok_or_reply(call, anystore_delete(call->txn, from->data, from->size, NULL));
}

static void run_rename(struct call *call)
{
    if (rename_or_reply(call, false))
        reply_ok(call);
}

static void run_renamenx(struct call *call)
{
    if (rename_or_reply(call, true))
        resp_write_integer(call->reply, 1);
}

/* ---- Rows --------------------------------------------------------------------------------- */

static const struct key_range rename_ranges[] = {
    {.flags = "RW access delete", .first = 1, .step = 1},
    {.flags = "OW update", .first = 2, .step = 1},
    {0},
};

static const struct key_range renamenx_ranges[] = {
    {.flags = "RW access delete", .first = 1, .step = 1},
    {.flags = "OW insert", .first = 2, .step = 1},
    {0},
};

const struct command command_key_rows[] = {
    {.name = "dbsize",
     .run = run_dbsize,
     .arity = 1,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Returns how many keys the selected database has.",
     .tips = "request_policy:all_shards response_policy:agg_sum"},
    {.name = "del",
     .run = run_del,
     .arity = -2,
     .flags = COMMAND_WRITE,
     .categories = CATEGORY_KEYSPACE,
     ALL_KEYS("RM delete"),
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Removes keys and returns how many of them existed.",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {.name = "exists",
     .run = run_exists,
     .arity = -2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ALL_KEYS("RO"),
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Returns how many of the given keys exist.",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {.name = "rename",
     .run = run_rename,
     .arity = 3,
     .flags = COMMAND_WRITE,
     .categories = CATEGORY_KEYSPACE,
     .keys = rename_ranges,
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Renames a key and replaces the key that had the new name."},
    {.name = "renamenx",
     .run = run_renamenx,
     .arity = 3,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .keys = renamenx_ranges,
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Renames a key if no key has the new name."},
    {.name = "touch",
     .run = run_exists,
     .arity = -2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ALL_KEYS("RO"),
     .since = "3.2.1",
     .group = "generic",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Returns how many of the given keys exist, as EXISTS does.",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {.name = "type",
     .run = run_type,
     .arity = 2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RO"),
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Returns which type of value a key holds."},
    {.name = "unlink",
     .run = run_del,
     .arity = -2,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ALL_KEYS("RM delete"),
     .since = "4.0.0",
     .group = "generic",
     .complexity = "O(N) where N is the number of keys",
     .summary = "Removes keys, as DEL does.",
     .tips = "request_policy:multi_shard response_policy:agg_sum"},
    {0},
};
