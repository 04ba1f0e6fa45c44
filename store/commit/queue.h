/* SPDX-License-Identifier: MIT */
/* The queue before the commit thread: what was submitted, and the other reasons to wake that
 * thread.  It knows no store; the commit thread does the work. */
#ifndef STORE_COMMIT_QUEUE_H
#define STORE_COMMIT_QUEUE_H

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anystore.h"

/* What the commit thread does for a submission. */
enum queued_kind {
    QUEUED_UPDATE,          /* runs its function, in a commit with others */
    QUEUED_UPDATE_AND_BASE, /* the same, and then a base is written */
    QUEUED_BASE,            /* a base is written */
    QUEUED_PROBE,           /* makes a commit of its round, even if that changes nothing */
    QUEUED_STEP             /* runs `step` behind the commit, while the file lock is held */
};

/* A part of something that takes several stores; see several.c. */
typedef void queue_step(void *arg);

/* The private part of a submission, from queue_push to queued_tell. */
struct queued {
    struct queued *next;
    struct anystore_submission *submission;
    queue_step *step; /* QUEUED_STEP */
    enum queued_kind kind;
    bool starts_round; /* its round takes nothing that was submitted before it */
    bool aborted;      /* its function said no */
};
static_assert(sizeof(struct queued) <= sizeof((struct anystore_submission){.kind = 0}.private_) &&
                  _Alignof(struct queued) <= _Alignof(uint64_t),
              "the private part of a submission has room");

static inline bool queued_has_update(const struct queued *queued)
{
    return queued->kind == QUEUED_UPDATE || queued->kind == QUEUED_UPDATE_AND_BASE;
}

static inline bool queued_wants_base(const struct queued *queued)
{
    return queued->kind == QUEUED_BASE || queued->kind == QUEUED_UPDATE_AND_BASE;
}

struct queue {
    pthread_mutex_t mutex; /* a leaf: no other lock is taken under it */
    pthread_cond_t changed;
    /* The rest is guarded by the mutex. */
    struct queued *head, **tail;
    size_t count;
    size_t wake_at; /* the count at which the commit thread is woken */
    bool closing;
    bool base_turn;    /* a base waits for the commit thread */
    bool mark_suspect; /* the mark and the file do not agree */
};

/* False if the system has no more locks. */
bool queue_init(struct queue *queue);
void queue_destroy(struct queue *queue);

/* ---- For any thread ----------------------------------------------------------------------- */

/* Appends what a caller has filled in; on_done is called when it is done. */
void queue_push(struct queue *queue, struct anystore_submission *submission);

/* Appends an update and waits for its end.  starts_round: see struct queued. */
enum anystore_status queue_update_and_wait(struct queue *queue, enum queued_kind kind,
                                           anystore_fn *fn, void *arg, bool starts_round,
                                           struct anystore_error *error);

/* Appends a step and waits for its end.  The step does not run if the file lock cannot be had, or
 * if the commit of its round fails: then that is the error. */
enum anystore_status queue_step_and_wait(struct queue *queue, queue_step *step, void *arg,
                                         struct anystore_error *error);

/* Wakes the commit thread for something that is not submitted. */
void queue_announce_base_turn(struct queue *queue);
void queue_announce_suspect_mark(struct queue *queue);
void queue_announce_close(struct queue *queue);

/* ---- For the commit thread ---------------------------------------------------------------- */

enum queue_work {
    QUEUE_COMMIT,     /* something was submitted; there may be a base's turn, too */
    QUEUE_BASE_TURN,  /* a base waits */
    QUEUE_CHECK_MARK, /* the mark is suspect */
    QUEUE_TICK,       /* the time is over */
    QUEUE_END         /* the store is being closed and nothing is left to do */
};

/* Waits for work, for tick_ms at most. may_end: nobody waits for a base, so the thread may end. */
enum queue_work queue_wait(struct queue *queue, uint64_t tick_ms, bool may_end);

/* Waits until `count` are in the queue, or until that time on the monotonic clock, or until the
 * store is being closed.  Returns how many are there. */
size_t queue_wait_for(struct queue *queue, size_t count, uint64_t until_us);

/* Takes what has been submitted, up to one that needs a new round. */
struct queued *queue_take(struct queue *queue);

size_t queue_count(struct queue *queue);

/* ---- Lists -------------------------------------------------------------------------------- */

/* Takes those out of a list for which `is` says yes; the order stays. */
typedef bool queued_is(const struct queued *queued);
struct queued *queued_split(struct queued **list, queued_is *is);

/* Appends a list to another one. */
void queued_append(struct queued **list, struct queued *more);

/* Calls on_done for each in a list, which is gone afterwards.  `ran`: update functions were run.
 * An update that aborted is told so; the others get the outcome. */
void queued_tell(struct queued *list, bool ran, const struct anystore_error *outcome);

#endif
