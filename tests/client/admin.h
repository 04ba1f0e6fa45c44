/* SPDX-License-Identifier: MIT */
/* What the parts of client_admin_test share. */
#ifndef TESTS_CLIENT_ADMIN_H
#define TESTS_CLIENT_ADMIN_H

#include "tests/client/harness/client.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

/* Runs a test against redis-server and against ours. */
void admin_with_both(struct harness *harness,
                     void (*test)(struct server *server, redisContext *client, struct raw *raw));

/* Tests: admin_statistics.c. */
void calls_are_counted(struct harness *harness);
void latency_is_noted(struct harness *harness);
void slow_commands_are_noted(struct harness *harness);

#endif
