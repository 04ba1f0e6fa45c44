/* SPDX-License-Identifier: MIT */
/* Changes that are not part of the published map yet: those of a commit on its way to the disk, or
 * those of another process's commits that are being read.  They are a small map of their own, with
 * at most one entry per key, which hides what the published map says of the key.
 *
 * Invariants, checked by pending_check:
 * P1.  An ENTRY_DELETE is of a key that the published map has.
 * P2.  An ENTRY_EXPIRE is of a key that the published map has without an expiry.
 * P3.  If `cleared`, nothing of the published map is visible, and all entries are ENTRY_PUT. */
#ifndef STORE_MAP_PENDING_H
#define STORE_MAP_PENDING_H

#include "store/map/map.h"
#include "store/map/record.h"

struct pending {
    struct map map;
    bool cleared;
    /* A published entry that a change replaces, with another expiry, had expired if its time came
     * before this.  Unix time in milliseconds; 0: only entry->replaces_expired counts. */
    int64_t expired_ms;
    /* After pending_apply, for the caller to look at: the published entries that had expired before
     * they were replaced. */
    struct entry *expired;
    /* Changes of earlier commits that a change of the current one has replaced; see
     * pending_end_commit. */
    struct entry *replaced;
};

/* With the seed of the published map, so that a key is hashed once for both. */
void pending_init(struct pending *pending, const struct map *published);
void pending_free(struct pending *pending); /* all changes are dropped */

static inline bool pending_empty(const struct pending *pending)
{
    return pending->map.count == 0 && !pending->cleared;
}

/* Adds a change that was read from the file; takes the entry over.  False if it does not fit the
 * state (an expiry for a key that is not there) or memory is short. */
bool pending_add(struct pending *pending, const struct map *published, struct entry *entry);

/* All keys are removed: those of the published map, and those that were put here. */
void pending_clear(struct pending *pending);

/* A commit that was made at that time has been read.  What it replaced of earlier commits that are
 * being read, too, had expired if its time had come by then. */
void pending_end_commit(struct pending *pending, int64_t time_ms);

/* Writes the changes as records. */
void pending_write(const struct pending *pending, struct segment_writer *writer);

/* Makes the changes part of the map, whose readers must be excluded.  Cannot fail; map_ready must
 * have said yes.  *garbage (a list of entries) and *old (a whole map, if cleared) get what is not
 * needed any more: the caller frees them when readers are back.  pending is empty afterwards. */
void pending_apply(struct pending *pending, struct map *map, struct entry **garbage,
                   struct map *old);

/* Aborts with a message if an invariant does not hold, of its own map either. */
void pending_check(const struct pending *pending, const struct map *published);

#endif
