/* SPDX-License-Identifier: MIT */
/* The commands on parts of strings. */
#include <stdlib.h>
#include <string.h>

#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/host.h"
#include "command/string/string_access.h"
#include "command/table.h"

/* Overwrites a part of the old string, or of none, and replies the new length.  The caller tells
 * the event. */
static void write_part(struct call *call, const struct anystore_value *old, size_t offset,
                       const struct resp_arg *part)
{
    size_t end = offset + part->size;
    size_t size = end > old->size ? end : old->size;
    uint8_t *bytes = copy_string_or_reply(call, old, size);
    if (!bytes)
        return;
    if (part->size > 0)
        memcpy(bytes + offset, part->data, part->size);
    if (store_ok_or_reply(call, put_string(call, &call->argv[1], old, bytes, size)))
        resp_write_integer(call->reply, (int64_t)size);
}

static void run_append(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    const struct resp_arg *tail = &call->argv[2];
    struct anystore_value old = {.type = ANYSTORE_STRING};
    bool exists;
    if (!get_string_or_reply(call, key, &old, &exists))
        return;
    if (!exists) {
        struct anystore_value value = {
            .type = ANYSTORE_STRING,
            .data = tail->data,
            .size = tail->size,
        };
        call_event(call, NOTIFY_NEW, "new", key);
        call_event(call, NOTIFY_STRING, "append", key);
        if (store_ok_or_reply(call, anystore_put(call->txn, key->data, key->size, &value)))
            resp_write_integer(call->reply, (int64_t)tail->size);
    } else if (string_size_or_reply(call, old.size, tail->size)) {
        call_event(call, NOTIFY_STRING, "append", key);
        /* Appending nothing is a change, too: watchers at all servers must see it. */
        write_part(call, &old, old.size, tail);
    }
}

static void run_setrange(struct call *call)
{
    const struct resp_arg *key = &call->argv[1], *part = &call->argv[3];
    struct anystore_value old = {.type = ANYSTORE_STRING};
    int64_t offset;
    bool exists;
    if (!arg_integer_or_reply(call, 2, &offset))
        return;
    if (offset < 0) {
        resp_write_error(call->reply, "ERR offset is out of range");
        return;
    }
    if (!get_string_or_reply(call, key, &old, &exists))
        return;
    if (part->size == 0) {
        resp_write_integer(call->reply, (int64_t)old.size);
    } else if (string_size_or_reply(call, (size_t)offset, part->size)) {
        if (!exists)
            call_event(call, NOTIFY_NEW, "new", key);
        call_event(call, NOTIFY_STRING, "setrange", key);
        write_part(call, &old, (size_t)offset, part);
    }
}

static void run_getrange(struct call *call)
{
    struct anystore_value value = {.size = 0};
    int64_t start, end;
    bool exists;
    if (!arg_integer_or_reply(call, 2, &start) || !arg_integer_or_reply(call, 3, &end) ||
        !read_string_or_reply(call, &call->argv[1], &value, &exists))
        return;
    int64_t size = (int64_t)value.size;
    /* Two ends that both lie before the beginning become 0, which selects the first byte.  Redis
     * does that only if they are in order. */
    bool reversed = start < 0 && end < 0 && start > end;
    if (start < 0)
        start = size + start < 0 ? 0 : size + start;
    if (end < 0)
        end = size + end < 0 ? 0 : size + end;
    if (end >= size)
        end = size - 1;
    if (reversed || start > end)
        resp_write_bulk(call->reply, "", 0);
    else
        resp_write_bulk(call->reply, (const uint8_t *)value.data + start,
                        (size_t)(end - start + 1));
}

static void run_strlen(struct call *call)
{
    struct anystore_value value = {.size = 0};
    bool exists;
    if (read_string_or_reply(call, &call->argv[1], &value, &exists))
        resp_write_integer(call->reply, (int64_t)value.size);
}

/* ---- Rows --------------------------------------------------------------------------------- */

const struct command command_string_part_rows[] = {
    {.name = "append",
     .run = run_append,
     .arity = 3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RW insert"),
     .since = "2.0.0",
     .group = "string",
     .complexity = "O(N) where N is the length of the resulting string",
     .summary = "Adds bytes to the end of a string, which is created if it does not exist."},
    {.name = "getrange",
     .run = run_getrange,
     .arity = 4,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STRING,
     ONE_KEY("RO access"),
     .since = "2.4.0",
     .group = "string",
     .complexity = "O(N) where N is the length of the answer",
     .summary = "Returns a part of the string that a key holds."},
    {.name = "setrange",
     .run = run_setrange,
     .arity = 4,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     ONE_KEY("RW update"),
     .since = "2.2.0",
     .group = "string",
     .complexity = "O(N) where N is the length of the resulting string",
     .summary = "Overwrites a part of a string, which is lengthened with zero bytes if needed."},
    {.name = "strlen",
     .run = run_strlen,
     .arity = 2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RO"),
     .since = "2.2.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Returns how many bytes the string of a key has."},
    {.name = "substr",
     .deprecated_since = "2.0.0",
     .replaced_by = "`GETRANGE`",
     .run = run_getrange,
     .arity = 4,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STRING,
     ONE_KEY("RO access"),
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(N) where N is the length of the answer",
     .summary = "Returns a part of the string that a key holds, as GETRANGE does."},
    {0},
};
