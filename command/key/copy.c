/* SPDX-License-Identifier: MIT */
/* COPY and MOVE, which may use two databases. */
#include <string.h>

#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/host.h"
#include "command/needs.h"
#include "command/reply.h"
#include "command/table.h"

struct copy_options {
    bool replace;
    int64_t database;
};

static void reply_same_object(struct call *call)
{
    resp_write_error(call->reply, "ERR source and destination objects are the same");
}

/* Finds the database in the arguments of COPY.  False if an argument is wrong; run_copy replies
 * that. */
static bool find_copy_database(const struct call *call, int64_t *database)
{
    *database = call->database;
    for (size_t i = 3; i + 1 < call->argc; i++)
        if (arg_is(&call->argv[i], "DB") && !arg_is_database(call, &call->argv[++i], database))
            return false;
    return true;
}

static void copy_databases(const struct call *call, struct needs *needs)
{
    int64_t database;
    if (!find_copy_database(call, &database) || (unsigned)database == call->database)
        return;
    needs->read |= database_bit(call->database);
    needs->write = database_bit((unsigned)database);
}

static bool copy_options_or_reply(struct call *call, struct copy_options *options)
{
    *options = (struct copy_options){.database = call->database};
    for (size_t i = 3; i < call->argc; i++) {
        const struct resp_arg *arg = &call->argv[i];
        if (arg_is(arg, "REPLACE")) {
            options->replace = true;
        } else if (i + 1 < call->argc && arg_is(arg, "DB")) {
            if (!arg_database_or_reply(call, ++i, &options->database))
                return false;
        } else {
            reply_syntax_error(call);
            return false;
        }
    }
    return true;
}

static void run_copy(struct call *call)
{
    const struct resp_arg *from = &call->argv[1];
    const struct resp_arg *to = &call->argv[2];
    struct copy_options options;
    struct anystore_value value;
    if (!copy_options_or_reply(call, &options))
        return;
    bool same_database = options.database == (int64_t)call->database;
    if (same_database && from->size == to->size && memcmp(from->data, to->data, to->size) == 0) {
        reply_same_object(call);
        return;
    }
    struct anystore_txn *target = call_txn(call, (unsigned)options.database);
    bool usable = read_key(call, from, &value) &&
                  (options.replace || !anystore_get(target, to->data, to->size, NULL));
    if (!usable) {
        resp_write_integer(call->reply, 0);
        return;
    }
    call_event_in(call, NOTIFY_NEW, (unsigned)options.database, "new", to);
    call_event_in(call, NOTIFY_GENERIC, (unsigned)options.database, "copy_to", to);
    if (store_ok_or_reply(call, anystore_put(target, to->data, to->size, &value)))
        resp_write_integer(call->reply, 1);
}

static void move_databases(const struct call *call, struct needs *needs)
{
    int64_t database;
    if (arg_is_database(call, &call->argv[2], &database))
        needs->write |= database_bit((unsigned)database);
}

static void run_move(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    struct anystore_value value;
    int64_t database;
    if (!arg_database_or_reply(call, 2, &database))
        return;
    if (database == (int64_t)call->database) {
        reply_same_object(call);
        return;
    }
    struct anystore_txn *target = call_txn(call, (unsigned)database);
    if (!anystore_get(call->txn, key->data, key->size, &value) ||
        anystore_get(target, key->data, key->size, NULL)) {
        resp_write_integer(call->reply, 0);
        return;
    }
    call_event_in(call, NOTIFY_NEW, (unsigned)database, "new", key);
    call_event(call, NOTIFY_GENERIC, "move_from", key);
    call_event_in(call, NOTIFY_GENERIC, (unsigned)database, "move_to", key);
    if (store_ok_or_reply(call, anystore_put(target, key->data, key->size, &value)) &&
        store_ok_or_reply(call, anystore_delete(call->txn, key->data, key->size, NULL)))
        resp_write_integer(call->reply, 1);
}

/* ---- Rows --------------------------------------------------------------------------------- */

/* The key that is read and the key that is overwritten. */
static const struct key_range copy_ranges[] = {
    {.flags = "RO access", .first = 1, .step = 1},
    {.flags = "OW update", .first = 2, .step = 1},
    {0},
};

const struct command command_copy_rows[] = {
    {.name = "copy",
     .run = run_copy,
     .call_databases = copy_databases,
     .arity = -3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_KEYSPACE,
     .keys = copy_ranges,
     .since = "6.2.0",
     .group = "generic",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Copies the value and the expiry of a key to another key."},
    {.name = "move",
     .run = run_move,
     .call_databases = move_databases,
     .arity = 3,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     ONE_KEY("RW access update"),
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N) where N is the size of the value",
     .summary = "Moves a key to another database."},
    {0},
};
