/* SPDX-License-Identifier: MIT */
/* Clients that break the protocol, ask for too much, do not read, stall, or go away: each is
 * compared with redis-server, to the byte and to the close. */
#include "tests/client/hostile.h"

#include <stdio.h>
#include <string.h>

#define SMALL 400

void hostile_start(struct harness *harness, struct hostile *hostile, const char *const *args)
{
    struct server_options options = {.kind = SERVER_REDIS, .args = args};
    hostile->redis = server_start(harness, &options);
    options.kind = SERVER_ANYSTORE;
    hostile->ours = server_start(harness, &options);
}

void hostile_exchange(const struct server *server, const void *data, size_t size, size_t piece,
                      struct bytes *answer)
{
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    const uint8_t *from = data;
    if (!piece)
        piece = size;
    bool open = true;
    for (size_t sent = 0; open && sent < size; sent += piece)
        open = raw_send(raw, from + sent, piece < size - sent ? piece : size - sent);
    raw_shutdown(raw);
    check(raw_read_to_end(raw, answer), "the server does not close the connection");
    raw_close(raw);
}

static void print_escaped(const char *who, const struct bytes *bytes)
{
    struct bytes text = {0};
    bytes_append_escaped(&text, bytes->data, bytes->size < 1000 ? bytes->size : 1000);
    fprintf(stderr, "%s (%zu bytes): %s\n", who, bytes->size, bytes_text(&text));
    bytes_free(&text);
}

static void compare_once(const struct hostile *hostile, const char *name, const void *data,
                         size_t size, size_t piece)
{
    struct bytes redis = {0}, ours = {0};
    hostile_exchange(hostile->redis, data, size, piece, &redis);
    hostile_exchange(hostile->ours, data, size, piece, &ours);
    if (!bytes_equal(&redis, &ours)) {
        struct bytes request = {0};
        bytes_append(&request, data, size);
        fprintf(stderr, "%s%s\n", name, piece ? ", byte by byte" : "");
        print_escaped("sent           ", &request);
        print_escaped("redis-server   ", &redis);
        print_escaped("anystore-server", &ours);
        fail_test("answers differ");
    }
    bytes_free(&redis);
    bytes_free(&ours);
}

void hostile_compare(const struct hostile *hostile, const char *name, const void *data, size_t size)
{
    static const char behind[] = "\r\nPING\r\n*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$1\r\na\r\n";
    struct bytes longer = {0};
    bytes_append(&longer, data, size);
    bytes_append_text(&longer, behind);
    compare_once(hostile, name, data, size, 0);
    compare_once(hostile, name, longer.data, longer.size, 0);
    if (size <= SMALL)
        compare_once(hostile, name, longer.data, longer.size, 1);
    bytes_free(&longer);
}

void hostile_compare_text(const struct hostile *hostile, const char *text)
{
    hostile_compare(hostile, text, text, strlen(text));
}

void hostile_alive(const struct server *server)
{
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect any more");
    raw_expect(raw, "+PONG", "PING");
    raw_close(raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(hostile_inline),         HARNESS_TEST(hostile_requests),
        HARNESS_TEST(hostile_lengths),        HARNESS_TEST(hostile_unauthenticated),
        HARNESS_TEST(hostile_garbage),        HARNESS_TEST(hostile_http),
        HARNESS_TEST(hostile_output_limit),   HARNESS_TEST(hostile_soft_output_limit),
        HARNESS_TEST(hostile_query_limit),    HARNESS_TEST(hostile_maxclients),
        HARNESS_TEST(hostile_timeout),        HARNESS_TEST(hostile_disconnects),
        HARNESS_TEST(hostile_protected_mode),
    };
    return harness_main("client_hostile_test", tests, sizeof tests / sizeof *tests);
}
