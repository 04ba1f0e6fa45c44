/* SPDX-License-Identifier: MIT */
/* The lock around the published map: any number of readers, or one publisher.
 *
 * It is made of several read-write locks, each on cache lines of its own.  A reader takes the one
 * that belongs to its thread, so that readers on different cores do not write to the same memory;
 * a publisher takes all, in order. */
#ifndef STORE_MAP_VIEW_LOCK_H
#define STORE_MAP_VIEW_LOCK_H

#include <pthread.h>
#include <stdbool.h>

#define VIEW_LOCK_SLOTS 8

struct view_lock {
    struct view_lock_slot {
        _Alignas(128) pthread_rwlock_t lock;
    } slots[VIEW_LOCK_SLOTS];
};

/* False if the system has no more locks. */
bool view_lock_init(struct view_lock *lock);
void view_lock_destroy(struct view_lock *lock);

/* Returns the slot, for view_unlock_shared.  A thread that holds it must not take it again. */
unsigned view_lock_shared(struct view_lock *lock);
void view_unlock_shared(struct view_lock *lock, unsigned slot);

void view_lock_exclusive(struct view_lock *lock);
void view_unlock_exclusive(struct view_lock *lock);

#endif
