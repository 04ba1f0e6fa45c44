/* SPDX-License-Identifier: MIT */
/* Opening and closing a store, and the two ways to run a transaction on it. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "store/commit/base_locked.h"
#include "store/commit/data_file.h"
#include "store/commit/refresh.h"
#include "store/common/clock.h"
#include "store/common/error.h"
#include "store/map/txn.h"

/* ---- Open and close ----------------------------------------------------------------------- */

/* Adds to the error what can be done about a damaged file. */
static void advise(const struct anystore *store, struct anystore_error *error)
{
    struct stat st;
    if (!error || error->status != ANYSTORE_DAMAGED)
        return;
    size_t used = strlen(error->text);
    if (store->disk->stat(store->disk, store->paths.spare, &st) == 0)
        snprintf(error->text + used, sizeof error->text - used,
                 "; its spare, %s, lacks at most the last commit: end all servers on the file, "
                 "keep a copy of both, and give the spare the name of the file",
                 store->paths.spare);
    else
        snprintf(error->text + used, sizeof error->text - used,
                 "; its spare, %s, is not there: put a backup in its place", store->paths.spare);
}

/* A file that is missing beside its spare was there before: somebody has taken it away, and the
 * spare is the last copy. */
static enum anystore_status refuse_missing(const struct anystore *store,
                                           struct anystore_error *error)
{
    return error_set(
        error, ANYSTORE_REPLACED,
        "%s is missing, but its spare, %s, is there: put the file back; if it is lost, "
        "end all servers on it, keep a copy of the spare, and give the spare the name "
        "of the file: it lacks at most the last commit",
        store->paths.file, store->paths.spare);
}

/* Loads the file, or makes it if there is none.  The file lock is held. */
static enum anystore_status load_or_make(struct anystore *store, struct anystore_error *error)
{
    const struct disk *disk = store->disk;
    struct stat st;
    bool exists = disk->stat(disk, store->paths.file, &st) == 0;
    if (!exists && errno != ENOENT)
        return error_system(error, "cannot examine %s", store->paths.file);
    struct stat spare;
    if (!exists && disk->stat(disk, store->paths.spare, &spare) == 0)
        return refuse_missing(store, error);
    enum anystore_status status;
    if (exists) {
        status = refresh_first(store, error);
        advise(store, error);
    } else {
        const struct anystore *family = store->family;
        const uint8_t *id = family == store ? NULL : family->id;
        status = base_write_locked(store, id, error);
        if (status == ANYSTORE_OK)
            status = data_file_learn_secrets(store, &store->file.chain.header, error);
        if (status == ANYSTORE_OK)
            lockfile_set_mark(&store->lockfile, store->file.chain.generation);
    }
    if (status != ANYSTORE_OK)
        return status;
    /* What a process left here that died in a commit: nobody else can be in one now. */
    disk->unlink(disk, store->paths.temp);
    base_beside_remove_leftovers(store);
    /* A spare may be from before a power cut, which can tear it in ways that no check finds. */
    disk->unlink(disk, store->paths.spare);
    if (!exists)
        store_log(&store->log, ANYSTORE_LOG_NOTICE, "Made the data file %s", store->paths.file);
    return ANYSTORE_OK;
}

static enum anystore_status open_file(struct anystore *store, const char *path,
                                      struct anystore_error *error)
{
    enum anystore_status status = paths_set(&store->paths, path, error);
    if (status == ANYSTORE_OK)
        status = lockfile_open(&store->lockfile, store->disk, store->paths.lock, error);
    if (status == ANYSTORE_OK)
        status = lockfile_acquire(&store->lockfile, error);
    if (status != ANYSTORE_OK)
        return status;
    status = load_or_make(store, error);
    lockfile_release(&store->lockfile);
    return status;
}

static bool init_locks(struct anystore *store)
{
    return view_lock_init(&store->published.lock) &&
           pthread_mutex_init(&store->refresh_mutex, NULL) == 0 &&
           pthread_mutex_init(&store->family_mutex, NULL) == 0 && queue_init(&store->queue) &&
           base_schedule_init(&store->base) && closer_init(&store->closer, store->disk);
}

/* A random seed for the map; a store with a file gets another one, which depends on the store id.
 * Siblings have the same seed: if they exchange maps, watched keys keep their hashes. */
static bool choose_seed(struct anystore *store, struct siphash_key *seed)
{
    struct anystore *family = store->family;
    if (family == store)
        return RAND_bytes((unsigned char *)seed, sizeof *seed) == 1;
    pthread_mutex_lock(&family->family_mutex); /* nobody exchanges its map now */
    *seed = family->published.map.seed;
    pthread_mutex_unlock(&family->family_mutex);
    return true;
}

struct anystore *store_open_on_disk(const struct anystore_options *options, const struct disk *disk,
                                    struct anystore_error *error)
{
    if (options->path && !options->key) {
        error_set(error, ANYSTORE_KEY, "no key for %s", options->path);
        return NULL;
    }
    struct anystore *store = aligned_alloc(_Alignof(struct anystore), sizeof *store);
    if (!store) {
        error_nomem(error);
        return NULL;
    }
    memset(store, 0, sizeof *store);
    store->lockfile.fd = -1;
    store->disk = disk;
    copies_init(&store->file, disk, &store->paths, &store->log, &store->closer,
                options->fsync == ANYSTORE_FSYNC_ALWAYS);
    store->family = options->sibling ? options->sibling->family : store;
    store->log = (struct store_log){options->on_log, options->log_arg};
    store->expired = (struct expired_listener){options->on_expired, options->wants_expired,
                                               options->expired_arg};
    struct siphash_key seed;
    if (!init_locks(store) || !choose_seed(store, &seed)) {
        error_set(error, ANYSTORE_NOMEM, "the system has no more locks or random numbers");
        free(store);
        return NULL;
    }
    map_init(&store->published.map, &seed);
    watch_table_init(&store->published.watches);
    if (!map_ready(&store->published.map)) {
        error_nomem(error);
        goto fail;
    }
    if (options->path) {
        store->key = *options->key;
        if (open_file(store, options->path, error) != ANYSTORE_OK)
            goto fail;
    }
    if (commit_start(store, error) != ANYSTORE_OK)
        goto fail;
    if (options->path && !base_schedule_start(store)) {
        error_set(error, ANYSTORE_NOMEM, "cannot start the base thread");
        goto fail;
    }
    error_ok(error);
    return store;
fail:
    anystore_close(store);
    return NULL;
}

struct anystore *anystore_open(const struct anystore_options *options, struct anystore_error *error)
{
    return store_open_on_disk(options, &disk_system, error);
}

void anystore_close(struct anystore *store)
{
    if (!store)
        return;
    commit_end(store);
    base_schedule_end(store);
    copies_free(&store->file);
    if (store->lockfile.disk)
        lockfile_close(&store->lockfile);
    map_clear(&store->published.map);
    queue_destroy(&store->queue);
    closer_destroy(&store->closer);
    base_schedule_destroy(&store->base);
    pthread_mutex_destroy(&store->family_mutex);
    pthread_mutex_destroy(&store->refresh_mutex);
    watch_table_destroy(&store->published.watches);
    view_lock_destroy(&store->published.lock);
    paths_free(&store->paths);
    OPENSSL_cleanse(&store->key, sizeof store->key);
    free(store);
}

struct anystore_shared *anystore_shared_number(struct anystore *store)
{
    return (struct anystore_shared *)(store->paths.file ? lockfile_shared_number(&store->lockfile)
                                                        : &store->own_number);
}

/* ---- Transactions ------------------------------------------------------------------------- */

enum anystore_status anystore_view(struct anystore *store, anystore_fn *fn, void *arg,
                                   struct anystore_error *error)
{
    /* The clock before the mark (R8): a key that was given more time by a commit that this view
     * misses must not be gone by a later clock. */
    int64_t now_ms = clock_now_ms();
    if (refresh_is_due(store)) { /* R3 */
        enum anystore_status status = refresh_to_mark(store, error);
        if (status != ANYSTORE_OK)
            return status;
    }
    struct anystore_txn txn;
    unsigned slot = view_lock_shared(&store->published.lock); /* R9 */
    txn_begin(&txn, TXN_VIEW, &store->published.map, NULL);
    txn.now_ms = now_ms;
    txn.watches = &store->published.watches;
    bool ok = fn(&txn, arg);
    view_unlock_shared(&store->published.lock, slot);
    return ok ? error_ok(error) : error_set(error, ANYSTORE_ABORTED, "aborted");
}

static enum anystore_status update_in_memory(struct anystore *store, anystore_fn *fn, void *arg,
                                             struct anystore_error *error)
{
    struct anystore_txn txn;
    view_lock_exclusive(&store->published.lock);
    txn_begin(&txn, TXN_DIRECT, &store->published.map, NULL);
    txn.watches = &store->published.watches;
    bool ok = fn(&txn, arg);
    if (!ok)
        txn_abort(&txn);
    counters_note_map(&store->counters, &store->published.map);
    published_check_changes(&store->published, txn.undo_count);
    view_unlock_exclusive(&store->published.lock);
    txn_end(&txn);
    expired_tell(&store->expired, txn.expired);
    txn_free(&txn);
    atomic_fetch_add_explicit(&store->counters.updates, 1, memory_order_relaxed);
    return ok ? error_ok(error) : error_set(error, ANYSTORE_ABORTED, "aborted");
}

enum anystore_status anystore_update(struct anystore *store, anystore_fn *fn, void *arg,
                                     struct anystore_error *error)
{
    if (!store->paths.file)
        return update_in_memory(store, fn, arg, error);
    return queue_update_and_wait(&store->queue, QUEUED_UPDATE, fn, arg, false, error);
}

void anystore_submit(struct anystore *store, struct anystore_submission *submission)
{
    if (store->paths.file) {
        queue_push(&store->queue, submission);
        return;
    }
    struct anystore_error error;
    bool runs = submission->kind == ANYSTORE_SUBMIT_UPDATE ||
                submission->kind == ANYSTORE_SUBMIT_UPDATE_AND_BASE;
    if (runs)
        update_in_memory(store, submission->fn, submission->arg, &error);
    else
        error_ok(&error);
    submission->on_done(submission, runs, &error);
}

/* ---- Looking inside ----------------------------------------------------------------------- */

void anystore_watch_end(struct anystore *store, struct anystore_watch *watch)
{
    watch_remove(&store->published.watches, watch);
}

void anystore_stats_read(struct anystore *store, struct anystore_stats *stats)
{
    struct store_counters *counters = &store->counters;
    *stats = (struct anystore_stats){
        .persistent = store->paths.file != NULL,
        .commits = atomic_load(&counters->commits),
        .updates = atomic_load(&counters->updates),
        .committed = atomic_load(&counters->committed),
        .failed_commits = atomic_load(&counters->failed_commits),
        .catch_ups = atomic_load(&counters->catch_ups),
        .catch_up_bytes = atomic_load(&counters->catch_up_bytes),
        .reloads = atomic_load(&counters->reloads),
        .bases_written = atomic_load(&counters->bases_written),
        .bytes_written = atomic_load(&counters->bytes_written),
        .bytes_copied = atomic_load(&store->file.bytes_copied),
        .last_commit_us = atomic_load(&counters->last_commit_us),
        .last_batch = atomic_load(&counters->last_batch),
        .largest_batch = atomic_load(&counters->largest_batch),
        .expired = atomic_load(&counters->expired),
        .last_commit_status = (enum anystore_status)atomic_load(&counters->last_commit_status),
        .last_base_status = (enum anystore_status)atomic_load(&counters->last_base_status),
        .copy_method = atomic_load(&store->file.copy_method),
        .generation = atomic_load(&store->published.generation),
        .file_size = atomic_load(&counters->file_size),
        .base_size = atomic_load(&counters->base_size),
        .last_commit_ms = atomic_load(&counters->last_commit_ms),
        .keys = atomic_load(&counters->keys),
        .expiring = atomic_load(&counters->expiring),
        .mean_expiry_ms = atomic_load(&counters->mean_expiry_ms),
        .base_in_progress = atomic_load(&counters->base_in_progress),
        .data_bytes = atomic_load(&counters->data_bytes),
    };
}

enum anystore_status anystore_commit_status(struct anystore *store)
{
    return (enum anystore_status)atomic_load_explicit(&store->counters.last_commit_status,
                                                      memory_order_relaxed);
}

uint64_t anystore_memory(struct anystore *store)
{
    return atomic_load_explicit(&store->counters.memory, memory_order_relaxed);
}

void anystore_check(struct anystore *store)
{
    pthread_mutex_lock(&store->refresh_mutex);
    unsigned slot = view_lock_shared(&store->published.lock);
    map_check(&store->published.map);
    watch_check(&store->published.watches);
    view_unlock_shared(&store->published.lock, slot);
    if (store->paths.file && !store->commit_in_progress) /* else it is the commit thread's */
        copies_check(&store->file);
    pthread_mutex_unlock(&store->refresh_mutex);
    /* Pending changes are the commit thread's: it checks them at the end of its next round. */
    atomic_store(&store->commit.check_is_asked, true);
}
