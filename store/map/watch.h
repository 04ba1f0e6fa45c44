/* SPDX-License-Identifier: MIT */
/* Watched keys: who watches a key is told that somebody changed it, in whatever process.
 *
 * A change is noticed where it is made: in an update of this process at once, as the update runs; in
 * a commit of another process when it is published here.  A watch that was set in a view, while an
 * update that has changed the key already is on its way to the disk, is told at the publication.
 *
 * The lock is taken last of all. */
#ifndef STORE_MAP_WATCH_H
#define STORE_MAP_WATCH_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/map/pending.h"

#define WATCH_BUCKETS 256 /* at first: they grow with the number of watches */

/* The private part of a watch.  previous and next: in its bucket; guard: the table's mutex.  The rest,
 * but for `changed`, is constant from anystore_watch_start on. */
struct watch {
    atomic_bool changed;
    bool existed;
    uint32_t hash;
    int64_t expire_ms;
    uint64_t round; /* of commits, in which it was set; 0: in a view */
    struct anystore_watch *previous, *next;
};
static_assert(sizeof(struct watch) <= sizeof((struct anystore_watch){.key = NULL}.private_),
              "the private part of a watch has room");

static inline struct watch *watch_of(struct anystore_watch *watch)
{
    return (struct watch *)(void *)watch->private_.bytes;
}

static inline const struct watch *watch_of_const(const struct anystore_watch *watch)
{
    return (const struct watch *)(const void *)watch->private_.bytes;
}

struct watch_table {
    pthread_mutex_t mutex;
    atomic_size_t count;             /* so that nobody takes the lock while nothing is watched */
    struct anystore_watch **buckets; /* `first`, or allocated */
    size_t bucket_count;
    struct anystore_watch *first[WATCH_BUCKETS];
};

void watch_table_init(struct watch_table *table);
void watch_table_destroy(struct watch_table *table);

/* A key is changed by an update that is running. */
void watch_touch(struct watch_table *table, uint32_t hash, const void *key, size_t key_size);

/* All keys are removed by an update that is running: told to who watches one that was there. */
void watch_touch_clear(struct watch_table *table);

/* A key of that hash was changed and is again as it was. */
void watch_touch_hash(struct watch_table *table, uint32_t hash);

/* The changes of a round are dropped: what was watched in it may have been seen as it never came to be. */
void watch_touch_round(struct watch_table *table, uint64_t round);

/* Another state was loaded, which may differ in any key. */
void watch_touch_all(struct watch_table *table);

/* Everything was exchanged for the contents of the map, which has the same seed.  Watchers of keys
 * that existed before, or exist now, are told. */
void watch_touch_exchange(struct watch_table *table, const struct map *map, int64_t now_ms);

/* The changes are being published; `round` is the number of this process's round of commits that they
 * are of: watches set in it were told by watch_touch already.  0: another process's. */
void watch_touch_pending(struct watch_table *table, const struct pending *pending, uint64_t round);

void watch_add(struct watch_table *table, struct anystore_watch *watch);
void watch_remove(struct watch_table *table, struct anystore_watch *watch);

#endif
