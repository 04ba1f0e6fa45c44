/* SPDX-License-Identifier: MIT */
/* Putting another state in the place of the published one. */
#include "store/commit/publish.h"

#include <assert.h>
#include <string.h>

#include "store/commit/news.h"
#include "store/commit/state.h"
#include "store/common/clock.h"
#include "store/common/error.h"

/* ---- One commit --------------------------------------------------------------------------- */

void publish_commit(struct anystore *store, struct pending *pending, const struct chain *chain,
                    const struct copy *copy)
{
    struct published *published = &store->published;
    struct entry *garbage = NULL;
    struct map old;
    struct published_check check;
    published_check_before(&check, pending, &published->map);
    atomic_fetch_add(&store->counters.bytes_written, chain->end - store->file.chain.end);
    pthread_mutex_lock(&store->refresh_mutex);
    lockfile_set_mark(&store->lockfile, chain->generation); /* R1, R2 */
    view_lock_exclusive(&published->lock);                  /* R9 */
    watch_touch_pending(&published->watches, pending, store->commit.round);
    pending_apply(pending, &published->map, &garbage, &old);
    atomic_store_explicit(&published->generation, chain->generation, memory_order_release);
    counters_note_map(&store->counters, &published->map);
    view_unlock_exclusive(&published->lock);
    copies_keep_spare(&store->file);
    store->file.fd = copy->fd;
    store->file.st = copy->st;
    store->file.chain = *chain;
    counters_note_file(&store->counters, chain);
    published_check_after(&check, published);
    copies_check(&store->file);
    pthread_mutex_unlock(&store->refresh_mutex);
    expired_tell(&store->expired, pending->expired);
    entry_free_list(garbage);
    map_clear(&old);
}

/* ---- What other processes committed ------------------------------------------------------- */

/* Keeps the file of the news open in the place of what was loaded.  That is the spare now, or has
 * been thrown away with its file id. */
static void take_file(struct anystore *store, struct news *news)
{
    struct copies *file = &store->file;
    bool same_id = file->fd >= 0 && chain_same_file(&file->chain, &news->chain.header);
    bool other_copy = !disk_same_file(&file->st, &news->st);
    if (!same_id) {
        /* Once a new base has taken their place, these have no name any more. */
        closer_give(&store->closer, file->fd);
        closer_give(&store->closer, file->spare.fd);
        file->spare.fd = -1;
    } else if (other_copy) {
        copies_keep_spare(file);
    } else {
        store->disk->close(store->disk, file->fd);
    }
    file->fd = news->fd;
    news->fd = -1;
    file->st = news->st;
    file->chain = news->chain;
    counters_note_file(&store->counters, &file->chain);
    copies_check(file);
}

static void touch_watches(struct watch_table *watches, const struct news *news, bool all)
{
    if (all)
        watch_touch_all(watches);
    watch_touch_pending(watches, &news->pending, 0);
    for (size_t i = 0; i < news->vanished_count; i++)
        watch_touch_hash(watches, news->vanished[i]);
}

/* Makes the published map what the news say. */
static void apply_news(struct anystore *store, struct news *news)
{
    struct published *published = &store->published;
    struct entry *garbage = NULL;
    struct map replaced, cleared;
    struct published_check check;
    published_check_before(&check, &news->pending, news_base(news, &published->map));
    map_init(&replaced, &published->map.seed);
    view_lock_exclusive(&published->lock);
    if (news->reload) {
        replaced = published->map;
        published->map = news->map;
        map_init(&news->map, &published->map.seed);
    }
    touch_watches(&published->watches, news, replaced.table[0].size != 0);
    news->pending.expired_ms = news->reload ? 0 : news->chain.time_ms;
    pending_apply(&news->pending, &published->map, &garbage, &cleared);
    atomic_store_explicit(&published->generation, news->chain.generation, memory_order_release);
    counters_note_map(&store->counters, &published->map);
    view_unlock_exclusive(&published->lock);
    published_check_after(&check, published);
    if (news->reload)
        expired_tell_dropped(&store->expired, &replaced, &published->map, news->chain.time_ms);
    else
        expired_tell(&store->expired, news->pending.expired);
    entry_free_list(garbage);
    map_clear(&replaced);
    map_clear(&cleared);
    atomic_fetch_add(&store->counters.catch_ups, 1);
}

enum anystore_status publish_news(struct anystore *store, struct news *news,
                                  struct anystore_error *error)
{
    if (news->fd < 0)
        return ANYSTORE_OK;
    if (news->chain.generation != store->file.chain.generation || news->reload) {
        /* The published map always has a table, so that nobody has to make one under its
         * readers. */
        if (!map_ready(news->pending.cleared ? &news->pending.map
                       : news->reload        ? &news->map
                                             : &store->published.map))
            return error_nomem(error);
        apply_news(store, news);
    }
    take_file(store, news);
    return ANYSTORE_OK;
}

/* ---- Exchanges ---------------------------------------------------------------------------- */

void publish_generation(struct anystore *store)
{
    uint64_t generation = store->file.chain.generation;
    pthread_mutex_lock(&store->refresh_mutex);
    lockfile_set_mark(&store->lockfile, generation);
    view_lock_exclusive(&store->published.lock);
    atomic_store_explicit(&store->published.generation, generation, memory_order_release);
    view_unlock_exclusive(&store->published.lock);
    pthread_mutex_unlock(&store->refresh_mutex);
}

static void exchange_maps(struct anystore *a, struct anystore *b)
{
    struct map map = a->published.map;
    int64_t now_ms = clock_now_ms();
    /* Siblings have one seed, so the hashes of watched keys stay right. */
    assert(memcmp(&map.seed, &b->published.map.seed, sizeof map.seed) == 0);
    a->published.map = b->published.map;
    b->published.map = map;
    watch_touch_exchange(&a->published.watches, &a->published.map, now_ms);
    watch_touch_exchange(&b->published.watches, &b->published.map, now_ms);
    counters_note_map(&a->counters, &a->published.map);
    counters_note_map(&b->counters, &b->published.map);
}

void publish_exchange(struct anystore *a, struct anystore *b)
{
    /* Locks of several stores are taken in an order that is always the same. */
    struct anystore *first = a < b ? a : b, *second = a < b ? b : a;
    uint64_t generation = a->file.chain.generation;
    bool with_files = a->paths.file != NULL;
    pthread_mutex_lock(&first->refresh_mutex);
    pthread_mutex_lock(&second->refresh_mutex);
    if (with_files) {
        lockfile_set_mark(&a->lockfile, generation);
        lockfile_set_mark(&b->lockfile, generation);
    }
    view_lock_exclusive(&first->published.lock);
    view_lock_exclusive(&second->published.lock);
    exchange_maps(a, b);
    atomic_store_explicit(&a->published.generation, generation, memory_order_release);
    atomic_store_explicit(&b->published.generation, generation, memory_order_release);
    view_unlock_exclusive(&a->published.lock);
    view_unlock_exclusive(&b->published.lock);
    if (with_files) {
        copies_exchange_loaded(&a->file, &b->file);
        counters_note_file(&a->counters, &a->file.chain);
        counters_note_file(&b->counters, &b->file.chain);
    }
    pthread_mutex_unlock(&a->refresh_mutex);
    pthread_mutex_unlock(&b->refresh_mutex);
}
