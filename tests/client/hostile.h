/* SPDX-License-Identifier: MIT */
/* What the parts of client_hostile_test share: the same bytes to redis-server and to ours,
 * compared. */
#ifndef TESTS_CLIENT_HOSTILE_H
#define TESTS_CLIENT_HOSTILE_H

#include <stddef.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

struct hostile {
    struct server *redis, *ours;
};

/* Starts both servers with the same further arguments (NULL ends; may be NULL). */
void hostile_start(struct harness *harness, struct hostile *hostile, const char *const *args);

/* Sends the bytes and half-closes; then everything that either server answers until it closes must
 * be the same.  Once as they are, once with more commands behind, which shows whether the
 * connection was closed, and small ones once byte by byte. */
void hostile_compare(const struct hostile *hostile, const char *name, const void *data,
                     size_t size);
void hostile_compare_text(const struct hostile *hostile, const char *text);

/* Everything that the server answers to the bytes until it closes, appended to *answer. `piece`:
 * bytes to send at a time, 0 for all. */
void hostile_exchange(const struct server *server, const void *data, size_t size, size_t piece,
                      struct bytes *answer);

/* Fails unless the server still answers. */
void hostile_alive(const struct server *server);

void hostile_inline(struct harness *harness);
void hostile_requests(struct harness *harness);
void hostile_lengths(struct harness *harness);
void hostile_unauthenticated(struct harness *harness);
void hostile_garbage(struct harness *harness);
void hostile_http(struct harness *harness);

void hostile_output_limit(struct harness *harness);
void hostile_soft_output_limit(struct harness *harness);
void hostile_query_limit(struct harness *harness);
void hostile_maxclients(struct harness *harness);
void hostile_timeout(struct harness *harness);
void hostile_disconnects(struct harness *harness);
void hostile_protected_mode(struct harness *harness);

#endif
