/* SPDX-License-Identifier: MIT */
/* Handing submissions to the commit thread, and telling their callers how they ended. */
#include "store/commit/queue.h"

#include "store/common/clock.h"
#include "store/common/error.h"

bool queue_init(struct queue *queue)
{
    *queue = (struct queue){.wake_at = 1};
    queue->tail = &queue->head;
    pthread_condattr_t monotonic;
    return pthread_mutex_init(&queue->mutex, NULL) == 0 && pthread_condattr_init(&monotonic) == 0 &&
           pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
           pthread_cond_init(&queue->changed, &monotonic) == 0;
}

void queue_destroy(struct queue *queue)
{
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->mutex);
}

/* ---- Submitting --------------------------------------------------------------------------- */

static enum queued_kind kind_of(const struct anystore_submission *submission)
{
    switch (submission->kind) {
    case ANYSTORE_SUBMIT_UPDATE:
        return QUEUED_UPDATE;
    case ANYSTORE_SUBMIT_UPDATE_AND_BASE:
        return QUEUED_UPDATE_AND_BASE;
    case ANYSTORE_SUBMIT_BASE:
        return QUEUED_BASE;
    case ANYSTORE_SUBMIT_PROBE:
        return QUEUED_PROBE;
    }
    return QUEUED_UPDATE;
}

static void push(struct queue *queue, struct anystore_submission *submission,
                 const struct queued *as)
{
    struct queued *queued = (struct queued *)(void *)submission->private_.bytes;
    *queued = *as;
    queued->submission = submission;
    pthread_mutex_lock(&queue->mutex);
    *queue->tail = queued;
    queue->tail = &queued->next;
    if (++queue->count == queue->wake_at)
        pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

void queue_push(struct queue *queue, struct anystore_submission *submission)
{
    push(queue, submission, &(struct queued){.kind = kind_of(submission)});
}

struct waiting {
    struct anystore_submission submission;
    pthread_mutex_t mutex;
    pthread_cond_t done_changed;
    bool done;
    struct anystore_error outcome;
};

static void on_done(struct anystore_submission *submission, bool ran,
                    const struct anystore_error *error)
{
    (void)ran;
    struct waiting *self = (struct waiting *)(void *)submission; /* its first member */
    pthread_mutex_lock(&self->mutex);
    self->outcome = *error;
    self->done = true;
    pthread_cond_signal(&self->done_changed);
    pthread_mutex_unlock(&self->mutex);
}

static enum anystore_status push_and_wait(struct queue *queue, anystore_fn *fn, void *arg,
                                          const struct queued *as, struct anystore_error *error)
{
    struct waiting waiting = {.submission = {.fn = fn, .arg = arg, .on_done = on_done},
                              .mutex = PTHREAD_MUTEX_INITIALIZER,
                              .done_changed = PTHREAD_COND_INITIALIZER};
    push(queue, &waiting.submission, as);
    pthread_mutex_lock(&waiting.mutex);
    while (!waiting.done)
        pthread_cond_wait(&waiting.done_changed, &waiting.mutex);
    pthread_mutex_unlock(&waiting.mutex);
    pthread_mutex_destroy(&waiting.mutex);
    pthread_cond_destroy(&waiting.done_changed);
    if (error)
        *error = waiting.outcome;
    return waiting.outcome.status;
}

enum anystore_status queue_update_and_wait(struct queue *queue, enum queued_kind kind,
                                           anystore_fn *fn, void *arg, bool starts_round,
                                           struct anystore_error *error)
{
    const struct queued as = {.kind = kind, .starts_round = starts_round};
    return push_and_wait(queue, fn, arg, &as, error);
}

enum anystore_status queue_step_and_wait(struct queue *queue, queue_step *step, void *arg,
                                         struct anystore_error *error)
{
    const struct queued as = {.kind = QUEUED_STEP, .step = step};
    return push_and_wait(queue, NULL, arg, &as, error);
}

static void announce(struct queue *queue, bool *what)
{
    pthread_mutex_lock(&queue->mutex);
    *what = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

void queue_announce_base_turn(struct queue *queue)
{
    announce(queue, &queue->base_turn);
}

void queue_announce_suspect_mark(struct queue *queue)
{
    announce(queue, &queue->mark_suspect);
}

void queue_announce_close(struct queue *queue)
{
    announce(queue, &queue->closing);
}

/* ---- The commit thread -------------------------------------------------------------------- */

static enum queue_work work_locked(const struct queue *queue, bool may_end)
{
    if (queue->head)
        return QUEUE_COMMIT;
    if (queue->base_turn)
        return QUEUE_BASE_TURN;
    if (queue->closing && may_end)
        return QUEUE_END;
    return queue->mark_suspect ? QUEUE_CHECK_MARK : QUEUE_TICK;
}

enum queue_work queue_wait(struct queue *queue, uint64_t tick_ms, bool may_end)
{
    const struct timespec until = clock_timespec(clock_monotonic_us() + tick_ms * 1000);
    int result = 0;
    pthread_mutex_lock(&queue->mutex);
    enum queue_work work = work_locked(queue, may_end);
    while (work == QUEUE_TICK && result == 0) {
        result = pthread_cond_timedwait(&queue->changed, &queue->mutex, &until);
        work = work_locked(queue, may_end);
    }
    /* A commit puts the mark right, too, as it takes the lock; and the base has its turn after
     * it. */
    if (work == QUEUE_COMMIT || work == QUEUE_CHECK_MARK)
        queue->mark_suspect = false;
    if (work == QUEUE_COMMIT || work == QUEUE_BASE_TURN)
        queue->base_turn = false;
    pthread_mutex_unlock(&queue->mutex);
    return work;
}

size_t queue_wait_for(struct queue *queue, size_t count, uint64_t until_us)
{
    const struct timespec until = clock_timespec(until_us);
    int result = 0;
    pthread_mutex_lock(&queue->mutex);
    queue->wake_at = count;
    while (queue->count < count && result == 0 && !queue->closing)
        result = pthread_cond_timedwait(&queue->changed, &queue->mutex, &until);
    queue->wake_at = 1;
    size_t waiting = queue->count;
    pthread_mutex_unlock(&queue->mutex);
    return waiting;
}

struct queued *queue_take(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    struct queued *list = queue->head, *last = list;
    size_t count = last ? 1 : 0;
    for (; last && last->next && !last->next->starts_round; last = last->next)
        count++;
    queue->head = last ? last->next : NULL;
    if (!queue->head)
        queue->tail = &queue->head;
    if (last)
        last->next = NULL;
    queue->count -= count;
    pthread_mutex_unlock(&queue->mutex);
    return list;
}

size_t queue_count(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    size_t count = queue->count;
    pthread_mutex_unlock(&queue->mutex);
    return count;
}

/* ---- Lists -------------------------------------------------------------------------------- */

struct queued *queued_split(struct queued **list, queued_is *is)
{
    struct queued *taken = NULL, **tail = &taken;
    for (struct queued **link = list; *link;) {
        struct queued *queued = *link;
        if (!is(queued)) {
            link = &queued->next;
            continue;
        }
        *link = queued->next;
        queued->next = NULL;
        *tail = queued;
        tail = &queued->next;
    }
    return taken;
}

void queued_append(struct queued **list, struct queued *more)
{
    while (*list)
        list = &(*list)->next;
    *list = more;
}

void queued_tell(struct queued *list, bool ran, const struct anystore_error *outcome)
{
    struct anystore_error aborted;
    error_set(&aborted, ANYSTORE_ABORTED, "aborted");
    while (list) {
        struct queued *next = list->next; /* on_done may free or reuse it */
        struct anystore_submission *submission = list->submission;
        submission->on_done(submission, ran && queued_has_update(list),
                            list->aborted ? &aborted : outcome);
        list = next;
    }
}
