/* SPDX-License-Identifier: MIT */
/* What the parts of client_start_test share. */
#ifndef TESTS_CLIENT_START_H
#define TESTS_CLIENT_START_H

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"

#define NOBODY 65534

/* Runs a server that must not start: status 1, and one line on stderr that has each of the texts
 * (NULL ends) in it. */
void start_fails(struct harness *harness, const struct server_options *options,
                 const char *const *texts);

/* Makes a data file (with a few keys) and its key file; no server runs afterwards. */
void start_make_data(struct harness *harness);

/* The whole data file. */
void start_read_data(struct harness *harness, struct bytes *data);

/* If the test runs as root, for whom mode bits do not count: an unprivileged user, who then owns
 * data directory and key file.  Else 0. */
uid_t start_ordinary_user(struct harness *harness);

/* Keys and files that are wrong at the start. */
void wrong_key(struct harness *harness);
void missing_key(struct harness *harness);
void key_file_modes(struct harness *harness);
void key_file_contents(struct harness *harness);
void key_file_is_no_file(struct harness *harness);
void truncated_file(struct harness *harness);
void tampered_file(struct harness *harness);
void damaged_file_has_a_spare(struct harness *harness);
void foreign_file(struct harness *harness);
void directory_in_its_place(struct harness *harness);
void fifo_in_its_place(struct harness *harness);
void unreadable_file(struct harness *harness);
void missing_directory(struct harness *harness);
void read_only_directory_at_start(struct harness *harness);
void full_disk_at_start(struct harness *harness);
void writes_will_fail(struct harness *harness);

/* Trouble, or the absence of it, while running. */
void read_only_directory(struct harness *harness);
void full_disk(struct harness *harness);
void file_vanishes(struct harness *harness);
void file_is_replaced(struct harness *harness);
void lock_file_is_deleted(struct harness *harness);
void nothing_in_clear(struct harness *harness);
void file_modes(struct harness *harness);
void sigterm_finishes_writes(struct harness *harness);
void sigint_stops(struct harness *harness);
void sighup_reopens_log(struct harness *harness);
void other_signals(struct harness *harness);
void one_of_a_kind(struct harness *harness);

#endif
