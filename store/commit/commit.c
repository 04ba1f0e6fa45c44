/* SPDX-License-Identifier: MIT */
/* Group commit: the thread that turns queued updates into one durable change of the file.
 *
 *     wait for work -> lock -> refresh -> run every queued update -> append to the spare, sync ->
 *     exchange the names, sync directory -> raise the mark -> publish -> unlock -> tell the callers
 *
 * Updates that arrive meanwhile wait for the next round, all together: one sync serves everybody who
 * waits.  A round that changes nothing writes nothing.
 *
 * The mark is raised before the changes are published here: were it the other way round, a reader
 * of this process could see them, and a later one of another process not yet. */
#include <stdlib.h>
#include <time.h>

#include "store/commit/state.h"
#include "store/common/error.h"
#include "store/map/txn.h"

/* How often the thread looks around when there is nothing to do. */
#define TICK_MS          1000
#define TICK_EXPIRING_MS 100
#define TICK_CLAIM_MS    10 /* while another process writes a base, and one is asked for here */

static uint64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- The file ----------------------------------------------------------------------------- */

/* Appends the changes to a copy of the file; *chain is the position behind them. */
static enum anystore_status write_changes(struct anystore *store, struct copy *copy,
                                          const struct pending *pending, struct chain *chain,
                                          struct anystore_error *error)
{
    struct segment_writer writer;
    segment_writer_begin(&writer, store->disk, copy->fd, store->spare_path, &store->chain,
                         FORMAT_DELTA, error);
    writer.roomy = format_has_room(&store->chain.header);
    pending_write(pending, &writer);
    enum anystore_status status =
        segment_writer_finish(&writer, store->chain.generation + 1, clock_now_ms());
    *chain = writer.chain;
    if (status == ANYSTORE_OK)
        commit_make_room(store, copy, chain->end);
    segment_writer_free(&writer);
    return status;
}

/* Durable and in place: now everybody may see it. */
static void publish(struct anystore *store, struct pending *pending, const struct chain *chain,
                    const struct copy *copy)
{
    struct entry *garbage = NULL;
    struct map old;
    atomic_fetch_add(&store->counters.bytes_written, chain->end - store->chain.end);
    pthread_mutex_lock(&store->refresh_mutex);
    store_set_mark(store, chain->generation);
    view_lock_exclusive(&store->view_lock);
    watch_touch_pending(&store->watches, pending, store->round);
    pending_apply(pending, &store->map, &garbage, &old);
    atomic_store_explicit(&store->loaded, chain->generation, memory_order_release);
    store_note_map(store);
    view_unlock_exclusive(&store->view_lock);
    commit_keep_spare(store);
    store->fd = copy->fd;
    store->file = copy->file;
    store->chain = *chain;
    store_note_file(store);
    pthread_mutex_unlock(&store->refresh_mutex);
    expire_tell(store, pending->late);
    entry_free_list(garbage);
    map_clear(&old);
}

/* Makes the pending changes durable and publishes them. */
static enum anystore_status persist(struct anystore *store, struct pending *pending,
                                    struct anystore_error *error)
{
    /* What can fail for lack of memory comes before the file is touched. */
    if (!map_ready(pending->cleared ? &pending->map : &store->map))
        return error_nomem(error);
    struct copy copy;
    enum anystore_status status = commit_begin_file(store, &copy, error);
    if (status != ANYSTORE_OK)
        return status;
    struct chain chain;
    status = write_changes(store, &copy, pending, &chain, error);
    if (status == ANYSTORE_NO_SPACE) {
        commit_cut_back(store, &copy);
        chain_wipe(&chain);
        return status;
    }
    if (status == ANYSTORE_OK)
        status = commit_install(store, copy.fd, store->spare_path, error);
    if (status == ANYSTORE_OK) {
        publish(store, pending, &chain, &copy);
    } else {
        /* A file whose write or sync failed is thrown away, never tried again. */
        commit_drop_file(store, copy.fd, store->spare_path);
    }
    chain_wipe(&chain);
    return status;
}

/* ---- The queue ---------------------------------------------------------------------------- */

void anystore_submit(struct anystore *store, struct anystore_request *request)
{
    request->next = NULL;
    request->aborted = false;
    if (!store->path) {
        struct anystore_error error;
        bool ran = request->fn != NULL;
        if (ran)
            anystore_update(store, request->fn, request->arg, &error);
        else
            error_ok(&error);
        request->on_done(request, ran, &error);
        return;
    }
    pthread_mutex_lock(&store->queue_mutex);
    *store->queue_tail = request;
    store->queue_tail = &request->next;
    store->queue_count++;
    if (store->queue_count == (store->queue_wanted ? store->queue_wanted : 1))
        pthread_cond_signal(&store->queue_changed);
    pthread_mutex_unlock(&store->queue_mutex);
}

/* What is waiting, up to one that begins a round of its own. */
static struct anystore_request *take_queue(struct anystore *store)
{
    pthread_mutex_lock(&store->queue_mutex);
    struct anystore_request *requests = store->queue_head, *last = requests;
    size_t count = last ? 1 : 0;
    for (; last && last->next && !last->next->begins_round; last = last->next)
        count++;
    store->queue_head = last ? last->next : NULL;
    if (!store->queue_head)
        store->queue_tail = &store->queue_head;
    if (last)
        last->next = NULL;
    store->queue_count -= count;
    pthread_mutex_unlock(&store->queue_mutex);
    return requests;
}

/* ---- A round ------------------------------------------------------------------------------ */

void commit_tell(struct anystore_request *requests, bool ran, const struct anystore_error *outcome)
{
    struct anystore_error aborted;
    error_set(&aborted, ANYSTORE_ABORTED, "aborted");
    while (requests) {
        struct anystore_request *next = requests->next; /* on_done may free or reuse it */
        requests->on_done(requests, ran && requests->fn, requests->aborted ? &aborted : outcome);
        requests = next;
    }
}

/* Runs the updates over pending changes; returns how many ran. */
static uint64_t run_updates(struct anystore *store, struct anystore_request *requests,
                            struct pending *pending)
{
    struct anystore_txn txn;
    txn_begin(&txn, TXN_PENDING, &store->map, pending);
    txn.watches = &store->watches;
    txn.round = ++store->round;
    uint64_t ran = 0;
    for (struct anystore_request *request = requests; request; request = request->next) {
        if (!request->fn)
            continue;
        txn.now_ms = clock_now_ms();
        request->aborted = !request->fn(&txn, request->arg);
        if (request->aborted)
            anystore_rollback(&txn, 0);
        txn_end(&txn);
        ran++;
    }
    txn_free(&txn);
    return ran;
}

static bool wants_rewrite(const struct anystore_request *request)
{
    return request->rewrite;
}

/* A step of several.c, to be done after the commit. */
static bool wants_lock(const struct anystore_request *request)
{
    return request->locked;
}

/* The requests that want something, taken out of the list. */
static struct anystore_request *take(struct anystore_request **requests,
                                     bool (*wants)(const struct anystore_request *))
{
    struct anystore_request *taken = NULL, **tail = &taken;
    for (struct anystore_request **link = requests; *link;) {
        struct anystore_request *request = *link;
        if (!wants(request)) {
            link = &request->next;
            continue;
        }
        *link = request->next;
        request->next = NULL;
        *tail = request;
        tail = &request->next;
    }
    return taken;
}

static void run_locked(struct anystore *store, const struct anystore_request *requests)
{
    for (; requests; requests = requests->next)
        if (requests->locked)
            requests->locked(store, requests->arg);
}

static void count_round(struct anystore *store, uint64_t ran, bool committed, uint64_t started_us)
{
    struct store_counters *counters = &store->counters;
    atomic_fetch_add(&counters->updates, ran);
    if (!committed)
        return;
    atomic_fetch_add(&counters->commits, 1);
    atomic_fetch_add(&counters->committed, ran);
    atomic_store(&counters->last_batch, ran);
    if (ran > atomic_load(&counters->largest_batch))
        atomic_store(&counters->largest_batch, ran);
    atomic_store(&counters->last_commit_us, monotonic_us() - started_us);
}

void commit_unlock(struct anystore *store)
{
    pthread_mutex_lock(&store->refresh_mutex);
    store->commit_in_progress = false;
    pthread_mutex_unlock(&store->refresh_mutex);
    lockfile_release(&store->lockfile);
}

enum anystore_status commit_lock(struct anystore *store, struct anystore_error *error)
{
    enum anystore_status status = lockfile_acquire(&store->lockfile, error);
    if (status != ANYSTORE_OK)
        return status;
    status = refresh_locked(store, error);
    if (status != ANYSTORE_OK)
        lockfile_release(&store->lockfile);
    return status;
}

/* Waits for those who are expected, see gather.h. */
static void fill_queue(struct anystore *store)
{
    struct gather *gather = &store->gather;
    if (!gather_begin(gather, monotonic_us()))
        return;
    struct timespec until = {.tv_sec = (time_t)(gather->until_us / 1000000),
                             .tv_nsec = (long)(gather->until_us % 1000000) * 1000};
    int result = 0;
    pthread_mutex_lock(&store->queue_mutex);
    store->queue_wanted = gather->expected;
    while (store->queue_count < gather->expected && result == 0 && !store->closing)
        result = pthread_cond_timedwait(&store->queue_changed, &store->queue_mutex, &until);
    store->queue_wanted = 0;
    gather_end(gather, store->queue_count);
    pthread_mutex_unlock(&store->queue_mutex);
}

static void note_round(struct anystore *store, uint64_t ran, uint64_t started_us)
{
    uint64_t now_us = monotonic_us();
    pthread_mutex_lock(&store->queue_mutex);
    size_t waiting = store->queue_count;
    pthread_mutex_unlock(&store->queue_mutex);
    gather_note_round(&store->gather, ran, waiting, now_us - started_us, now_us);
}

/* One round of group commit; returns whether a new base is due. */
static bool commit_round(struct anystore *store)
{
    struct anystore_error error;
    error_ok(&error);
    fill_queue(store);
    uint64_t started_us = monotonic_us();
    if (commit_lock(store, &error) != ANYSTORE_OK) {
        atomic_fetch_add(&store->counters.failed_commits, 1);
        store_log(store, ANYSTORE_LOG_WARNING, "no commit: %s", error.text);
        commit_tell(take_queue(store), false, &error);
        return false;
    }
    struct anystore_request *requests = take_queue(store);
    struct pending pending;
    pending_init(&pending, &store->map);
    uint64_t ran = run_updates(store, requests, &pending);
    bool change = !pending_empty(&pending);
    enum anystore_status status = change ? persist(store, &pending, &error) : ANYSTORE_OK;
    pending_free(&pending);
    if (status != ANYSTORE_OK) {
        watch_touch_round(&store->watches, store->round);
        atomic_fetch_add(&store->counters.failed_commits, 1);
        store_log(store, ANYSTORE_LOG_WARNING, "no commit: %s", error.text);
    }
    count_round(store, ran, change && status == ANYSTORE_OK, started_us);

    struct anystore_request *rewrites = take(&requests, wants_rewrite);
    struct anystore_request *later = take(&requests, wants_lock);
    if (status == ANYSTORE_OK)
        run_locked(store, later);
    bool due = status == ANYSTORE_OK && base_due(store);
    commit_unlock(store);
    note_round(store, ran, started_us);
    commit_tell(requests, true, &error);
    commit_tell(later, true, &error);
    if (status == ANYSTORE_OK)
        base_ask(store, rewrites);
    else
        commit_tell(rewrites, true, &error);
    return due;
}

/* Whether the mark tells other processes less than this one has read: somebody damaged it. */
static bool mark_is_behind(struct anystore *store)
{
    uint64_t loaded = atomic_load(&store->loaded); /* first: the mark is raised before it */
    return store_mark(store) < loaded;
}

/* Sets a mark right that somebody damaged, finds a lock file that was replaced, releases what could not be
 * released. */
static void heal_round(struct anystore *store)
{
    struct anystore_error error;
    if (commit_lock(store, &error) == ANYSTORE_OK)
        commit_unlock(store);
    else
        store_log(store, ANYSTORE_LOG_WARNING, "%s", error.text);
}

/* ---- The thread --------------------------------------------------------------------------- */

enum work { WORK_COMMIT, WORK_BASE, WORK_HEAL, WORK_TICK, WORK_END };

static enum work wait_for_work(struct anystore *store, long tick_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += tick_ms / 1000;
    until.tv_nsec += tick_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    enum work work = WORK_TICK;
    pthread_mutex_lock(&store->queue_mutex);
    int result = 0;
    bool owed = base_is_owed(store);
    while (!store->queue_head && !(store->closing && !owed) && !store->heal &&
           !base_wants_turn(store) && result == 0)
        result = pthread_cond_timedwait(&store->queue_changed, &store->queue_mutex, &until);
    if (store->queue_head)
        work = WORK_COMMIT;
    else if (base_wants_turn(store))
        work = WORK_BASE;
    else if (store->closing && !owed)
        work = WORK_END;
    else if (store->heal)
        work = WORK_HEAL;
    if (work == WORK_COMMIT || work == WORK_HEAL)
        store->heal = false;
    pthread_mutex_unlock(&store->queue_mutex);
    return work;
}

static long tick_ms(struct anystore *store)
{
    if (store->rewrites)
        return TICK_CLAIM_MS;
    return atomic_load(&store->counters.expiring) != 0 || expire_wanted(store) ? TICK_EXPIRING_MS
                                                                               : TICK_MS;
}

void *commit_thread(void *arg)
{
    struct anystore *store = arg;
    uint64_t expired_us = monotonic_us();
    for (;;) {
        enum work work = wait_for_work(store, tick_ms(store));
        switch (work) {
        case WORK_END:
            return NULL;
        case WORK_COMMIT:
            base_round(store, commit_round(store));
            break;
        case WORK_BASE:
            base_round(store, false);
            break;
        case WORK_HEAL:
            heal_round(store);
            break;
        case WORK_TICK:
            if (store->rewrites)
                base_round(store, false);
            if (store->path && (lockfile_replaced(&store->lockfile) ||
                                lockfile_stuck(&store->lockfile) || mark_is_behind(store)))
                heal_round(store);
            commit_look_at_spare(store);
            break;
        }
        if (monotonic_us() - expired_us >= TICK_EXPIRING_MS * 1000) {
            expire_some(store);
            expired_us = monotonic_us();
        }
    }
}
