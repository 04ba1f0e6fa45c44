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

#include "store/commit/state.h"
#include "store/common/clock.h"
#include "store/common/error.h"
#include "store/map/txn.h"

/* How often the thread looks around when there is nothing to do. */
#define TICK_MS          1000
#define TICK_EXPIRING_MS 100
#define TICK_CLAIM_MS    10 /* while another process writes a base, and one is asked for here */

/* ---- The file ----------------------------------------------------------------------------- */

/* Appends the changes to a copy of the file; *chain is the position behind them. */
static enum anystore_status write_changes(struct anystore *store, struct copy *copy,
                                          const struct pending *pending, struct chain *chain,
                                          struct anystore_error *error)
{
    struct segment_writer writer;
    const struct byte_file file = disk_file(store->disk, copy->fd, store->paths.spare);
    segment_writer_begin(&writer, &file, &store->file.chain, FORMAT_DELTA, error);
    writer.roomy = format_has_room(&store->file.chain.header);
    pending_write(pending, &writer);
    enum anystore_status status =
        segment_writer_finish(&writer, store->file.chain.generation + 1, clock_now_ms());
    *chain = writer.chain;
    if (status == ANYSTORE_OK)
        copies_make_room(&store->file, copy, chain->end);
    segment_writer_free(&writer);
    return status;
}

/* Durable and in place: now everybody may see it. */
static void publish(struct anystore *store, struct pending *pending, const struct chain *chain,
                    const struct copy *copy)
{
    struct entry *garbage = NULL;
    struct map old;
    atomic_fetch_add(&store->counters.bytes_written, chain->end - store->file.chain.end);
    pthread_mutex_lock(&store->refresh_mutex);
    lockfile_set_mark(&store->lockfile, chain->generation);
    view_lock_exclusive(&store->view_lock);
    watch_touch_pending(&store->watches, pending, store->round);
    pending_apply(pending, &store->map, &garbage, &old);
    atomic_store_explicit(&store->loaded, chain->generation, memory_order_release);
    store_note_map(store);
    view_unlock_exclusive(&store->view_lock);
    copies_keep_spare(&store->file);
    store->file.fd = copy->fd;
    store->file.st = copy->st;
    store->file.chain = *chain;
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
    enum anystore_status status = copies_begin(&store->file, &copy, error);
    if (status != ANYSTORE_OK)
        return status;
    struct chain chain;
    status = write_changes(store, &copy, pending, &chain, error);
    if (status == ANYSTORE_NO_SPACE) {
        copies_cut_back(&store->file, &copy);
        chain_wipe(&chain);
        return status;
    }
    if (status == ANYSTORE_OK)
        status = copies_install(&store->file, copy.fd, store->paths.spare, error);
    if (status == ANYSTORE_OK) {
        publish(store, pending, &chain, &copy);
    } else {
        /* A file whose write or sync failed is thrown away, never tried again. */
        copies_drop_file(&store->file, copy.fd, store->paths.spare);
    }
    chain_wipe(&chain);
    return status;
}

/* ---- A round ------------------------------------------------------------------------------ */

/* Runs the updates over pending changes; returns how many ran. */
static uint64_t run_updates(struct anystore *store, struct queued *list, struct pending *pending)
{
    struct anystore_txn txn;
    txn_begin(&txn, TXN_PENDING, &store->map, pending);
    txn.watches = &store->watches;
    txn.round = ++store->round;
    uint64_t ran = 0;
    for (struct queued *queued = list; queued; queued = queued->next) {
        const struct anystore_submission *update = queued->submission;
        if (!queued_has_update(queued))
            continue;
        txn.now_ms = clock_now_ms();
        queued->aborted = !update->fn(&txn, update->arg);
        if (queued->aborted)
            txn_abort(&txn);
        txn_end(&txn);
        ran++;
    }
    txn_free(&txn);
    return ran;
}

static bool is_step(const struct queued *queued)
{
    return queued->kind == QUEUED_STEP;
}

static void run_steps(const struct queued *steps)
{
    for (; steps; steps = steps->next)
        steps->step(steps->submission->arg);
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
    atomic_store(&counters->last_commit_us, clock_monotonic_us() - started_us);
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
    if (gather_begin(gather, clock_monotonic_us()))
        gather_end(gather, queue_wait_for(&store->queue, gather->expected, gather->until_us));
}

static void note_round(struct anystore *store, uint64_t ran, uint64_t started_us)
{
    uint64_t now_us = clock_monotonic_us();
    gather_note_round(&store->gather, ran, queue_count(&store->queue), now_us - started_us, now_us);
}

/* One round of group commit; returns whether a new base is due. */
static bool commit_round(struct anystore *store)
{
    struct anystore_error error;
    error_ok(&error);
    fill_queue(store);
    uint64_t started_us = clock_monotonic_us();
    if (commit_lock(store, &error) != ANYSTORE_OK) {
        atomic_fetch_add(&store->counters.failed_commits, 1);
        store_log(&store->log, ANYSTORE_LOG_WARNING, "no commit: %s", error.text);
        queued_tell(queue_take(&store->queue), false, &error);
        return false;
    }
    struct queued *list = queue_take(&store->queue);
    struct pending pending;
    pending_init(&pending, &store->map);
    uint64_t ran = run_updates(store, list, &pending);
    bool change = !pending_empty(&pending);
    enum anystore_status status = change ? persist(store, &pending, &error) : ANYSTORE_OK;
    pending_free(&pending);
    if (status != ANYSTORE_OK) {
        watch_touch_round(&store->watches, store->round);
        atomic_fetch_add(&store->counters.failed_commits, 1);
        store_log(&store->log, ANYSTORE_LOG_WARNING, "no commit: %s", error.text);
    }
    count_round(store, ran, change && status == ANYSTORE_OK, started_us);

    struct queued *for_base = queued_split(&list, queued_wants_base);
    struct queued *steps = queued_split(&list, is_step);
    if (status == ANYSTORE_OK)
        run_steps(steps);
    bool due = status == ANYSTORE_OK && base_due(store);
    commit_unlock(store);
    note_round(store, ran, started_us);
    queued_tell(list, true, &error);
    queued_tell(steps, true, &error);
    if (status == ANYSTORE_OK)
        base_ask(store, for_base);
    else
        queued_tell(for_base, true, &error);
    return due;
}

/* Whether the mark tells other processes less than this one has read: somebody damaged it. */
static bool mark_is_behind(struct anystore *store)
{
    uint64_t loaded = atomic_load(&store->loaded); /* first: the mark is raised before it */
    return lockfile_mark(&store->lockfile) < loaded;
}

/* Sets a mark right that somebody damaged, finds a lock file that was replaced, releases what could not be
 * released. */
static void check_mark(struct anystore *store)
{
    struct anystore_error error;
    if (commit_lock(store, &error) == ANYSTORE_OK)
        commit_unlock(store);
    else
        store_log(&store->log, ANYSTORE_LOG_WARNING, "%s", error.text);
}

static void close_lost_spare(struct anystore *store)
{
    pthread_mutex_lock(&store->refresh_mutex);
    copies_close_lost_spare(&store->file);
    pthread_mutex_unlock(&store->refresh_mutex);
}

/* ---- The thread --------------------------------------------------------------------------- */

static uint64_t tick_ms(struct anystore *store)
{
    if (store->base_asked)
        return TICK_CLAIM_MS;
    return atomic_load(&store->counters.expiring) != 0 || expire_wanted(store) ? TICK_EXPIRING_MS
                                                                               : TICK_MS;
}

void *commit_thread(void *arg)
{
    struct anystore *store = arg;
    uint64_t expired_us = clock_monotonic_us();
    for (;;) {
        switch (queue_wait(&store->queue, tick_ms(store), !base_is_owed(store))) {
        case QUEUE_END:
            return NULL;
        case QUEUE_COMMIT:
            base_round(store, commit_round(store));
            break;
        case QUEUE_BASE_TURN:
            base_round(store, false);
            break;
        case QUEUE_CHECK_MARK:
            check_mark(store);
            break;
        case QUEUE_TICK:
            if (store->base_asked)
                base_round(store, false);
            if (store->paths.file && (lockfile_replaced(&store->lockfile) ||
                                      lockfile_stuck(&store->lockfile) || mark_is_behind(store)))
                check_mark(store);
            close_lost_spare(store);
            break;
        }
        if (clock_monotonic_us() - expired_us >= TICK_EXPIRING_MS * 1000) {
            expire_some(store);
            expired_us = clock_monotonic_us();
        }
    }
}
