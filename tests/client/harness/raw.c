/* SPDX-License-Identifier: MIT */
/* The raw client: bytes out, whole replies in. */
#include "tests/client/harness/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"

#define WAIT_MS   100000 /* a safety net, as struct patience */
#define READ_SIZE 65536

static struct raw *wrap(int fd, const struct sockaddr *address, socklen_t size)
{
    if (fd < 0)
        return NULL;
    int done;
    do {
        done = connect(fd, address, size);
    } while (done < 0 && errno == EINTR);
    if (done < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return NULL;
    }
    struct raw *raw = calloc(1, sizeof *raw);
    if (!raw)
        abort();
    raw->fd = fd;
    return raw;
}

struct raw *raw_connect_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return NULL;
    strcpy(address.sun_path, path);
    return wrap(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), (struct sockaddr *)&address,
                sizeof address);
}

struct raw *raw_connect(const struct server *server)
{
    return raw_connect_path(server->socket);
}

struct raw *raw_connect_tcp(const char *text, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
        return NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return wrap(fd, (struct sockaddr *)&address, sizeof address);
}

void raw_close(struct raw *raw)
{
    if (!raw)
        return;
    close(raw->fd);
    bytes_free(&raw->in);
    free(raw);
}

bool raw_receive_pending(struct raw *raw)
{
    while (!raw->ended) {
        uint8_t *to = bytes_reserve(&raw->in, READ_SIZE);
        ssize_t got = recv(raw->fd, to, READ_SIZE, 0);
        if (got > 0) {
            raw->in.size += (size_t)got;
            raw->in.data[raw->in.size] = 0;
        } else if (got < 0 && errno == EINTR) {
            continue;
        } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return true;
        } else {
            raw->ended = true; /* closed, or reset because the server closed with bytes unread */
        }
    }
    return false;
}

/* Waits until something can be read (or written, if wanted); false after too long a wait. */
static bool wait_for(struct raw *raw, short events)
{
    struct pollfd ready = {.fd = raw->fd, .events = events};
    int count;
    do {
        count = poll(&ready, 1, WAIT_MS);
    } while (count < 0 && errno == EINTR);
    return count > 0;
}

size_t raw_pending(const struct raw *raw)
{
    return raw->in.size - raw->start - raw->used;
}

/* Moves the rest to the front only after much was read, not for every reply. */
static void drop_used(struct raw *raw)
{
    raw->start += raw->used;
    raw->used = 0;
    if (raw->start == raw->in.size || (raw->start > READ_SIZE && raw->start > raw->in.size / 2)) {
        bytes_consume(&raw->in, raw->start);
        raw->start = 0;
    }
}

bool raw_send(struct raw *raw, const void *data, size_t size)
{
    const uint8_t *from = data;
    drop_used(raw);
    while (size) {
        ssize_t put = send(raw->fd, from, size, MSG_NOSIGNAL);
        if (put > 0) {
            from += put;
            size -= (size_t)put;
            continue;
        }
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return false;
        if (!wait_for(raw, POLLIN | POLLOUT))
            return false;
        if (!raw_receive_pending(raw))
            return false;
    }
    return true;
}

bool raw_send_text(struct raw *raw, const char *text)
{
    return raw_send(raw, text, strlen(text));
}

void raw_shutdown(struct raw *raw)
{
    shutdown(raw->fd, SHUT_WR);
}

bool raw_read(struct raw *raw, const uint8_t **data, size_t *size)
{
    drop_used(raw);
    for (;;) {
        size_t pending = raw_pending(raw);
        size_t whole = pending ? reply_measure(raw->in.data + raw->start, pending) : REPLY_MORE;
        if (whole == REPLY_BAD) {
            raw->garbled = true;
            return false;
        }
        if (whole != REPLY_MORE) {
            *data = raw->in.data + raw->start;
            *size = raw->used = whole;
            return true;
        }
        size_t before = raw->in.size;
        if (raw->ended || !wait_for(raw, POLLIN))
            return false;
        (void)raw_receive_pending(raw);
        if (raw->ended && raw->in.size == before)
            return false;
    }
}

bool raw_read_to_end(struct raw *raw, struct bytes *out)
{
    drop_used(raw);
    while (!raw->ended && wait_for(raw, POLLIN))
        (void)raw_receive_pending(raw);
    if (raw_pending(raw))
        bytes_append(out, raw->in.data + raw->start, raw_pending(raw));
    raw->used = raw_pending(raw);
    drop_used(raw);
    return raw->ended;
}

bool raw_closes(struct raw *raw)
{
    struct bytes rest = {0};
    bool ended = raw_read_to_end(raw, &rest);
    bool nothing = rest.size == 0;
    bytes_free(&rest);
    return ended && nothing;
}

void raw_encode(struct bytes *out, const struct raw_arg *args, size_t count)
{
    bytes_appendf(out, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        bytes_appendf(out, "$%zu\r\n", args[i].size);
        bytes_append(out, args[i].data, args[i].size);
        bytes_append(out, "\r\n", 2);
    }
}

static void encode_list(struct bytes *out, const char *first, va_list rest)
{
    va_list counting;
    va_copy(counting, rest);
    size_t count = 1;
    while (va_arg(counting, const char *))
        count++;
    va_end(counting);
    bytes_appendf(out, "*%zu\r\n", count);
    for (const char *arg = first; arg; arg = va_arg(rest, const char *))
        bytes_appendf(out, "$%zu\r\n%s\r\n", strlen(arg), arg);
}

void raw_encode_texts(struct bytes *out, const char *first, ...)
{
    va_list args;
    va_start(args, first);
    encode_list(out, first, args);
    va_end(args);
}

struct reply *raw_reply(struct raw *raw)
{
    const uint8_t *data;
    size_t size;
    return raw_read(raw, &data, &size) ? reply_parse(data, size) : NULL;
}

struct reply *raw_command(struct raw *raw, const char *first, ...)
{
    struct bytes out = {0};
    va_list args;
    va_start(args, first);
    encode_list(&out, first, args);
    va_end(args);
    bool sent = raw_send(raw, out.data, out.size);
    bytes_free(&out);
    /* A server that closes may have said why before. */
    return sent || raw_pending(raw) ? raw_reply(raw) : NULL;
}

static bool send_words(struct raw *raw, const char *words)
{
    struct raw_arg args[32];
    size_t count = 0;
    for (const char *word = words + strspn(words, " "); *word && count < 32;) {
        size_t size = strcspn(word, " ");
        args[count++] = (struct raw_arg){word, size};
        word += size;
        word += strspn(word, " ");
    }
    struct bytes out = {0};
    raw_encode(&out, args, count);
    bool sent = raw_send(raw, out.data, out.size);
    bytes_free(&out);
    return sent || raw_pending(raw); /* a server that closes may have said why before */
}

void raw_expect_at(const char *file, int line, struct raw *raw, const char *expected,
                   const char *words)
{
    if (words && !send_words(raw, words))
        harness_fail(file, line, "%s: the server closed the connection before", words);
    struct reply *reply = raw_reply(raw);
    char *text = reply_text(reply);
    reply_free(reply);
    if (strcmp(text, expected))
        harness_fail(file, line, "%s\nexpected %s\n     got %s", words ? words : "", expected,
                     text);
    free(text);
}
