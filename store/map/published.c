/* SPDX-License-Identifier: MIT */
/* Checking the published map as it changes. */
#include "store/map/published.h"

#include "store/common/checked.h"

/* Up to so many entries the whole map is checked each time. */
#define CHECK_SMALL 128

/* A larger map, when so many times the changes are as many as its entries. */
#define CHECK_PART 8

static bool note(struct entry *entry, void *arg)
{
    struct published_check *check = arg;
    if (check->count < CHECK_MOST)
        check->hashes[check->count++] = entry->hash;
    return true;
}

void published_check_before(struct published_check *check, const struct pending *pending,
                            const struct map *base)
{
    if (!store_is_checked)
        return;
    pending_check(pending, base);
    check->changes = pending->map.count;
    check->count = 0;
    map_each(&pending->map, note, check);
}

void published_check_after(const struct published_check *check, struct published *published)
{
    if (!store_is_checked)
        return;
    for (size_t i = 0; i < check->count; i++)
        map_check_buckets_of(&published->map, check->hashes[i]);
    published_check_changes(published, check->changes);
}

void published_check_changes(struct published *published, uint64_t changes)
{
    if (!store_is_checked)
        return;
    const struct map *map = &published->map;
    published->unchecked += changes;
    if (map->count > CHECK_SMALL && published->unchecked * CHECK_PART < map->count)
        return;
    map_check(map);
    published->unchecked = 0;
}
