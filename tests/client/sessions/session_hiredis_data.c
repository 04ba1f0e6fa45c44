/* SPDX-License-Identifier: MIT */
/* Steps of hiredis's session that are about data: bytes, sizes, expiry, scans, strings, bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/client/sessions/session_hiredis.h"

#define ROW(high)                                                                                  \
    (high) + 0, (high) + 1, (high) + 2, (high) + 3, (high) + 4, (high) + 5, (high) + 6,            \
        (high) + 7, (high) + 8, (high) + 9, (high) + 10, (high) + 11, (high) + 12, (high) + 13,    \
        (high) + 14, (high) + 15

const uint8_t all_bytes[256] = {
    ROW(0x00), ROW(0x10), ROW(0x20), ROW(0x30), ROW(0x40), ROW(0x50), ROW(0x60), ROW(0x70),
    ROW(0x80), ROW(0x90), ROW(0xa0), ROW(0xb0), ROW(0xc0), ROW(0xd0), ROW(0xe0), ROW(0xf0),
};

void step_binary(struct clients *clients)
{
    uint8_t value[1 + sizeof all_bytes];
    memcpy(value + 1, all_bytes, sizeof all_bytes);
    for (int i = 0; i < 256; i++) {
        value[0] = (uint8_t)i;
        expect(clients->a, "+OK", "SET binary:%b %b", value, (size_t)1, value, sizeof value);
    }
    for (int i = 0; i < 256; i++) {
        value[0] = (uint8_t)i;
        expect_bytes(clients->b, value, sizeof value, "GET binary:%b", value, (size_t)1);
    }
    expect(clients->a, "+OK", "SET binary:empty %s", "");
    expect_bytes(clients->b, "", 0, "GET binary:empty");
    expect(clients->a, "+OK", "SET binary:%b %b", all_bytes, sizeof all_bytes, all_bytes,
           sizeof all_bytes);
    expect_bytes(clients->b, all_bytes, sizeof all_bytes, "GET binary:%b", all_bytes,
                 sizeof all_bytes);
}

void step_large(struct clients *clients)
{
    enum { LINES = 1000000, LINE = 10, SIZE = LINES * LINE };
    char *value = malloc(SIZE + 1);
    if (!value)
        session_fail("out of memory");
    for (size_t i = 0; i < LINES; i++)
        snprintf(value + i * LINE, LINE + 1, "%09zu\n", i);
    expect(clients->a, "+OK", "SET large:key %b", value, (size_t)SIZE);
    expect_bytes(clients->b, value, SIZE, "GET large:key");
    free(value);
    expect(clients->b, ":10000001", "APPEND large:key !");
    expect(clients->a, ":10000001", "STRLEN large:key");
    expect_bytes(clients->a, "9\n!", 3, "GETRANGE large:key -3 -1");
}

static bool has_expired(void *argument)
{
    redisReply *reply = command(argument, "EXISTS expiry:soon");
    bool gone = reply->type == REDIS_REPLY_INTEGER && reply->integer == 0;
    freeReplyObject(reply);
    return gone;
}

void step_expiry(struct clients *clients)
{
    redisContext *a = clients->a, *b = clients->b;
    expect(a, "+OK", "SET expiry:ex 1 EX 100");
    expect_within(b, 1, 100, "TTL expiry:ex");
    expect(b, "+OK", "SET expiry:px 1 PX 100000");
    expect_within(a, 1, 100000, "PTTL expiry:px");
    expect(a, ":1", "EXPIREAT expiry:px %lld", (long long)time(NULL) + 3600);
    expect_within(b, 3500, 3600, "TTL expiry:px");
    expect(b, ":1", "PERSIST expiry:px");
    expect(a, ":-1", "TTL expiry:px");
    expect(a, ":-2", "TTL expiry:missing");
    expect(a, "+OK", "SET expiry:soon 1 PX 50");
    wait_until(has_expired, a, "a key expires");
    expect(b, "_", "GET expiry:soon");
    expect(a, ":1", "EXPIREAT expiry:px 1");
    expect(b, ":0", "EXISTS expiry:px");
}

#define SCAN_KEYS    3000
#define SCAN_FOREIGN 500

/* Scans at the two clients in turn: each key, and no other. */
static void scan_all(redisContext *one, redisContext *other)
{
    bool found[SCAN_KEYS] = {false};
    unsigned calls = 0, count = 0;
    char cursor[24] = "0";
    do {
        redisReply *page =
            command(calls++ % 2 ? other : one, "SCAN %s MATCH scan:* COUNT 50", cursor);
        if (page->type != REDIS_REPLY_ARRAY || page->elements != 2)
            session_fail("SCAN: no page");
        snprintf(cursor, sizeof cursor, "%s", page->element[0]->str);
        const redisReply *keys = page->element[1];
        for (size_t i = 0; i < keys->elements; i++) {
            const char *key = keys->element[i]->str;
            char *end = NULL;
            unsigned long number =
                strncmp(key, "scan:", 5) ? SCAN_KEYS : strtoul(key + 5, &end, 10);
            if (number >= SCAN_KEYS || *end)
                session_fail("SCAN: %s", key);
            count += !found[number];
            found[number] = true;
        }
        freeReplyObject(page);
    } while (strcmp(cursor, "0") != 0);
    if (count != SCAN_KEYS)
        session_fail("SCAN: %u of %d keys", count, SCAN_KEYS);
}

void step_scan(struct clients *clients)
{
    redisContext *a = clients->a;
    for (int i = 0; i < SCAN_KEYS; i++)
        redisAppendCommand(a, "SET scan:%d 1", i);
    for (int i = 0; i < SCAN_FOREIGN; i++)
        redisAppendCommand(a, "SET scanned:%d 1", i);
    for (int i = 0; i < SCAN_KEYS + SCAN_FOREIGN; i++)
        expect_next(a, "+OK");
    scan_all(a, a); /* hiredis has no iterator */
    scan_all(a, clients->b);
}

void step_strings(struct clients *clients)
{
    redisContext *a = clients->a, *b = clients->b;
    expect(a, ":5", "APPEND strings:key Hello");
    expect(b, ":11", "APPEND strings:key %s", " World");
    expect(a, ":11", "STRLEN strings:key");
    expect(a, ":11", "SETRANGE strings:key 6 Redis");
    expect(b, "$Hello Redis", "GETRANGE strings:key 0 -1");
    expect(a, "$Hello Redis", "GETSET strings:key new");
    expect(b, "$new", "GETEX strings:key EX 50");
    expect_within(a, 1, 50, "TTL strings:key");
    expect(b, "$new", "GETDEL strings:key");
    expect(a, "_", "GET strings:key");
    expect(a, ":1", "SETNX strings:key 1");
    expect(b, ":0", "SETNX strings:key 2");
    expect(b, "_", "SET strings:key 2 NX");
    expect(b, "_", "SET strings:none 2 XX");
    expect(b, "$1", "SET strings:key 3 XX GET");
    expect(a, "+OK", "MSET strings:1 1 strings:2 2");
    expect(b, "[$1 _ $2]", "MGET strings:1 strings:none strings:2");
    expect(b, ":0", "MSETNX strings:3 3 strings:1 other");
    expect(a, ":0", "EXISTS strings:3");
    expect(b, ":1", "MSETNX strings:3 3 strings:4 4");
    expect(a, ":1", "COPY strings:1 strings:5");
    expect(b, "+OK", "RENAME strings:5 strings:6");
    expect(a, ":2", "EXISTS strings:1 strings:5 strings:6");
    expect(a, "+string", "TYPE strings:6");
    expect(b, ":2", "DEL strings:1 strings:2 strings:none");
}

void step_bits(struct clients *clients)
{
    redisContext *a = clients->a, *b = clients->b;
    expect(a, ":0", "SETBIT bits:key 7 1");
    expect(b, ":1", "SETBIT bits:key 7 0");
    expect(a, "+OK", "SET bits:key %b", "\x00\xff\xf0", (size_t)3);
    expect(b, ":1", "GETBIT bits:key 8");
    expect(b, ":12", "BITCOUNT bits:key");
    expect(b, ":8", "BITCOUNT bits:key 1 1");
    expect(b, ":8", "BITPOS bits:key 1");
    expect(b, ":20", "BITPOS bits:key 0 1");
    expect(a, "+OK", "SET bits:mask %b", "\xff\x0f\x0f", (size_t)3);
    expect(b, ":3", "BITOP AND bits:and bits:key bits:mask");
    expect_bytes(a, "\x00\x0f\x00", 3, "GET bits:and");
    expect(b, ":3", "BITOP NOT bits:not bits:key");
    expect_bytes(a, "\xff\x00\x0f", 3, "GET bits:not");
    expect(a, "[:0 :210 :210]", "BITFIELD bits:field SET u8 #1 200 INCRBY u8 #1 10 GET u8 8");
    expect(b, "[:255]", "BITFIELD bits:field OVERFLOW SAT INCRBY u8 #1 100");
}
