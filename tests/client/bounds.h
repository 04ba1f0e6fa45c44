/* SPDX-License-Identifier: MIT */
/* What the parts of client_bounds_test share: how much memory a server takes, and whether it serves
 * others. */
#ifndef TESTS_CLIENT_BOUNDS_H
#define TESTS_CLIENT_BOUNDS_H

#include <stddef.h>

#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

#define MIB ((size_t)1 << 20)

/* Begins to measure the server's peak memory; returns what it has now, in bytes. */
size_t bounds_begin(const struct server *server);

/* Fails if the server has had more than `most` more bytes in memory since then; prints how many it
 * had.  Does nothing in builds with sanitizers, which take memory of their own. */
void bounds_check(const struct server *server, size_t before, size_t most, const char *what);

/* As bounds_check, but for what the server has now: it must have given back the rest. */
void bounds_check_now(const struct server *server, size_t before, size_t most, const char *what);

/* How many descriptors the server has open. */
size_t bounds_descriptors(const struct server *server);

/* Serves another client: that many rounds of SET, GET and PING must work. */
void bounds_serve(const struct server *server, unsigned rounds);

/* Raises this process's limit to that many descriptors, or fewer if the system refuses; returns how
 * many. */
unsigned bounds_allow_descriptors(unsigned count);

/* Sends without reading; false if not everything could be sent at once. */
bool bounds_push(struct raw *raw, const void *data, size_t size);

/* Closes with a reset (TCP): bytes on the way may be lost, too. */
void bounds_reset(struct raw *raw);

/* Waits until at most `count` clients are connected, including the one that asks. */
void bounds_wait_clients(const struct server *server, long long count);

/* Appends the text `count` times. */
void bounds_repeat(struct bytes *out, const char *text, size_t count);

void slow_readers(struct harness *harness);
void slow_writers(struct harness *harness);
void tiny_commands(struct harness *harness);
void unread_replies(struct harness *harness);
void large_replies(struct harness *harness);
void one_large_value_again_and_again(struct harness *harness);
void output_limit(struct harness *harness);
void clients_together(struct harness *harness);
void idle_after_work(struct harness *harness);

void come_and_go(struct harness *harness);
void too_many(struct harness *harness);
void no_descriptors(struct harness *harness);
void cut_off(struct harness *harness);
void cut_off_transactions(struct harness *harness);

void largest_value(struct harness *harness);
void too_large(struct harness *harness);

void out_of_memory_errors(struct harness *harness);
void out_of_memory(struct harness *harness);
void out_of_memory_in_one_write(struct harness *harness);
void rewritten_in_a_transaction(struct harness *harness);
void out_of_memory_by_others(struct harness *harness);
void memory_figures_are_true(struct harness *harness);

#endif
