/* SPDX-License-Identifier: MIT */
/* The base thread, and how it and the commit thread take turns (base_beside.h). */
#include <sys/resource.h>

#include "store/commit/state.h"
#include "store/common/error.h"

static enum base_phase phase_of(struct anystore *store)
{
    pthread_mutex_lock(&store->base_mutex);
    enum base_phase phase = store->base.phase;
    pthread_mutex_unlock(&store->base_mutex);
    return phase;
}

/* Ends a turn. */
static void set_phase(struct anystore *store, enum base_phase phase)
{
    pthread_mutex_lock(&store->base_mutex);
    store->base.phase = phase;
    pthread_cond_signal(&store->base_changed);
    pthread_mutex_unlock(&store->base_mutex);
    if (phase == BASE_READY || phase == BASE_CLEANED)
        queue_announce_base_turn(&store->queue);
}

/* ---- The base thread ---------------------------------------------------------------------- */

static bool is_awaited(struct anystore *store)
{
    enum base_phase phase = store->base.phase;
    return phase == BASE_WRITING || phase == BASE_CLEANUP || atomic_load(&store->base.stop) ||
           closer_has_some(&store->closer);
}

/* The closer has something to close. */
static void on_closer_wakes(void *arg)
{
    struct anystore *store = arg;
    pthread_mutex_lock(&store->base_mutex);
    pthread_cond_signal(&store->base_changed);
    pthread_mutex_unlock(&store->base_mutex);
}

/* Waits for its turn; BASE_IDLE: there will be none.  Closes files meanwhile. */
static enum base_phase wait_for_turn(struct anystore *store)
{
    struct base_job *job = &store->base;
    for (;;) {
        closer_close_all(&store->closer);
        pthread_mutex_lock(&store->base_mutex);
        while (!is_awaited(store))
            pthread_cond_wait(&store->base_changed, &store->base_mutex);
        enum base_phase phase = atomic_load(&job->stop) ? BASE_IDLE : job->phase;
        pthread_mutex_unlock(&store->base_mutex);
        if (!closer_has_some(&store->closer))
            return phase;
    }
}

/* The thread's own priority, in nice's terms (on Linux each thread has one): where there are more threads
 * than cores, commits and clients come first.  Not the lowest: it must get on faster than the file grows. */
#define NICE 10

static void *base_thread(void *arg)
{
    struct anystore *store = arg;
    struct base_job *job = &store->base;
    setpriority(PRIO_PROCESS, 0, NICE); /* should that fail it is only less polite */
    for (;;) {
        switch (wait_for_turn(store)) {
        case BASE_WRITING:
            base_job_write(store, job);
            set_phase(store, BASE_READY);
            break;
        case BASE_CLEANUP:
            base_job_clean(store, job);
            set_phase(store, BASE_CLEANED);
            break;
        case BASE_IDLE:
        case BASE_READY:
        case BASE_CLEANED:
            return NULL;
        }
    }
}

bool base_thread_start(struct anystore *store)
{
    pthread_mutex_lock(&store->base_mutex);
    bool started = pthread_create(&store->base_thread, NULL, base_thread, store) == 0;
    store->base_thread_started = started;
    pthread_mutex_unlock(&store->base_mutex);
    if (started)
        closer_accept(&store->closer, on_closer_wakes, store);
    return started;
}

void base_thread_end(struct anystore *store)
{
    struct base_job *job = &store->base;
    if (!store->base_thread_started)
        return;
    pthread_mutex_lock(&store->base_mutex);
    atomic_store(&job->stop, true);
    closer_hurry(&store->closer);
    pthread_cond_signal(&store->base_changed);
    pthread_mutex_unlock(&store->base_mutex);
    pthread_join(store->base_thread, NULL);
    if (job->phase != BASE_IDLE && job->phase != BASE_CLEANED)
        base_job_clean(store, job); /* nobody waits for it: the next one who opens writes his own */
}

/* ---- The commit thread's turns ------------------------------------------------------------ */

/* Whether somebody waits for a base. */
bool base_is_owed(const struct anystore *store)
{
    return store->base_asked || store->base.waiting;
}

void base_ask(struct anystore *store, struct queued *list)
{
    queued_append(&store->base_asked, list);
}

/* It is in place, or failed, and nothing of it is left over. */
static void end_job(struct anystore *store)
{
    struct base_job *job = &store->base;
    struct queued *waiting = job->waiting;
    job->waiting = NULL;
    if (job->outdated && job->status == ANYSTORE_OK) {
        queued_append(&waiting, store->base_asked);
        store->base_asked = waiting;
    } else {
        if (job->status != ANYSTORE_OK)
            store_log(&store->log, ANYSTORE_LOG_WARNING, "no new base: %s", job->error.text);
        queued_tell(waiting, true, &job->error);
    }
    set_phase(store, BASE_IDLE);
}

static void finish_job(struct anystore *store)
{
    struct base_job *job = &store->base;
    struct anystore_error error;
    if (job->status == ANYSTORE_OK) {
        job->status = commit_lock(store, &error);
        if (job->status == ANYSTORE_OK) {
            base_job_finish(store, job);
            commit_unlock(store);
        } else {
            job->error = error;
        }
    }
    /* Tried again when as much as now has been added, not at every commit. */
    if (job->status != ANYSTORE_OK) {
        uint64_t size = atomic_load(&store->counters.file_size);
        store->base_retry_at = size + size / 2;
    }
    set_phase(store, BASE_CLEANUP);
}

static void begin_job(struct anystore *store)
{
    struct base_job *job = &store->base;
    struct anystore_error error;
    if (commit_lock(store, &error) != ANYSTORE_OK) {
        struct queued *asked = store->base_asked;
        store->base_asked = NULL;
        queued_tell(asked, true, &error); /* without any: the next commit says why */
        return;
    }
    /* Another process may have written one meanwhile. */
    bool begun = (store->base_asked || base_due(store)) && base_job_begin(store, job);
    commit_unlock(store);
    if (!begun)
        return;
    job->waiting = store->base_asked;
    store->base_asked = NULL;
    set_phase(store, job->status == ANYSTORE_OK ? BASE_WRITING : BASE_READY);
}

void base_round(struct anystore *store, bool due)
{
    enum base_phase phase = phase_of(store);
    if (phase == BASE_CLEANED) {
        end_job(store);
        phase = BASE_IDLE;
    }
    if (phase == BASE_READY)
        finish_job(store);
    else if (phase == BASE_IDLE && (due || store->base_asked))
        begin_job(store);
}
