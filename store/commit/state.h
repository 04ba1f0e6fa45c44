/* SPDX-License-Identifier: MIT */
/* The open store.  Each part has a header of its own; its guard stands beside it.
 *
 * Locks, in the order in which they are taken:
 *
 *     family_mutex, the family's byte    one thread of one process uses several stores together
 *     file lock                          one process commits (lockfile.h)
 *     refresh_mutex                      one thread changes what is loaded
 *     published.lock                     readers, or one publisher
 *     published.watches.mutex
 *
 * The mutexes of queue, base and closer are leaves: no other lock is taken under them, but for the
 * closer's under the base's.  Of two stores, the one at the lower address comes first. */
#ifndef STORE_COMMIT_STATE_H
#define STORE_COMMIT_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/commit/base_schedule.h"
#include "store/commit/commit.h"
#include "store/commit/counters.h"
#include "store/commit/expired.h"
#include "store/commit/queue.h"
#include "store/common/log.h"
#include "store/map/published.h"
#include "store/medium/closer.h"
#include "store/medium/copies.h"
#include "store/medium/key.h"
#include "store/medium/lockfile.h"
#include "store/medium/paths.h"

struct anystore {
    /* Constant after open. */
    struct paths paths; /* without a data file: the store is in memory only */
    const struct disk *disk;
    struct anystore_key key;
    uint8_t id[FORMAT_ID_BYTES]; /* the store id of the file */
    struct store_log log;
    struct expired_listener expired;
    struct anystore *family; /* the store that all siblings name, or itself */

    pthread_mutex_t family_mutex; /* of `family`: see several.c */

    /* What views see.  guard: published.lock */
    struct published published;

    /* What of the files is in the map.  guard: refresh_mutex; while this process holds the file
     * lock only the commit thread changes it, and so reads it without. */
    pthread_mutex_t refresh_mutex;
    struct copies file;
    bool commit_in_progress; /* guard: refresh_mutex; the file lock is held and nothing is new */

    struct lockfile lockfile; /* the lock: commit thread, and open; the mark: any thread */
    struct queue queue;       /* guards itself */
    struct commit commit;     /* commit thread */
    struct base_schedule base;
    struct closer closer; /* guards itself */
    struct store_counters counters;
    _Atomic uint64_t own_number; /* for anystore_shared_number, without a file */
};

#endif
