/* SPDX-License-Identifier: MIT */
/* The largest values, and maxmemory. */
#include "tests/client/bounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/random.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define OOM_TEXT     "OOM command not allowed when used memory > 'maxmemory'."
#define OOM          "-" OOM_TEXT

/* ---- 512 MiB ------------------------------------------------------------------------------ */

#define LARGEST (512 * MIB)

static void fill_piece(uint8_t *piece, size_t size, size_t at)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = (at + i) * UINT64_C(0x9e3779b97f4a7c15);
        memcpy(piece + i, &word, sizeof word);
    }
}

static void send_largest(struct raw *raw, const struct server *other)
{
    uint8_t *piece = malloc(MIB), tail[] = "\r\n";
    check(piece, "out of memory");
    check(raw_send_text(raw, "*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$536870912\r\n"), "cannot send");
    for (size_t at = 0; at < LARGEST; at += MIB) {
        fill_piece(piece, MIB, at);
        check(raw_send(raw, piece, MIB), "the server closed the connection");
        if (at % (64 * MIB) == 0)
            bounds_serve(other, 10);
    }
    check(raw_send(raw, tail, 2), "the server closed the connection");
    free(piece);
}

/* Reads a reply as it comes, without keeping it. */
static void expect_largest(struct raw *raw)
{
    static const char head[] = "$536870912\r\n";
    uint8_t *expected = malloc(MIB), *got = malloc(MIB);
    const size_t whole = strlen(head) + LARGEST + 2;
    size_t at = 0; /* of the reply */
    check(expected && got, "out of memory");
    check(raw_send_text(raw, "GET large\r\n"), "cannot send");
    struct patience patience = {0};
    while (at < whole && patience_left(&patience)) {
        size_t in_piece = at < strlen(head) ? 0 : (at - strlen(head)) % MIB;
        size_t wanted = at < strlen(head)              ? strlen(head)
                        : at >= strlen(head) + LARGEST ? 2
                                                       : MIB - in_piece;
        ssize_t n = read(raw->fd, got, wanted);
        if (n <= 0)
            continue;
        if (at >= strlen(head) && at < strlen(head) + LARGEST) {
            if (in_piece == 0)
                fill_piece(expected, MIB, at - strlen(head));
            check(!memcmp(got, expected + in_piece, (size_t)n), "other bytes at %zu", at);
        }
        at += (size_t)n;
        patience = (struct patience){0};
    }
    check(at == whole, "%zu bytes of %zu", at, whole);
    free(expected);
    free(got);
}

static bool has_room(struct harness *harness)
{
    struct statvfs disk;
    uint64_t memory = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    check(statvfs(harness->dir, &disk) == 0, "statvfs");
    return (uint64_t)disk.f_bavail * disk.f_frsize > 4 * LARGEST && memory > 6 * LARGEST;
}

/* The value goes there and back while the server, and another one, serve other clients. */
void largest_value(struct harness *harness)
{
    if (harness_sanitized() || !has_room(harness))
        harness_skip(harness, "it takes 3 GiB of memory and 2 GiB of disk, and no sanitizer");
    /* The speed of the disk does not matter here. */
    struct server_options options = {.args = (const char *const[]){"--fsync", "no", NULL}};
    struct server *one = server_start(harness, &options);
    struct raw *raw = raw_connect(one);
    check(raw, "cannot connect");
    size_t before = bounds_begin(one);
    send_largest(raw, one);
    bounds_serve(one, 10);
    raw_expect_reply(raw, "+OK");
    raw_expect(raw, ":536870912", "STRLEN large");
    /* The value as it arrived, as it is kept, and as it is sealed. */
    bounds_check(one, before, 2 * LARGEST + 64 * MIB, "SET of 512 MiB");
    before = bounds_begin(one);
    expect_largest(raw);
    bounds_check(one, before, LARGEST + 64 * MIB, "GET of 512 MiB");
    raw_expect(raw, "+PONG", "PING");

    raw_expect(raw, "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
               "APPEND large x");
    raw_expect(raw, "-ERR string exceeds maximum allowed size (proto-max-bulk-len)",
               "SETRANGE large 536870912 x");
    raw_expect(raw, ":536870912",
               "SETRANGE large 0 "
               "\1");
    raw_expect(raw, ":536870912", "STRLEN large");

    struct server *two = server_start(harness, &options);
    struct raw *reader = raw_connect(two);
    check(reader, "cannot connect");
    raw_expect(reader, ":536870912", "STRLEN large");
    raw_expect(reader, "$\\x01", "GETRANGE large 0 0");
    raw_expect(reader, ":1", "DEL large");
    raw_expect(raw, ":0", "EXISTS large");
    bounds_serve(one, 100);
    bounds_check_now(one, 0, 256 * MIB, "when it is gone");
    raw_close(raw);
    raw_close(reader);
}

/* A value beyond proto-max-bulk-len is refused at its announcement, before any of it has come. */
void too_large(struct harness *harness)
{
    static const char *const announced[] = {
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870913\r\n",
        "*3\r\n$3\r\nSET\r\n$9000000000\r\n",
        "*2\r\n$3\r\nGET\r\n$536870913\r\n",
    };
    struct server *server = server_start(harness, NULL);
    size_t before = bounds_begin(server);
    for (size_t i = 0; i < 3 * COUNT(announced); i++) {
        struct bytes answer = {0};
        struct raw *raw = raw_connect(server);
        check(raw && raw_send_text(raw, announced[i % COUNT(announced)]), "cannot send");
        check(raw_read_to_end(raw, &answer), "a value that is too large is taken in");
        check(!strcmp(bytes_text(&answer), "-ERR Protocol error: invalid bulk length\r\n"),
              "it is told: %s", bytes_text(&answer));
        bytes_free(&answer);
        raw_close(raw);
    }
    bounds_serve(server, 100);
    bounds_check(server, before, 16 * MIB, "values that are too large");
}

/* ---- maxmemory ---------------------------------------------------------------------------- */

/* Commands that take memory, and some that do not. */
static const char *const memory_requests[] = {
    "SET b 1",
    "SETNX b 1",
    "SETEX b 100 1",
    "PSETEX b 100 1",
    "GETSET a 1",
    "APPEND a x",
    "SETRANGE a 1 x",
    "SETBIT a 1 1",
    "INCR n",
    "DECR n",
    "INCRBY n 1",
    "DECRBY n 1",
    "INCRBYFLOAT n 1",
    "MSET b 1",
    "MSETNX b 1",
    "BITOP NOT b a",
    "BITFIELD a SET u8 0 1",
    "BITFIELD a GET u8 0",
    "BITFIELD_RO a GET u8 0",
    "COPY a b",
    "RESTORE b 0 x",
    "SORT a",
    "RENAME a c",
    "RENAMENX c a",
    "EXPIRE a 100",
    "PERSIST a",
    "MOVE a 1",
    "SELECT 1",
    "MOVE a 0",
    "SELECT 0",
    "GETEX a PERSIST",
    "GET a",
    "STRLEN a",
    "LCS a a",
    "MGET a b",
    "TYPE a",
    "TTL a",
    "EXISTS a",
    "DEL nothing",
    "UNLINK nothing",
    "TOUCH a",
    "PUBLISH c m",
    "PING",
    "ECHO e",
    "SET",
    "SET a",
    "NOSUCH",
    "INCR",
    "WATCH a",
    "UNWATCH",
    "MULTI",
    "EXEC",
    "MULTI",
    "GET a",
    "EXEC",
    "MULTI",
    "DISCARD",
    "MULTI",
    "PING",
    "DISCARD",
    "MULTI",
    "NOSUCH",
    "EXEC",
    "GETDEL a",
    "SET a 1",
    "FLUSHDB",
    "SET a 1",
    "CONFIG SET maxmemory 10x",
    "CONFIG SET maxmemory -1",
    "CONFIG SET maxmemory 1",
    "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 1GB",
    "CONFIG GET maxmemory",
    "SET a 1",
    "MULTI",
    "INCR a",
    "INCR a",
    "EXEC",
    "INCR a",
    "CONFIG SET maxmemory-policy noeviction",
    "CONFIG SET maxmemory-policy nosuch",
    "CONFIG GET maxmemory-policy",
    "CONFIG SET maxmemory 2k",
    "CONFIG GET maxmemory",
    "INCR a",
    "SUBSCRIBE c",
    "SET a 1",
    "UNSUBSCRIBE c",

    "MULTI",
    "SET a 1",
    "RESET",
    "GET a",
};

/* With maxmemory reached, each of them is answered as by redis-server. */
void out_of_memory_errors(struct harness *harness)
{
    struct server_options options = {.kind = SERVER_REDIS};
    struct raw *redis = raw_connect(server_start(harness, &options));
    options.kind = SERVER_ANYSTORE;
    struct raw *ours = raw_connect(server_start(harness, &options));
    check(redis && ours, "cannot connect");
    for (int i = 0; i < 2; i++) {
        struct raw *raw = i ? ours : redis;
        raw_expect(raw, "+OK", "MSET a hello n 1");
        raw_expect(raw, "+OK", "CONFIG SET maxmemory 1");
    }
    unsigned refused = 0;
    for (size_t i = 0; i < COUNT(memory_requests); i++) {
        struct bytes line = {0};
        bytes_append_text(&line, memory_requests[i]);
        bytes_append_text(&line, "\r\n");
        check(raw_send(redis, line.data, line.size) && raw_send(ours, line.data, line.size),
              "cannot send");
        struct reply *one = raw_reply(redis), *other = raw_reply(ours);
        char *expected = reply_text(one), *got = reply_text(other);
        check(!strcmp(expected, got), "%s\nredis-server: %s\n        ours: %s", memory_requests[i],
              expected, got);
        refused += !strncmp(got, OOM, strlen(OOM));
        free(expected);
        free(got);
        reply_free(one);
        reply_free(other);
        bytes_free(&line);
    }
    print_message("%zu memory_requests, %u of them refused\n", COUNT(memory_requests), refused);

    /* Queued before the limit and run after it: the transaction is refused as a whole. */
    for (int i = 0; i < 2; i++) {
        struct raw *raw = i ? ours : redis;
        raw_expect(raw, "+OK", "CONFIG SET maxmemory 0");
        raw_expect(raw, "+OK", "MULTI");
        raw_expect(raw, "+QUEUED", "SET a queued");
    }
    for (int i = 0; i < 2; i++) {
        struct raw *second = raw_connect(i ? harness->servers : harness->servers->next);
        struct raw *raw = i ? ours : redis;
        check(second, "cannot connect");
        raw_expect(second, "+OK", "CONFIG SET maxmemory 1");
        raw_expect(raw, "-EXECABORT Transaction discarded because of: " OOM_TEXT, "EXEC");
        raw_expect(raw, "-ERR EXEC without MULTI", "EXEC");
        raw_close(second);
        raw_close(raw);
    }
}

/* Only for ours: the other policies. */
static void expect_policies(redisContext *client)
{
    client_expect(
        client,
        "-ERR CONFIG SET failed (possibly related to argument 'maxmemory-policy') - argument "
        "must be 'noeviction': acknowledged data is never dropped, and it is the data of all "
        "servers of the file",
        "CONFIG SET maxmemory-policy allkeys-lru");
}

struct filled {
    unsigned done, refused;
};

/* Stores values of that size under new keys until some are refused. */
static struct filled fill(redisContext *client, const char *prefix, size_t size)
{
    struct filled filled = {0};
    char *value = calloc(1, size);
    check(value, "out of memory");
    while (filled.refused < 20) {
        redisReply *reply = redisCommand(client, "SET %s:%u %b", prefix, filled.done, value, size);
        check(reply, "no reply");
        bool refused = reply->type == REDIS_REPLY_ERROR;
        check(!refused || !strcmp(reply->str, OOM_TEXT), "refused with: %s", reply->str);
        filled.refused += refused;
        filled.done += !refused;
        check(filled.done < 1000000, "maxmemory does not end it");
        freeReplyObject(reply);
    }
    free(value);
    return filled;
}

static void fill_to_the_brim(struct harness *harness, const char *persistence, size_t size)
{
    enum { LIMIT = 64 };
    struct server_options options = {
        .args = (const char *const[]){"--persistence", persistence, "--maxmemory", "64mb", NULL}};
    struct server *server = server_start(harness, &options);
    redisContext *client = client_connect(server);
    size_t before = bounds_begin(server);
    struct filled filled = fill(client, "key", size);
    print_message("%u values of %zu bytes\n", filled.done, size);
    check((size_t)filled.done * size > LIMIT * MIB / 2, "not even half of maxmemory was of use");
    check((size_t)filled.done * size < LIMIT * MIB, "more than maxmemory was taken");
    check(client_info(client, "memory", "used_memory") <= (long long)(LIMIT * MIB + MIB + size),
          "used_memory is far beyond maxmemory");
    bounds_check(server, before, LIMIT * MIB * 3 / 2 + 4 * size, "maxmemory of 64 MiB");
    /* Reading and removing still work, and removing makes room. */
    check(client_integer(client, "STRLEN key:0") == (long long)size, "a value is lost");
    check(client_integer(client, "DBSIZE") == filled.done, "other keys");
    for (unsigned i = 0; i < filled.done; i += 2)
        client_expect(client, ":1", "DEL key:%u", i);
    check(fill(client, "again", size).done >= filled.done / 3, "no room for new ones");
    client_expect(client, "+OK", "CONFIG SET maxmemory 128mb");
    client_expect(client, "+OK", "SET one more");
    client_expect(client, "+OK", "FLUSHALL");
    client_expect(client, "+OK", "CONFIG SET maxmemory 32mb");
    client_expect(client, "+OK", "SET one more");
    check(client_info(client, "stats", "evicted_keys") == 0, "keys were evicted");
    expect_policies(client);
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
    char *spare = text_format("%s.spare", harness->db);
    remove_tree(harness->db);
    remove_tree(spare); /* else the next start takes it for the last copy */
    free(spare);
}

void out_of_memory(struct harness *harness)
{
    fill_to_the_brim(harness, "yes", 100000);
    fill_to_the_brim(harness, "no", harness_sanitized() ? 20000 : 1000);
    fill_to_the_brim(harness, "yes", 5000000);
}

/* Pipelines that would take many times maxmemory within one commit. */
void out_of_memory_in_one_write(struct harness *harness)
{
    enum { SIZE = 4000000 };
    struct server_options options = {.args = (const char *const[]){"--maxmemory", "64mb", NULL}};
    struct server *server = server_start(harness, &options);
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    for (int kind = 0; kind < 2; kind++) {
        const unsigned commands = 400;
        struct bytes pipeline = {0};
        unsigned done = 0, refused = 0;
        for (unsigned i = 0; i < commands; i++)
            bytes_appendf(&pipeline, kind ? "SETRANGE k%u %d x\r\n" : "SETBIT k%u %d 1\r\n", i,
                          kind ? SIZE - 1 : SIZE * 8 - 1);
        size_t before = bounds_begin(server);
        check(raw_send(raw, pipeline.data, pipeline.size), "cannot send");
        for (unsigned i = 0; i < commands; i++) {
            struct reply *reply = raw_reply(raw);
            char *text = reply_text(reply);
            check(*text == ':' || !strcmp(text, OOM), "it is answered: %s", text);
            done += *text == ':';
            refused += *text == '-';
            free(text);
            reply_free(reply);
        }
        print_message("%u done, %u refused\n", done, refused);
        check(refused > 0 && done >= 10 && done <= 20, "%u of 4 MB each were done", done);
        bounds_check(server, before, 128 * MIB, "a pipeline that would take 1.6 GB");
        raw_expect(raw, "+OK", "FLUSHALL");
        bytes_free(&pipeline);
    }
    /* EXEC is checked once, as in Redis: a transaction that begins also ends. */
    struct bytes transaction = {0};
    bytes_append_text(&transaction, "MULTI\r\n");
    for (unsigned i = 0; i < 30; i++)
        bytes_appendf(&transaction, "SETRANGE k%u %d x\r\n", i, SIZE - 1);
    bytes_append_text(&transaction, "EXEC\r\nSET k 1\r\nFLUSHALL\r\n");
    check(raw_send(raw, transaction.data, transaction.size), "cannot send");
    raw_expect_reply(raw, "+OK");
    for (unsigned i = 0; i < 30; i++)
        raw_expect_reply(raw, "+QUEUED");
    struct reply *reply = raw_reply(raw);
    check(reply && reply->type == '*' && reply->count == 30, "no reply of EXEC");
    reply_free(reply);
    raw_expect_reply(raw, OOM);
    raw_expect_reply(raw, "+OK");
    raw_expect(raw, "+OK", "SET k 1");
    bytes_free(&transaction);
    raw_close(raw);
}

/* One value is written again and again in one transaction, which also reads in another database. */
void rewritten_in_a_transaction(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    raw_expect(raw, ":1000001", "SETRANGE k 1000000 x");
    size_t before = bounds_begin(server);
    raw_expect(raw, "+OK", "MULTI");
    for (unsigned i = 0; i < 1000; i++)
        raw_expect(raw, "+QUEUED", "APPEND k x");
    raw_expect(raw, "+QUEUED", "SELECT 1");
    raw_expect(raw, "+QUEUED", "GET k");
    struct reply *reply = raw_command(raw, "EXEC", NULL);
    check(reply && reply->type == '*' && reply->count == 1002, "no reply of EXEC");
    reply_free(reply);
    bounds_check(server, before, 64 * MIB, "a transaction that would keep 1 GB");
    raw_expect(raw, "+OK", "SELECT 0");
    raw_expect(raw, ":1001001", "STRLEN k");
    raw_close(raw);
}

/* The data belong to all servers: what others write counts, and what they remove makes room. */
void out_of_memory_by_others(struct harness *harness)
{
    struct server_options options = {.args = (const char *const[]){"--maxmemory", "32mb", NULL}};
    struct server *small = server_start(harness, &options);
    struct server *large = server_start(harness, NULL);
    redisContext *here = client_connect(small), *there = client_connect(large);
    struct filled filled = fill(here, "key", 500000);
    char *value = calloc(1, 500000);
    check(value, "out of memory");
    for (unsigned i = 0; i < 60; i++)
        client_expect(there, "+OK", "SET more:%u %b", i, value, (size_t)500000);
    client_expect(here, ":500000", "STRLEN more:59");
    client_expect(here, OOM, "SET a 1");
    client_expect(there, "+OK", "SET a 1");
    client_expect(here, "$1", "GET a");
    for (unsigned i = 0; i < 60; i++)
        client_expect(here, ":1", "DEL more:%u", i);
    for (unsigned i = 0; i < filled.done; i += 2)
        client_expect(there, ":1", "DEL key:%u", i);
    client_expect(here, "+OK", "SET a 2");
    client_expect(there, "$2", "GET a");
    free(value);
    redisFree(here);
    redisFree(there);
}

/* used_memory is counted: it must be near the allocator's own figure. */
void memory_figures_are_true(struct harness *harness)
{
    static const size_t sizes[] = {10, 100, 3000, 200000};
    if (harness_sanitized())
        harness_skip(harness, "sanitizers have an allocator of their own");
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    long long used = 0, allocated = 0;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct bytes pipeline = {0};
        unsigned count = (unsigned)(20 * MIB / (sizes[i] + 50));
        char *value = calloc(1, sizes[i] + 1);
        check(value, "out of memory");
        struct raw *raw = raw_connect(server);
        for (unsigned j = 0; j < count; j++) {
            char key[32];
            snprintf(key, sizeof key, "key:%zu:%u", i, j);
            const struct raw_arg args[] = {{"SET", 3}, {key, strlen(key)}, {value, sizes[i]}};
            raw_encode(&pipeline, args, COUNT(args));
        }
        check(raw && raw_send(raw, pipeline.data, pipeline.size), "cannot send");
        for (unsigned j = 0; j < count; j++)
            raw_expect_reply(raw, "+OK");
        raw_close(raw);
        bytes_free(&pipeline);
        free(value);
        bounds_wait_clients(server, 2);
        used = client_info(client, "memory", "used_memory");
        allocated = client_info(client, "memory", "allocator_allocated");
        print_message("%u values of %zu bytes: used_memory %.1f MB, the allocator says %.1f MB\n",
                      count, sizes[i], (double)used / 1e6, (double)allocated / 1e6);
        check(used > allocated * 8 / 10 && used < allocated * 12 / 10, "they are far apart");
        check(client_info(client, "memory", "used_memory_dataset") +
                      client_info(client, "memory", "used_memory_overhead") <=
                  client_info(client, "memory", "used_memory") + (1 << 20),
              "the parts are more than the whole");
    }
    client_expect(client, "+OK", "FLUSHALL");
    used = client_info(client, "memory", "used_memory");
    check(used < 4000000, "%lld bytes are used by nothing", used);
    redisFree(client);
}
