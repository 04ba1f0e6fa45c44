/* SPDX-License-Identifier: MIT */
/* Using several stores together: one transaction over all of them, and exchanging two.
 *
 * That takes the locks of several files.  So one more lock comes before them, which the whole
 * family shares (LOCKFILE_SEVERAL): only one thread of one process can be here at a time, and
 * everybody else waits for one file's lock at most.  So nobody can wait in a circle.
 *
 * The commit threads hold the locks.  The update of the first store runs on its commit thread,
 * which waits there while the update of the second runs on the second's, and so on.  The innermost
 * update sees all stores at rest, and of the others only what is durable: each of them starts a
 * round. */
#include "anystore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/commit/base_locked.h"
#include "store/commit/publish.h"
#include "store/commit/state.h"
#include "store/common/error.h"
#include "store/map/txn.h"

/* ---- The lock of the family --------------------------------------------------------------- */

/* Takes it.  *fd is for family_unlock; -1 without a file to lock. */
static enum anystore_status family_lock(struct anystore *family, int *fd,
                                        struct anystore_error *error)
{
    pthread_mutex_lock(&family->family_mutex);
    *fd = -1;
    if (!family->paths.file)
        return error_ok(error);
    *fd = lockfile_take_byte(&family->lockfile, LOCKFILE_SEVERAL, error);
    if (*fd >= 0)
        return error_ok(error);
    pthread_mutex_unlock(&family->family_mutex);
    return error->status;
}

static void family_unlock(struct anystore *family, int fd)
{
    if (fd >= 0)
        lockfile_give_byte(&family->lockfile, fd);
    pthread_mutex_unlock(&family->family_mutex);
}

/* ---- One transaction over several stores -------------------------------------------------- */

struct several {
    struct anystore *const *stores;
    size_t count;
    struct anystore_txn **txns;
    size_t *order; /* indices, in the order in which the updates begin */
    size_t begun;  /* stores whose update runs */
    anystore_several_fn *fn;
    void *arg;
    bool new_base;
    size_t failed;
    struct anystore_error error; /* of the innermost update that failed */
};

static bool run_next(struct anystore_txn *txn, void *arg);

/* Runs the update of the next store, and in it those of the rest; returns when it is durable or has
 * failed.  Whether it is durable. */
static bool update_next(struct several *several)
{
    size_t index = several->order[several->begun];
    struct anystore *store = several->stores[index];
    /* Earlier updates of this store must be durable when fn sees them: the next store shows what fn
     * makes of them before this one shows them. */
    const bool starts_round = several->begun + 1 < several->count;
    struct anystore_error error;
    enum anystore_status status =
        store->paths.file
            ? queue_update_and_wait(&store->queue,
                                    several->new_base ? QUEUED_UPDATE_AND_BASE : QUEUED_UPDATE,
                                    run_next, several, starts_round, &error)
            : anystore_update(store, run_next, several, &error);
    /* If an update is undone because one inside it has failed, it is not the cause. */
    if (status != ANYSTORE_OK && several->error.status == ANYSTORE_OK) {
        several->error = error;
        several->failed = index;
    }
    return status == ANYSTORE_OK;
}

static bool run_next(struct anystore_txn *txn, void *arg)
{
    struct several *several = arg;
    several->txns[several->order[several->begun++]] = txn;
    if (several->begun < several->count)
        return update_next(several);
    return several->fn(several->txns, several->arg);
}

/* In the given order, so that the last store is durable first.  Stores without files are taken in
 * an order that is always the same: nothing is durable there, but each update holds the lock of its
 * readers. */
static void arrange(struct several *several)
{
    for (size_t i = 0; i < several->count; i++) {
        size_t at = i;
        for (; at > 0 && !several->stores[i]->paths.file &&
               several->stores[several->order[at - 1]] > several->stores[i];
             at--)
            several->order[at] = several->order[at - 1];
        several->order[at] = i;
    }
}

enum anystore_status anystore_update_several(struct anystore *const *stores, size_t count,
                                             anystore_several_fn *fn, void *arg, bool new_base,
                                             size_t *failed, struct anystore_error *error)
{
    struct anystore_error own;
    struct several several = {.stores = stores,
                              .count = count,
                              .txns = calloc(count, sizeof *several.txns),
                              .order = calloc(count, sizeof *several.order),
                              .fn = fn,
                              .arg = arg,
                              .new_base = new_base};
    if (!error)
        error = &own;
    error_ok(&several.error);
    int fd = -1;
    if (!several.txns || !several.order) {
        error_nomem(error);
    } else if (family_lock(stores[0]->family, &fd, error) == ANYSTORE_OK) {
        arrange(&several);
        update_next(&several);
        family_unlock(stores[0]->family, fd);
        *error = several.error;
    }
    if (failed)
        *failed = several.failed;
    free(several.txns);
    free(several.order);
    return error->status;
}

/* ---- Exchanging two ----------------------------------------------------------------------- */

struct swap {
    struct anystore *a, *b;
    struct anystore_error error;
};

/* The generation after the exchange.  Neither store has had it, so every process notices the
 * exchange. */
static uint64_t next_generation(const struct anystore *a, const struct anystore *b)
{
    uint64_t most = a->file.chain.generation > b->file.chain.generation ? a->file.chain.generation
                                                                        : b->file.chain.generation;
    return most + 1;
}

/* Writes the store's file anew with that generation, as if there had been commits that changed
 * nothing.  Nobody adopts that before the mark is raised (R5). */
static enum anystore_status renumber(struct anystore *store, uint64_t generation,
                                     struct anystore_error *error)
{
    pthread_mutex_lock(&store->refresh_mutex);
    uint64_t before = store->file.chain.generation;
    store->file.chain.generation = generation;
    pthread_mutex_unlock(&store->refresh_mutex);
    enum anystore_status status = base_write_locked(store, store->id, error);
    if (status == ANYSTORE_OK)
        return ANYSTORE_OK;
    pthread_mutex_lock(&store->refresh_mutex);
    store->file.chain.generation = before;
    pthread_mutex_unlock(&store->refresh_mutex);
    return status;
}

static bool sync_names(const struct anystore *a, const struct anystore *b)
{
    return !a->file.syncs || (disk_sync_directory_of(a->disk, a->paths.file) &&
                              disk_sync_directory_of(b->disk, b->paths.file));
}

/* Exchanges the names of the two files, durably. */
static enum anystore_status exchange_files(struct anystore *a, struct anystore *b,
                                           struct anystore_error *error)
{
    if (a->disk->exchange(a->disk, a->paths.file, b->paths.file) != 0)
        return error_system(error, "cannot exchange %s and %s", a->paths.file, b->paths.file);
    if (sync_names(a, b))
        return ANYSTORE_OK;
    enum anystore_status status =
        error_system(error, "cannot sync the directory of %s", a->paths.file);
    if (a->disk->exchange(a->disk, a->paths.file, b->paths.file) != 0)
        store_log(&a->log, ANYSTORE_LOG_WARNING,
                  "%s and %s may have been exchanged, though that was said to have failed",
                  a->paths.file, b->paths.file);
    return status;
}

/* The step of b: both locks are held, on the commit thread of b; that of a waits. */
static void swap_locked(void *arg)
{
    struct swap *swap = arg;
    struct anystore *a = swap->a, *b = swap->b;
    uint64_t generation = next_generation(a, b);
    bool a_renumbered = renumber(a, generation, &swap->error) == ANYSTORE_OK;
    bool b_renumbered = a_renumbered && renumber(b, generation, &swap->error) == ANYSTORE_OK;
    if (b_renumbered && exchange_files(a, b, &swap->error) == ANYSTORE_OK) {
        publish_exchange(a, b);
        error_ok(&swap->error);
        return;
    }
    /* It came to nothing: shows the generation that each file has now. */
    if (a_renumbered)
        publish_generation(a);
    if (b_renumbered)
        publish_generation(b);
}

/* The step of a: the lock of a is held, on its commit thread. */
static void swap_outer(void *arg)
{
    struct swap *swap = arg;
    struct anystore_error error;
    if (queue_step_and_wait(&swap->b->queue, swap_locked, swap, &error) != ANYSTORE_OK)
        swap->error = error;
}

enum anystore_status anystore_swap(struct anystore *a, struct anystore *b,
                                   struct anystore_error *error)
{
    struct swap swap = {.a = a, .b = b};
    error_ok(&swap.error);
    int fd = -1;
    if (a == b)
        return error_ok(error);
    if (family_lock(a->family, &fd, &swap.error) == ANYSTORE_OK) {
        struct anystore_error outer;
        if (!a->paths.file)
            publish_exchange(a, b);
        else if (queue_step_and_wait(&a->queue, swap_outer, &swap, &outer) != ANYSTORE_OK)
            swap.error = outer;
        family_unlock(a->family, fd);
    }
    /* Both files are new bases. */
    atomic_store(&a->counters.last_base_status, (int)swap.error.status);
    atomic_store(&b->counters.last_base_status, (int)swap.error.status);
    if (error)
        *error = swap.error;
    return swap.error.status;
}
