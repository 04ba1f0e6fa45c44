/* SPDX-License-Identifier: MIT */
/* The commands on strings that hold numbers: INCR and the like. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/access.h"
#include "command/args.h"
#include "command/families.h"
#include "command/host.h"
#include "command/string/string_access.h"
#include "command/table.h"
#include "text/number.h"

static bool put_number_or_reply(struct call *call, const struct anystore_value *old,
                                const char *digits, size_t size, const char *event)
{
    const struct resp_arg *key = &call->argv[1];
    struct anystore_value value = {
        .type = ANYSTORE_STRING,
        .data = digits,
        .size = size,
        .expire_ms = old->expire_ms,
    };
    call_event_if_new(call, key);
    call_event(call, NOTIFY_STRING, event, key);
    return store_ok_or_reply(call, anystore_put(call->txn, key->data, key->size, &value));
}

/* ---- Integers ----------------------------------------------------------------------------- */

static void add_integer(struct call *call, int64_t increment)
{
    struct anystore_value old = {.type = ANYSTORE_STRING};
    int64_t number = 0;
    bool exists;
    if (!get_string_or_reply(call, &call->argv[1], &old, &exists))
        return;
    if (exists && !number_parse(old.data, old.size, &number)) {
        resp_write_error(call->reply, "ERR value is not an integer or out of range");
        return;
    }
    if (__builtin_add_overflow(number, increment, &number)) {
        resp_write_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    char digits[sizeof "-9223372036854775808"];
    int size = snprintf(digits, sizeof digits, "%" PRId64, number);
    if (put_number_or_reply(call, &old, digits, (size_t)size, "incrby"))
        resp_write_integer(call->reply, number);
}

static void run_incr(struct call *call)
{
    add_integer(call, 1);
}

static void run_decr(struct call *call)
{
    add_integer(call, -1);
}

static void run_incrby(struct call *call)
{
    int64_t increment;
    if (arg_integer_or_reply(call, 2, &increment))
        add_integer(call, increment);
}

static void run_decrby(struct call *call)
{
    int64_t decrement;
    if (!arg_integer_or_reply(call, 2, &decrement))
        return;
    if (decrement == INT64_MIN)
        resp_write_error(call->reply, "ERR decrement would overflow");
    else
        add_integer(call, -decrement);
}

/* ---- Floats ------------------------------------------------------------------------------- */

/* Room for the 4,933 digits of the largest long double, a sign, a point and FLOAT_DIGITS more.
 * As in Redis, no longer text is read as a number. */
#define FLOAT_TEXT_BYTES 5120
#define FLOAT_DIGITS     17 /* digits behind the point, as in Redis */

/* As in Redis: takes whatever strtold reads completely, even "inf" and "0x1p3", but not "nan",
 * nor a number that is too large or too small, nor a text that begins with a blank. */
static bool parse_float(const void *data, size_t size, long double *number)
{
    char text[FLOAT_TEXT_BYTES];
    char *end;
    if (size == 0 || size >= sizeof text)
        return false;
    memcpy(text, data, size);
    text[size] = '\0';
    if (isspace((unsigned char)text[0]))
        return false;
    errno = 0;
    *number = strtold(text, &end);
    if (end != text + size || isnan(*number))
        return false;
    return errno != ERANGE || (!isinf(*number) && fpclassify(*number) != FP_ZERO);
}

static bool float_or_reply(struct call *call, const void *data, size_t size, long double *number)
{
    if (parse_float(data, size, number))
        return true;
    resp_write_error(call->reply, "ERR value is not a valid float");
    return false;
}

/* Writes no exponent, and no zeros at the end. */
static size_t format_float(long double number, char text[FLOAT_TEXT_BYTES])
{
    size_t size = (size_t)snprintf(text, FLOAT_TEXT_BYTES, "%.*Lf", FLOAT_DIGITS, number);
    while (text[size - 1] == '0')
        size--;
    if (text[size - 1] == '.')
        size--;
    if (size == 2 && text[0] == '-' && text[1] == '0') { /* such as -1e-30 */
        text[0] = '0';
        size = 1;
    }
    return size;
}

static void run_incrbyfloat(struct call *call)
{
    const struct resp_arg *arg = &call->argv[2];
    struct anystore_value old = {.type = ANYSTORE_STRING};
    long double number = 0;
    long double increment;
    bool exists;
    if (!get_string_or_reply(call, &call->argv[1], &old, &exists) ||
        (exists && !float_or_reply(call, old.data, old.size, &number)) ||
        !float_or_reply(call, arg->data, arg->size, &increment))
        return;
    number += increment;
    if (isnan(number) || isinf(number)) {
        resp_write_error(call->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    char text[FLOAT_TEXT_BYTES];
    size_t size = format_float(number, text);
    if (put_number_or_reply(call, &old, text, size, "incrbyfloat"))
        resp_write_bulk(call->reply, text, size);
}

/* ---- Rows --------------------------------------------------------------------------------- */

const struct command command_string_number_rows[] = {
    {.name = "decr",
     .run = run_decr,
     .arity = 2,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RW access update"),
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Subtracts one from the integer that a key holds."},
    {.name = "decrby",
     .run = run_decrby,
     .arity = 3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RW access update"),
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Subtracts a number from the integer that a key holds."},
    {.name = "incr",
     .run = run_incr,
     .arity = 2,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RW access update"),
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Adds one to the integer that a key holds."},
    {.name = "incrby",
     .run = run_incrby,
     .arity = 3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RW access update"),
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Adds a number to the integer that a key holds."},
    {.name = "incrbyfloat",
     .run = run_incrbyfloat,
     .arity = 3,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     ONE_KEY("RW access update"),
     .since = "2.6.0",
     .group = "string",
     .complexity = "O(1)",
     .summary = "Adds a number to the decimal number that a key holds."},
    {0},
};
