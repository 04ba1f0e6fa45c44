/* SPDX-License-Identifier: MIT */
/* The rounds of group commit, and what else the commit thread does. */
#include "store/commit/commit.h"

#include <errno.h>

#include "store/commit/expire.h"
#include "store/commit/publish.h"
#include "store/commit/refresh.h"
#include "store/commit/state.h"
#include "store/common/clock.h"
#include "store/common/error.h"
#include "store/map/txn.h"

/* How often the thread looks around when there is nothing to do. */
#define TICK_MS          1000
#define TICK_EXPIRING_MS 100
#define TICK_CLAIM_MS    10 /* while another process writes a base, and one is asked for here */

/* How often the log gets the same failure: while a disk is full, each round fails. */
#define LOG_AGAIN_US (30 * UINT64_C(1000000))

/* ---- The file ----------------------------------------------------------------------------- */

/* Appends the changes to the copy; *chain is the position behind them. */
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

/* Makes the pending changes durable and publishes them. */
static enum anystore_status persist(struct anystore *store, struct pending *pending,
                                    struct anystore_error *error)
{
    /* What can fail for lack of memory comes before the file changes. */
    if (!map_ready(pending->cleared ? &pending->map : &store->published.map))
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
        publish_commit(store, pending, &chain, &copy);
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
    txn_begin(&txn, TXN_PENDING, &store->published.map, pending);
    txn.watches = &store->published.watches;
    txn.round = ++store->commit.round;
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
    if (atomic_exchange(&store->commit.check_is_asked, false))
        pending_check(pending, &store->published.map);
    return ran;
}

static bool is_step(const struct queued *queued)
{
    return queued->kind == QUEUED_STEP;
}

static bool is_probe(const struct queued *queued)
{
    return queued->kind == QUEUED_PROBE;
}

/* Whether that is true of one in the list. */
static bool has(const struct queued *list, queued_is *is)
{
    while (list && !is(list))
        list = list->next;
    return list != NULL;
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

/* The log hears of a failure at once, but of the same one not in every round. */
static void note_failure(struct anystore *store, const struct queued *list,
                         const struct anystore_error *error)
{
    if (has(list, queued_wants_base))
        atomic_store(&store->counters.last_base_status, (int)error->status);
    uint64_t now_us = clock_monotonic_us();
    int before = atomic_exchange(&store->counters.last_commit_status, (int)error->status);
    atomic_fetch_add(&store->counters.failed_commits, 1);
    if (before == (int)error->status && now_us - store->commit.failure_logged_us < LOG_AGAIN_US)
        return;
    store->commit.failure_logged_us = now_us;
    store_log(&store->log, ANYSTORE_LOG_WARNING, "no commit: %s", error->text);
}

static void note_success(struct anystore *store)
{
    atomic_int *status = &store->counters.last_commit_status;
    if (atomic_load(status) == ANYSTORE_OK)
        return;
    atomic_store(status, ANYSTORE_OK);
    store_log(&store->log, ANYSTORE_LOG_NOTICE, "commits work again");
}

/* Waits for the updates that are expected, see gather.h. */
static void fill_queue(struct anystore *store)
{
    struct gather *gather = &store->commit.gather;
    if (gather_begin(gather, clock_monotonic_us()))
        gather_end(gather, queue_wait_for(&store->queue, gather->expected, gather->until_us));
}

static void note_round(struct anystore *store, uint64_t ran, uint64_t started_us)
{
    uint64_t now_us = clock_monotonic_us();
    gather_note_round(&store->commit.gather, ran, queue_count(&store->queue), now_us - started_us,
                      now_us);
}

/* One round of group commit; returns whether a new base is due. */
static bool commit_round(struct anystore *store)
{
    struct anystore_error error;
    error_ok(&error);
    fill_queue(store);
    uint64_t started_us = clock_monotonic_us();
    if (refresh_acquire(store, &error) != ANYSTORE_OK) {
        struct queued *failed = queue_take(&store->queue);
        note_failure(store, failed, &error);
        queued_tell(failed, false, &error);
        return false;
    }
    struct queued *list = queue_take(&store->queue);
    struct pending pending;
    pending_init(&pending, &store->published.map);
    uint64_t ran = run_updates(store, list, &pending);
    bool change = !pending_empty(&pending) || has(list, is_probe);
    enum anystore_status status = change ? persist(store, &pending, &error) : ANYSTORE_OK;
    pending_free(&pending);
    if (status != ANYSTORE_OK) {
        watch_touch_round(&store->published.watches, store->commit.round);
        note_failure(store, list, &error);
    } else if (change) {
        note_success(store);
    }
    count_round(store, ran, change && status == ANYSTORE_OK, started_us);

    struct queued *for_base = queued_split(&list, queued_wants_base);
    struct queued *steps = queued_split(&list, is_step);
    if (status == ANYSTORE_OK)
        run_steps(steps);
    bool due = status == ANYSTORE_OK && base_is_due(store);
    refresh_release(store);
    note_round(store, ran, started_us);
    queued_tell(list, true, &error); /* the mark says so by now (R3) */
    queued_tell(steps, true, &error);
    if (status == ANYSTORE_OK)
        base_ask(store, for_base);
    else
        queued_tell(for_base, true, &error);
    return due;
}

/* Whether the mark is behind what this process has published: then somebody damaged it (R6). */
static bool mark_is_behind(struct anystore *store)
{
    uint64_t loaded = atomic_load(&store->published.generation); /* before the mark, see R2 */
    return lockfile_mark(&store->lockfile) < loaded;
}

/* Taking the lock is enough to put a damaged mark right, to find a lock file that was replaced, and
 * to release what could not be released. */
static void check_mark(struct anystore *store)
{
    struct anystore_error error;
    if (refresh_acquire(store, &error) == ANYSTORE_OK)
        refresh_release(store);
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
    if (store->base.asked)
        return TICK_CLAIM_MS;
    return atomic_load(&store->counters.expiring) != 0 || expired_is_wanted(&store->expired)
               ? TICK_EXPIRING_MS
               : TICK_MS;
}

static void *commit_thread(void *arg)
{
    struct anystore *store = arg;
    uint64_t expired_us = clock_monotonic_us();
    for (;;) {
        switch (queue_wait(&store->queue, tick_ms(store), !base_has_waiters(store))) {
        case QUEUE_END:
            return NULL;
        case QUEUE_COMMIT:
            base_take_turn(store, commit_round(store));
            break;
        case QUEUE_BASE_TURN:
            base_take_turn(store, false);
            break;
        case QUEUE_CHECK_MARK:
            check_mark(store);
            break;
        case QUEUE_TICK:
            if (store->base.asked)
                base_take_turn(store, false);
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

enum anystore_status commit_start(struct anystore *store, struct anystore_error *error)
{
    int result = pthread_create(&store->commit.thread, NULL, commit_thread, store);
    if (result != 0) {
        errno = result;
        return error_system(error, "cannot start the commit thread");
    }
    store->commit.thread_started = true;
    return ANYSTORE_OK;
}

void commit_end(struct anystore *store)
{
    if (!store->commit.thread_started)
        return;
    queue_announce_close(&store->queue);
    pthread_join(store->commit.thread, NULL);
}
