/* SPDX-License-Identifier: MIT */
/* Templates of the commands on parts of strings, on numbers and on bits, and the words that only
 * they have. */
#include "tests/client/differential.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Words beside those of differential.h:
 *   %x text of few letters  %f decimal number  %r place in a string, also from its end
 *   %b bit  %o number of a bit  %O the same, also with #  %u unit  %t type of a bit field
 *   %B operation of BITOP  %W word of OVERFLOW  %L option of LCS */
const struct template differential_strings[] = {
    {60, "SET %k %x"},
    {10, "SET %k %f"},
    {8, "GETDEL %k"},
    {10, "GETSET %k %v"},
    {8, "GETEX %k"},
    {6, "GETEX %k EX %s"},
    {6, "GETEX %k PX %m"},
    {6, "GETEX %k EXAT %S"},
    {6, "GETEX %k PXAT %M"},
    {4, "GETEX %k PERSIST"},
    {2, "GETEX %k EXAT %a"},
    {2, "GETEX %k PXAT %A"},
    {2, "GETEX %k PX %n"},
    {6, "GETEX %k %w"},
    {6, "GETEX %k %w %s"},
    {4, "GETEX %k %w %s %w"},
    {4, "GETEX %k %w %w %m %w"},
    {10, "SETNX %k %v"},
    {8, "SETEX %k %s %v"},
    {2, "SETEX %k %n %v"},
    {3, "SETEX %k %i %v"},
    {8, "PSETEX %k %m %v"},
    {3, "PSETEX %k %i %v"},
    {6, "MSETNX %k %v"},
    {6, "MSETNX %k %v %k %x"},
    {2, "MSETNX %k %v %k"},
    {16, "GETRANGE %k %r %r"},
    {6, "SUBSTR %k %r %r"},
    {16, "SETRANGE %k %r %x"},
    {3, "SETRANGE %k %i %x"},
    {3, "SETRANGE %k %r %v"},
    {24, "INCRBYFLOAT %k %f"},
    {4, "INCRBYFLOAT %k %i"},
    {10, "LCS %k %k"},
    {6, "LCS %k %k LEN"},
    {6, "LCS %k %k IDX"},
    {6, "LCS %k %k IDX WITHMATCHLEN"},
    {6, "LCS %k %k IDX MINMATCHLEN %r %L"},
    {6, "LCS %k %k %L %L %L"},
    {20, "SETBIT %k %o %b"},
    {12, "GETBIT %k %o"},
    {8, "BITCOUNT %k"},
    {8, "BITCOUNT %k %r %r"},
    {12, "BITCOUNT %k %r %r %u"},
    {3, "BITCOUNT %k %r"},
    {8, "BITPOS %k %b"},
    {8, "BITPOS %k %b %r"},
    {8, "BITPOS %k %b %r %r"},
    {12, "BITPOS %k %b %r %r %u"},
    {8, "BITOP %B %k %k"},
    {8, "BITOP %B %k %k %k"},
    {6, "BITOP %B %k %k %k %k %k"},
    {10, "BITFIELD %k GET %t %O"},
    {14, "BITFIELD %k SET %t %O %i"},
    {14, "BITFIELD %k INCRBY %t %O %i"},
    {16, "BITFIELD %k OVERFLOW %W SET %t %O %i INCRBY %t %O %i GET %t %O"},
    {16, "BITFIELD %k OVERFLOW %W INCRBY %t %O %i OVERFLOW %W SET %t %O %i"},
    {10, "BITFIELD %k OVERFLOW %W INCRBY %t 0 %i INCRBY %t 0 %i GET i64 0"},
    {2, "BITFIELD %k"},
    {2, "BITFIELD %k OVERFLOW %W"},
    {3, "BITFIELD %k SET %t %O"},
    {3, "BITFIELD %k GET %t %O foo"},
    {10, "BITFIELD_RO %k GET %t %O GET %t %O"},
    {3, "BITFIELD_RO %k SET %t %O %i"},
    {1, "BITFIELD_RO %k"},
    {0, NULL},
};

static const char *const floats[] = {
    "0.1",
    "0.2",
    "-0.3",
    "3.0e3",
    "1.5",
    "-1.5",
    "5.0",
    ".5",
    "5.",
    "+5",
    "-0",
    "-0.0",
    "1e17",
    "1e-17",
    "4e-18",
    "5e-18",
    "-1e-30",
    "1e308",
    "1e4931",
    "1e4932",
    "-1e4932",
    "2e4932",
    "1e5000",
    "1e-4940",
    "1e-5000",
    "inf",
    "-inf",
    "Infinity",
    "nan",
    "-nan",
    "0x10",
    "0x1p-3",
    "1e",
    "1e+",
    "--1",
    "1,5",
    "1.5.5",
    "3.14159265358979323846264338327950288",
    "12345678901234567890.123456789",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551617",
    "0.99999999999999999999",
};

/* Nothing that would make a string of hundreds of megabytes, and no #<number> whose product
 * overflows: C does not define what Redis does then. */
static const char *const far_bits[] = {
    "4294967296",          "4294967303",          "1099511627776", "-1",
    "9223372036854775807", "9223372036854775808", "70001",         "32768"};
static const char *const strange_bits[] = {"#", "#-1", "#1x", "##1", "# 1", "#01", "1#", "x"};

static const char *const places[] = {
    "9223372036854775807",  "9223372036854775806", "-9223372036854775808",
    "-9223372036854775807", "536870912",           "536870913",
    "4294967296",           "-4294967296",         "4611686018427387904",
};

static const char *const units[] = {"BIT", "BYTE", "bit", "bYte", "BITS", "B"};
static const char *const types[] = {"u64", "i65", "u0",  "i0",  "i",   "u",   "x8",  "8",
                                    "I8",  "U8",  "u-1", "u8 ", "i08", "u+1", "u1e", "i9999"};
static const char *const operations[] = {"AND", "OR",  "XOR", "NOT",  "and",
                                         "Or",  "xor", "nOt", "NAND", "ANDS"};
static const char *const overflows[] = {"WRAP", "SAT", "FAIL", "wrap", "Sat", "fail", "NONE"};
static const char *const lcs_options[] = {"LEN",         "IDX", "WITHMATCHLEN", "len", "idx",
                                          "MINMATCHLEN", "3",   "LENGTH"};

#define COUNT(array)         (sizeof(array) / sizeof *(array))
#define APPEND_ONE_OF(array) bytes_append_text(out, (array)[random_below(random, COUNT(array))])

static void append_letters(struct random *random, struct bytes *out)
{
    size_t size = random_below(random, random_chance(random, 20) ? 400 : 70);
    unsigned letters = 1 + (unsigned)random_below(random, 4);
    uint8_t *to = bytes_reserve(out, size + 1);
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)('a' + random_below(random, letters));
    out->size += size;
}

static void append_float(struct random *random, struct bytes *out)
{
    if (random_chance(random, 50))
        APPEND_ONE_OF(floats);
    else
        bytes_appendf(out, "%d.%0*" PRIu64, (int)random_below(random, 2000) - 1000,
                      (int)random_below(random, 19), random_below(random, 1000000000));
}

static void append_place(struct random *random, struct bytes *out)
{
    if (random_chance(random, 8))
        APPEND_ONE_OF(places);
    else if (random_chance(random, 60))
        bytes_appendf(out, "%d", (int)random_below(random, 40) - 20);
    else
        bytes_appendf(out, "%d", (int)random_below(random, 800) - 400);
}

static void append_bit_number(struct random *random, struct bytes *out)
{
    if (random_chance(random, 10))
        APPEND_ONE_OF(far_bits);
    else
        bytes_appendf(out, "%d", (int)random_below(random, random_chance(random, 50) ? 40 : 500));
}

static void append_field_place(struct random *random, struct bytes *out)
{
    if (random_chance(random, 5))
        APPEND_ONE_OF(strange_bits);
    else if (random_chance(random, 30))
        bytes_appendf(out, "#%d", (int)random_below(random, 30));
    else
        append_bit_number(random, out);
}

static void append_type(struct random *random, struct bytes *out)
{
    bool is_signed = random_chance(random, 50);
    static const unsigned common[] = {1, 2, 7, 8, 9, 16, 31, 32, 33, 63};
    if (random_chance(random, 5))
        APPEND_ONE_OF(types);
    else if (random_chance(random, 10))
        bytes_append_text(out, "i64");
    else
        bytes_appendf(out, "%c%u", is_signed ? 'i' : 'u',
                      random_chance(random, 60) ? common[random_below(random, COUNT(common))]
                                                : 1 + (unsigned)random_below(random, 63));
}

bool differential_strings_word(struct random *random, struct bytes *out, char letter)
{
    switch (letter) {
    case 'x':
        append_letters(random, out);
        break;
    case 'f':
        append_float(random, out);
        break;
    case 'r':
        append_place(random, out);
        break;
    case 'b':
        bytes_append_text(out, random_chance(random, 3)    ? "2"
                               : random_chance(random, 50) ? "1"
                                                           : "0");
        break;
    case 'o':
        append_bit_number(random, out);
        break;
    case 'O':
        append_field_place(random, out);
        break;
    case 'u':
        APPEND_ONE_OF(units);
        break;
    case 't':
        append_type(random, out);
        break;
    case 'B':
        APPEND_ONE_OF(operations);
        break;
    case 'W':
        APPEND_ONE_OF(overflows);
        break;
    case 'L':
        APPEND_ONE_OF(lcs_options);
        break;
    default:
        return false;
    }
    return true;
}
