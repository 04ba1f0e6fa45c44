/* SPDX-License-Identifier: MIT */
/* Changes on their way into the published map. */
#include "store/map/pending.h"

#include <assert.h>
#include <stdlib.h>

void pending_init(struct pending *pending, const struct map *published)
{
    *pending = (struct pending){.cleared = false};
    map_init(&pending->map, &published->seed);
}

void pending_free(struct pending *pending)
{
    map_clear(&pending->map);
    entry_free_list(pending->expired);
    entry_free_list(pending->replaced);
    pending->expired = pending->replaced = NULL;
    pending->cleared = false;
}

static void add_to(struct entry **list, struct entry *entry)
{
    if (entry) {
        entry->next = *list;
        *list = entry;
    }
}

static void replace_pending(struct pending *pending, struct entry *entry)
{
    struct entry *old = map_put(&pending->map, entry);
    bool expires =
        old && old->kind == ENTRY_PUT && old->expire_ms != 0 && old->expire_ms != entry->expire_ms;
    if (expires)
        add_to(&pending->replaced, old);
    else
        entry_free(old);
}

static bool published_has(const struct pending *pending, const struct map *published,
                          const struct entry *entry)
{
    return !pending->cleared &&
           map_find(published, entry->hash, entry_key(entry), entry->key_size) != NULL;
}

static bool add_expiry(struct pending *pending, const struct map *published, struct entry *entry)
{
    struct entry *own = map_find(&pending->map, entry->hash, entry_key(entry), entry->key_size);
    if (own) {
        if (own->kind == ENTRY_DELETE || own->expire_ms != 0)
            return false;
        map_set_expiry(&pending->map, own, entry->expire_ms);
        entry_free(entry);
        return true;
    }
    if (pending->cleared)
        return false;
    struct entry *old = map_find(published, entry->hash, entry_key(entry), entry->key_size);
    if (!old || old->expire_ms != 0)
        return false;
    entry_free(map_put(&pending->map, entry));
    return true;
}

bool pending_add(struct pending *pending, const struct map *published, struct entry *entry)
{
    entry->hash = map_hash(published, entry_key(entry), entry->key_size);
    bool added = map_ready(&pending->map);
    if (added) {
        switch ((enum entry_kind)entry->kind) {
        case ENTRY_PUT:
            replace_pending(pending, entry);
            break;
        case ENTRY_DELETE:
            if (published_has(pending, published, entry)) {
                entry_free(map_put(&pending->map, entry));
            } else {
                entry_free(
                    map_remove(&pending->map, entry->hash, entry_key(entry), entry->key_size));
                entry_free(entry);
            }
            break;
        case ENTRY_EXPIRE:
            added = add_expiry(pending, published, entry);
            break;
        }
    }
    if (!added)
        entry_free(entry);
    return added;
}

void pending_clear(struct pending *pending)
{
    map_clear(&pending->map);
    pending->cleared = true;
}

void pending_end_commit(struct pending *pending, int64_t time_ms)
{
    while (pending->replaced) {
        struct entry *entry = pending->replaced;
        pending->replaced = entry->next;
        if (entry_expired(entry, time_ms))
            add_to(&pending->expired, entry);
        else
            entry_free(entry);
    }
}

static bool write_entry(struct entry *entry, void *writer)
{
    record_write_entry(writer, entry);
    return true;
}

void pending_write(const struct pending *pending, struct segment_writer *writer)
{
    if (pending->cleared)
        record_write_clear(writer);
    map_each(&pending->map, write_entry, writer);
}

struct apply {
    struct map *map;
    struct entry *garbage, *expired;
    int64_t expired_ms;
};

/* Whether the published entry had expired when the change was made.  A change with the same expiry
 * is of a key that was there, so it had not. */
static bool had_expired(const struct apply *apply, const struct entry *old,
                        const struct entry *change)
{
    return change->replaces_expired ||
           (old && apply->expired_ms != 0 && entry_expired(old, apply->expired_ms) &&
            old->expire_ms != change->expire_ms);
}

static void replace(struct apply *apply, struct entry *entry)
{
    struct entry *old = map_put(apply->map, entry);
    add_to(had_expired(apply, old, entry) ? &apply->expired : &apply->garbage, old);
}

static void apply_entry(struct apply *apply, struct entry *entry)
{
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_PUT:
        replace(apply, entry);
        break;
    case ENTRY_DELETE:
        /* The map has the key (P1). */
        add_to(entry->replaces_expired ? &apply->expired : &apply->garbage,
               map_remove(apply->map, entry->hash, entry_key(entry), entry->key_size));
        add_to(&apply->garbage, entry);
        break;
    case ENTRY_EXPIRE: {
        struct entry *old = map_find(apply->map, entry->hash, entry_key(entry), entry->key_size);
        assert(old); /* P2 */
        map_set_expiry(apply->map, old, entry->expire_ms);
        add_to(&apply->garbage, entry);
        break;
    }
    }
}

void pending_apply(struct pending *pending, struct map *map, struct entry **garbage,
                   struct map *old)
{
    struct apply apply = {
        .map = map, .expired = pending->expired, .expired_ms = pending->expired_ms};
    map_init(old, &map->seed);
    if (pending->cleared) {
        /* All that is there afterwards is in the pending map: it takes the other's place. */
        *old = *map;
        *map = pending->map;
    } else {
        for (int t = 0; t < 2; t++)
            for (size_t i = 0; i < pending->map.table[t].size; i++)
                for (struct entry *entry = pending->map.table[t].buckets[i]; entry;) {
                    struct entry *next = entry->next;
                    apply_entry(&apply, entry);
                    entry = next;
                }
        /* The entries are the map's or garbage now; only the buckets are left. */
        free(pending->map.table[0].buckets);
        free(pending->map.table[1].buckets);
    }
    map_init(&pending->map, &map->seed);
    pending->cleared = false;
    pending->expired = apply.expired;
    *garbage = apply.garbage;
}

struct check {
    const struct pending *pending;
    const struct map *published;
};

static bool check_entry(struct entry *entry, void *arg)
{
    const struct check *check = arg;
    if (entry->kind == ENTRY_PUT)
        return true;
    assert(!check->pending->cleared); /* P3 */
    const struct entry *there =
        map_find(check->published, entry->hash, entry_key(entry), entry->key_size);
    assert(there);                                                /* P1, P2 */
    assert(entry->kind == ENTRY_DELETE || there->expire_ms == 0); /* P2 */
    return true;
}

void pending_check(const struct pending *pending, const struct map *published)
{
    struct check check = {pending, published};
    map_check(&pending->map);
    map_each(&pending->map, check_entry, &check);
}
