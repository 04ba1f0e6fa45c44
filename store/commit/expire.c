/* SPDX-License-Identifier: MIT */
/* Taking expired keys out of memory, and telling of those that have expired.
 *
 * A key whose time has come is not there for anybody, as its expiry is an absolute time in the
 * file; taking it out changes nothing that can be seen and costs no commit.  The next base leaves
 * it out.  Each process finds out for itself, so each tells its owner of each key: when it is taken out
 * here, or when a change of any process, or a whole new map, takes its place before. */
#include "store/commit/state.h"
#include "store/common/clock.h"

/* Buckets looked at in one exclusive step: some microseconds. */
#define EXPIRE_BUCKETS 256
#define EXPIRE_STEPS   64

bool expire_wanted(const struct anystore *store)
{
    return store->on_expired && (!store->wants_expired || store->wants_expired(store->expired_arg));
}

void expire_tell(const struct anystore *store, const struct entry *entries)
{
    for (; entries && store->on_expired; entries = entries->next)
        store->on_expired(entry_key(entries), entries->key_size, store->expired_arg);
}

struct dropped {
    const struct anystore *store;
    const struct map *now;
    int64_t time_ms;
};

static bool tell_if_dropped(struct entry *entry, void *arg)
{
    const struct dropped *dropped = arg;
    if (!entry_expired(entry, dropped->time_ms))
        return true;
    /* A reload may have brought another table, with another seed. */
    uint32_t hash = map_hash(dropped->now, entry_key(entry), entry->key_size);
    const struct entry *there = map_find(dropped->now, hash, entry_key(entry), entry->key_size);
    if (!there || there->expire_ms != entry->expire_ms)
        dropped->store->on_expired(entry_key(entry), entry->key_size, dropped->store->expired_arg);
    return true;
}

void expire_tell_news(const struct anystore *store, const struct pending *news,
                      const struct map *before, int64_t time_ms)
{
    struct dropped dropped = {store, &store->map, time_ms};
    if (!before)
        expire_tell(store, news->late);
    else if (before->expiring > 0 && expire_wanted(store))
        map_each(before, tell_if_dropped, &dropped);
}

void expire_some(struct anystore *store)
{
    int64_t now_ms = clock_now_ms(); /* before the refresh: what was prolonged by then is seen */
    if (store->paths.file && expire_wanted(store) &&
        lockfile_mark(&store->lockfile) >
            atomic_load_explicit(&store->loaded, memory_order_acquire) &&
        refresh_to_mark(store, NULL) != ANYSTORE_OK)
        return; /* whoever uses the store is told why */
    for (int step = 0; step < EXPIRE_STEPS; step++) {
        uint64_t expired = 0;
        pthread_mutex_lock(&store->refresh_mutex);
        view_lock_exclusive(&store->view_lock);
        struct entry *taken = store->map.expiring == 0
                                  ? NULL
                                  : map_take_expired(&store->map, &store->expire_cursor,
                                                     EXPIRE_BUCKETS, now_ms, &expired);
        store_note_map(store);
        bool more = store->map.expiring != 0 && store->expire_cursor != 0;
        view_unlock_exclusive(&store->view_lock);
        pthread_mutex_unlock(&store->refresh_mutex);
        expire_tell(store, taken);
        entry_free_list(taken);
        atomic_fetch_add(&store->counters.expired, expired);
        if (!more)
            return;
    }
}
