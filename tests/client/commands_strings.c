/* SPDX-License-Identifier: MIT */
/* Cases of the commands on strings. */
#include "tests/client/commands.h"

#include <stdlib.h>
#include <string.h>

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define OVERFLOWS   "-ERR increment or decrement would overflow"
#define SYNTAX      "-ERR syntax error"

static void get_set(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "_", "GET a");
    client_expect(c, "+OK", "SET a one");
    client_expect(c, "$one", "GET a");
    client_expect(c, "+OK", "SET a two");
    client_expect(c, "$two", "get a");
    client_expect(c, "$two", "gEt %s", "a");
    client_expect(c, "+OK", "SET %s %s", "", "");
    client_expect(c, "$", "GET %s", "");
    client_expect(c, "+OK", "SET %b %b", "k\0\r\n", (size_t)4, "\0\xff\r\n$1\r\n", (size_t)8);
    client_expect(c, "$\\x00\\xff\\r\\n$1\\r\\n", "GET %b", "k\0\r\n", (size_t)4);
    client_expect(c, "_", "GET %b", "k\0\r", (size_t)3);
    raw_expect(t->raw, "_", "GET nothing");
    raw_expect(t->raw, "$two", "GET a");
    commands_arity(c, "get", "GET");
    commands_arity(c, "get", "GET a b");
    commands_arity(c, "set", "SET");
    commands_arity(c, "set", "SET a");
    client_expect(c, SYNTAX, "SET a b c");
    client_expect(c, "$two", "GET a");
}

static void big_values(struct commands *t)
{
    redisContext *c = t->client;
    size_t size = 8u << 20;
    char *value = malloc(size);
    check(value, "out of memory");
    for (size_t i = 0; i < size; i++)
        value[i] = (char)(i * 2654435761u >> 13);
    client_expect(c, "+OK", "SET big %b", value, size);
    redisReply *reply = redisCommand(c, "GET big");
    check(reply && reply->type == REDIS_REPLY_STRING && (size_t)reply->len == size &&
              !memcmp(reply->str, value, size),
          "the big value is not what was set");
    freeReplyObject(reply);
    client_expect(c, ":8388608", "STRLEN big");
    client_expect(c, "+OK", "SET %b small", value, (size_t)1 << 20);
    client_expect(c, "$small", "GET %b", value, (size_t)1 << 20);
    client_expect(c, ":2", "DBSIZE");
    free(value);
}

static void set_conditions(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "_", "SET a 1 XX");
    client_expect(c, "_", "GET a");
    client_expect(c, "+OK", "SET a 1 NX");
    client_expect(c, "_", "SET a 2 NX");
    client_expect(c, "$1", "GET a");
    client_expect(c, "+OK", "SET a 2 xX");
    client_expect(c, "$2", "GET a");
    client_expect(c, SYNTAX, "SET a 3 NX XX");
    client_expect(c, SYNTAX, "SET a 3 XX NX");
    client_expect(c, "_", "SET a 3 NX NX");
    client_expect(c, "$2", "GET a");
    raw_expect(t->raw, "_", "SET a 3 NX");
}

static void set_get(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "_", "SET a 1 GET");
    client_expect(c, "$1", "SET a 2 GET");
    client_expect(c, "$2", "SET a 3 XX GET");
    client_expect(c, "$3", "SET a 4 GET GET");
    client_expect(c, "$4", "SET a 5 NX GET");
    client_expect(c, "$4", "GET a");
    client_expect(c, "_", "SET b 1 NX GET");
    client_expect(c, "$1", "GET b");
    client_expect(c, "_", "SET missing 1 XX GET");
    client_expect(c, "_", "GET missing");
    client_expect(c, "$4", "SET a 6 GET PX 1000000");
    check(client_integer(c, "PTTL a") > 0, "no expiry");
    raw_expect(t->raw, "_", "SET new 1 GET");
}

static void set_expiry(struct commands *t)
{
    redisContext *c = t->client;
    long long now = wall_ms();
    client_expect(c, "+OK", "SET a 1 EX 1000");
    long long ttl = client_integer(c, "TTL a");
    check(ttl > 800 && ttl <= 1000, "TTL %lld", ttl);
    client_expect(c, "+OK", "SET a 1 px 1000000");
    ttl = client_integer(c, "PTTL a");
    check(ttl > 800000 && ttl <= 1000000, "PTTL %lld", ttl);
    client_expect(c, "+OK", "SET a 1 EXAT %lld", now / 1000 + 2000);
    ttl = client_integer(c, "TTL a");
    check(ttl > 1800 && ttl <= 2000, "TTL %lld", ttl);
    client_expect(c, "+OK", "SET a 1 PXAT %lld", now + 3000000);
    ttl = client_integer(c, "PTTL a");
    check(ttl > 2800000 && ttl <= 3000000, "PTTL %lld", ttl);
    client_expect(c, "+OK", "SET a 2 KEEPTTL");
    client_expect(c, "$2", "GET a");
    check(client_integer(c, "PTTL a") > 2000000, "KEEPTTL lost the expiry");
    client_expect(c, "_", "SET a 3 NX EX 10");
    check(client_integer(c, "PTTL a") > 2000000, "a SET that was not done changed the expiry");
    client_expect(c, "+OK", "SET a 3");
    client_expect(c, ":-1", "TTL a");
    client_expect(c, "+OK", "SET a 3 KEEPTTL");
    client_expect(c, ":-1", "TTL a");
    client_expect(c, "+OK", "SET new 3 KEEPTTL");
    client_expect(c, ":-1", "TTL new");
    /* The last of several options wins, as in Redis. */
    client_expect(c, "+OK", "SET a 1 EX 1000 EX 5000");
    check(client_integer(c, "TTL a") > 4000, "the first of two EX won");
    /* A time in the past: the command is done, and the key is gone. */
    client_expect(c, "+OK", "SET a 1 PXAT 1");
    client_expect(c, "_", "GET a");
    client_expect(c, "+OK", "SET a 1 EXAT 1");
    client_expect(c, ":0", "EXISTS a");
    client_expect(c, ":-2", "TTL a");
}

static void set_errors(struct commands *t)
{
    redisContext *c = t->client;
    const char *invalid = "-ERR invalid expire time in 'set' command";
    client_expect(c, "+OK", "SET a old");
    const char *const wrong[] = {
        "SET a b EX",
        "SET a b PX",
        "SET a b EXAT",
        "SET a b PXAT",
        "SET a b EX 10 PX 10",
        "SET a b PX 10 EX 1",
        "SET a b EXAT 1 PXAT 1",
        "SET a b EX 10 KEEPTTL",
        "SET a b KEEPTTL EX 1",
        "SET a b PERSIST",
        "SET a b KEEPTTL PXAT 5",
        "SET a b EX 10 foo",
        "SET a b NXX",
        "SET a b EX10",
        "SET a b NX XX GET",
        "SET a b GE",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        client_expect(c, SYNTAX, wrong[i]);
    client_expect(c, NOT_INTEGER, "SET a b EX ten");
    client_expect(c, NOT_INTEGER, "SET a b PX 1.5");
    client_expect(c, NOT_INTEGER, "SET a b EX %s", "");
    client_expect(c, NOT_INTEGER, "SET a b EX %s", " 10");
    client_expect(c, NOT_INTEGER, "SET a b EX %s", "10 ");
    client_expect(c, NOT_INTEGER, "SET a b EX +10");
    client_expect(c, NOT_INTEGER, "SET a b EX 010");
    client_expect(c, NOT_INTEGER, "SET a b EX 9223372036854775808");
    client_expect(c, NOT_INTEGER, "SET a b EX NX");
    client_expect(c, invalid, "SET a b EX 0");
    client_expect(c, invalid, "SET a b EX -1");
    client_expect(c, invalid, "SET a b PX 0");
    client_expect(c, invalid, "SET a b PX -9223372036854775808");
    client_expect(c, invalid, "SET a b EXAT 0");
    client_expect(c, invalid, "SET a b PXAT -5");
    client_expect(c, invalid, "SET a b EX 9223372036854775807");
    client_expect(c, invalid, "SET a b EX 9223372036854775");
    client_expect(c, invalid, "SET a b PX 9223372036854775807");
    client_expect(c, invalid, "SET a b NX EX 0");
    client_expect(c, "$old", "GET a");
    client_expect(c, ":-1", "TTL a");
    client_expect(c, "+OK", "SET a b PXAT 9223372036854775807");
    client_expect(c, "+OK", "SET a b EXAT 9223372036854775");
    client_expect(c, "$b", "GET a");
}

static void mget_mset(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "MSET a 1 b 2 a 3");
    client_expect(c, "[$3 $2 _ $3]", "MGET a b missing a");
    raw_expect(t->raw, "[$3 _]", "MGET a missing");
    client_expect(c, "+OK", "SET a 1 EX 1000");
    client_expect(c, "+OK", "MSET a 2");
    client_expect(c, ":-1", "TTL a");
    commands_arity(c, "mget", "MGET");
    commands_arity(c, "mset", "MSET");
    commands_arity(c, "mset", "MSET a");
    commands_arity(c, "mset", "MSET a 1 b");
    client_expect(c, "$2", "GET a");
    client_expect(c, "+OK", "MSET %s %s k %s", "", "empty", "");
    client_expect(c, "[$empty $]", "MGET %s k", "");
}

static void append_strlen(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, ":0", "STRLEN a");
    client_expect(c, ":3", "APPEND a abc");
    client_expect(c, ":6", "APPEND a def");
    client_expect(c, "$abcdef", "GET a");
    client_expect(c, ":6", "APPEND a %s", "");
    client_expect(c, ":0", "APPEND none %s", "");
    client_expect(c, ":1", "EXISTS none");
    client_expect(c, "$", "GET none");
    client_expect(c, ":8", "APPEND a %b", "\0\n", (size_t)2);
    client_expect(c, "$abcdef\\x00\\n", "GET a");
    client_expect(c, ":8", "STRLEN a");
    client_expect(c, "+OK", "SET n 12 EX 1000");
    client_expect(c, ":4", "APPEND n 34");
    client_expect(c, ":1235", "INCR n");
    check(client_integer(c, "TTL n") > 800, "APPEND or INCR lost the expiry");
    client_expect(c, ":4", "STRLEN n");
    commands_arity(c, "append", "APPEND a");
    commands_arity(c, "append", "APPEND a b c");
    commands_arity(c, "strlen", "STRLEN");
    commands_arity(c, "strlen", "STRLEN a b");
}

static void too_long(struct commands *t)
{
    redisContext *c = t->client;
    const char *too_big = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    client_expect(c, "+OK", "CONFIG SET proto-max-bulk-len 1048576");
    size_t size = 1u << 19;
    char *half = calloc(1, size);
    check(half, "out of memory");
    client_expect(c, ":524288", "APPEND a %b", half, size);
    client_expect(c, ":1048576", "APPEND a %b", half, size);
    client_expect(c, too_big, "APPEND a x");
    client_expect(c, ":1048576", "STRLEN a");
    client_expect(c, ":1048576", "APPEND a %s", "");
    free(half);
}

static void increments(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, ":1", "INCR a");
    client_expect(c, ":11", "INCRBY a 10");
    client_expect(c, ":10", "DECR a");
    client_expect(c, ":-10", "DECRBY a 20");
    client_expect(c, ":-15", "INCRBY a -5");
    client_expect(c, ":-10", "DECRBY a -5");
    client_expect(c, "$-10", "GET a");
    client_expect(c, ":0", "INCRBY b 0");
    client_expect(c, ":1", "EXISTS b");
    client_expect(c, ":-1", "DECR c");
    raw_expect(t->raw, ":-9", "INCR a");
    client_expect(c, ":9223372036854775807", "INCRBY m 9223372036854775807");
    client_expect(c, OVERFLOWS, "INCR m");
    client_expect(c, OVERFLOWS, "DECRBY m -1");
    client_expect(c, "$9223372036854775807", "GET m");
    client_expect(c, ":-1", "DECRBY c 0");
    client_expect(c, ":-9223372036854775808", "INCRBY c -9223372036854775807");
    client_expect(c, OVERFLOWS, "DECR c");
    client_expect(c, OVERFLOWS, "INCRBY c -1");
    client_expect(c, ":-9223372036854775807", "INCR c");
    client_expect(c, "-ERR decrement would overflow", "DECRBY b -9223372036854775808");
    client_expect(c, ":-9223372036854775808", "INCRBY b -9223372036854775808");
}

static void increment_errors(struct commands *t)
{
    redisContext *c = t->client;
    const char *const not_numbers[] = {"",   "x",  " 1",  "1 ", "1.0", "+1",
                                       "01", "-0", "--1", "1x", "0x1", "9223372036854775808"};
    for (size_t i = 0; i < sizeof not_numbers / sizeof *not_numbers; i++) {
        const char *text = not_numbers[i];
        client_expect(c, "+OK", "SET a %s", text);
        client_expect(c, NOT_INTEGER, "INCR a");
        client_expect(c, NOT_INTEGER, "DECRBY a 2");
        client_expect(c, NOT_INTEGER, "INCRBY n %s", text);
        client_expect(c, NOT_INTEGER, "DECRBY n %s", text);
    }
    client_expect(c, ":0", "EXISTS n");
    client_expect(c, "+OK", "SET a %b", "1\0", (size_t)2);
    client_expect(c, NOT_INTEGER, "INCR a");
    client_expect(c, NOT_INTEGER, "INCRBY a -9223372036854775809");
    commands_arity(c, "incr", "INCR");
    commands_arity(c, "incr", "INCR a 1");
    commands_arity(c, "decr", "DECR a 1");
    commands_arity(c, "incrby", "INCRBY a");
    commands_arity(c, "decrby", "DECRBY a");
    commands_arity(c, "decrby", "DECRBY a 1 2");
}

const struct commands_case commands_strings[] = {
    {"get_set", get_set, false},
    {"big_values", big_values, false},
    {"set_conditions", set_conditions, false},
    {"set_get", set_get, false},
    {"set_expiry", set_expiry, false},
    {"set_errors", set_errors, false},
    {"mget_mset", mget_mset, false},
    {"append_strlen", append_strlen, false},
    {"too_long", too_long, false},
    {"increments", increments, false},
    {"increment_errors", increment_errors, false},
    {NULL, NULL, false},
};
