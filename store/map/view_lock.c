/* SPDX-License-Identifier: MIT */
/* A read-write lock whose readers do not disturb each other. */
#include "store/map/view_lock.h"

#include <assert.h>
#include <stdatomic.h>

bool view_lock_init(struct view_lock *lock)
{
    pthread_rwlockattr_t attributes;
    if (pthread_rwlockattr_init(&attributes) != 0)
        return false;
    /* A publisher must get its turn under a steady stream of readers. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    int made = 0;
    while (made < VIEW_LOCK_SLOTS && pthread_rwlock_init(&lock->slots[made].lock, &attributes) == 0)
        made++;
    pthread_rwlockattr_destroy(&attributes);
    if (made == VIEW_LOCK_SLOTS)
        return true;
    while (made > 0)
        pthread_rwlock_destroy(&lock->slots[--made].lock);
    return false;
}

void view_lock_destroy(struct view_lock *lock)
{
    for (int i = 0; i < VIEW_LOCK_SLOTS; i++)
        pthread_rwlock_destroy(&lock->slots[i].lock);
}

/* Threads are dealt to slots in the order in which they first read. */
static unsigned slot_of_thread(void)
{
    static atomic_uint threads;
    static _Thread_local unsigned slot = VIEW_LOCK_SLOTS;
    if (slot == VIEW_LOCK_SLOTS)
        slot = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % VIEW_LOCK_SLOTS;
    return slot;
}

unsigned view_lock_shared(struct view_lock *lock)
{
    unsigned slot = slot_of_thread();
    int result = pthread_rwlock_rdlock(&lock->slots[slot].lock);
    assert(result == 0);
    (void)result;
    return slot;
}

void view_unlock_shared(struct view_lock *lock, unsigned slot)
{
    pthread_rwlock_unlock(&lock->slots[slot].lock);
}

void view_lock_exclusive(struct view_lock *lock)
{
    for (int i = 0; i < VIEW_LOCK_SLOTS; i++) {
        int result = pthread_rwlock_wrlock(&lock->slots[i].lock);
        assert(result == 0);
        (void)result;
    }
}

void view_unlock_exclusive(struct view_lock *lock)
{
    for (int i = VIEW_LOCK_SLOTS - 1; i >= 0; i--)
        pthread_rwlock_unlock(&lock->slots[i].lock);
}
