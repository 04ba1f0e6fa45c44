/* SPDX-License-Identifier: MIT */
/* Cases of the commands that read and change a string at once, of those on parts of strings and on
 * decimal numbers, and of LCS. */
#include "tests/client/commands.h"

#include <stdlib.h>

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define NOT_FLOAT   "-ERR value is not a valid float"
#define SYNTAX      "-ERR syntax error"

static void get_and_change(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "_", "GETSET a 1");
    client_expect(c, ":1", "EXPIRE a 1000");
    client_expect(c, "$1", "GETSET a 2");
    client_expect(c, ":-1", "TTL a");
    client_expect(c, "$2", "GETDEL a");
    client_expect(c, "_", "GETDEL a");
    raw_expect(t->raw, "_", "GETDEL a");
    client_expect(c, "+OK", "SET a x");
    client_expect(c, "$x", "GETEX a");
    client_expect(c, "$x", "GETEX a EX 1000");
    check(client_integer(c, "TTL a") > 800, "no expiry");
    client_expect(c, "$x", "GETEX a");
    client_expect(c, "$x", "GETEX a PX 5000000");
    check(client_integer(c, "PTTL a") > 4000000, "no new expiry");
    client_expect(c, "$x", "GETEX a persist");
    client_expect(c, ":-1", "TTL a");
    client_expect(c, "$x", "GETEX a PXAT %lld", (long long)wall_ms() + 5000000);
    check(client_integer(c, "PTTL a") > 4000000, "no new expiry");
    client_expect(c, "$x", "GETEX a EXAT 1");
    client_expect(c, ":0", "EXISTS a");
    client_expect(c, "_", "GETEX a EX 0"); /* no key: Redis ignores the time */
    client_expect(c, "+OK", "SET a x");
    client_expect(c, "-ERR invalid expire time in 'getex' command", "GETEX a EX 0");
    client_expect(c, "-ERR invalid expire time in 'getex' command",
                  "GETEX a EX 9223372036854775807");
    client_expect(c, "-ERR invalid expire time in 'getex' command",
                  "GETEX a PX 9223372036854775807");
    client_expect(c, NOT_INTEGER, "GETEX a EX x");
    const char *const wrong[] = {"EX", "EX 1 PX 1", "EX 1 PERSIST", "PERSIST EX 1",
                                 "NX", "GET",       "KEEPTTL",      "10"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *words = text_format("GETEX a %s", wrong[i]);
        client_expect(c, SYNTAX, words);
        free(words);
    }
    commands_arity(c, "getex", "GETEX");
    commands_arity(c, "getdel", "GETDEL a b");
    commands_arity(c, "getset", "GETSET a");
}

static void set_kin(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, ":1", "SETNX a 1");
    client_expect(c, ":0", "SETNX a 2");
    client_expect(c, "$1", "GET a");
    client_expect(c, "+OK", "SETEX a 1000 2");
    check(client_integer(c, "TTL a") > 800, "no expiry");
    client_expect(c, "+OK", "PSETEX a 5000000 3");
    check(client_integer(c, "PTTL a") > 4000000, "no expiry");
    client_expect(c, "$3", "GET a");
    client_expect(c, "-ERR invalid expire time in 'setex' command", "SETEX a 0 4");
    client_expect(c, "-ERR invalid expire time in 'psetex' command", "PSETEX a -1 4");
    client_expect(c, NOT_INTEGER, "SETEX a 1.5 4");
    client_expect(c, ":0", "MSETNX b 1 a 2");
    client_expect(c, ":0", "EXISTS b");
    client_expect(c, ":1", "MSETNX b 1 c 2 b 3");
    client_expect(c, "[$3 $2]", "MGET b c");
    commands_arity(c, "msetnx", "MSETNX d 1 e");
    commands_arity(c, "msetnx", "MSETNX d");
    commands_arity(c, "setnx", "SETNX d");
    commands_arity(c, "setex", "SETEX d 1");
    commands_arity(c, "psetex", "PSETEX d 1 2 3");
}

static void ranges(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "SET a %s", "Hello World");
    client_expect(c, "$Hello", "GETRANGE a 0 4");
    client_expect(c, "$World", "GETRANGE a -5 -1");
    client_expect(c, "$ello", "SUBSTR a 1 4");
    client_expect(c, "$", "GETRANGE a 5 3");
    client_expect(c, "$", "GETRANGE a -1 -5");
    client_expect(c, "$H", "GETRANGE a -100 -50");
    client_expect(c, "$Hello World", "GETRANGE a -9223372036854775808 9223372036854775807");
    client_expect(c, "$", "GETRANGE missing 0 -1");
    client_expect(c, NOT_INTEGER, "GETRANGE missing x 1");
    client_expect(c, NOT_INTEGER, "GETRANGE a 1 x");
    client_expect(c, ":11", "SETRANGE a 6 Redis");
    client_expect(c, "$Hello Redis", "GET a");
    client_expect(c, ":5", "SETRANGE b 3 xy");
    client_expect(c, "$\\x00\\x00\\x00xy", "GET b");
    client_expect(c, ":5", "SETRANGE b 100 %s", "");
    client_expect(c, ":0", "SETRANGE missing 100 %s", "");
    client_expect(c, ":0", "EXISTS missing");
    client_expect(c, "-ERR offset is out of range", "SETRANGE a -1 x");
    client_expect(c, NOT_INTEGER, "SETRANGE a x x");
    const char *too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    client_expect(c, too_long, "SETRANGE a 536870912 x");
    client_expect(c, too_long, "SETRANGE missing 9223372036854775807 x");
    client_expect(c, ":0", "EXISTS missing");
    commands_arity(c, "getrange", "GETRANGE a 1");
    commands_arity(c, "substr", "SUBSTR a 1");
    commands_arity(c, "setrange", "SETRANGE a 1");
}

static void floats(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "$10.5", "INCRBYFLOAT a 10.50");
    client_expect(c, "$10.6", "INCRBYFLOAT a 0.1");
    client_expect(c, "$5000", "INCRBYFLOAT b 5.0e3");
    client_expect(c, "$5200", "INCRBYFLOAT b 2.0e2");
    client_expect(c, "$0", "INCRBYFLOAT c -1e-30");
    client_expect(c, "$100000000000000000000", "INCRBYFLOAT d 1e20");
    client_expect(c, "$16", "INCRBYFLOAT e 0x10");
    client_expect(c, "+OK", "SET f 3 EX 1000");
    client_expect(c, "$4.5", "INCRBYFLOAT f 1.5");
    check(client_integer(c, "TTL f") > 0, "INCRBYFLOAT lost the expiry");
    raw_expect(t->raw, "$5", "INCRBYFLOAT f 0.5");
    client_expect(c, "-ERR increment would produce NaN or Infinity", "INCRBYFLOAT a inf");
    const char *const wrong[] = {"", "x", "nan", "1e5000", "1e-5000", " 1", "1 ", "1.2.3"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        client_expect(c, NOT_FLOAT, "INCRBYFLOAT a %s", wrong[i]);
        client_expect(c, "+OK", "SET bad %s", wrong[i]);
        client_expect(c, NOT_FLOAT, "INCRBYFLOAT bad 1");
    }
    client_expect(c, "$10.6", "GET a");
    commands_arity(c, "incrbyfloat", "INCRBYFLOAT a");
}

static void lcs(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "MSET a ohmytext b mynewtext");
    client_expect(c, "$mytext", "LCS a b");
    client_expect(c, ":6", "LCS a b len");
    client_expect(c, "[$matches [[[:4 :7] [:5 :8]] [[:2 :3] [:0 :1]]] $len :6]", "LCS a b IDX");
    raw_expect(t->raw, "{$matches [[[:4 :7] [:5 :8] :4]] $len :6}",
               "LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN");
    client_expect(c, "$", "LCS a missing");
    client_expect(c, ":0", "LCS missing a LEN");
    client_expect(c, "[$matches [] $len :0]", "LCS missing nothing IDX");
    client_expect(c, "-ERR If you want both the length and indexes, please just use IDX.",
                  "LCS a b IDX LEN");
    client_expect(c, NOT_INTEGER, "LCS a b IDX MINMATCHLEN x");
    client_expect(c, SYNTAX, "LCS a b IDX MINMATCHLEN");
    client_expect(c, SYNTAX, "LCS a b foo");
    client_expect(c, ":11586", "SETRANGE long 11585 x");
    client_expect(c,
                  "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
                  "LCS long long LEN");
    commands_arity(c, "lcs", "LCS a");
}

const struct commands_case commands_string_parts[] = {
    {"get_and_change", get_and_change, false},
    {"set_kin", set_kin, false},
    {"ranges", ranges, false},
    {"floats", floats, false},
    {"lcs", lcs, false},
    {NULL, NULL, false},
};
