/* SPDX-License-Identifier: MIT */
/* The commands on single bits and on all bits of strings.  BITFIELD is in bitfield.c. */
#include "command/string/bit.h"

#include <stdlib.h>
#include <string.h>

#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/host.h"
#include "command/reply.h"
#include "command/string/bits.h"
#include "command/string/string_access.h"
#include "command/table.h"
#include "text/number.h"

bool bit_offset_or_reply(struct call *call, size_t index, unsigned width, uint64_t *offset)
{
    const struct resp_arg *arg = &call->argv[index];
    size_t hash = width > 0 && arg->size > 0 && arg->data[0] == '#';
    int64_t number;
    if (number_parse(arg->data + hash, arg->size - hash, &number) && number >= 0 &&
        (!hash || !__builtin_mul_overflow(number, (int64_t)width, &number)) &&
        (uint64_t)number / 8 < longest_string(call)) {
        *offset = (uint64_t)number;
        return true;
    }
    resp_write_error(call->reply, "ERR bit offset is not an integer or out of range");
    return false;
}

/* ---- One bit ------------------------------------------------------------------------------ */

static void run_getbit(struct call *call)
{
    struct anystore_value value = {.size = 0};
    struct bits_field field = {.width = 1};
    bool exists;
    if (bit_offset_or_reply(call, 2, 0, &field.offset) &&
        read_string_or_reply(call, &call->argv[1], &value, &exists))
        resp_write_integer(call->reply, (int64_t)bits_load(value.data, value.size, &field));
}

static void run_setbit(struct call *call)
{
    const struct resp_arg *key = &call->argv[1];
    struct anystore_value old = {.type = ANYSTORE_STRING};
    struct bits_field field = {.width = 1};
    int64_t bit;
    bool exists;
    if (!bit_offset_or_reply(call, 2, 0, &field.offset))
        return;
    if (!arg_integer(&call->argv[3], &bit) || (bit != 0 && bit != 1)) {
        resp_write_error(call->reply, "ERR bit is not an integer or out of range");
        return;
    }
    if (!get_string_or_reply(call, key, &old, &exists))
        return;
    uint64_t before = bits_load(old.data, old.size, &field);
    size_t size = (size_t)(field.offset / 8) + 1;
    if (size <= old.size && before == (uint64_t)bit) {
        resp_write_integer(call->reply, bit); /* nothing changes, so nothing is written */
        return;
    }
    uint8_t *bytes = copy_string_or_reply(call, &old, size);
    if (!bytes)
        return;
    bits_store(bytes, &field, (uint64_t)bit);
    size = size > old.size ? size : old.size;
    if (!exists)
        call_event(call, NOTIFY_NEW, "new", key);
    call_event(call, NOTIFY_STRING, "setbit", key);
    if (store_ok_or_reply(call, put_string(call, key, &old, bytes, size)))
        resp_write_integer(call->reply, (int64_t)before);
}

/* ---- Many bits ---------------------------------------------------------------------------- */

/* The last word of BITCOUNT and BITPOS. */
static bool unit_or_reply(struct call *call, size_t index, bool *in_bits)
{
    *in_bits = arg_is(&call->argv[index], "BIT");
    if (*in_bits || arg_is(&call->argv[index], "BYTE"))
        return true;
    reply_syntax_error(call);
    return false;
}

/* The bits from *first up to, not including, *end of a string of `size` bytes: those of the units
 * `from` to `to`.  As in Redis, negative numbers count from the end, and the range is cut to the
 * string. */
static void clip_range(size_t size, bool in_bits, int64_t from, int64_t to, uint64_t *first,
                       uint64_t *end)
{
    int64_t unit = in_bits ? 1 : 8;
    int64_t total = (int64_t)size * (8 / unit);
    if (from < 0)
        from = total + from < 0 ? 0 : total + from;
    if (to < 0)
        to = total + to < 0 ? 0 : total + to;
    if (to >= total)
        to = total - 1;
    bool empty = from > to;
    *first = empty ? 0 : (uint64_t)(from * unit);
    *end = empty ? 0 : (uint64_t)((to + 1) * unit);
}

static void run_bitcount(struct call *call)
{
    struct anystore_value value = {.size = 0};
    int64_t from = 0, to = -1;
    bool in_bits = false;
    bool exists;
    if (!read_string_or_reply(call, &call->argv[1], &value, &exists))
        return;
    if (!exists) { /* as in Redis, the other arguments are not checked then */
        resp_write_integer(call->reply, 0);
        return;
    }
    if (call->argc == 3 || call->argc > 5) {
        reply_syntax_error(call);
        return;
    }
    if (call->argc > 2) {
        if (!arg_integer_or_reply(call, 2, &from) || !arg_integer_or_reply(call, 3, &to))
            return;
        if (from < 0 && to < 0 && from > to) {
            resp_write_integer(call->reply, 0);
            return;
        }
        if (call->argc == 5 && !unit_or_reply(call, 4, &in_bits))
            return;
    }
    uint64_t first, end;
    clip_range(value.size, in_bits, from, to, &first, &end);
    resp_write_integer(call->reply, (int64_t)bits_count(value.data, first, end));
}

/* The range that BITPOS searches; *to is the end of the string if the call has none. */
static bool bitpos_range_or_reply(struct call *call, int64_t *from, int64_t *to, bool *in_bits)
{
    *from = 0;
    *to = -1;
    *in_bits = false;
    if (call->argc > 6) {
        reply_syntax_error(call);
        return false;
    }
    return (call->argc < 4 || arg_integer_or_reply(call, 3, from)) &&
           (call->argc < 6 || unit_or_reply(call, 5, in_bits)) &&
           (call->argc < 5 || arg_integer_or_reply(call, 4, to));
}

static void run_bitpos(struct call *call)
{
    struct anystore_value value = {.size = 0};
    int64_t bit, from, to;
    bool exists, in_bits;
    if (!arg_integer_or_reply(call, 2, &bit))
        return;
    if (bit != 0 && bit != 1) {
        resp_write_error(call->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!read_string_or_reply(call, &call->argv[1], &value, &exists))
        return;
    if (!exists) { /* only zeros, whatever the other arguments are */
        resp_write_integer(call->reply, bit == 1 ? -1 : 0);
        return;
    }
    if (!bitpos_range_or_reply(call, &from, &to, &in_bits))
        return;
    uint64_t first, end;
    clip_range(value.size, in_bits, from, to, &first, &end);
    int64_t found = bits_find(value.data, first, end, bit == 1);
    /* Zeros follow the string if the client did not limit the range. */
    if (found < 0 && bit == 0 && call->argc < 5 && first < end)
        found = (int64_t)end;
    resp_write_integer(call->reply, found);
}

/* ---- BITOP -------------------------------------------------------------------------------- */

static bool operation_or_reply(struct call *call, enum bits_operation *operation)
{
    static const char *const names[] = {
        [BITS_AND] = "AND", [BITS_OR] = "OR", [BITS_XOR] = "XOR", [BITS_NOT] = "NOT"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (arg_is(&call->argv[1], names[i])) {
            *operation = i;
            return true;
        }
    }
    reply_syntax_error(call);
    return false;
}

/* Reads the strings of the source keys, and finds the size of the longest. */
static bool sources_or_reply(struct call *call, struct anystore_value *sources, size_t count,
                             size_t *longest)
{
    *longest = 0;
    for (size_t i = 0; i < count; i++) {
        bool exists;
        if (!read_string_or_reply(call, &call->argv[3 + i], &sources[i], &exists))
            return false;
        if (sources[i].size > *longest)
            *longest = sources[i].size;
    }
    return true;
}

/* Shorter sources are extended with zeros. */
static void combine_sources(enum bits_operation operation, uint8_t *to, size_t size,
                            const struct anystore_value *sources, size_t count)
{
    if (operation == BITS_NOT) {
        bits_combine(BITS_NOT, to, sources[0].data, size);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        bits_combine(operation, to, sources[i].data, sources[i].size);
        if (operation == BITS_AND)
            memset(to + sources[i].size, 0, size - sources[i].size);
    }
}

static void store_combined(struct call *call, enum bits_operation operation,
                           const struct anystore_value *sources, size_t count, size_t size)
{
    const struct resp_arg *key = &call->argv[2];
    const struct anystore_value none = {.type = ANYSTORE_STRING};
    enum anystore_status status;
    if (size == 0) {
        bool existed = false;
        status = anystore_delete(call->txn, key->data, key->size, &existed);
        if (existed)
            call_event(call, NOTIFY_GENERIC, "del", key);
    } else {
        uint8_t *bytes = copy_string_or_reply(call, &sources[0], size);
        if (!bytes)
            return;
        combine_sources(operation, bytes, size, sources, count);
        call_event_if_new(call, key);
        call_event(call, NOTIFY_STRING, "set", key);
        status = put_string(call, key, &none, bytes, size);
    }
    if (store_ok_or_reply(call, status))
        resp_write_integer(call->reply, (int64_t)size);
}

static void run_bitop(struct call *call)
{
    enum bits_operation operation;
    size_t count = call->argc - 3;
    size_t longest;
    if (!operation_or_reply(call, &operation))
        return;
    if (operation == BITS_NOT && count != 1) {
        resp_write_error(call->reply, "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    struct anystore_value *sources = calloc(count, sizeof *sources);
    if (!sources)
        store_ok_or_reply(call, ANYSTORE_NOMEM);
    else if (sources_or_reply(call, sources, count, &longest))
        store_combined(call, operation, sources, count, longest);
    free(sources);
}

/* ---- Rows --------------------------------------------------------------------------------- */

static const struct key_range bitop_ranges[] = {
    {.flags = "OW update", .first = 2, .step = 1},
    {.flags = "RO access", .first = 3, .last = -1, .step = 1},
    {0},
};

const struct command command_bit_rows[] = {
    {.name = "bitcount",
     .run = run_bitcount,
     .arity = -2,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_BITMAP,
     ONE_KEY("RO access"),
     .since = "2.6.0",
     .group = "bitmap",
     .complexity = "O(N) where N is the length of the range",
     .summary = "Counts the ones in a string or in a part of it."},
    {.name = "bitop",
     .run = run_bitop,
     .arity = -4,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_BITMAP,
     .keys = bitop_ranges,
     .since = "2.6.0",
     .group = "bitmap",
     .complexity = "O(N) where N is the length of all strings together",
     .summary = "Sets a key to the AND, OR, XOR or NOT of the bits of other keys' strings."},
    {.name = "bitpos",
     .run = run_bitpos,
     .arity = -3,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_BITMAP,
     ONE_KEY("RO access"),
     .since = "2.8.7",
     .group = "bitmap",
     .complexity = "O(N) where N is the length of the range",
     .summary = "Returns the place of the first one or zero in a string or in a part of it."},
    {.name = "getbit",
     .run = run_getbit,
     .arity = 3,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_BITMAP,
     ONE_KEY("RO access"),
     .since = "2.2.0",
     .group = "bitmap",
     .complexity = "O(1)",
     .summary = "Returns one bit of a string."},
    {.name = "setbit",
     .run = run_setbit,
     .arity = 4,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_BITMAP,
     ONE_KEY("RW access update"),
     .since = "2.2.0",
     .group = "bitmap",
     .complexity = "O(N) where N is the length of the resulting string",
     .summary = "Sets one bit of a string and returns its old value."},
    {0},
};
