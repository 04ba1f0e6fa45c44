/* SPDX-License-Identifier: MIT */
/* What the files of the store share: the open store and the steps of a commit.
 *
 * Lock order: the file lock (other processes), then refresh_mutex, then view_lock; base_mutex and the
 * queue's are taken last and alone. */
#ifndef STORE_COMMIT_STATE_H
#define STORE_COMMIT_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/commit/base_beside.h"
#include "store/commit/gather.h"
#include "store/commit/queue.h"
#include "store/common/log.h"
#include "store/format/chain.h"
#include "store/map/map.h"
#include "store/map/pending.h"
#include "store/map/view_lock.h"
#include "store/map/watch.h"
#include "store/medium/closer.h"
#include "store/medium/copies.h"
#include "store/medium/key.h"
#include "store/medium/lockfile.h"
#include "store/medium/paths.h"

/* Counters that any thread adds to; see struct anystore_stats. */
struct store_counters {
    atomic_uint_fast64_t commits, updates, committed, failed_commits, catch_ups, catch_up_bytes,
        reloads, bases_written, bytes_written, last_commit_us, last_batch, largest_batch, expired;
    /* What the published map and the file are now; written where those change. */
    atomic_uint_fast64_t keys, expiring, data_bytes, memory, file_size, base_size;
    atomic_int_fast64_t last_commit_ms;
};

struct anystore {
    /* Constant after open. */
    struct paths paths; /* without a data file: in memory only */
    struct anystore_key key;
    struct store_log log;
    void (*on_expired)(const void *key, size_t key_size, void *arg);
    bool (*wants_expired)(void *arg);
    void *expired_arg;
    _Atomic uint64_t own_number; /* see anystore_shared_number; without a file */
    const struct disk *disk;
    uint8_t id[FORMAT_ID_BYTES];   /* the store id of the file */
    struct anystore *family;       /* the store that all siblings name, or itself */
    pthread_mutex_t several_mutex; /* of `family`: one thread uses several at a time */

    struct view_lock view_lock;
    struct map map; /* published; guard: view_lock */
    struct watch_table watches;

    /* What of the file is in the map; guard: refresh_mutex.  While the commit thread holds the file
     * lock nobody else changes it (commit_in_progress). */
    pthread_mutex_t refresh_mutex;
    struct copies file;
    bool commit_in_progress;
    size_t expire_cursor;

    /* chain.generation, for readers without the mutex.  Stored under view_lock. */
    _Atomic uint64_t loaded;

    struct lockfile lockfile; /* acquired by the commit thread, and during open */

    pthread_t thread;
    bool thread_started;
    struct queue queue;

    pthread_t base_thread;
    pthread_mutex_t base_mutex;
    bool base_thread_started;    /* guard: base_mutex */
    pthread_cond_t base_changed; /* with base_mutex */
    struct closer closer;        /* for the base thread */
    struct base_job base;
    struct queued *base_asked; /* commit thread: who waits for a base that has not begun */

    uint64_t round;         /* commit thread: number of rounds so far */
    struct gather gather;   /* commit thread */
    uint64_t base_retry_at; /* commit thread: file size below which no new base is tried */
    struct store_counters counters;
};

/* anystore_open with another table of disk calls, for tests. */
struct anystore *store_open_on_disk(const struct anystore_options *options, const struct disk *disk,
                                    struct anystore_error *error);

/* Sets id and derives mark_mask and the seed of the still empty map, which depend on the store's id: the first
 * thing after that is known. */
enum anystore_status store_learn_secrets(struct anystore *store, const struct format_header *header,
                                         struct anystore_error *error);

/* Notes what anystore_stats tells of the map, for the thread that changed it, and of the file. */
static inline void store_note_map(struct anystore *store)
{
    struct store_counters *counters = &store->counters;
    atomic_store_explicit(&counters->keys, store->map.count, memory_order_relaxed);
    atomic_store_explicit(&counters->expiring, store->map.expiring, memory_order_relaxed);
    atomic_store_explicit(&counters->data_bytes, store->map.bytes, memory_order_relaxed);
    atomic_store_explicit(&counters->memory, map_memory(&store->map), memory_order_relaxed);
}

static inline void store_note_file(struct anystore *store)
{
    struct store_counters *counters = &store->counters;
    atomic_store_explicit(&counters->file_size, store->file.chain.end, memory_order_relaxed);
    atomic_store_explicit(&counters->base_size, store->file.chain.base_end, memory_order_relaxed);
    atomic_store_explicit(&counters->last_commit_ms, store->file.chain.time_ms,
                          memory_order_relaxed);
}

/* refresh.c ---------------------------------------------------------------------------------- */

/* Brings the map to the mark, if that is ahead: what a reader does first.  Any thread. */
enum anystore_status refresh_to_mark(struct anystore *store, struct anystore_error *error);

/* With the file lock held: brings the map to the end of the file, and makes sure that what it shows
 * then is durable.  Afterwards commit_in_progress is set. */
enum anystore_status refresh_locked(struct anystore *store, struct anystore_error *error);

/* The first load, with the file lock held; no other thread knows the store yet. */
enum anystore_status refresh_first(struct anystore *store, struct anystore_error *error);

/* commit.c ----------------------------------------------------------------------------------- */

void *commit_thread(void *store);

/* Takes the file lock and brings the map up to date; without success nothing is held. */
enum anystore_status commit_lock(struct anystore *store, struct anystore_error *error);
void commit_unlock(struct anystore *store);

/* base.c ------------------------------------------------------------------------------------- */

/* Writes the map as a file of its own, with a new file id, and puts it in place.  The file lock is
 * held and the map is up to date.  store_id NULL: the first file of a new store. */
enum anystore_status base_write(struct anystore *store, const uint8_t *store_id,
                                struct anystore_error *error);

/* Whether the changes in the file outgrow the data so far that a new base pays. */
bool base_due(const struct anystore *store);

/* Begins a new file: writes a fresh header, of the given store (NULL: a new one), into the empty file fd
 * and gives the chain's start.  `path` is for error texts. */
enum anystore_status base_start_file(struct anystore *store, int fd, const char *path,
                                     const uint8_t *store_id, struct chain *chain,
                                     struct anystore_error *error);

/* The base in fd, which is in place, is what is loaded now.  Returns the descriptor that was before. */
int base_adopt(struct anystore *store, int fd, const struct stat *file, const struct chain *chain);

/* Reads a base, from its start, into an empty map. */
enum anystore_status base_read(struct segment_reader *reader, struct map *map);

/* base_beside.c --------------------------------------------------------------------------------- */

/* Removes what a dead process left of a base, unless a living one is writing one.  The file lock is
 * held. */
void base_remove_leftovers(struct anystore *store);

/* base_schedule.c ------------------------------------------------------------------------------ */

bool base_thread_start(struct anystore *store);

/* When the commit thread has ended: gives up a base that is being written. */
void base_thread_end(struct anystore *store);

/* Asks for a base on behalf of a list; they are told when it is in place.  Commit thread. */
void base_ask(struct anystore *store, struct queued *list);

/* What the commit thread has to do for a base, if anything; `due`: one is.  No lock is held. */
void base_round(struct anystore *store, bool due);

/* Whether somebody waits for a base.  Commit thread. */
bool base_is_owed(const struct anystore *store);

/* expire.c ----------------------------------------------------------------------------------- */

/* Takes a bounded number of expired keys out of memory.  Commit thread. */
void expire_some(struct anystore *store);

/* Whether the owner wants to be told of expired keys now. */
bool expire_wanted(const struct anystore *store);

/* Tells the owner of a list of entries that they have expired. */
void expire_tell(const struct anystore *store, const struct entry *entries);

/* The same of those that commits of other processes have replaced, now that these are published: they
 * are `news->late` or, if there is a whole new map in the place of `before` (else NULL), those that had
 * expired at that time and are not in the new one any more. */
void expire_tell_news(const struct anystore *store, const struct pending *news,
                      const struct map *before, int64_t time_ms);

#endif
