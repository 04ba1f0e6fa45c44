/* SPDX-License-Identifier: MIT */
/* How the base thread and the commit thread hand a base to each other. */
#include "store/commit/base_schedule.h"

#include <sys/resource.h>

#include "store/commit/refresh.h"
#include "store/commit/state.h"
#include "store/common/error.h"

/* Below this many bytes of changes no new base is written, however small the data. */
#define BASE_FLOOR ((uint64_t)4 << 20)

/* About what a record costs beside key and value. */
#define BASE_RECORD_BYTES 8

/* The base thread's own priority, in nice's terms (on Linux each thread has one): where there are
 * more threads than cores, commits and clients come first.  It is not the lowest: the thread must
 * get on faster than the file grows. */
#define NICE 10

bool base_schedule_init(struct base_schedule *schedule)
{
    return pthread_mutex_init(&schedule->mutex, NULL) == 0 &&
           pthread_cond_init(&schedule->changed, NULL) == 0;
}

void base_schedule_destroy(struct base_schedule *schedule)
{
    pthread_cond_destroy(&schedule->changed);
    pthread_mutex_destroy(&schedule->mutex);
}

static enum base_phase phase_of(struct anystore *store)
{
    pthread_mutex_lock(&store->base.mutex);
    enum base_phase phase = store->base.phase;
    pthread_mutex_unlock(&store->base.mutex);
    return phase;
}

/* Ends a turn. */
static void set_phase(struct anystore *store, enum base_phase phase)
{
    pthread_mutex_lock(&store->base.mutex);
    store->base.phase = phase;
    atomic_store(&store->counters.base_in_progress, phase == BASE_WRITING || phase == BASE_READY);
    pthread_cond_signal(&store->base.changed);
    pthread_mutex_unlock(&store->base.mutex);
    if (phase == BASE_READY || phase == BASE_CLEANED)
        queue_announce_base_turn(&store->queue);
}

/* ---- The base thread ---------------------------------------------------------------------- */

/* Whether the base thread has something to do. */
static bool has_work_locked(struct anystore *store)
{
    struct base_schedule *base = &store->base;
    return base->phase == BASE_WRITING || base->phase == BASE_CLEANUP ||
           atomic_load(&base->job.stop) || closer_has_some(&store->closer);
}

/* The closer has something to close. */
static void on_closer_wakes(void *arg)
{
    struct anystore *store = arg;
    pthread_mutex_lock(&store->base.mutex);
    pthread_cond_signal(&store->base.changed);
    pthread_mutex_unlock(&store->base.mutex);
}

/* Waits for its turn; BASE_IDLE: there will be none.  Closes files meanwhile. */
static enum base_phase wait_for_turn(struct anystore *store)
{
    struct base_schedule *base = &store->base;
    for (;;) {
        closer_close_all(&store->closer);
        pthread_mutex_lock(&base->mutex);
        while (!has_work_locked(store))
            pthread_cond_wait(&base->changed, &base->mutex);
        enum base_phase phase = atomic_load(&base->job.stop) ? BASE_IDLE : base->phase;
        pthread_mutex_unlock(&base->mutex);
        if (!closer_has_some(&store->closer)) /* only this thread takes some away */
            return phase;
    }
}

static void *base_thread(void *arg)
{
    struct anystore *store = arg;
    struct base_job *job = &store->base.job;
    setpriority(PRIO_PROCESS, 0, NICE); /* without it the thread is only less polite */
    for (;;) {
        switch (wait_for_turn(store)) {
        case BASE_WRITING:
            base_write_beside(store, job);
            set_phase(store, BASE_READY);
            break;
        case BASE_CLEANUP:
            base_beside_clean(store, job);
            set_phase(store, BASE_CLEANED);
            break;
        case BASE_IDLE:
        case BASE_READY:
        case BASE_CLEANED:
            return NULL;
        }
    }
}

bool base_schedule_start(struct anystore *store)
{
    struct base_schedule *base = &store->base;
    base->thread_started = pthread_create(&base->thread, NULL, base_thread, store) == 0;
    if (base->thread_started)
        closer_accept(&store->closer, on_closer_wakes, store);
    return base->thread_started;
}

void base_schedule_end(struct anystore *store)
{
    struct base_schedule *base = &store->base;
    if (!base->thread_started)
        return;
    pthread_mutex_lock(&base->mutex);
    atomic_store(&base->job.stop, true);
    closer_hurry(&store->closer);
    pthread_cond_signal(&base->changed);
    pthread_mutex_unlock(&base->mutex);
    pthread_join(base->thread, NULL);
    if (base->phase != BASE_IDLE && base->phase != BASE_CLEANED)
        base_beside_clean(store,
                          &base->job); /* nobody waits for it: the next process writes its own */
}

/* ---- The commit thread's turns ------------------------------------------------------------ */

static uint64_t live_bytes(const struct anystore *store)
{
    const struct map *map = &store->published.map;
    return map->bytes + BASE_RECORD_BYTES * map->count;
}

bool base_is_due(const struct anystore *store)
{
    return store->file.chain.end > 2 * live_bytes(store) + BASE_FLOOR &&
           store->file.chain.end > store->base.retry_at;
}

bool base_has_waiters(const struct anystore *store)
{
    return store->base.asked || store->base.promised;
}

void base_ask(struct anystore *store, struct queued *list)
{
    queued_append(&store->base.asked, list);
}

/* The list, which is empty afterwards. */
static struct queued *take(struct queued **list)
{
    struct queued *taken = *list;
    *list = NULL;
    return taken;
}

/* The base is in place, or failed, and nothing of it is left over. */
static void end_job(struct anystore *store)
{
    struct base_job *job = &store->base.job;
    struct queued *promised = take(&store->base.promised);
    if (job->outdated && job->status == ANYSTORE_OK) {
        queued_append(&promised, store->base.asked);
        store->base.asked = promised;
    } else {
        atomic_store(&store->counters.last_base_status, (int)job->status);
        if (job->status != ANYSTORE_OK)
            store_log(&store->log, ANYSTORE_LOG_WARNING, "no new base: %s", job->error.text);
        queued_tell(promised, true, &job->error);
    }
    set_phase(store, BASE_IDLE);
}

static void finish_job(struct anystore *store)
{
    struct base_job *job = &store->base.job;
    struct anystore_error error;
    if (job->status == ANYSTORE_OK) {
        job->status = refresh_acquire(store, &error);
        if (job->status == ANYSTORE_OK) {
            base_beside_finish(store, job);
            refresh_release(store);
        } else {
            job->error = error;
        }
    }
    /* The next try comes when the file has grown by half, not at every commit. */
    if (job->status != ANYSTORE_OK) {
        uint64_t size = atomic_load(&store->counters.file_size);
        store->base.retry_at = size + size / 2;
    }
    set_phase(store, BASE_CLEANUP);
}

static void begin_job(struct anystore *store)
{
    struct base_job *job = &store->base.job;
    struct anystore_error error;
    if (refresh_acquire(store, &error) != ANYSTORE_OK) {
        /* If nobody asked, the next commit says why. */
        atomic_store(&store->counters.last_base_status, (int)error.status);
        queued_tell(take(&store->base.asked), true, &error);
        return;
    }
    /* Another process may have written one meanwhile. */
    bool wanted = store->base.asked || base_is_due(store);
    bool begun = wanted && base_beside_begin(store, job);
    refresh_release(store);
    if (!begun)
        return;
    store->base.promised = take(&store->base.asked);
    set_phase(store, job->status == ANYSTORE_OK ? BASE_WRITING : BASE_READY);
}

void base_take_turn(struct anystore *store, bool due)
{
    enum base_phase phase = phase_of(store);
    if (phase == BASE_CLEANED) {
        end_job(store);
        phase = BASE_IDLE;
    }
    if (phase == BASE_READY)
        finish_job(store);
    else if (phase == BASE_IDLE && (due || store->base.asked))
        begin_job(store);
}
