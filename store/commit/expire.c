/* SPDX-License-Identifier: MIT */
/* Going through the map for expired keys, a few buckets at a time. */
#include "store/commit/expire.h"

#include "store/commit/refresh.h"
#include "store/commit/state.h"
#include "store/common/clock.h"

/* Buckets looked at in one exclusive step: some microseconds. */
#define EXPIRE_BUCKETS 256
#define EXPIRE_STEPS   64

/* Takes out what has expired in the next buckets.  Whether there is more to look at. */
static bool expire_step(struct anystore *store, int64_t now_ms)
{
    struct map *map = &store->published.map;
    size_t *cursor = &store->commit.expire_cursor;
    struct entry *taken = NULL;
    uint64_t expired = 0;
    pthread_mutex_lock(&store->refresh_mutex);
    view_lock_exclusive(&store->published.lock);
    if (map->expiring != 0)
        taken = map_take_expired(map, cursor, EXPIRE_BUCKETS, now_ms, &expired);
    counters_note_map(&store->counters, map);
    bool more = map->expiring != 0 && *cursor != 0;
    /* Without a file, updates change the map too: nothing but the lock keeps them away. */
    published_check_changes(&store->published, expired);
    view_unlock_exclusive(&store->published.lock);
    pthread_mutex_unlock(&store->refresh_mutex);
    expired_tell(&store->expired, taken);
    entry_free_list(taken);
    atomic_fetch_add(&store->counters.expired, expired);
    return more;
}

void expire_some(struct anystore *store)
{
    /* The clock comes first (R8): the refresh then shows every extension that was committed by that
     * time. */
    int64_t now_ms = clock_now_ms();
    if (expired_is_wanted(&store->expired) && refresh_is_due(store) &&
        refresh_to_mark(store, NULL) != ANYSTORE_OK)
        return; /* the next view or update says why */
    for (int step = 0; step < EXPIRE_STEPS; step++)
        if (!expire_step(store, now_ms))
            return;
}
