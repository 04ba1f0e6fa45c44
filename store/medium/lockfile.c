/* SPDX-License-Identifier: MIT */
/* Taking the lock in turn, and mapping the commit mark.
 *
 * flock(2) alone is not fair: a process that commits in a loop tends to get the lock back before
 * one that sleeps for it wakes up.  So there is a queue before the lock: a second lock (an open
 * file description lock on the first byte), which is held only while waiting for the first.  A
 * process that has just released the lock cannot have it again before the process at the head of
 * the queue. */
#include "store/medium/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "store/common/error.h"

#define RELEASE_TRIES 3

static enum anystore_status open_path(struct lockfile *lockfile, struct anystore_error *error)
{
    const struct disk *disk = lockfile->disk;
    int fd = disk->open(disk, lockfile->path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_system(error, "cannot open the lock file %s", lockfile->path);
    /* Zeros are written, so that the page has its space on the disk: else a store to memory could
     * fail for lack of it.  The live bytes are left alone, as another process may have set them
     * meanwhile. */
    static const uint8_t zeros[LOCKFILE_BYTES - LOCKFILE_LIVE_BYTES];
    struct stat st;
    enum anystore_status status = ANYSTORE_OK;
    void *page = NULL;
    if (disk->fstat(disk, fd, &st) != 0)
        status = error_system(error, "cannot examine the lock file %s", lockfile->path);
    else if (!S_ISREG(st.st_mode))
        status = error_set(error, ANYSTORE_FOREIGN, "the lock file %s is not a regular file",
                           lockfile->path);
    else if (st.st_size < LOCKFILE_BYTES &&
             !disk_write_exact(disk, fd, zeros, sizeof zeros, LOCKFILE_LIVE_BYTES))
        status = error_system(error, "cannot write the lock file %s", lockfile->path);
    else if (!(page = disk->map(disk, fd, LOCKFILE_BYTES)))
        status = error_system(error, "cannot map the lock file %s", lockfile->path);
    if (status != ANYSTORE_OK) {
        disk->close(disk, fd);
        return status;
    }
    lockfile->fd = fd;
    atomic_store_explicit(&lockfile->page, page, memory_order_release);
    return ANYSTORE_OK;
}

enum anystore_status lockfile_open(struct lockfile *lockfile, const struct disk *disk,
                                   const char *path, struct anystore_error *error)
{
    *lockfile = (struct lockfile){.disk = disk, .path = path, .fd = -1};
    return open_path(lockfile, error);
}

void lockfile_close(struct lockfile *lockfile)
{
    const struct disk *disk = lockfile->disk;
    void *page = atomic_load_explicit(&lockfile->page, memory_order_acquire);
    if (page)
        disk->unmap(disk, page, LOCKFILE_BYTES);
    for (size_t i = 0; i < lockfile->stale_count; i++)
        disk->unmap(disk, lockfile->stale[i], LOCKFILE_BYTES);
    free(lockfile->stale);
    if (lockfile->fd >= 0)
        disk->close(disk, lockfile->fd);
    *lockfile = (struct lockfile){.fd = -1};
}

/* Whether the path names the file that the descriptor has open: 1 or 0; -1 with errno if the system
 * does not say. */
static int is_named(const struct lockfile *lockfile, int fd)
{
    const struct disk *disk = lockfile->disk;
    struct stat open_st, path_st;
    if (disk->fstat(disk, fd, &open_st) != 0)
        return -1;
    if (disk->stat(disk, lockfile->path, &path_st) != 0)
        return errno == ENOENT ? 0 : -1;
    return disk_same_file(&open_st, &path_st);
}

bool lockfile_replaced(const struct lockfile *lockfile)
{
    return is_named(lockfile, lockfile->fd) == 0;
}

/* Opens what the path names now.  The old mapping stays, as other threads may be reading it. */
static enum anystore_status reopen(struct lockfile *lockfile, struct anystore_error *error)
{
    void **stale = realloc(lockfile->stale, (lockfile->stale_count + 1) * sizeof *lockfile->stale);
    if (!stale)
        return error_nomem(error);
    lockfile->stale = stale;
    int fd = lockfile->fd;
    void *page = atomic_load_explicit(&lockfile->page, memory_order_acquire);
    enum anystore_status status = open_path(lockfile, error);
    if (status != ANYSTORE_OK)
        return status;
    lockfile->stale[lockfile->stale_count++] = page;
    lockfile->disk->close(lockfile->disk, fd);
    return ANYSTORE_OK;
}

static int wait_for_lock(const struct disk *disk, int fd)
{
    int result;
    do
        result = disk->lock(disk, fd);
    while (result != 0 && errno == EINTR);
    return result;
}

static int wait_for_byte(const struct disk *disk, int fd, enum lockfile_byte byte)
{
    int result;
    do
        result = disk->enter(disk, fd, byte);
    while (result != 0 && errno == EINTR);
    return result;
}

static enum anystore_status wait_in_turn(struct lockfile *lockfile, struct anystore_error *error)
{
    const struct disk *disk = lockfile->disk;
    enum anystore_status status = ANYSTORE_OK;
    /* Where there is no queue (some network file systems), the lock alone must do. */
    lockfile->in_queue = wait_for_byte(disk, lockfile->fd, LOCKFILE_QUEUE) == 0;
    if (wait_for_lock(disk, lockfile->fd) != 0)
        status = error_system(error, "cannot lock %s", lockfile->path);
    else
        lockfile->locked = true;
    if (lockfile->in_queue && disk->leave(disk, lockfile->fd, LOCKFILE_QUEUE) == 0)
        lockfile->in_queue = false;
    return status;
}

enum anystore_status lockfile_acquire(struct lockfile *lockfile, struct anystore_error *error)
{
    for (;;) {
        enum anystore_status status = wait_in_turn(lockfile, error);
        int named = status == ANYSTORE_OK ? is_named(lockfile, lockfile->fd) : 0;
        if (named > 0)
            return ANYSTORE_OK;
        if (named < 0)
            status = error_system(error, "cannot examine the lock file %s", lockfile->path);
        lockfile_release(lockfile);
        if (status == ANYSTORE_OK)
            status = reopen(lockfile, error);
        if (status != ANYSTORE_OK)
            return status;
    }
}

void lockfile_release(struct lockfile *lockfile)
{
    const struct disk *disk = lockfile->disk;
    for (int tries = 0; lockfile_stuck(lockfile) && tries < RELEASE_TRIES; tries++) {
        if (lockfile->locked && disk->unlock(disk, lockfile->fd) == 0)
            lockfile->locked = false;
        if (lockfile->in_queue && disk->leave(disk, lockfile->fd, LOCKFILE_QUEUE) == 0)
            lockfile->in_queue = false;
    }
}

int lockfile_take_byte(const struct lockfile *lockfile, enum lockfile_byte byte,
                       struct anystore_error *error)
{
    const struct disk *disk = lockfile->disk;
    for (;;) {
        int fd = disk->open(disk, lockfile->path, O_RDWR | O_NOFOLLOW, 0);
        if (fd < 0) {
            error_system(error, "cannot open the lock file %s", lockfile->path);
            return -1;
        }
        if (wait_for_byte(disk, fd, byte) != 0) {
            error_system(error, "cannot lock %s", lockfile->path);
            disk->close(disk, fd);
            return -1;
        }
        int named = is_named(lockfile, fd);
        if (named > 0)
            return fd;
        if (named < 0)
            error_system(error, "cannot examine the lock file %s", lockfile->path);
        disk->close(disk, fd);
        if (named < 0)
            return -1;
        /* Somebody replaced the lock file meanwhile. */
    }
}

void lockfile_give_byte(const struct lockfile *lockfile, int fd)
{
    lockfile->disk->close(lockfile->disk, fd);
}
