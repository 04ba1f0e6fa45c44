/* SPDX-License-Identifier: MIT */
/* What views see: the map of one durable generation, and the watches of its keys. */
#ifndef STORE_MAP_PUBLISHED_H
#define STORE_MAP_PUBLISHED_H

#include <stdatomic.h>

#include "store/map/map.h"
#include "store/map/pending.h"
#include "store/map/view_lock.h"
#include "store/map/watch.h"

struct published {
    struct view_lock lock;
    struct map map;             /* guard: lock */
    struct watch_table watches; /* has a lock of its own, which comes after `lock` */
    /* Of the map.  Stored under `lock`; readers may load it without.  0 without a file. */
    _Atomic uint64_t generation;
    uint64_t unchecked; /* changes since the whole map was checked */
};

/* ---- Checks ------------------------------------------------------------------------------- */

/* In builds that check invariants (checked.h) these two stand around each publication; in others
 * they do nothing.  The map may change only between the two calls.
 *
 * The changes are checked before they are applied, and afterwards the buckets of up to CHECK_MOST
 * keys of theirs.  The whole map is checked while it is small, and otherwise when the changes since
 * the last time are an eighth of it: so a check costs a few times what the change costs, however
 * large the map. */

#define CHECK_MOST 64

struct published_check {
    uint64_t changes;
    size_t count;
    uint32_t hashes[CHECK_MOST];
};

/* `base`: the map that the changes are about to be applied to. */
void published_check_before(struct published_check *check, const struct pending *pending,
                            const struct map *base);
void published_check_after(const struct published_check *check, struct published *published);

/* The same for other changes of the map, of which there were so many.  Under the exclusive lock if
 * there is no file. */
void published_check_changes(struct published *published, uint64_t changes);

#endif
