/* SPDX-License-Identifier: MIT */
/* A server's socket for its peers takes only what a peer would send. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "tests/client/harness/harness.h"
#include "tests/client/harness/random.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/peers.h"

static void put(uint8_t *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static void append_hello(struct bytes *out, char digit, uint64_t number)
{
    uint8_t hello[64] = "ANYPEER1";
    memset(hello + 8, digit, 40);
    put(hello + 48, number, 8);
    bytes_append(out, hello, sizeof hello);
}

static void append_frame(struct bytes *out, uint64_t kind, const char *name, const char *payload,
                         uint64_t name_size, uint64_t payload_size)
{
    uint8_t header[32] = {0};
    put(header, kind, 4);
    put(header + 16, name_size, 8);
    put(header + 24, payload_size, 8);
    bytes_append(out, header, sizeof header);
    bytes_append_text(out, name);
    bytes_append_text(out, payload);
}

static void append_message(struct bytes *out, const char *name, const char *payload)
{
    append_frame(out, 1, name, payload, strlen(name), strlen(payload));
}

/* Sends bytes to a server's socket for peers; waits until the server closes, if it should. */
static void send_bytes(const char *path, const struct bytes *out, bool closes)
{
    struct raw *raw = raw_connect_path(path);
    check(raw, "cannot connect to %s: %s", path, strerror(errno));
    (void)raw_send(raw, out->data, out->size); /* it may close before the end */
    struct bytes in = {0};
    if (closes)
        check(raw_read_to_end(raw, &in), "it is not closed");
    bytes_free(&in);
    raw_close(raw);
}

static void send_broken(const char *path)
{
    struct bytes out = {0};
    bytes_append_text(&out,
                      "GET / HTTP/1.1\r\nHost: this is no peer at all, but long enough\r\n\r\n");
    send_bytes(path, &out, true);
    bytes_clear(&out);
    append_hello(&out, 'Z', 1); /* no run id */
    send_bytes(path, &out, true);
    static const struct {
        uint64_t name_size, payload_size;
    } sizes[] = {{UINT64_MAX, 0},          {0, UINT64_MAX},
                 {UINT64_MAX, UINT64_MAX}, {UINT64_C(1) << 63, UINT64_C(1) << 63},
                 {UINT64_MAX - 31, 0},     {(UINT64_C(512) << 20) + 1, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bytes_clear(&out);
        append_hello(&out, 'a', 1);
        append_frame(&out, 1, "c", "x", sizes[i].name_size, sizes[i].payload_size);
        send_bytes(path, &out, true);
    }
    /* A large frame that never comes takes no memory. */
    for (int i = 0; i < 20; i++) {
        bytes_clear(&out);
        append_hello(&out, 'b', (uint64_t)i);
        append_frame(&out, 1, "", "", UINT64_C(512) << 20, UINT64_C(512) << 20);
        send_bytes(path, &out, false);
    }
    bytes_free(&out);
}

static void send_random(const char *path, struct random *random)
{
    struct bytes out = {0};
    if (random_chance(random, 80))
        append_hello(&out, 'c', random_next(random));
    for (unsigned i = (unsigned)random_below(random, 20); i > 0; i--)
        append_message(&out, "channel", "payload");
    for (unsigned i = (unsigned)random_below(random, 8); i > 0 && out.size > 0; i--)
        out.data[random_below(random, out.size)] = (uint8_t)random_next(random);
    uint8_t noise[64];
    random_fill(random, noise, sizeof noise);
    bytes_append(&out, noise, (size_t)random_below(random, sizeof noise));
    send_bytes(path, &out, false);
    bytes_free(&out);
}

/* Bytes that no peer would send close that link, and nothing else happens. */
void garbage(struct harness *harness)
{
    struct random random;
    random_start(&random, random_run_seed("garbage for peers"), 0);
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    char *path = peers_socket(harness, other);
    if (strlen(path) >= sizeof(struct sockaddr_un){0}.sun_path)
        harness_skip(harness, "the temporary directory's path is too long to connect");
    struct raw *speaker = peers_connect(one), *listener = peers_subscribe(other, "c");
    send_broken(path);
    for (unsigned i = 0; i < harness_scaled(300); i++)
        send_random(path, &random);
    raw_expect(speaker, ":0", "PUBLISH c 1");
    peers_expect(listener, "c", "1");
    /* A client that speaks the protocol is heard: a frame in pieces, and one of an unknown kind. */
    struct bytes out = {0};
    append_hello(&out, 'd', 5);
    append_frame(&out, 4000000000, "what", "ever", 4, 4);
    append_message(&out, "c", "from the test");
    struct raw *peer = raw_connect_path(path);
    check(peer, "cannot connect");
    for (size_t i = 0; i < out.size; i++)
        check(raw_send(peer, out.data + i, 1), "lost");
    peers_expect(listener, "c", "from the test");
    /* A newer link of the same peer ends this one; an older one is refused. */
    bytes_clear(&out);
    append_hello(&out, 'd', 6);
    append_message(&out, "c", "newer");
    struct raw *newer = raw_connect_path(path);
    check(newer && raw_send(newer, out.data, out.size), "lost");
    peers_expect(listener, "c", "newer");
    struct bytes in = {0};
    check(raw_read_to_end(peer, &in), "the older link is not closed");
    bytes_clear(&out);
    append_hello(&out, 'd', 5);
    append_message(&out, "c", "older");
    send_bytes(path, &out, true);
    raw_expect(speaker, ":0", "PUBLISH c 2");
    peers_expect(listener, "c", "2");
    raw_close(newer);
    raw_close(peer);
    raw_close(speaker);
    raw_close(listener);
    bytes_free(&in);
    bytes_free(&out);
    free(path);
}
