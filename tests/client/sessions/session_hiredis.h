/* SPDX-License-Identifier: MIT */
/* What the files of hiredis's session share: connections, expectations, the steps. */
#ifndef TESTS_CLIENT_SESSIONS_SESSION_HIREDIS_H
#define TESTS_CLIENT_SESSIONS_SESSION_HIREDIS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

/* Two clients that stay connected throughout; a step may replace them. */
struct clients {
    redisContext *a; /* of server A, over TCP */
    redisContext *b; /* of server B, over its UNIX socket */
};

/* Steps of DESIGN.md about data; the others are in session_hiredis.c. */
void step_binary(struct clients *clients);
void step_large(struct clients *clients);
void step_expiry(struct clients *clients);
void step_scan(struct clients *clients);
void step_strings(struct clients *clients);
void step_bits(struct clients *clients);

/* Ends the step as failed, or as impossible with this client. */
void session_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void session_skip(const char *reason) __attribute__((noreturn));

/* Sends a command in hiredis's format and expects its reply's text in the form of
 * harness/reply.h. */
void expect(redisContext *client, const char *expected, const char *format, ...);
/* Expects that text within the reply's. */
void expect_part(redisContext *client, const char *part, const char *format, ...);
/* Expects an integer in a range. */
void expect_within(redisContext *client, long long least, long long most, const char *format, ...);
/* Expects these bytes. */
void expect_bytes(redisContext *client, const void *data, size_t size, const char *format, ...);
/* The reply of a command, of any kind; freed with freeReplyObject. */
redisReply *command(redisContext *client, const char *format, ...);
/* Expects the next reply of a pipeline, or the next message, as text. */
void expect_next(redisContext *client, const char *expected);

/* Looks again and again until the condition holds; fails the step after minutes. */
void wait_until(bool (*condition)(void *argument), void *argument, const char *what);

extern const uint8_t all_bytes[256];

#endif
