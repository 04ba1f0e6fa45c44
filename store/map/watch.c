/* SPDX-License-Identifier: MIT */
/* The table of watched keys. */
#include "store/map/watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void watch_table_init(struct watch_table *table)
{
    memset(table->first, 0, sizeof table->first);
    table->buckets = table->first;
    table->bucket_count = WATCH_BUCKETS;
    atomic_init(&table->count, 0);
    pthread_mutex_init(&table->mutex, NULL);
}

void watch_table_destroy(struct watch_table *table)
{
    if (table->buckets != table->first)
        free(table->buckets);
    pthread_mutex_destroy(&table->mutex);
}

static bool nobody_watches(struct watch_table *table)
{
    /* A watch is added with the view lock held, or on the thread that runs updates, so it cannot
     * come while a change is being made visible. */
    return atomic_load_explicit(&table->count, memory_order_acquire) == 0;
}

static void set_changed(struct anystore_watch *watch)
{
    atomic_store_explicit(&watch_of(watch)->changed, true, memory_order_release);
}

static bool is_of_round(struct anystore_watch *watch, uint64_t round)
{
    return round != 0 && watch_of(watch)->round == round;
}

static void touch_locked(struct watch_table *table, uint32_t hash, const void *key, size_t key_size,
                         uint64_t except_round)
{
    for (struct anystore_watch *watch = table->buckets[hash % table->bucket_count]; watch;
         watch = watch_of(watch)->next)
        if (watch_of(watch)->hash == hash && watch->key_size == key_size &&
            memcmp(watch->key, key, key_size) == 0 && !is_of_round(watch, except_round))
            set_changed(watch);
}

void watch_touch(struct watch_table *table, uint32_t hash, const void *key, size_t key_size)
{
    if (nobody_watches(table))
        return;
    pthread_mutex_lock(&table->mutex);
    touch_locked(table, hash, key, key_size, 0);
    pthread_mutex_unlock(&table->mutex);
}

static void touch_each_locked(struct watch_table *table, bool missing_too, uint64_t except_round)
{
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct anystore_watch *watch = table->buckets[i]; watch; watch = watch_of(watch)->next)
            if ((watch_of(watch)->existed || missing_too) && !is_of_round(watch, except_round))
                set_changed(watch);
}

static void touch_each(struct watch_table *table, bool missing_too)
{
    if (nobody_watches(table))
        return;
    pthread_mutex_lock(&table->mutex);
    touch_each_locked(table, missing_too, 0);
    pthread_mutex_unlock(&table->mutex);
}

void watch_touch_clear(struct watch_table *table)
{
    touch_each(table, false);
}

void watch_touch_all(struct watch_table *table)
{
    touch_each(table, true);
}

void watch_touch_exchange(struct watch_table *table, const struct map *map, int64_t now_ms)
{
    if (nobody_watches(table))
        return;
    pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct anystore_watch *watch = table->buckets[i]; watch;
             watch = watch_of(watch)->next) {
            const struct watch *self = watch_of(watch);
            const struct entry *entry = map_find(map, self->hash, watch->key, watch->key_size);
            if (self->existed || (entry && !entry_expired(entry, now_ms)))
                set_changed(watch);
        }
    pthread_mutex_unlock(&table->mutex);
}

void watch_touch_hash(struct watch_table *table, uint32_t hash)
{
    if (nobody_watches(table))
        return;
    pthread_mutex_lock(&table->mutex);
    for (struct anystore_watch *watch = table->buckets[hash % table->bucket_count]; watch;
         watch = watch_of(watch)->next)
        if (watch_of(watch)->hash == hash)
            set_changed(watch);
    pthread_mutex_unlock(&table->mutex);
}

void watch_touch_round(struct watch_table *table, uint64_t round)
{
    if (nobody_watches(table))
        return;
    pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < table->bucket_count; i++)
        for (struct anystore_watch *watch = table->buckets[i]; watch; watch = watch_of(watch)->next)
            if (is_of_round(watch, round))
                set_changed(watch);
    pthread_mutex_unlock(&table->mutex);
}

struct touching {
    struct watch_table *table;
    uint64_t round;
};

static bool touch_change(struct entry *change, void *arg)
{
    const struct touching *touching = arg;
    touch_locked(touching->table, change->hash, entry_key(change), change->key_size,
                 touching->round);
    return true;
}

void watch_touch_pending(struct watch_table *table, const struct pending *pending, uint64_t round)
{
    if (nobody_watches(table))
        return;
    struct touching touching = {table, round};
    pthread_mutex_lock(&table->mutex);
    if (pending->cleared)
        touch_each_locked(table, false, round);
    map_each(&pending->map, touch_change, &touching);
    pthread_mutex_unlock(&table->mutex);
}

static void put_locked(struct watch_table *table, struct anystore_watch *watch)
{
    struct watch *self = watch_of(watch);
    struct anystore_watch **bucket = &table->buckets[self->hash % table->bucket_count];
    self->previous = NULL;
    self->next = *bucket;
    if (*bucket)
        watch_of(*bucket)->previous = watch;
    *bucket = watch;
}

/* Makes four times the buckets.  If memory is short the old ones do, only slower. */
static void grow_locked(struct watch_table *table)
{
    struct anystore_watch **old = table->buckets, *next;
    const size_t old_count = table->bucket_count;
    struct anystore_watch **buckets = calloc(4 * old_count, sizeof(struct anystore_watch *));
    if (!buckets)
        return;
    table->buckets = buckets;
    table->bucket_count = 4 * old_count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct anystore_watch *watch = old[i]; watch; watch = next) {
            next = watch_of(watch)->next;
            put_locked(table, watch);
        }
    }
    if (old != table->first)
        free(old);
}

/* Back to the first buckets when nothing is left. */
static void shrink_locked(struct watch_table *table)
{
    free(table->buckets);
    memset(table->first, 0, sizeof table->first);
    table->buckets = table->first;
    table->bucket_count = WATCH_BUCKETS;
}

void watch_add(struct watch_table *table, struct anystore_watch *watch)
{
    pthread_mutex_lock(&table->mutex);
    if (atomic_load_explicit(&table->count, memory_order_relaxed) >= 4 * table->bucket_count)
        grow_locked(table);
    put_locked(table, watch);
    atomic_fetch_add(&table->count, 1);
    pthread_mutex_unlock(&table->mutex);
}

void watch_remove(struct watch_table *table, struct anystore_watch *watch)
{
    const struct watch *self = watch_of(watch);
    pthread_mutex_lock(&table->mutex);
    if (self->previous)
        watch_of(self->previous)->next = self->next;
    else
        table->buckets[self->hash % table->bucket_count] = self->next;
    if (self->next)
        watch_of(self->next)->previous = self->previous;
    if (atomic_fetch_sub(&table->count, 1) == 1 && table->buckets != table->first)
        shrink_locked(table);
    pthread_mutex_unlock(&table->mutex);
}

void watch_check(struct watch_table *table)
{
    size_t count = 0;
    pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < table->bucket_count; i++) {
        const struct anystore_watch *previous = NULL;
        for (struct anystore_watch *watch = table->buckets[i]; watch;
             watch = watch_of(watch)->next) {
            assert(watch_of(watch)->hash % table->bucket_count == i);
            assert(watch_of(watch)->previous == previous);
            previous = watch;
            count++;
        }
    }
    assert(count == atomic_load(&table->count));
    pthread_mutex_unlock(&table->mutex);
}
