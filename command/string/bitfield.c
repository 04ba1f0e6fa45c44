/* SPDX-License-Identifier: MIT */
/* BITFIELD and BITFIELD_RO: numbers of any width at any place in a string. */
#include <stdlib.h>
#include <string.h>

#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/host.h"
#include "command/reply.h"
#include "command/string/bit.h"
#include "command/string/bits.h"
#include "command/string/string_access.h"
#include "command/table.h"
#include "text/number.h"

enum field_action { FIELD_GET, FIELD_SET, FIELD_ADD };
enum field_overflow { OVERFLOW_WRAP, OVERFLOW_SATURATE, OVERFLOW_FAIL };

struct field_operation {
    enum field_action action;
    enum field_overflow overflow;
    bool is_signed;
    struct bits_field field;
    int64_t operand; /* of FIELD_SET and FIELD_ADD */
};

struct field_plan {
    struct field_operation *operations;
    size_t count;
    size_t write_size; /* bytes that the string needs for the writes; 0: the call only reads */
};

/* ---- Arguments ---------------------------------------------------------------------------- */

static bool overflow_or_reply(struct call *call, size_t index, enum field_overflow *overflow)
{
    const struct resp_arg *arg = &call->argv[index];
    if (arg_is(arg, "WRAP")) {
        *overflow = OVERFLOW_WRAP;
    } else if (arg_is(arg, "SAT")) {
        *overflow = OVERFLOW_SATURATE;
    } else if (arg_is(arg, "FAIL")) {
        *overflow = OVERFLOW_FAIL;
    } else {
        resp_write_error(call->reply, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* Reads a type such as "i8" or "u63".  As in Redis, a NUL byte ends it. */
static bool type_or_reply(struct call *call, size_t index, struct field_operation *operation)
{
    const struct resp_arg *arg = &call->argv[index];
    size_t size = arg->size > 0 ? strnlen(arg_text(arg), arg->size) : 0;
    int64_t width = 0;
    if (size > 0 && (arg->data[0] == 'i' || arg->data[0] == 'u') &&
        number_parse(arg->data + 1, size - 1, &width) && width >= 1 &&
        width <= (arg->data[0] == 'i' ? 64 : 63)) {
        operation->is_signed = arg->data[0] == 'i';
        operation->field.width = (unsigned)width;
        return true;
    }
    resp_write_error(call->reply,
                     "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not "
                     "supported but i64 is.");
    return false;
}

/* Reads the operation whose name is argument `index`, with its arguments.  Returns their number,
 * or 0 after replying an error. */
static size_t operation_or_reply(struct call *call, size_t index, struct field_operation *operation)
{
    const struct resp_arg *name = &call->argv[index];
    size_t left = call->argc - index;
    size_t taken = 4;
    if (arg_is(name, "GET")) {
        operation->action = FIELD_GET;
        taken = 3;
    } else if (arg_is(name, "SET")) {
        operation->action = FIELD_SET;
    } else if (arg_is(name, "INCRBY")) {
        operation->action = FIELD_ADD;
    } else {
        taken = left + 1;
    }
    if (left < taken) {
        reply_syntax_error(call);
        return 0;
    }
    bool right =
        type_or_reply(call, index + 1, operation) &&
        bit_offset_or_reply(call, index + 2, operation->field.width, &operation->field.offset) &&
        (operation->action == FIELD_GET ||
         arg_integer_or_reply(call, index + 3, &operation->operand));
    return right ? taken : 0;
}

static bool plan_or_reply(struct call *call, struct field_plan *plan)
{
    enum field_overflow overflow = OVERFLOW_WRAP;
    for (size_t i = 2; i < call->argc;) {
        if (arg_is(&call->argv[i], "OVERFLOW") && i + 1 < call->argc) {
            if (!overflow_or_reply(call, i + 1, &overflow))
                return false;
            i += 2;
            continue;
        }
        struct field_operation *operation = &plan->operations[plan->count];
        operation->overflow = overflow;
        size_t taken = operation_or_reply(call, i, operation);
        if (taken == 0)
            return false;
        i += taken;
        plan->count++;
        size_t last = (size_t)((operation->field.offset + operation->field.width - 1) / 8);
        if (operation->action != FIELD_GET && plan->write_size < last + 1)
            plan->write_size = last + 1;
    }
    return true;
}

/* ---- Numbers ------------------------------------------------------------------------------ */

/* The lowest bits of a number, as a field of that width and sign. */
static int64_t cut(const struct field_operation *operation, uint64_t number)
{
    unsigned unused = 64 - operation->field.width;
    /* gcc and clang shift the sign in from the left. */
    return operation->is_signed ? (int64_t)(number << unused) >> unused
                                : (int64_t)(number << unused >> unused);
}

/* The largest and the smallest number of a field. */
static int64_t most_of(const struct field_operation *operation)
{
    return (int64_t)(UINT64_MAX >> (64 - operation->field.width) >> operation->is_signed);
}

static int64_t least_of(const struct field_operation *operation)
{
    return operation->is_signed ? -most_of(operation) - 1 : 0;
}

/* Compares a sum with the range of the field: -1 below, 0 inside, 1 above. `base` is the content
 * of the field, or the number to set if increment is 0. */
static int out_of_range(const struct field_operation *operation, int64_t base, int64_t increment)
{
    int64_t most = most_of(operation);
    int64_t sum;
    if (!operation->is_signed && base < 0)
        return 1; /* as in Redis, where it is an unsigned number of 64 bits */
    /* Redis subtracts, and the difference can overflow: so the lowest numbers of all count as
     * above a narrower field. */
    int64_t room;
    if (operation->field.width < 64 && base < 0 && increment == 0 &&
        __builtin_sub_overflow(most, base, &room))
        return 1;
    if (__builtin_add_overflow(base, increment, &sum))
        return increment < 0 ? -1 : 1;
    return sum > most ? 1 : sum < least_of(operation) ? -1 : 0;
}

/* The number to store if the sum does not fit. */
static int64_t adjusted(const struct field_operation *operation, int64_t sum, int range)
{
    if (operation->overflow == OVERFLOW_WRAP)
        return cut(operation, (uint64_t)sum);
    return range > 0 ? most_of(operation) : least_of(operation);
}

/* ---- Running ------------------------------------------------------------------------------ */

/* What the operations of one call have done so far. */
struct field_outcome {
    bool wrote;   /* an operation stored its number */
    bool changed; /* and the number was another one than before */
};

/* Runs SET or INCRBY on the copy of the string. */
static void write_field(struct call *call, const struct field_operation *operation, uint8_t *bytes,
                        size_t size, struct field_outcome *outcome)
{
    int64_t old = cut(operation, bits_load(bytes, size, &operation->field));
    bool adds = operation->action == FIELD_ADD;
    int64_t base = adds ? old : operation->operand;
    int64_t increment = adds ? operation->operand : 0;
    int64_t sum = (int64_t)((uint64_t)base + (uint64_t)increment);
    int range = out_of_range(operation, base, increment);
    if (range != 0 && operation->overflow == OVERFLOW_FAIL) {
        resp_write_null(call->reply);
        return;
    }
    if (range != 0)
        sum = adjusted(operation, sum, range);
    bits_store(bytes, &operation->field, (uint64_t)sum);
    resp_write_integer(call->reply, adds ? sum : old);
    outcome->wrote = true;
    outcome->changed |= sum != old;
}

static void run_operation(struct call *call, const struct field_operation *operation,
                          uint8_t *bytes, size_t size, struct field_outcome *outcome)
{
    if (operation->action != FIELD_GET)
        write_field(call, operation, bytes, size, outcome);
    else
        resp_write_integer(call->reply, cut(operation, bits_load(bytes, size, &operation->field)));
}

static void read_fields(struct call *call, const struct field_plan *plan)
{
    struct anystore_value value = {.size = 0};
    bool exists;
    if (!read_string_or_reply(call, &call->argv[1], &value, &exists))
        return;
    resp_write_array(call->reply, plan->count);
    for (size_t i = 0; i < plan->count; i++) {
        const struct field_operation *operation = &plan->operations[i];
        resp_write_integer(call->reply,
                           cut(operation, bits_load(value.data, value.size, &operation->field)));
    }
}

static void write_fields(struct call *call, const struct field_plan *plan)
{
    const struct resp_arg *key = &call->argv[1];
    struct anystore_value old = {.type = ANYSTORE_STRING};
    bool exists;
    size_t reply_start = resp_buffer_size(call->reply->out);
    if (!get_string_or_reply(call, key, &old, &exists))
        return;
    size_t size = plan->write_size > old.size ? plan->write_size : old.size;
    uint8_t *bytes = copy_string_or_reply(call, &old, size);
    if (!bytes)
        return;
    /* As in Redis, the string grows even if every operation fails. */
    bool grown = size > old.size;
    struct field_outcome outcome = {.wrote = false};
    resp_write_array(call->reply, plan->count);
    for (size_t i = 0; i < plan->count; i++)
        run_operation(call, &plan->operations[i], bytes, size, &outcome);
    if (!exists)
        call_event(call, NOTIFY_NEW, "new", key);
    if (outcome.changed || (grown && outcome.wrote))
        call_event(call, NOTIFY_STRING, "setbit", key);
    if (outcome.changed || grown)
        replace_reply_if_refused(call, reply_start, put_string(call, key, &old, bytes, size));
    else
        free(bytes);
}

static void run_bitfield(struct call *call)
{
    /* An operation has at least three arguments. */
    struct field_plan plan = {.operations = calloc(call->argc / 3 + 1, sizeof *plan.operations)};
    if (!plan.operations)
        store_ok_or_reply(call, ANYSTORE_NOMEM);
    else if (plan_or_reply(call, &plan)) {
        if (plan.write_size == 0)
            read_fields(call, &plan);
        else if (call->command->flags & COMMAND_READONLY)
            resp_write_error(call->reply, "ERR BITFIELD_RO only supports the GET subcommand");
        else
            write_fields(call, &plan);
    }
    free(plan.operations);
}

/* As in Redis, a call with a syntax error counts as writing. */
static void bitfield_keys(size_t argc, const struct resp_arg *argv, struct key_range *range)
{
    range->flags = "RO access";
    for (size_t i = 2; i < argc;) {
        size_t left = argc - i;
        if (arg_is(&argv[i], "GET") && left > 2) {
            i += 3;
        } else if (arg_is(&argv[i], "OVERFLOW") && left > 1) {
            i += 2;
        } else {
            range->flags = "RW access update";
            return;
        }
    }
}

/* ---- Rows --------------------------------------------------------------------------------- */

const struct command command_bitfield_rows[] = {
    {.name = "bitfield",
     .run = run_bitfield,
     .arity = -2,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_BITMAP,
     KEYS({.flags = "RW access update variable_flags",
           .notes = "This command allows both access and modification of the key",
           .first = 1,
           .step = 1}),
     .call_keys = bitfield_keys,
     .since = "3.2.0",
     .group = "bitmap",
     .complexity = "O(N) where N is the number of operations and the length of the string",
     .summary = "Reads, sets and adds to numbers of any width at any place in a string."},
    {.name = "bitfield_ro",
     .run = run_bitfield,
     .arity = -2,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_BITMAP,
     ONE_KEY("RO access"),
     .since = "6.0.0",
     .group = "bitmap",
     .complexity = "O(N) where N is the number of operations",
     .summary = "Reads numbers of any width at any place in a string."},
    {0},
};
