/* SPDX-License-Identifier: MIT */
/* When a base is written: the base thread takes turns with the commit thread. store/DESIGN.md has
 * the table of their turns, base_beside.h what they do. */
#ifndef STORE_COMMIT_BASE_SCHEDULE_H
#define STORE_COMMIT_BASE_SCHEDULE_H

#include <pthread.h>
#include <stdbool.h>

#include "store/commit/base_beside.h"
#include "store/commit/queue.h"

struct anystore;

/* Whose turn it is. */
enum base_phase {
    BASE_IDLE,    /* commit thread: may begin */
    BASE_WRITING, /* base thread */
    BASE_READY,   /* commit thread: finish */
    BASE_CLEANUP, /* base thread */
    BASE_CLEANED  /* commit thread: tell those who asked for it */
};

struct base_schedule {
    pthread_t thread;
    bool thread_started;    /* constant after open */
    pthread_mutex_t mutex;  /* a leaf but for the closer's: no other lock is taken under it */
    pthread_cond_t changed; /* the base thread waits here */
    enum base_phase phase;  /* guard: mutex */
    struct base_job job;    /* of the thread whose turn it is */
    /* Of the commit thread. */
    struct queued *asked;    /* they wait for a base that has not begun */
    struct queued *promised; /* they wait for the one that has */
    uint64_t retry_at;       /* below this size of the file no new base is tried */
};

/* False if the system has no more locks. */
bool base_schedule_init(struct base_schedule *schedule);
void base_schedule_destroy(struct base_schedule *schedule);

/* Starts the base thread; false if the system has no more threads. */
bool base_schedule_start(struct anystore *store);

/* When the commit thread has ended: gives up a base that is being written, and ends the base
 * thread. */
void base_schedule_end(struct anystore *store);

/* ---- For the commit thread ---------------------------------------------------------------- */

/* Whether the changes in the file have outgrown the data so far that a new base pays. */
bool base_is_due(const struct anystore *store);

/* Asks for a base on behalf of a list; they are told when it is in place. */
void base_ask(struct anystore *store, struct queued *list);

/* Whether somebody waits for a base. */
bool base_has_waiters(const struct anystore *store);

/* Does what the commit thread has to do for a base, if anything.  `due`: base_is_due said so.  No
 * lock is held. */
void base_take_turn(struct anystore *store, bool due);

#endif
