/* SPDX-License-Identifier: MIT */
/* Clients that are slow or ask for very much: their buffers stay within bounds. */
#include "tests/client/bounds.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/workers.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void set_value(const struct server *server, const char *key, size_t size)
{
    char *value = malloc(size + 1);
    check(value, "out of memory");
    memset(value, 'v', size);
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "SET %s %b", key, value, size);
    redisFree(client);
    free(value);
}

/* Reads replies that are all the same. */
static void expect_bulks(struct raw *raw, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        struct reply *reply = raw_reply(raw);
        check(reply && reply->type == '$' && reply->size == size, "reply %zu is another one", i);
        reply_free(reply);
    }
}

/* Many clients ask for much more than they read: for each the server makes one reply beyond what
 * may wait. */
void slow_readers(struct harness *harness)
{
    enum { ASKED = 50 };
    struct server *server = server_start(harness, NULL);
    set_value(server, "big", MIB);
    const unsigned clients = harness_scaled(50);
    struct raw **raws = calloc(clients, sizeof(struct raw *));
    struct bytes requests = {0};
    check(raws, "out of memory");
    bounds_repeat(&requests, "*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n", ASKED);
    size_t before = bounds_begin(server);
    for (unsigned i = 0; i < clients; i++) {
        raws[i] = raw_connect(server);
        check(raws[i] && bounds_push(raws[i], requests.data, requests.size), "cannot send");
    }
    bounds_serve(server, harness_scaled(500));
    bounds_check(server, before, clients * 3 * MIB + 16 * MIB, "clients that do not read");
    /* A client that reads in the end gets everything. */
    for (unsigned i = 0; i < clients; i += 10)
        expect_bulks(raws[i], ASKED, MIB);
    for (unsigned i = 0; i < clients; i++)
        raw_close(raws[i]);
    bounds_wait_clients(server, 1);
    bounds_check_now(server, before, 32 * MIB, "when they are gone");
    bytes_free(&requests);
    free(raws);
}

/* Thousands hold half commands open: the lengths they announce cost nothing. */
void slow_writers(struct harness *harness)
{
    static const char *const halves[][2] = {
        {"*", "1\r\n$4\r\nPING\r\n"},
        {"*3\r\n$3\r\nSET\r\n$1", "\r\na\r\n$1\r\n1\r\n"},
        {"*1000000\r\n$6\r\nEXISTS\r\n$1\r\na\r\n", NULL},
        {"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$536870912\r\nhalf of a value", NULL},
        {"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$20\r\n0123456789", "0123456789\r\n"},
        {"GET hal", "f\r\n"},
        {"MULTI\r\nSET half 1\r\n", NULL},
        {"SET half 1", NULL},
    };
    struct server *server = server_start(harness, NULL);
    const unsigned count = bounds_allow_descriptors(harness_scaled(4000));
    struct raw **raws = calloc(count, sizeof(struct raw *));
    check(raws, "out of memory");
    size_t before = bounds_begin(server);
    for (unsigned i = 0; i < count; i++) {
        raws[i] = raw_connect(server);
        check(raws[i] && raw_send_text(raws[i], halves[i % COUNT(halves)][0]), "cannot send");
    }
    bounds_serve(server, harness_scaled(500));
    bounds_check(server, before, count * 20000 + 16 * MIB, "half commands");
    /* Clients that go on are served, however late; nothing is done for the others. */
    for (unsigned i = 0; i < count; i++) {
        const char *rest = halves[i % COUNT(halves)][1];
        if (!rest || i < count / 2)
            continue;
        check(raw_send_text(raws[i], rest), "cannot send the rest");
        struct reply *reply = raw_reply(raws[i]);
        check(reply && reply->type != '-', "no reply to a command that came in two halves");
        reply_free(reply);
    }
    redisContext *client = client_connect(server);
    client_expect(client, "$01234567890123456789", "GET half");
    client_expect(client, ":1", "DEL half");
    for (unsigned i = 0; i < count; i++)
        raw_close(raws[i]);
    bounds_wait_clients(server, 2);
    client_expect(client, ":0", "EXISTS half");
    redisFree(client);
    free(raws);
}

/* ---- A million tiny commands in one write ------------------------------------------------- */

struct flood {
    const struct server *server;
    struct bytes requests;
    size_t count;
    size_t replies;
    atomic_bool done;
};

/* raw_send reads what arrives meanwhile, so neither side waits for the other. */
static void send_flood(struct worker *worker)
{
    struct flood *flood = worker->shared;
    struct raw *raw = raw_connect(flood->server);
    if (!raw || !raw_send(raw, flood->requests.data, flood->requests.size))
        worker_fail(worker, "cannot send");
    const uint8_t *reply;
    size_t size;
    while (!worker->error[0] && flood->replies < flood->count) {
        if (!raw_read(raw, &reply, &size))
            worker_fail(worker, "only %zu replies", flood->replies);
        else if (*reply == '-')
            worker_fail(worker, "%.*s", (int)size, (const char *)reply);
        flood->replies++;
    }
    raw_close(raw);
    atomic_store(&flood->done, true);
}

static void send_tiny(const struct server *server, const char *name, const char *request,
                      size_t count)
{
    struct flood flood = {.server = server, .count = count};
    bounds_repeat(&flood.requests, request, count);
    size_t before = bounds_begin(server);
    redisContext *client = client_connect(server);
    unsigned served = 0;
    int64_t longest = 0;
    workers_start(1, send_flood, &flood);
    /* Once more afterwards, so that somebody is served even if it ended at once. */
    for (bool done = false; !done; served++) {
        done = atomic_load(&flood.done);
        int64_t start = clock_ms();
        client_expect(client, "+PONG", "PING");
        longest = clock_ms() - start > longest ? clock_ms() - start : longest;
    }
    workers_join();
    print_message(
        "%zu times %s: %u replies to another client meanwhile, the longest wait %lld ms\n", count,
        name, served, (long long)longest);
    bounds_check(server, before, 24 * MIB, name);
    redisFree(client);
    bytes_free(&flood.requests);
}

void tiny_commands(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    const size_t count = harness_scaled(1000000);
    send_tiny(server, "PING", "PING\r\n", count);
    send_tiny(server, "GET", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", count);
    send_tiny(server, "INCR", "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n", count);
    send_tiny(server, "SET and GET", "SET k 1\r\nGET k\r\n", 2 * (count / 2));
    redisContext *client = client_connect(server);
    check(client_integer(client, "GET n") == (long long)count,
          "not all INCR were run, or some twice");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
}

/* A client sends an endless pipeline and reads no replies: the server stops reading from it. */
void unread_replies(struct harness *harness)
{
    static const char *const requests[] = {
        "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", /* an answer a thousand times as long */
        "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\n1\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
    };
    struct server *server = server_start(harness, NULL);
    set_value(server, "k", 20000);
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct bytes pipeline = {0};
        bounds_repeat(&pipeline, requests[i], 2000);
        struct raw *raw = raw_connect(server);
        check(raw, "cannot connect");
        size_t before = bounds_begin(server);
        size_t pushed = 0;
        /* Until the server has read nothing for a while, in which it serves others. */
        for (int idle = 0; idle < 5 && pushed < 1000 * MIB;) {
            if (bounds_push(raw, pipeline.data, pipeline.size)) {
                pushed += pipeline.size;
                idle = 0;
            } else {
                bounds_serve(server, 20);
                idle++;
            }
        }
        check(pushed < 100 * MIB, "the server takes in requests without end");
        bounds_serve(server, harness_scaled(500));
        bounds_check(server, before, 24 * MIB, "a pipeline whose replies are not read");
        raw_close(raw);
        bounds_wait_clients(server, 1);
        bytes_free(&pipeline);
    }
}

/* ---- Large replies ------------------------------------------------------------------------ */

/* One reply of 256 MiB, read slowly: the server holds it once, and gives it back afterwards. */
void large_replies(struct harness *harness)
{
    enum { KEYS = 256 };
    struct server *server = server_start(harness, NULL);
    set_value(server, "big", MIB);
    struct raw *raw = raw_connect(server);
    struct bytes request = {0};
    check(raw, "cannot connect");
    bytes_appendf(&request, "*%d\r\n$4\r\nMGET\r\n", KEYS + 1);
    bounds_repeat(&request, "$3\r\nbig\r\n", KEYS);
    size_t before = bounds_begin(server);
    check(bounds_push(raw, request.data, request.size), "cannot send");
    bounds_serve(server, harness_scaled(500));
    struct reply *reply = raw_reply(raw);
    check(reply && reply->type == '*' && reply->count == KEYS, "no reply of that size");
    for (size_t i = 0; i < KEYS; i++) {
        const struct reply *item = &reply->items[i];
        check(item->size == MIB, "value %zu has %zu bytes", i, item->size);
        for (size_t j = 0; j < MIB; j += 4099)
            check(item->data[j] == 'v', "value %zu is another one", i);
    }
    reply_free(reply);
    raw_expect(raw, "+PONG", "PING");
    bounds_check(server, before, (KEYS + 16) * MIB, "a reply of 256 MiB");
    bounds_check_now(server, before, 32 * MIB, "when it has been sent");
    raw_close(raw);
    bytes_free(&request);
}

/* Each of a few short requests changes a large value: the server must not hold a copy for each.
 * (It did, and took 3 GB for these.) */
void one_large_value_again_and_again(struct harness *harness)
{
    static const char *const requests[] = {
        "*4\r\n$8\r\nSETRANGE\r\n$3\r\nbig\r\n$3\r\n500\r\n$1\r\nx\r\n",
        "*3\r\n$6\r\nAPPEND\r\n$3\r\nbig\r\n$1\r\nx\r\n",
        "*4\r\n$6\r\nSETBIT\r\n$3\r\nbig\r\n$3\r\n123\r\n$1\r\n1\r\n",
    };
    const unsigned count = harness_scaled(3000);
    for (int persistent = 1; persistent >= 0; persistent--) {
        struct server_options options = {
            .args = (const char *const[]){"--persistence", persistent ? "yes" : "no", NULL}};
        struct server *server = server_start(harness, &options);
        for (size_t i = 0; i < COUNT(requests); i++) {
            set_value(server, "big", MIB);
            struct bytes pipeline = {0};
            bounds_repeat(&pipeline, requests[i], count);
            struct raw *raw = raw_connect(server);
            size_t before = bounds_begin(server);
            check(raw && raw_send(raw, pipeline.data, pipeline.size), "cannot send");
            for (unsigned j = 0; j < count; j++) {
                struct reply *reply = raw_reply(raw);
                check(reply && reply->type == ':', "reply %u is no number", j);
                reply_free(reply);
            }
            bounds_check(server, before, 32 * MIB, "one value, changed again and again");
            raw_close(raw);
            bytes_free(&pipeline);
        }
        server_kill(server);
        remove_tree(harness->db);
    }
}

/* With a limit, a reply beyond it is not even made. */
void output_limit(struct harness *harness)
{
    for (int i = 0; i < 2; i++) {
        struct server_options options = {
            .kind = i ? SERVER_ANYSTORE : SERVER_REDIS,
            .args = (const char *const[]){"--client-output-buffer-limit", "normal", "8mb", "0", "0",
                                          NULL}};
        struct server *server = server_start(harness, &options);
        set_value(server, "big", MIB);
        static const char *const before_it[] = {"", "SET a 1\r\n", "MULTI\r\n"};
        for (size_t j = 0; j < COUNT(before_it); j++) {
            struct bytes request = {0}, answer = {0};
            bytes_append_text(&request, before_it[j]);
            bytes_appendf(&request, "*2001\r\n$4\r\nMGET\r\n");
            bounds_repeat(&request, "$3\r\nbig\r\n", 2000);
            bytes_append_text(&request, "EXEC\r\n");
            struct raw *raw = raw_connect(server);
            size_t before = bounds_begin(server);
            check(raw && bounds_push(raw, request.data, request.size), "cannot send");
            check(raw_read_to_end(raw, &answer), "a reply of 2 GB was made");
            check(answer.size < 64 * MIB, "%zu bytes of a reply beyond the limit", answer.size);
            raw_close(raw);
            bytes_free(&request);
            bytes_free(&answer);
            bounds_check(server, before, 64 * MIB, i ? "a reply of 2 GB" : "redis-server");
        }
        redisContext *client = client_connect(server);
        client_expect(client, "$1", "GET a");
        if (i)
            check(client_info(client, "stats", "client_output_buffer_limit_disconnections") == 3,
                  "other disconnections");
        redisFree(client);
    }
}

/* maxmemory-clients closes the clients that take most until the rest takes less; clients with
 * NO-EVICT stay. */
static void exceed_together(const struct server *server, bool is_ours)
{
    enum { LARGE = 40, SMALL = 20 };
    struct raw *large[LARGE], *small[SMALL], *spared = raw_connect(server);
    struct bytes part = {0};
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "SET big %b", part.data, (size_t)0);
    client_expect(client, "+OK", "CONFIG SET maxmemory-clients 10mb");
    bytes_append_text(&part, "*2\r\n$4\r\nECHO\r\n$2000000\r\n");
    bounds_repeat(&part, "0123456789", 100000);
    check(spared, "cannot connect");
    raw_expect(spared, "+OK", "CLIENT NO-EVICT on");
    check(raw_send(spared, part.data, part.size), "cannot send");
    for (size_t i = 0; i < SMALL; i++) {
        small[i] = raw_connect(server);
        check(small[i], "cannot connect");
        raw_expect(small[i], "+PONG", "PING");
    }
    for (size_t i = 0; i < LARGE; i++) {
        large[i] = raw_connect(server);
        check(large[i], "cannot connect");
        (void)raw_send(large[i], part.data, part.size);
    }
    struct patience patience = {0};
    while ((client_info(client, "stats", "evicted_clients") < LARGE - 12 ||
            client_info(client, "memory", "mem_clients_normal") > 12000000) &&
           patience_left(&patience))
        ;
    long long evicted = client_info(client, "stats", "evicted_clients");
    print_message("%s: %lld of %d large clients closed\n", is_ours ? "ours" : "redis-server",
                  evicted, LARGE);
    check(evicted >= LARGE - 12 && evicted < LARGE, "%lld clients were closed", evicted);
    for (size_t i = 0; i < SMALL; i++)
        raw_expect(small[i], "+PONG", "PING");
    check(raw_send(spared, part.data + part.size - 1000000, 1000000) &&
              raw_send_text(spared, "\r\n"),
          "who is spared was closed");
    struct reply *reply = raw_reply(spared);
    check(reply && reply->size == 2000000, "who is spared gets no answer");
    reply_free(reply);
    for (size_t i = 0; i < LARGE; i++)
        raw_close(large[i]);
    for (size_t i = 0; i < SMALL; i++)
        raw_close(small[i]);
    raw_close(spared);
    bytes_free(&part);
    redisFree(client);
}

/* One reply that would exceed the limit of all clients: ours does not even make it. */
static void exceed_alone(const struct server *server)
{
    struct bytes request = {0}, answer = {0};
    set_value(server, "big", MIB);
    bytes_appendf(&request, "*2001\r\n$4\r\nMGET\r\n");
    bounds_repeat(&request, "$3\r\nbig\r\n", 2000);
    struct raw *raw = raw_connect(server);
    size_t before = bounds_begin(server);
    check(raw && bounds_push(raw, request.data, request.size), "cannot send");
    check(raw_read_to_end(raw, &answer), "a reply of 2 GB was made");
    raw_close(raw);
    bounds_check(server, before, 32 * MIB, "a reply of 2 GB");
    bytes_free(&request);
    bytes_free(&answer);
}

/* Memory that clients hold in the server counts: queued commands, watched keys, subscriptions. */
static void count_what_stays(const struct server *server)
{
    static const char *const rows[][3] = {
        {"MULTI\r\n", "GET", "DISCARD"},
        {"", "WATCH", "UNWATCH"},
        {"", "SUBSCRIBE", "RESET"},
        {"", "PSUBSCRIBE", "RESET"},
    };
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "CONFIG SET maxmemory-clients 0");
    long long before = client_info(client, "memory", "mem_clients_normal");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes requests = {0};
        struct raw *raw = raw_connect(server);
        char *name = calloc(1, 1001);
        check(raw && name && raw_send_text(raw, rows[i][0]), "cannot send");
        if (*rows[i][0])
            raw_expect_reply(raw, "+OK");
        for (unsigned j = 0; j < 5000; j++) {
            snprintf(name, 1001, "%01000u", j);
            raw_encode_texts(&requests, rows[i][1], name, NULL);
        }
        check(raw_send(raw, requests.data, requests.size), "cannot send");
        for (unsigned j = 0; j < 5000; j++)
            reply_free(raw_reply(raw));
        struct patience patience = {0};
        long long now = 0;
        do
            now = client_info(client, "memory", "mem_clients_normal") - before;
        while (now < 5000000 && patience_left(&patience));
        check(now >= 5000000 && now < 9000000, "%s: %lld bytes are counted", rows[i][1], now);
        raw_send_text(raw, rows[i][2]);
        raw_send_text(raw, "\r\n");
        patience = (struct patience){0};
        do
            now = client_info(client, "memory", "mem_clients_normal") - before;
        while (now > 500000 && patience_left(&patience));
        check(now <= 500000, "%s: %lld bytes are still counted", rows[i][2], now);
        raw_close(raw);
        bounds_wait_clients(server, 2);
        free(name);
        bytes_free(&requests);
    }
    redisFree(client);
}

/* The array for arguments that have arrived counts, too; an announced length takes nothing. */
static void count_half_a_request(const struct server *server)
{
    struct bytes request = {0};
    redisContext *client = client_connect(server);
    long long before = client_info(client, "memory", "mem_clients_normal");
    bytes_append_text(&request, "*2147483647\r\n$4\r\nMGET\r\n");
    bounds_repeat(&request, "$0\r\n\r\n", 600000);
    struct raw *raw = raw_connect(server);
    size_t memory = bounds_begin(server);
    check(raw && raw_send(raw, request.data, request.size), "cannot send");
    struct patience patience = {0};
    long long now = 0;
    do
        now = client_info(client, "memory", "mem_clients_normal") - before;
    while (now < 16000000 && patience_left(&patience));
    check(now >= 16000000 && now < 48000000, "half a request: %lld bytes are counted", now);
    bounds_check(server, memory, 48 * MIB, "half a request of 600,000 arguments");
    raw_close(raw);
    bounds_wait_clients(server, 2);
    bytes_free(&request);
    redisFree(client);
}

void clients_together(struct harness *harness)
{
    static const char *const settings[] = {"100mb", "5%", "100%", "101%", "-5",
                                           "%",     "0%", "x%",   "0"};
    redisContext *clients[2];
    for (int i = 0; i < 2; i++) {
        struct server_options options = {.kind = i ? SERVER_ANYSTORE : SERVER_REDIS};
        struct server *server = server_start(harness, &options);
        exceed_together(server, i);
        if (i)
            exceed_alone(server);
        if (i)
            count_what_stays(server);
        if (i)
            count_half_a_request(server);
        clients[i] = client_connect(server);
    }
    for (size_t i = 0; i < COUNT(settings); i++) {
        char *expected = client_text(clients[0], "CONFIG SET maxmemory-clients %s", settings[i]);
        client_expect(clients[1], expected, "CONFIG SET maxmemory-clients %s", settings[i]);
        free(expected);
        expected = client_text(clients[0], "CONFIG GET maxmemory-clients");
        client_expect(clients[1], expected, "CONFIG GET maxmemory-clients");
        free(expected);
    }
    redisFree(clients[0]);
    redisFree(clients[1]);
}

/* Many connections stay, and each gives back the memory that its work took. */
void idle_after_work(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    const unsigned count = harness_scaled(100);
    struct bytes request = {0};
    /* 100,000 replies in one update, each of them noted; many arguments; one large argument. */
    bounds_repeat(&request, "SET k 1\r\n", 50000);
    bytes_appendf(&request, "*100001\r\n$6\r\nEXISTS\r\n");
    bounds_repeat(&request, "$0\r\n\r\n", 100000);
    bytes_appendf(&request, "*2\r\n$4\r\nECHO\r\n$1000000\r\n");
    bounds_repeat(&request, "0123456789", 100000);
    bytes_append_text(&request, "\r\n");
    struct raw **raws = calloc(count, sizeof(struct raw *));
    check(raws, "out of memory");
    size_t before = bounds_begin(server);
    for (unsigned i = 0; i < count; i++) {
        raws[i] = raw_connect(server);
        check(raws[i] && raw_send(raws[i], request.data, request.size), "cannot send");
        for (unsigned j = 0; j < 50002; j++) {
            struct reply *reply = raw_reply(raws[i]);
            check(reply && reply->type != '-', "no reply");
            reply_free(reply);
        }
    }
    redisContext *client = client_connect(server);
    long long clients = client_info(client, "memory", "mem_clients_normal");
    check(clients < (long long)(count + 1) * 100000, "%lld bytes are held for idle clients",
          clients);
    bounds_check_now(server, before, count * 100000 + 24 * MIB, "idle clients");
    redisFree(client);
    for (unsigned i = 0; i < count; i++)
        raw_close(raws[i]);
    free(raws);
    bytes_free(&request);
}
