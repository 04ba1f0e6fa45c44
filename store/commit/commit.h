/* SPDX-License-Identifier: MIT */
/* Group commit: the thread that turns queued updates into one durable change of the file.
 *
 *     wait for work -> lock -> refresh -> run every queued update -> append to the spare, sync ->
 *     exchange the names, sync the directory -> raise the mark -> publish -> unlock ->
 *     tell the callers
 *
 * Updates that arrive meanwhile wait for the next round, all together: one sync serves them all.  A
 * round that changes nothing writes nothing.  If anything fails before the mark is raised, the
 * changes are dropped and all callers of the round get the error. */
#ifndef STORE_COMMIT_COMMIT_H
#define STORE_COMMIT_COMMIT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "anystore.h"
#include "store/commit/gather.h"

struct anystore;

/* The commit thread alone uses these, unless they say otherwise. */
struct commit {
    pthread_t thread; /* constant after open, as the next */
    bool thread_started;
    atomic_bool check_is_asked; /* any thread; see anystore_check */
    uint64_t round;             /* number of rounds so far */
    uint64_t failure_logged_us; /* when the log was last told of a commit that failed */
    struct gather gather;
    size_t expire_cursor; /* where expire_some goes on */
};

/* Starts the commit thread. */
enum anystore_status commit_start(struct anystore *store, struct anystore_error *error);

/* Waits until everything that was submitted is done, then ends the thread. */
void commit_end(struct anystore *store);

#endif
