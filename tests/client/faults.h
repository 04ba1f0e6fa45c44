/* SPDX-License-Identifier: MIT */
/* What the parts of client_faults_test share. */
#ifndef TESTS_CLIENT_FAULTS_H
#define TESTS_CLIENT_FAULTS_H

#include <sys/resource.h>

#include "tests/client/commits.h"

/* A write is refused: the reply says that nothing was changed, or that it could not even begin, and
 * names a data file and the cause. */
void faults_refused(redisContext *client, const char *command, const char *cause);

/* What INFO says of the last write and the last save: "ok" or "err". */
void faults_expect_status(redisContext *client, const char *write, const char *save);

/* PING answers PONG, if need be after a while: where a commit of a database has failed, the server
 * tries itself whether another one works. */
void faults_expect_pong(redisContext *client);

/* The disk works again: the server, which was never restarted, catches up and writes, and all
 * servers agree. */
void faults_well_again(struct commits *commits);

/* System calls that fail for a while (faults_lasting.c). */
void calls_fail_for_a_while(struct harness *harness);
void interrupted_calls_go_on(struct harness *harness);
void peers_after_a_fault(struct harness *harness);

/* System calls that fail while a server starts (faults_start.c). */
void calls_of_a_start_fail(struct harness *harness);

/* Limits of the system, without strace (faults_limits.c). */
void file_size_limit(struct harness *harness);
void probes_hear_of_a_full_disk(struct harness *harness);
void too_many_open_files(struct harness *harness);
void disk_full_for_all(struct harness *harness);

/* A limit of the running server: RLIMIT_FSIZE for example. */
rlim_t faults_limit(const struct server *server, int resource);
void faults_set_limit(const struct server *server, int resource, rlim_t value);

/* Commands over several databases of which some cannot commit (faults_several.c). */
void commits_of_several_fail(struct harness *harness);

#endif
