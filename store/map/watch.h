/* SPDX-License-Identifier: MIT */
/* Watched keys: a watch is marked when somebody changes its key, in whatever process.
 *
 * A change is noticed where it is made: a change of this process while its update runs, one of
 * another process when its commit is published here.  A watch may be set in a view while an update
 * that has changed the key already is on its way to the disk: then it is marked at the publication.
 *
 * All functions are for any thread. */
#ifndef STORE_MAP_WATCH_H
#define STORE_MAP_WATCH_H

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/map/pending.h"

#define WATCH_BUCKETS 256 /* at first: they grow with the number of watches */

/* The private part of a watch.  previous and next: in its bucket; guard: the table's mutex.  The
 * rest, but for `changed`, is constant from anystore_watch_start on. */
struct watch {
    atomic_bool changed;
    bool existed;
    uint32_t hash;
    int64_t expire_ms;
    uint64_t round; /* of commits, in which it was set; 0: in a view */
    struct anystore_watch *previous, *next;
};
static_assert(sizeof(struct watch) <= sizeof((struct anystore_watch){.key = NULL}.private_) &&
                  _Alignof(struct watch) <= _Alignof(uint64_t),
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
    pthread_mutex_t mutex;           /* of all locks this one is taken last */
    atomic_size_t count;             /* so that nobody takes the lock while nothing is watched */
    struct anystore_watch **buckets; /* guard: mutex; `first`, or allocated */
    size_t bucket_count;             /* guard: mutex */
    struct anystore_watch *first[WATCH_BUCKETS];
};

void watch_table_init(struct watch_table *table);
void watch_table_destroy(struct watch_table *table);

/* An update that is running changes a key. */
void watch_touch(struct watch_table *table, uint32_t hash, const void *key, size_t key_size);

/* An update that is running removes all keys: marks the watches of keys that were there. */
void watch_touch_clear(struct watch_table *table);

/* A key of that hash was made and removed again. */
void watch_touch_hash(struct watch_table *table, uint32_t hash);

/* A round of commits failed.  Watches that were set during it may have seen changes that never
 * became visible. */
void watch_touch_round(struct watch_table *table, uint64_t round);

/* Another state was loaded, which may differ in any key: marks all watches. */
void watch_touch_all(struct watch_table *table);

/* Everything was exchanged for the contents of the map, which has the same seed: marks the watches
 * of keys that existed before, or exist now. */
void watch_touch_exchange(struct watch_table *table, const struct map *map, int64_t now_ms);

/* Changes are being published: those of round number `round` of this process (watches that were set
 * in it were marked by watch_touch already), or, with 0, those of another process. */
void watch_touch_pending(struct watch_table *table, const struct pending *pending, uint64_t round);

/* Aborts if a watch is not in the bucket of its hash, linked both ways, or if `count` is not their
 * number. */
void watch_check(struct watch_table *table);

void watch_add(struct watch_table *table, struct anystore_watch *watch);
void watch_remove(struct watch_table *table, struct anystore_watch *watch);

#endif
