/* SPDX-License-Identifier: MIT */
/* WATCH and UNWATCH: what changes a watched key, and what does not, whether the change comes from
 * the same connection, another one, or another server on the file. */
#include "tests/client/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

/* WATCH by `client`, the changes by `other`, then whether EXEC runs. */
static void watch_rows(redisContext *client, redisContext *other)
{
    static const struct {
        const char *before, *watch, *change[3];
        bool runs;
    } rows[] = {
        {"SET a 1", "WATCH a", {"SET a 2"}, false},
        {"SET a 1", "WATCH a", {"SET a 1"}, false},
        {"SET a 1", "WATCH a", {"GET a"}, true},
        {"SET a 1", "WATCH a", {"SET b 2", "DEL b"}, true},
        {"SET a 1", "WATCH b a c", {"DEL a"}, false},
        {"SET a 1", "WATCH a", {"DEL a", "SET a 1"}, false},
        {"SET a 1", "WATCH a", {"EXPIRE a 1000"}, false},
        {"SET a 1 EX 1000", "WATCH a", {"PERSIST a"}, false},
        {"SET a 1", "WATCH a", {"PERSIST a"}, true},
        {"SET a 1", "WATCH a", {"EXPIRE a -1"}, false},
        {"SET a 1", "WATCH a", {"INCRBY a 0"}, false},
        {"SET a x", "WATCH a", {"INCR a"}, true},
        {"SET a x", "WATCH a", {"SET a y NX"}, true},
        {"SET b x", "WATCH a", {"DEL a"}, true},
        {"SET b x", "WATCH a", {"SET a 1"}, false},
        {"SET b x", "WATCH a", {"SET a 1", "DEL a"}, false},
        {"SET b x", "WATCH a", {"SET a 1", "FLUSHALL"}, false},
        {"SET b x", "WATCH a", {"FLUSHALL"}, true},
        {"SET b x", "WATCH a", {"FLUSHALL", "SET b x", "FLUSHDB"}, true},
        {"SET a x", "WATCH a", {"FLUSHALL"}, false},
        {"SET a x", "WATCH a", {"FLUSHDB"}, false},
        {"SET a x", "WATCH a a", {"MSET b 1 a 1"}, false},
        {"SET a x", "WATCH a", {"SAVE"}, true},
        {"SET a x", "WATCH a", {"SWAPDB 0 1"}, false},
        {"SET a x", "WATCH a", {"SWAPDB 1 2"}, true},
        {"SET a x", "WATCH b", {"SWAPDB 0 1", "SET b 1"}, false},
        {"SET a x", "WATCH b", {"SWAPDB 0 1", "SWAPDB 0 1", "SET b 1"}, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        client_expect(other, "+OK", "FLUSHALL");
        client_expect(other, "+OK", rows[i].before);
        client_expect(client, "+OK", rows[i].watch);
        for (size_t j = 0; j < 3 && rows[i].change[j]; j++)
            free(client_text(other, rows[i].change[j]));
        client_expect(client, "+OK", "MULTI");
        client_expect(client, "+QUEUED", i % 2 ? "GET none" : "SET done 1");
        const char *expected = !rows[i].runs ? "_" : i % 2 ? "[_]" : "[+OK]";
        char *text = client_text(client, "EXEC");
        check(!strcmp(text, expected), "%s after %s, %s: EXEC gave %s", rows[i].watch,
              rows[i].change[0], rows[i].change[1] ? rows[i].change[1] : "", text);
        free(text);
        client_expect(other, rows[i].runs && i % 2 == 0 ? ":1" : ":0", "EXISTS done");
        /* Nothing is watched afterwards. */
        client_expect(other, "+OK", "SET a 3");
        client_expect(client, "+OK", "MULTI");
        client_expect(client, "[]", "EXEC");
    }
}

static void watch_same_connection(struct harness *harness)
{
    redisContext *client = client_connect(server_start(harness, NULL));
    watch_rows(client, client);
    redisFree(client);
}

static void watch_same_server(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server), *other = client_connect(server);
    watch_rows(client, other);
    redisFree(client);
    redisFree(other);
}

static void watch_other_server(struct harness *harness)
{
    redisContext *client = client_connect(server_start(harness, NULL));
    redisContext *other = client_connect(server_start(harness, NULL));
    watch_rows(client, other);
    redisFree(client);
    redisFree(other);
}

static void watch_in_memory(struct harness *harness)
{
    struct server *server = server_start(
        harness,
        &(struct server_options){.args = (const char *const[]){"--persistence", "no", NULL},
                                 .no_data = true,
                                 .no_key_file = true});
    redisContext *client = client_connect(server), *other = client_connect(server);
    watch_rows(client, other);
    watch_rows(client, client);
    redisFree(client);
    redisFree(other);
}

/* A watched key whose time comes counts as changed, whoever set the time; a key that had already
 * expired does not. */
static void watch_expiry(struct harness *harness)
{
    redisContext *client = client_connect(server_start(harness, NULL));
    redisContext *other = client_connect(server_start(harness, NULL));
    for (int by_other = 0; by_other < 2; by_other++) {
        redisContext *setter = by_other ? other : client;
        long long left = 0;
        while (left <= 0) { /* on a slow machine it may expire before it is watched */
            client_expect(client, "+OK", "UNWATCH");
            client_expect(setter, "+OK", "SET a 1 PX 200");
            client_expect(client, "+OK", "WATCH a");
            left = client_integer(client, "PTTL a");
        }
        struct patience patience = {0};
        while (client_integer(other, "EXISTS a") && patience_left(&patience))
            ;
        client_expect(client, "+OK", "MULTI");
        client_expect(client, "+QUEUED", by_other ? "GET a" : "SET b 1");
        client_expect(client, "_", "EXEC");
        client_expect(client, "+OK", "WATCH a");
        client_expect(setter, ":0", "DEL a");
        client_expect(client, "+OK", "MULTI");
        client_expect(client, "+QUEUED", "GET a");
        client_expect(client, "[_]", "EXEC");
    }
    redisFree(client);
    redisFree(other);
}

/* What ends watching besides EXEC. */
static void watch_is_released(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server), *other = client_connect(server);
    static const char *const ends[] = {"UNWATCH", "DISCARD", "RESET"};
    for (size_t i = 0; i < 3; i++) {
        client_expect(client, "+OK", "WATCH a b");
        client_expect(other, "+OK", "SET a 1");
        if (i > 0)
            client_expect(client, "+OK", "MULTI");
        client_expect(client, i == 2 ? "+RESET" : "+OK", ends[i]);
        client_expect(client, i == 2 ? "-ERR DISCARD without MULTI" : "+OK",
                      i == 2 ? "DISCARD" : "MULTI");
        if (i < 2)
            client_expect(client, "[]", "EXEC");
    }
    /* UNWATCH behind MULTI comes too late, and does no harm. */
    client_expect(client, "+OK", "WATCH a");
    client_expect(other, "+OK", "SET a 1");
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "UNWATCH");
    client_expect(client, "_", "EXEC");
    /* EXEC without MULTI is an error and changes nothing. */
    client_expect(client, "+OK", "WATCH a");
    client_expect(client, "-ERR EXEC without MULTI", "EXEC");
    client_expect(other, "+OK", "SET a 1");
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "_", "EXEC");

    /* Connections are lost while they watch, in a transaction, with an EXEC on its way. */
    for (int i = 0; i < 50; i++) {
        struct raw *raw = raw_connect(server);
        check(raw, "cannot connect");
        struct bytes out = {0};
        raw_encode_texts(&out, "WATCH", "a", "b", "c", NULL);
        if (i % 2)
            raw_encode_texts(&out, "MULTI", NULL);
        raw_encode_texts(&out, "SET", "lost", "1", NULL);
        if (i % 4 == 3)
            raw_encode_texts(&out, "EXEC", NULL);
        check(raw_send(raw, out.data, out.size), "the connection is lost");
        bytes_free(&out);
        if (i % 8 < 4)
            raw_expect_reply(raw, "+OK");
        raw_close(raw);
        client_expect(other, "+OK", "MSET a 1 b 2 c 3");
    }
    client_expect(other, "$1", "GET lost");
    redisFree(client);
    redisFree(other);
}

/* A client may watch many keys, some of them twice: a change of the first, the last or any other
 * counts. */
static void many_keys(struct harness *harness)
{
    enum { KEYS = 100000, TWICE = 1000 };
    struct server *server = server_start(harness, NULL);
    struct raw *raw = raw_connect(server), *other = raw_connect(server);
    check(raw && other, "cannot connect");
    struct bytes watch = {0};
    bytes_appendf(&watch, "*%d\r\n$5\r\nWATCH\r\n", 1 + KEYS + TWICE);
    for (int i = 0; i < KEYS + TWICE; i++)
        bytes_appendf(&watch, "$10\r\nkey:%06d\r\n", i % KEYS);
    static const char *const changes[] = {"SET key:000000 1", "SET key:099999 1",
                                          "SET key:000999 1", "SET key:012345 1",
                                          "SET key:100000 1", "UNWATCH"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        check(raw_send(raw, watch.data, watch.size), "the connection is lost");
        raw_expect_reply(raw, "+OK");
        raw_expect(other, "+OK", changes[i]);
        raw_expect(raw, "+OK", "MULTI");
        raw_expect(raw, "+QUEUED", "PING");
        raw_expect(raw, i < 4 ? "_" : "[+PONG]", "EXEC");
    }
    bytes_free(&watch);
    raw_close(raw);
    raw_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(watch_same_connection),
        HARNESS_TEST(watch_same_server),
        HARNESS_TEST(watch_other_server),
        HARNESS_TEST(watch_in_memory),
        HARNESS_TEST(watch_expiry),
        HARNESS_TEST(watch_is_released),
        HARNESS_TEST(many_keys),
        HARNESS_TEST(watch_as_redis),
    };
    return harness_main("client_watch_test", tests, sizeof tests / sizeof *tests);
}
