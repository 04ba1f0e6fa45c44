/* SPDX-License-Identifier: MIT */
/* hiredis, the usual C client library, with expectations.  Each function fails the test if
 * something is not as expected: main thread only. */
#ifndef TESTS_CLIENT_HARNESS_CLIENT_H
#define TESTS_CLIENT_HARNESS_CLIENT_H

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdbool.h>

struct server;

/* Connects to the server's UNIX socket. */
redisContext *client_connect(const struct server *server);

/* Sends a command (hiredis's format: words by blanks, %s, %b) and expects a reply's text as
 * reply.h describes it. */
#define client_expect(client, expected, ...)                                                       \
    client_expect_at(__FILE__, __LINE__, client, expected, false, __VA_ARGS__)

/* The same for the beginning of the reply's text. */
#define client_expect_start(client, expected, ...)                                                 \
    client_expect_at(__FILE__, __LINE__, client, expected, true, __VA_ARGS__)

/* The reply as a number; fails the test if it is none. */
#define client_integer(client, ...) client_integer_at(__FILE__, __LINE__, client, __VA_ARGS__)

/* A field of a section of INFO as a number; fails the test if it is missing. */
#define client_info(client, section, field)                                                        \
    client_info_at(__FILE__, __LINE__, client, section, field)

/* The reply as text; the caller frees. */
char *client_text(redisContext *client, const char *format, ...);

void client_expect_at(const char *file, int line, redisContext *client, const char *expected,
                      bool only_start, const char *format, ...);
long long client_integer_at(const char *file, int line, redisContext *client, const char *format,
                            ...);
long long client_info_at(const char *file, int line, redisContext *client, const char *section,
                         const char *field);

#endif
