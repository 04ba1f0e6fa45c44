/* SPDX-License-Identifier: MIT */
/* A client that sends any bytes and reads replies as they are, RESP2 or RESP3.  Nothing here fails
 * a test, so threads may use it (one thread per connection); a lost connection shows in the
 * results. */
#ifndef TESTS_CLIENT_HARNESS_RAW_H
#define TESTS_CLIENT_HARNESS_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/reply.h"

struct server;

struct raw {
    int fd;
    struct bytes in; /* received bytes */
    size_t start;    /* how many of them were read already */
    size_t used;     /* behind start: the reply handed out last */
    bool ended;      /* the server closed the connection */
    bool garbled;    /* the received bytes are no reply */
};

/* NULL if nobody listens. */
struct raw *raw_connect(const struct server *server); /* its UNIX socket */
struct raw *raw_connect_path(const char *path);
struct raw *raw_connect_tcp(const char *address, int port);
void raw_close(struct raw *raw); /* takes NULL */

/* Sends everything; reads what arrives meanwhile, so that neither side waits for the other.  False
 * if the server closed the connection before. */
bool raw_send(struct raw *raw, const void *data, size_t size);
bool raw_send_text(struct raw *raw, const char *text);
void raw_shutdown(struct raw *raw); /* nothing more will be sent */

/* The bytes of exactly one reply, valid until the next call; false if the connection ends first or
 * the bytes are no reply. */
bool raw_read(struct raw *raw, const uint8_t **data, size_t *size);

/* Everything up to the server's close, appended to *out; false if it does not close. */
bool raw_read_to_end(struct raw *raw, struct bytes *out);

/* Whether the server has closed the connection, or closes it within a test's patience, without
 * sending anything more. */
bool raw_closes(struct raw *raw);

/* How many received bytes were not read yet. */
size_t raw_pending(const struct raw *raw);

/* Receives what has arrived, without waiting; false if the connection has ended. */
bool raw_receive_pending(struct raw *raw);

/* One command as an array of bulk strings: text arguments, NULL ends.  The reply, freed with
 * reply_free; NULL if the connection is lost. */
struct reply *raw_command(struct raw *raw, const char *first, ...) __attribute__((sentinel));

/* The next reply as a tree; NULL if the connection is lost. */
struct reply *raw_reply(struct raw *raw);

/* Appends a command. */
struct raw_arg {
    const void *data;
    size_t size;
};
void raw_encode(struct bytes *out, const struct raw_arg *args, size_t count);
void raw_encode_texts(struct bytes *out, const char *first, ...) __attribute__((sentinel));

/* Reads a reply and fails the test unless its text (see reply.h) is the expected one; main
 * thread. */
#define raw_expect_reply(raw, expected) raw_expect_at(__FILE__, __LINE__, raw, expected, NULL)

/* Sends a command, given as words with blanks between, and expects its reply; main thread. */
#define raw_expect(raw, expected, words) raw_expect_at(__FILE__, __LINE__, raw, expected, words)

void raw_expect_at(const char *file, int line, struct raw *raw, const char *expected,
                   const char *words);

#endif
