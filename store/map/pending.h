/* SPDX-License-Identifier: MIT */
/* Changes that are not part of the published map yet: those of a commit on its way to the disk, or
 * of another process's commit being read.  A small map of its own, at most one entry per key, that
 * hides what the published map says.
 *
 * P1. An ENTRY_DELETE is there only for a key that the published map has.
 * P2. An ENTRY_EXPIRE is there only for a key that the published map has without an expiry.
 * P3. If cleared, nothing of the published map is visible, and P1 and P2 have no instance. */
#ifndef STORE_MAP_PENDING_H
#define STORE_MAP_PENDING_H

#include "store/map/map.h"
#include "store/map/record.h"

struct pending {
    struct map map;
    bool cleared;
    /* What changes replace, with another expiry, is late if its time came before this.  Unix time in
     * milliseconds; 0: only what they say themselves. */
    int64_t expired_ms;
    /* After pending_apply, for the caller to look at: published entries that were late. */
    struct entry *expired;
    struct entry
        *replaced; /* changes of earlier commits that a change replaced, see pending_end_commit */
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
void pending_clear(struct pending *pending);

/* The end of a commit that was read, made at that time: what it replaced of earlier ones that are being
 * read, too, was late if its time had come by then. */
void pending_end_commit(struct pending *pending, int64_t time_ms);

/* Writes the changes as records. */
void pending_write(const struct pending *pending, struct segment_writer *writer);

/* Makes the changes part of the map, whose readers must be excluded.  Cannot fail; map_ready must
 * have said yes.  What is not needed any more is left in *garbage (a list of entries) and *old (a
 * whole map, if cleared) for the caller to free when readers are back.  pending is empty
 * afterwards. */
void pending_apply(struct pending *pending, struct map *map, struct entry **garbage,
                   struct map *old);

void pending_check(const struct pending *pending, const struct map *published);

#endif
