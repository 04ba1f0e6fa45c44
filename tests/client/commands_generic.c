/* SPDX-License-Identifier: MIT */
/* Cases of the commands that scan, rename, copy, describe, dump and sort keys, and of absolute
 * expiry times. */
#include "tests/client/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOT_INTEGER "-ERR value is not an integer or out of range"
#define SYNTAX      "-ERR syntax error"
#define SAME_OBJECT "-ERR source and destination objects are the same"
#define NO_DATABASE "-ERR DB index is out of range"
#define WRONG_TYPE  "-WRONGTYPE Operation against a key holding the wrong kind of value"

static void scan(struct commands *t)
{
    redisContext *c = t->client;
    const char *cursor = "-ERR invalid cursor";
    client_expect(c, "[$0 []]", "SCAN 0");
    client_expect(c, "[$0 []]", "SCAN 12345");
    client_expect(c, "+OK", "SET one 1");
    client_expect(c, "[$0 [$one]]", "SCAN 0 COUNT 1000");
    client_expect(c, "[$0 [$one]]", "SCAN %s COUNT 1000", "");
    client_expect(c, "[$0 [$one]]", "scan +0 count 1000 match o?e TYPE STRING");
    client_expect(c, "[$0 []]", "SCAN 0 COUNT 1000 MATCH t*");
    client_expect(c, "[$0 []]", "SCAN 0 COUNT 1000 TYPE list");
    client_expect(c, "[$0 []]", "SCAN 0 COUNT 1000 TYPE nosuch");
    client_expect(c, "[$0 [$one]]", "SCAN 0 COUNT 5 COUNT 1000 MATCH t* MATCH *");
    client_expect(c, cursor, "SCAN x");
    client_expect(c, cursor, "SCAN 1x");
    client_expect(c, cursor, "SCAN %s", " 1");
    client_expect(c, cursor, "SCAN -");
    client_expect(c, cursor, "SCAN 18446744073709551616");
    client_expect(c, cursor, "SCAN x COUNT x"); /* comes first */
    client_expect(c, NOT_INTEGER, "SCAN 0 COUNT x");
    client_expect(c, SYNTAX, "SCAN 0 COUNT 0");
    client_expect(c, SYNTAX, "SCAN 0 COUNT -1");
    client_expect(c, SYNTAX, "SCAN 0 COUNT");
    client_expect(c, SYNTAX, "SCAN 0 MATCH");
    client_expect(c, SYNTAX, "SCAN 0 TYPE");
    client_expect(c, SYNTAX, "SCAN 0 NOVALUES");
    commands_arity(c, "scan", "SCAN");
    raw_expect(t->raw, "[$0 [$one]]", "SCAN 0 COUNT 1000");
}

/* A whole SCAN of a map that does not change returns every key, whatever its COUNT; and its steps
 * are small. */
static void scan_whole(struct commands *t)
{
    redisContext *c = t->client;
    enum { KEYS = 1000 };
    static bool seen[KEYS];
    for (int i = 0; i < KEYS; i++)
        client_expect(c, "+OK", "SET key:%d x", i);
    client_expect(c, "+OK", "SET gone 1 PXAT 1");
    for (int count = 1; count <= 10000; count *= 10) {
        memset(seen, 0, sizeof seen);
        char cursor[24] = "0";
        do {
            redisReply *reply = redisCommand(c, "SCAN %s COUNT %d", cursor, count);
            check(reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2, "no answer");
            snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
            const redisReply *keys = reply->element[1];
            check(keys->elements <= (size_t)count + 100, "a step of %d answers %zu keys", count,
                  keys->elements);
            for (size_t i = 0; i < keys->elements; i++) {
                int number = -1;
                check(sscanf(keys->element[i]->str, "key:%d", &number) == 1 && number >= 0 &&
                          number < KEYS,
                      "SCAN answers %s", keys->element[i]->str);
                seen[number] = true;
            }
            freeReplyObject(reply);
        } while (strcmp(cursor, "0") != 0);
        for (int i = 0; i < KEYS; i++)
            check(seen[i], "a scan with COUNT %d misses key:%d", count, i);
    }
}

static void randomkey(struct commands *t)
{
    redisContext *c = t->client;
    enum { KEYS = 8 };
    bool seen[KEYS] = {false};
    client_expect(c, "_", "RANDOMKEY");
    client_expect(c, "+OK", "SET gone 1 PXAT 1");
    client_expect(c, "_", "RANDOMKEY");
    raw_expect(t->raw, "_", "RANDOMKEY");
    for (int i = 0; i < KEYS; i++)
        client_expect(c, "+OK", "SET %d x", i);
    /* The chance that one of eight keys never comes up in 2,000 tries is 10^-115. */
    for (int i = 0; i < 2000; i++) {
        int key = (int)client_integer(c, "RANDOMKEY");
        check(key >= 0 && key < KEYS, "RANDOMKEY answers %d", key);
        seen[key] = true;
    }
    for (int i = 0; i < KEYS; i++)
        check(seen[i], "RANDOMKEY never answers %d", i);
    commands_arity(c, "randomkey", "RANDOMKEY x");
}

static void rename_key(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "-ERR no such key", "RENAME a b");
    client_expect(c, "-ERR no such key", "RENAME a a");
    client_expect(c, "-ERR no such key", "RENAMENX a b");
    client_expect(c, "+OK", "SET a 1 EX 1000");
    client_expect(c, "+OK", "SET b 2");
    client_expect(c, "+OK", "RENAME a a");
    client_expect(c, ":0", "RENAMENX a a");
    client_expect(c, ":0", "RENAMENX a b");
    client_expect(c, "$2", "GET b");
    client_expect(c, "+OK", "RENAME a b");
    client_expect(c, "[_ $1]", "MGET a b");
    check(client_integer(c, "TTL b") > 900, "the expiry was lost");
    client_expect(c, "+OK", "SET a 3");
    client_expect(c, "+OK", "RENAME a b");
    client_expect(c, ":-1", "TTL b"); /* the expiry of the old b is gone */
    client_expect(c, ":1", "RENAMENX b c");
    client_expect(c, "[$c]", "KEYS *");
    client_expect(c, "+OK", "SET gone 1 PXAT 1");
    client_expect(c, ":1", "RENAMENX c gone");
    client_expect(c, "$3", "GET gone");
    commands_arity(c, "rename", "RENAME a");
    commands_arity(c, "renamenx", "RENAMENX a b c");
}

static void copy_and_move(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, ":0", "COPY a b");
    client_expect(c, SAME_OBJECT, "COPY a a");
    client_expect(c, "+OK", "SET a 1 EX 1000");
    client_expect(c, ":1", "COPY a b");
    client_expect(c, "[$1 $1]", "MGET a b");
    check(client_integer(c, "TTL b") > 900, "the expiry was not copied");
    client_expect(c, "+OK", "SET b 2");
    client_expect(c, ":0", "COPY a b");
    client_expect(c, ":0", "COPY a b DB 0");
    client_expect(c, "$2", "GET b");
    client_expect(c, ":1", "copy a b db 0 replace REPLACE");
    client_expect(c, "$1", "GET b");
    client_expect(c, SAME_OBJECT, "COPY a a DB 0 REPLACE");
    client_expect(c, NO_DATABASE, "COPY a b DB -1");
    client_expect(c, NO_DATABASE, "COPY a b DB 100");
    client_expect(c, NOT_INTEGER, "COPY a b DB x");
    client_expect(c, "-ERR value is out of range, value must between -2147483648 and 2147483647",
                  "COPY a b DB 2147483648");
    client_expect(c, SYNTAX, "COPY a b DB");
    client_expect(c, SYNTAX, "COPY a b KEEP");
    commands_arity(c, "copy", "COPY a");

    client_expect(c, SAME_OBJECT, "MOVE a 0");
    client_expect(c, SAME_OBJECT, "MOVE missing 0");
    client_expect(c, NO_DATABASE, "MOVE a 100");
    client_expect(c, NO_DATABASE, "MOVE a -1");
    client_expect(c, NOT_INTEGER, "MOVE a x");
    commands_arity(c, "move", "MOVE a");
    client_expect(c, ":3", "TOUCH a b a missing");
    commands_arity(c, "touch", "TOUCH");
}

static void object(struct commands *t)
{
    redisContext *c = t->client;
    static const struct {
        const char *value, *encoding, *references;
    } rows[] = {
        {"0", "$int", ":2147483647"},
        {"9999", "$int", ":2147483647"},
        {"10000", "$int", ":1"},
        {"-1", "$int", ":1"},
        {"9223372036854775807", "$int", ":1"},
        {"-9223372036854775808", "$int", ":1"},
        {"9223372036854775808", "$embstr", ":1"},
        {"007", "$embstr", ":1"},
        {"-0", "$embstr", ":1"},
        {"+1", "$embstr", ":1"},
        {"1.5", "$embstr", ":1"},
        {"", "$embstr", ":1"},
        {"abcdefghijabcdefghijabcdefghijabcdefghijabcd", "$embstr", ":1"},
        {"abcdefghijabcdefghijabcdefghijabcdefghijabcde", "$raw", ":1"},
        {"00000000000000000000000000000000000000000000001", "$raw", ":1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        client_expect(c, "+OK", "SET a %s", rows[i].value);
        client_expect(c, rows[i].encoding, "OBJECT ENCODING a");
        client_expect(c, rows[i].references, "OBJECT REFCOUNT a");
    }
    client_expect(c, ":0", "OBJECT IDLETIME a");
    client_expect_start(
        c, "-ERR An LFU maxmemory policy is not selected, access frequency not tracked.",
        "OBJECT FREQ a");
    client_expect(c, "_", "OBJECT ENCODING missing");
    client_expect(c, "_", "OBJECT REFCOUNT missing");
    client_expect(c, "_", "OBJECT IDLETIME missing");
    client_expect(c, "_", "object freq missing");
    raw_expect(t->raw, "_", "OBJECT FREQ missing");
    client_expect_start(c, "[+OBJECT <subcommand> ", "OBJECT HELP");
    client_expect(c, "-ERR unknown subcommand 'foo'. Try OBJECT HELP.", "OBJECT foo a");
    commands_arity(c, "object", "OBJECT");
    commands_arity(c, "object|encoding", "OBJECT ENCODING");
    commands_arity(c, "object|freq", "OBJECT FREQ a b");
    commands_arity(c, "object|help", "OBJECT HELP a");
}

static const char one[] = "\x00\xc0\x01\x0a\x00\x26\x78\xe7\xb6\xd1\x01\x11\xfc";
#define PAYLOAD one, sizeof one - 1

static void dump_and_restore(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "_", "DUMP a");
    client_expect(c, "+OK", "RESTORE a 0 %b", PAYLOAD);
    client_expect(c, "$1", "GET a");
    client_expect(c, ":-1", "TTL a");
    client_expect(c, "$\\x00\\xc0\\x01\\n\\x00&x\\xe7\\xb6\\xd1\\x01\\x11\\xfc", "DUMP a");
    const char *busy = "-BUSYKEY Target key name already exists.";
    client_expect(c, busy, "RESTORE a 0 %b", PAYLOAD);
    client_expect(c, busy, "RESTORE a x %b", PAYLOAD);
    client_expect(c, "+OK", "RESTORE a 1000000 %b REPLACE", PAYLOAD);
    check(client_integer(c, "PTTL a") > 900000, "no expiry");
    client_expect(c, "+OK", "RESTORE a 4000000000000 %b replace absttl", PAYLOAD);
    client_expect(c, ":4000000000000", "PEXPIRETIME a");
    client_expect(c, "+OK", "RESTORE a 0 %b ABSTTL REPLACE", PAYLOAD);
    client_expect(c, ":-1", "PTTL a");
    client_expect(c, "+OK", "RESTORE a 1 %b ABSTTL REPLACE", PAYLOAD);
    client_expect(c, ":0", "EXISTS a");
    client_expect(c, "+OK", "RESTORE a 1 %b ABSTTL", PAYLOAD);
    client_expect(c, ":0", "EXISTS a");
    client_expect(c, "+OK", "RESTORE a 0 %b IDLETIME 10 IDLETIME 0 REPLACE", PAYLOAD);
    client_expect(c, "+OK", "RESTORE a 0 %b FREQ 255 REPLACE", PAYLOAD);
    commands_arity(c, "dump", "DUMP");
    commands_arity(c, "restore", "RESTORE a 0");
}

static void restore_errors(struct commands *t)
{
    redisContext *c = t->client;
    const char *checksum = "-ERR DUMP payload version or checksum are wrong";
    client_expect(c, checksum, "RESTORE a 0 x");
    client_expect(c, checksum, "RESTORE a 0 %s", "");
    client_expect(c, checksum, "RESTORE a 0 %b", one, sizeof one - 2);
    client_expect(c, "-ERR Invalid TTL value, must be >= 0", "RESTORE a -1 x");
    client_expect(c, NOT_INTEGER, "RESTORE a x x");
    client_expect(c, "-ERR Invalid IDLETIME value, must be >= 0", "RESTORE a 0 x IDLETIME -1");
    client_expect(c, "-ERR Invalid FREQ value, must be >= 0 and <= 255", "RESTORE a 0 x FREQ 256");
    client_expect(c, "-ERR Invalid FREQ value, must be >= 0 and <= 255", "RESTORE a 0 x FREQ -1");
    client_expect(c, NOT_INTEGER, "RESTORE a 0 x IDLETIME x");
    client_expect(c, NOT_INTEGER, "RESTORE a 0 x FREQ x");
    client_expect(c, SYNTAX, "RESTORE a 0 x FREQ 1 IDLETIME 1");
    client_expect(c, SYNTAX, "RESTORE a 0 x IDLETIME 1 FREQ 1");
    client_expect(c, SYNTAX, "RESTORE a 0 x FREQ");
    client_expect(c, SYNTAX, "RESTORE a 0 x KEEPTTL");
    /* A payload of a type that does not exist, and one that is cut short. */
    client_expect(c, "-ERR Bad data format", "RESTORE a 0 %b",
                  "\x14\x00\x0a\x00\xc0\x09\x2b\x9b\xd6\x00\x13\x00", (size_t)12);
    client_expect(c, ":0", "EXISTS a");
}

/* Types that only Redis has. */
static void restore_other_type(struct commands *t)
{
    client_expect(t->client, "-ERR RESTORE of this type of value is not supported, only of strings",
                  "RESTORE a 0 %b", "\x01\x01\x01\x61\x0a\x00\xf5\xb0\x52\x93\x8d\xc0\xe4\x62",
                  (size_t)14);
}

static void sort(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "[]", "SORT missing");
    client_expect(c, "[]", "SORT_RO missing LIMIT 0 10 DESC ALPHA BY w_* GET # GET x_*");
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, WRONG_TYPE, "SORT a");
    client_expect(c, WRONG_TYPE, "SORT_RO a ASC");
    client_expect(c, WRONG_TYPE, "SORT a STORE a");
    client_expect(c, ":0", "SORT missing STORE a");
    client_expect(c, ":0", "EXISTS a");
    client_expect(c, ":0", "SORT missing STORE a STORE b");
    client_expect(c, SYNTAX, "SORT_RO missing STORE a");
    client_expect(c, SYNTAX, "SORT missing STORE");
    client_expect(c, SYNTAX, "SORT missing LIMIT 1");
    client_expect(c, SYNTAX, "SORT missing BY");
    client_expect(c, SYNTAX, "SORT missing UP");
    client_expect(c, NOT_INTEGER, "SORT missing LIMIT x 1");
    client_expect(c, NOT_INTEGER, "SORT missing LIMIT 1 x");
    raw_expect(t->raw, "[]", "SORT missing");
    commands_arity(c, "sort", "SORT");
    commands_arity(c, "sort_ro", "SORT_RO");
    client_expect(c, "[$k $e]", "COMMAND GETKEYS SORT k STORE d LIMIT STORE x GET STORE STORE e");
    client_expect(c, "[[$k [+RO +access]] [$d [+OW +update]]]",
                  "COMMAND GETKEYSANDFLAGS SORT k STORE d");
    client_expect(c, "[[$a [+RW +access +delete]] [$b [+OW +update]]]",
                  "COMMAND GETKEYSANDFLAGS RENAME a b");
}

static void expire_at(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, ":-2", "EXPIRETIME a");
    client_expect(c, ":-2", "PEXPIRETIME a");
    client_expect(c, ":0", "EXPIREAT a 4000000000");
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, ":-1", "EXPIRETIME a");
    client_expect(c, ":-1", "PEXPIRETIME a");
    client_expect(c, ":1", "EXPIREAT a 4000000000");
    client_expect(c, ":4000000000", "EXPIRETIME a");
    client_expect(c, ":4000000000000", "PEXPIRETIME a");
    client_expect(c, ":1", "PEXPIREAT a 4000000000499 GT");
    client_expect(c, ":4000000000", "EXPIRETIME a");
    client_expect(c, ":1", "PEXPIREAT a 4000000000500 XX");
    client_expect(c, ":4000000001", "EXPIRETIME a"); /* rounded */
    client_expect(c, ":0", "PEXPIREAT a 4000000000500 GT");
    client_expect(c, ":0", "PEXPIREAT a 4000000000500 LT");
    client_expect(c, ":0", "EXPIREAT a 5000000000 NX");
    client_expect(c, ":1", "EXPIREAT a 3900000000 LT");
    client_expect(c, "-ERR Unsupported option foo", "EXPIREAT a x foo");
    client_expect(c, NOT_INTEGER, "EXPIREAT a x");
    client_expect(c, "-ERR invalid expire time in 'expireat' command",
                  "EXPIREAT a 9223372036854775807");
    client_expect(c, "-ERR invalid expire time in 'expireat' command",
                  "EXPIREAT missing -9223372036854775808");
    client_expect(c, ":1", "PEXPIREAT a 9223372036854775807");
    client_expect(c, ":9223372036854775807", "PEXPIRETIME a");
    client_expect(c, ":1", "PEXPIREAT a -9223372036854775808");
    client_expect(c, ":0", "EXISTS a");
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, ":1", "EXPIREAT a 0");
    client_expect(c, ":0", "EXISTS a");
    commands_arity(c, "expireat", "EXPIREAT a");
    commands_arity(c, "pexpireat", "PEXPIREAT");
    commands_arity(c, "expiretime", "EXPIRETIME a b");
    commands_arity(c, "pexpiretime", "PEXPIRETIME");
}

const struct commands_case commands_generic[] = {
    {"scan", scan, false},
    {"scan_whole", scan_whole, false},
    {"randomkey", randomkey, false},
    {"rename_key", rename_key, false},
    {"copy_and_move", copy_and_move, false},
    {"object", object, false},
    {"dump_and_restore", dump_and_restore, false},
    {"restore_errors", restore_errors, false},
    {"restore_other_type", restore_other_type, true},
    {"sort", sort, false},
    {"expire_at", expire_at, false},
    {NULL, NULL, false},
};
