/* SPDX-License-Identifier: MIT */
/* The lock file: the lock that writers of all processes take, and the commit mark.
 *
 * It is made once and never removed.  One page of it is mapped, shared, by every process: the first
 * 8 bytes are the mark, the generation that is known to be durable, shifted by a secret of the
 * store (format_secrets).  A wrong mark costs time, never data: a process that takes the lock
 * compares it with the file.  The next 8 bytes are anystore_shared_number's. */
#ifndef STORE_MEDIUM_LOCKFILE_H
#define STORE_MEDIUM_LOCKFILE_H

#include <stdatomic.h>

#include "anystore.h"
#include "store/medium/disk.h"

#define LOCKFILE_BYTES      4096
#define LOCKFILE_LIVE_BYTES 16 /* the mark and the shared number */

/* Bytes of the file that stand for a lock of their own (open file description locks). */
enum lockfile_byte {
    LOCKFILE_QUEUE = 0, /* the queue before the lock, see lockfile.c */
    LOCKFILE_SEVERAL,   /* held to use this store and its siblings together, see several.c */
    LOCKFILE_BASE,      /* the claim: held to write a base beside commits, see base_beside.h */
};

struct lockfile {
    const struct disk *disk;
    const char *path;
    int fd;        /* guarded by the caller: one thread acquires */
    bool in_queue; /* these two say what is held; guarded as fd */
    bool locked;
    uint64_t mask;        /* added to the mark in the file; constant once the store is known */
    _Atomic(void *) page; /* the mapping in use; any thread */
    void **stale;         /* mappings of lock files that were replaced; unmapped at close */
    size_t stale_count;
};

/* Opens or makes the lock file.  The path must outlive the lockfile. */
enum anystore_status lockfile_open(struct lockfile *lockfile, const struct disk *disk,
                                   const char *path, struct anystore_error *error);
void lockfile_close(struct lockfile *lockfile);

/* Waits for the lock and takes it.  If the path names another file meanwhile (somebody removed or
 * replaced the lock file), that one is opened and locked instead. */
enum anystore_status lockfile_acquire(struct lockfile *lockfile, struct anystore_error *error);
void lockfile_release(struct lockfile *lockfile);

/* Whether something could not be released, as may happen on network file systems.  Others wait for
 * it though this process does not need it: the next lockfile_acquire and lockfile_release try
 * again. */
static inline bool lockfile_stuck(const struct lockfile *lockfile)
{
    return lockfile->in_queue || lockfile->locked;
}

/* Waits for the lock of one byte and takes it, through a descriptor of its own.  Returns that
 * descriptor, which lockfile_give_byte closes; -1 and *error on failure.  Any thread. */
int lockfile_take_byte(const struct lockfile *lockfile, enum lockfile_byte byte,
                       struct anystore_error *error);
void lockfile_give_byte(const struct lockfile *lockfile, int fd);

/* Whether the path does not name the file that is open. */
bool lockfile_replaced(const struct lockfile *lockfile);

/* The mark: the generation that is known to be durable. */
static inline uint64_t lockfile_mark(struct lockfile *lockfile)
{
    _Atomic uint64_t *mark = atomic_load_explicit(&lockfile->page, memory_order_acquire);
    return atomic_load_explicit(mark, memory_order_acquire) - lockfile->mask;
}

static inline void lockfile_set_mark(struct lockfile *lockfile, uint64_t generation)
{
    _Atomic uint64_t *mark = atomic_load_explicit(&lockfile->page, memory_order_acquire);
    atomic_store_explicit(mark, generation + lockfile->mask, memory_order_release);
}

/* Valid until lockfile_close, but shared with nobody any more once the lock file was replaced. */
static inline _Atomic uint64_t *lockfile_shared_number(struct lockfile *lockfile)
{
    _Atomic uint64_t *mark = atomic_load_explicit(&lockfile->page, memory_order_acquire);
    return mark + 1;
}

#endif
