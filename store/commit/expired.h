/* SPDX-License-Identifier: MIT */
/* Telling the owner of a store of keys that have expired.
 *
 * Each process finds out for itself that a key has expired, so each tells its owner of each key:
 * when the key is taken out of memory (expire.h), or before that when a change of any process, or a
 * whole new map, takes its place. */
#ifndef STORE_COMMIT_EXPIRED_H
#define STORE_COMMIT_EXPIRED_H

#include "store/map/map.h"

/* See anystore_options; constant after open.  All bytes zero: nobody wants to know. */
struct expired_listener {
    void (*on_expired)(const void *key, size_t key_size, void *arg);
    bool (*wants_expired)(void *arg);
    void *arg;
};

/* Whether the owner wants to be told now.  Any thread, as all of these. */
bool expired_is_wanted(const struct expired_listener *listener);

/* Tells of the keys of a list of entries. */
void expired_tell(const struct expired_listener *listener, const struct entry *entries);

/* A whole new map has taken the place of `before`: tells of the keys that had expired at that time
 * and that the new one does not have with the same expiry.  The caller sees to it that neither map
 * changes. */
void expired_tell_dropped(const struct expired_listener *listener, const struct map *before,
                          const struct map *now, int64_t time_ms);

#endif
