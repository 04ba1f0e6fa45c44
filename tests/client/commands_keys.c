/* SPDX-License-Identifier: MIT */
/* Cases of the commands on keys of any type, expiry, and the key space. */
#include "tests/client/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define SYNTAX      "-ERR syntax error"

static void del_exists_type(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, ":0", "DEL a");
    client_expect(c, "+OK", "MSET a 1 b 2 c 3 d 4");
    client_expect(c, ":4", "DBSIZE");
    client_expect(c, ":3", "EXISTS a b missing a");
    client_expect(c, "+string", "TYPE a");
    client_expect(c, "+none", "TYPE missing");
    client_expect(c, ":1", "DEL a a missing");
    client_expect(c, "_", "GET a");
    client_expect(c, ":2", "UNLINK b c c");
    client_expect(c, ":0", "UNLINK b");
    client_expect(c, ":1", "DBSIZE");
    commands_arity(c, "del", "DEL");
    commands_arity(c, "unlink", "UNLINK");
    commands_arity(c, "exists", "EXISTS");
    commands_arity(c, "type", "TYPE");
    commands_arity(c, "type", "TYPE a b");
    commands_arity(c, "dbsize", "DBSIZE x");
}

static int by_text(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* The keys that match, sorted, with a blank between them. */
static void keys_are(redisContext *c, const char *expected, const char *pattern)
{
    redisReply *reply = redisCommand(c, "KEYS %s", pattern);
    check(reply && reply->type == REDIS_REPLY_ARRAY, "KEYS %s is not answered", pattern);
    char **names = calloc(reply->elements + 1, sizeof *names);
    check(names, "out of memory");
    for (size_t i = 0; i < reply->elements; i++)
        names[i] = reply->element[i]->str;
    qsort(names, reply->elements, sizeof *names, by_text);
    struct bytes text = {0};
    for (size_t i = 0; i < reply->elements; i++)
        bytes_appendf(&text, "%s%s", i ? " " : "", names[i]);
    check(!strcmp(bytes_text(&text), expected), "KEYS %s\nexpected %s\n     got %s", pattern,
          expected, bytes_text(&text));
    bytes_free(&text);
    free(names);
    freeReplyObject(reply);
}

static void keys_patterns(struct commands *t)
{
    redisContext *c = t->client;
    keys_are(c, "", "*");
    client_expect(c, "+OK", "MSET one 1 two 2 three 3 a*b 4 a?b 5 [x] 6 a-c 7 aXc 8 h^llo 9");
    keys_are(c, "[x] a*b a-c a?b aXc h^llo one three two", "*");
    keys_are(c, "three two", "t*");
    keys_are(c, "one three", "*e");
    keys_are(c, "[x] a*b a-c a?b aXc one two", "???");
    keys_are(c, "a*b a-c a?b aXc", "a?[bc]");
    keys_are(c, "a*b", "a\\*b");
    keys_are(c, "a?b", "a\\?b");
    keys_are(c, "a-c aXc", "a[-X]c");
    keys_are(c, "aXc", "a[A-Z]c");
    keys_are(c, "aXc", "a[Z-A]c");
    keys_are(c, "a-c aXc", "a[^*?]c");
    keys_are(c, "[x]", "\\[x]");
    keys_are(c, "h^llo", "h[\\^]llo");
    keys_are(c, "two", "t[w]o");
    keys_are(c, "two", "tw[o");
    keys_are(c, "one", "one");
    keys_are(c, "", "ONE");
    keys_are(c, "", "");
    keys_are(c, "three two", "t***");
    commands_arity(c, "keys", "KEYS");
    commands_arity(c, "keys", "KEYS a b");
    client_expect(c, "+OK", "SET gone 1 PXAT 1");
    keys_are(c, "", "gone");
    raw_expect(t->raw, "[$three]", "KEYS thre?");
}

static void flush(struct commands *t)
{
    redisContext *c = t->client;
    const char *const flushes[] = {"FLUSHALL",       "FLUSHDB",      "flushall ASYNC",
                                   "FLUSHALL sync",  "FLUSHDB SYNC", "FLUSHDB async",
                                   "FLUSHALL ASYNC", "FLUSHDB"};
    for (size_t i = 0; i < sizeof flushes / sizeof *flushes; i++) {
        client_expect(c, "+OK", "MSET a 1 b 2");
        client_expect(c, ":2", "DBSIZE");
        client_expect(c, "+OK", flushes[i]);
        client_expect(c, ":0", "DBSIZE");
        client_expect(c, "_", "GET a");
        client_expect(c, "+OK", flushes[i]);
    }
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, SYNTAX, "FLUSHALL now");
    client_expect(c, SYNTAX, "FLUSHDB now");
    client_expect(c, SYNTAX, "FLUSHALL SYNC ASYNC");
    client_expect(c, "$1", "GET a");
}

static void expire_ttl(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, ":0", "EXPIRE a 10");
    client_expect(c, ":0", "PEXPIRE a 10");
    client_expect(c, ":0", "PERSIST a");
    client_expect(c, ":-2", "TTL a");
    client_expect(c, ":-2", "PTTL a");
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, ":-1", "TTL a");
    client_expect(c, ":-1", "PTTL a");
    client_expect(c, ":0", "PERSIST a");
    client_expect(c, ":1", "EXPIRE a 1000");
    long long ttl = client_integer(c, "PTTL a");
    check(ttl > 800000 && ttl <= 1000000, "PTTL %lld", ttl);
    client_expect(c, ":1", "PEXPIRE a 500000");
    ttl = client_integer(c, "TTL a");
    check(ttl > 300 && ttl <= 500, "TTL %lld", ttl);
    client_expect(c, ":1", "PERSIST a");
    client_expect(c, ":0", "PERSIST a");
    client_expect(c, ":-1", "TTL a");
    client_expect(c, "$1", "GET a");
    /* Half a second rounds up. */
    client_expect(c, ":1", "PEXPIRE a 1000499");
    client_expect(c, ":1000", "TTL a");
    /* A time in the past deletes the key. */
    client_expect(c, ":1", "EXPIRE a 0");
    client_expect(c, ":0", "EXISTS a");
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, ":1", "PEXPIRE a -1");
    client_expect(c, ":0", "DBSIZE");
    client_expect(c, ":0", "EXPIRE a -1");
}

static void expire_conditions(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, ":0", "EXPIRE a 1000 XX");
    client_expect(c, ":0", "EXPIRE a 1000 GT"); /* no expiry counts as never */
    client_expect(c, ":-1", "TTL a");
    client_expect(c, ":1", "EXPIRE a 10000 LT");
    client_expect(c, ":0", "EXPIRE a 1000 NX");
    client_expect(c, ":0", "EXPIRE a 1000 GT");
    client_expect(c, ":0", "PEXPIRE a 100000000 lt");
    client_expect(c, ":1", "PEXPIRE a 5000000 lt");
    client_expect(c, ":1", "EXPIRE a 20000 gt");
    client_expect(c, ":1", "EXPIRE a 30000 XX GT");
    client_expect(c, ":1", "EXPIRE a 10000 XX LT");
    client_expect(c, ":1", "EXPIRE a 10000 XX XX");
    check(client_integer(c, "TTL a") > 9000, "the last expiry does not hold");
    client_expect(c, ":1", "PERSIST a");
    client_expect(c, ":1", "EXPIRE a 1000 NX");
    client_expect(c, ":1", "EXPIRE a -1 LT");
    client_expect(c, ":0", "EXISTS a");
    client_expect(c, ":0", "EXPIRE missing 100 NX");
}

static void expire_errors(struct commands *t)
{
    redisContext *c = t->client;
    const char *nx = "-ERR NX and XX, GT or LT options at the same time are not compatible";
    const char *gt = "-ERR GT and LT options at the same time are not compatible";
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, nx, "EXPIRE a 10 NX XX");
    client_expect(c, nx, "EXPIRE a 10 NX GT");
    client_expect(c, nx, "PEXPIRE a 10 LT NX");
    client_expect(c, gt, "EXPIRE a 10 GT LT");
    client_expect(c, gt, "EXPIRE a x GT LT"); /* options are checked first */
    client_expect(c, "-ERR Unsupported option foo", "EXPIRE a 10 foo");
    client_expect(c, "-ERR Unsupported option %s", "EXPIRE a 10 NX %s", "%s");
    client_expect(c, "-ERR Unsupported option ", "EXPIRE a 10 %s", "");
    client_expect(c, NOT_INTEGER, "EXPIRE a x");
    client_expect(c, NOT_INTEGER, "EXPIRE a 1.5");
    client_expect(c, NOT_INTEGER, "PEXPIRE a 9223372036854775808");
    client_expect(c, NOT_INTEGER, "EXPIRE missing x");
    client_expect(c, "-ERR invalid expire time in 'expire' command",
                  "EXPIRE a 9223372036854775807");
    client_expect(c, "-ERR invalid expire time in 'expire' command",
                  "EXPIRE a -9223372036854775808");
    client_expect(c, "-ERR invalid expire time in 'expire' command", "EXPIRE a 9223372036854775");
    client_expect(c, "-ERR invalid expire time in 'pexpire' command",
                  "PEXPIRE a 9223372036854775807");
    client_expect(c, "-ERR invalid expire time in 'pexpire' command",
                  "PEXPIRE missing 9223372036854775807");
    client_expect(c, ":-1", "TTL a");
    commands_arity(c, "expire", "EXPIRE a");
    commands_arity(c, "pexpire", "PEXPIRE");
    commands_arity(c, "ttl", "TTL");
    commands_arity(c, "ttl", "TTL a b");
    commands_arity(c, "pttl", "PTTL a b");
    commands_arity(c, "persist", "PERSIST");
    commands_arity(c, "persist", "PERSIST a b");
}

/* When its time comes, a key is gone for every command. */
static void expiry_happens(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "MSET x 1 stays 2");
    client_expect(c, "+OK", "SET a 1 PX 20");
    client_expect(c, ":1", "PEXPIRE x 20");
    struct patience patience = {0};
    while (client_integer(c, "EXISTS a x") > 0 && patience_left(&patience))
        ;
    client_expect(c, "_", "GET a");
    client_expect(c, "[_ _ $2]", "MGET a x stays");
    client_expect(c, "+none", "TYPE a");
    client_expect(c, ":-2", "PTTL a");
    client_expect(c, ":0", "PERSIST a");
    client_expect(c, ":0", "EXPIRE a 100");
    client_expect(c, ":0", "DEL a x");
    client_expect(c, ":0", "STRLEN a");
    client_expect(c, "[$stays]", "KEYS *");
    client_expect(c, "+OK", "SET a 1 PX 1");
    patience = (struct patience){0};
    while (client_integer(c, "PTTL a") != -2 && patience_left(&patience))
        ;
    client_expect(c, "_", "SET a 2 XX");
    client_expect(c, "+OK", "SET a 2 NX");
    client_expect(c, ":-1", "TTL a");
    client_expect(c, "+OK", "SET n 5 PX 1");
    patience = (struct patience){0};
    while (client_integer(c, "PTTL n") != -2 && patience_left(&patience))
        ;
    client_expect(c, ":1", "INCR n");
    client_expect(c, ":-1", "TTL n");
    client_expect(c, "+OK", "SET s abc PX 1");
    patience = (struct patience){0};
    while (client_integer(c, "PTTL s") != -2 && patience_left(&patience))
        ;
    client_expect(c, ":1", "APPEND s x");
}

/* DBSIZE reaches the true number although nobody asks for the keys. */
static void expiry_is_counted(struct commands *t)
{
    redisContext *c = t->client;
    for (int i = 0; i < 50; i++)
        client_expect(c, "+OK", "SET key:%d 1 PX %d", i, i + 1);
    client_expect(c, "+OK", "SET stays 1");
    struct patience patience = {0};
    while (client_integer(c, "DBSIZE") > 1 && patience_left(&patience))
        ;
    client_expect(c, ":1", "DBSIZE");
}

static void many_keys(struct commands *t)
{
    redisContext *c = t->client;
    enum { KEYS = 5000 };
    for (int i = 0; i < KEYS; i++)
        redisAppendCommand(c, "SET key:%d value:%d", i, i);
    for (int i = 0; i < KEYS; i++) {
        redisReply *reply = NULL;
        check(redisGetReply(c, (void **)&reply) == REDIS_OK, "%s", c->errstr);
        check(reply->type == REDIS_REPLY_STATUS, "%s", reply->str);
        freeReplyObject(reply);
    }
    client_expect(c, ":5000", "DBSIZE");
    redisReply *reply = redisCommand(c, "KEYS key:*9");
    check(reply && reply->elements == KEYS / 10, "KEYS does not find all");
    freeReplyObject(reply);
    for (int i = 0; i < KEYS; i += 97) {
        char expected[32];
        snprintf(expected, sizeof expected, "$value:%d", i);
        client_expect(c, expected, "GET key:%d", i);
    }
    for (int i = 0; i < KEYS; i += 2)
        redisAppendCommand(c, "DEL key:%d", i);
    for (int i = 0; i < KEYS; i += 2) {
        check(redisGetReply(c, (void **)&reply) == REDIS_OK, "%s", c->errstr);
        check(reply->integer == 1, "DEL did not delete");
        freeReplyObject(reply);
    }
    client_expect(c, ":2500", "DBSIZE");
    client_expect(c, "[_ $value:1 _ $value:4999]", "MGET key:0 key:1 key:4998 key:4999");
}

const struct commands_case commands_keys[] = {
    {"del_exists_type", del_exists_type, false},
    {"keys_patterns", keys_patterns, false},
    {"flush", flush, false},
    {"expire_ttl", expire_ttl, false},
    {"expire_conditions", expire_conditions, false},
    {"expire_errors", expire_errors, false},
    {"expiry_happens", expiry_happens, false},
    {"expiry_is_counted", expiry_is_counted, false},
    {"many_keys", many_keys, false},
    {NULL, NULL, false},
};
