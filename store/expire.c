/* SPDX-License-Identifier: MIT */
/* Taking expired keys out of memory.
 *
 * A key whose time has come is not there for anybody, as its expiry is an absolute time in the
 * file; taking it out changes nothing that can be seen and costs no commit.  The next base leaves
 * it out. */
#include "store_internal.h"
#include "txn.h"

/* Buckets looked at in one exclusive step: some microseconds. */
#define EXPIRE_BUCKETS 256
#define EXPIRE_STEPS   64

void expire_some(struct anystore *store)
{
    for (int step = 0; step < EXPIRE_STEPS; step++) {
        uint64_t expired = 0;
        pthread_mutex_lock(&store->refresh_mutex);
        view_lock_exclusive(&store->view_lock);
        struct entry *taken = store->map.expiring == 0
                                  ? NULL
                                  : map_take_expired(&store->map, &store->expire_cursor,
                                                     EXPIRE_BUCKETS, clock_now_ms(), &expired);
        store_note_map(store);
        bool more = store->map.expiring != 0 && store->expire_cursor != 0;
        view_unlock_exclusive(&store->view_lock);
        pthread_mutex_unlock(&store->refresh_mutex);
        entry_free_list(taken);
        atomic_fetch_add(&store->counters.expired, expired);
        if (!more)
            return;
    }
}
