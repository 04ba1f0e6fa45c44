/* SPDX-License-Identifier: MIT */
/* Catching up: bringing the published map to what the file holds, by reading only what is new.
 *
 * There are two kinds of callers.  A reader that sees the mark ahead of what is published reads up
 * to the mark and not further (R1): a commit may have the data file's name and not yet be known to
 * be durable.  The lock holder reads to the end.  If it finds commits beyond the mark, their writer
 * died before it synced the directory: the lock holder does that before it shows them.  R1 to R9
 * stand in store/DESIGN.md. */
#ifndef STORE_COMMIT_REFRESH_H
#define STORE_COMMIT_REFRESH_H

#include "store/commit/state.h"

/* Whether the mark is ahead of what is published (R3): two loads.  Any thread. */
static inline bool refresh_is_due(struct anystore *store)
{
    return store->paths.file &&
           lockfile_mark(&store->lockfile) >
               atomic_load_explicit(&store->published.generation, memory_order_acquire);
}

/* Brings the published map to the mark, if that is ahead.  Any thread, with no lock held. */
enum anystore_status refresh_to_mark(struct anystore *store, struct anystore_error *error);

/* The first load, with the file lock held; no other thread knows the store yet. */
enum anystore_status refresh_first(struct anystore *store, struct anystore_error *error);

/* Takes the file lock, brings the published map to the end of the file, and makes sure that what it
 * shows then is durable.  Until refresh_release nothing can be new (R7).  Without success nothing
 * is held.  Commit thread. */
enum anystore_status refresh_acquire(struct anystore *store, struct anystore_error *error);
void refresh_release(struct anystore *store);

#endif
