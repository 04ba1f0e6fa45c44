/* SPDX-License-Identifier: MIT */
/* Commits of several kinds by one of three servers on a file.  Tests disturb each of their system
 * calls.  Here is what the servers do before, and what may be seen afterwards. */
#ifndef TESTS_CLIENT_COMMITS_H
#define TESTS_CLIENT_COMMITS_H

#include <stdbool.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/tracer.h"

#define COMMIT_STEPS_MAX  256
#define COMMITS_DATABASES 3 /* that the commit is about */

struct commit_kind {
    const char *name;
    const char *command;        /* an inline command */
    const char *before, *after; /* commits_state() if it was not done, and if it was */
    bool behind;                /* the server must catch up with another server's commit first */
    bool fresh;                 /* the server has just started and has no spare */
};

/* The server that a test disturbs, and two others on its file. */
struct commits {
    struct server *server, *others[2];
    redisContext *clients[2]; /* of the other servers */
    long long counter;        /* key "counter": how often commits_count() has added to it */
};

/* Starts the servers. */
void commits_begin(struct harness *harness, struct commits *commits);
void commits_end(struct commits *commits);

/* Brings data and servers to the point where a commit of that kind begins. */
void commits_prepare(struct commits *commits, const struct commit_kind *kind);

/* Runs one commit of that kind undisturbed and notes its system calls; returns their number, at
 * most COMMIT_STEPS_MAX. */
size_t commits_rehearse(struct harness *harness, struct commits *commits,
                        const struct commit_kind *kind, struct tracer_step *steps);

/* A write through the first of the other servers, which must work; `answered` is the time by
 * commits_now_us(). */
void commits_count(struct commits *commits);
int64_t commits_now_us(void);

/* What the server has where such commits write: the value of "k" in each database, the last
 * database first; "$old2 $old1 $old0" after preparation.  The caller frees. */
char *commits_state(redisContext *client);

/* Writes of the other servers settle what the dead server had begun.  Then all servers must have
 * the same state, from before or after the command (only after, if it was acknowledged), and every
 * acknowledged write.  Returns whether the command was done. */
bool commits_check(struct commits *commits, const struct commit_kind *kind, bool acknowledged);

#endif
