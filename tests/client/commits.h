/* SPDX-License-Identifier: MIT */
/* Commits of several kinds, by one server among others on the same file, that are disturbed at each
 * of their system calls: what the servers are to have done before, and what may be seen of it
 * after. */
#ifndef TESTS_CLIENT_COMMITS_H
#define TESTS_CLIENT_COMMITS_H

#include <stdbool.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/tracer.h"

#define COMMIT_STEPS_MAX  256
#define COMMITS_DATABASES 3 /* that they are about */

struct commit_kind {
    const char *name;
    const char *command;        /* an inline command */
    const char *before, *after; /* commits_state() when it was not, or was done */
    bool behind;                /* the server has to catch up with another one's commit first */
    bool fresh;                 /* the server has just been started: it has no spare */
};

/* The server that is disturbed, and two others on its file. */
struct commits {
    struct server *server, *others[2];
    redisContext *clients[2]; /* of the others */
    long long counter;        /* key "counter": the INCRs of commits_count() */
};

/* Starts the servers. */
void commits_begin(struct harness *harness, struct commits *commits);
void commits_end(struct commits *commits);

/* Brings data and servers to where a commit of that kind begins. */
void commits_prepare(struct commits *commits, const struct commit_kind *kind);

/* Runs one of that kind in peace and notes its system calls: their number, COMMIT_STEPS_MAX at
 * most. */
size_t commits_rehearse(struct harness *harness, struct commits *commits,
                        const struct commit_kind *kind, struct tracer_step *steps);

/* A write through the first of the others, that must work; `answered` is when, by
 * commits_now_us(). */
void commits_count(struct commits *commits);
int64_t commits_now_us(void);

/* What the server holds where such commits write: the value of "k" in each database, the last one
 * first; "$old2 $old1 $old0" when prepared.  The caller frees. */
char *commits_state(redisContext *client);

/* What was under way when the server died is settled by others' writes: then all of them must hold
 * the same, from before or after the command (only after, if it was acknowledged), and every write
 * that was acknowledged.  Whether it was done. */
bool commits_check(struct commits *commits, const struct commit_kind *kind, bool acknowledged);

#endif
