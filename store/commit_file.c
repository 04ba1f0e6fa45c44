/* SPDX-License-Identifier: MIT */
/* The two copies of the chain, and putting a file in the data file's place.
 *
 * Beside the data file lies a spare: an older state of the same chain, byte for byte.  A commit
 * appends to the spare what it lacks and the new changes, syncs it, and exchanges the two names: what
 * is written is only the change, and the path names a complete map before and after.  Then the other
 * copy is the spare, one commit behind.
 *
 * What makes a spare of the same file id usable: writers only ever append to it, under the lock, first
 * the bytes that the data file has there and then changes of their own.  So whatever a writer that
 * died left behind, it agrees with the data file as far as that goes, and what is beyond is cut off.
 * Only a power cut can leave something else (blocks that were never written); no process outlives that,
 * and who opens a store throws the spare away.  The last bytes are compared all the same. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "store_internal.h"

/* Compared with the data file at the end of a spare: a block, so a few small commits. */
#define COMPARE_BYTES 4096

/* ---- Making a file ------------------------------------------------------------------------ */

int commit_new_file(struct anystore *store, const char *path, struct anystore_error *error)
{
    const struct disk *disk = store->disk;
    /* Only the lock holder makes such files, so one that is there is a dead process's. */
    if (disk->unlink(disk, path) != 0 && errno != ENOENT) {
        error_system(error, "cannot remove the leftover %s", path);
        return -1;
    }
    int fd = disk->open(disk, path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        error_system(error, "cannot make %s", path);
    return fd;
}

/* ---- The spare ---------------------------------------------------------------------------- */

/* Whether the bytes of both files are the same in [offset, offset + size), size <= COMPARE_BYTES. */
static bool same_bytes(const struct anystore *store, int fd, uint64_t offset, size_t size)
{
    uint8_t own[COMPARE_BYTES], other[COMPARE_BYTES];
    return disk_read_exact(store->disk, store->fd, own, size, (off_t)offset) &&
           disk_read_exact(store->disk, fd, other, size, (off_t)offset) &&
           memcmp(own, other, size) == 0;
}

/* Whether the file is an older state of the chain; *size is how far it agrees with the data file. */
static bool is_spare(const struct anystore *store, int fd, uint64_t *size)
{
    struct stat st;
    if (store->disk->fstat(store->disk, fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_nlink != 1 || /* somebody keeps it under another name, as a backup */
        (st.st_dev == store->file.st_dev && st.st_ino == store->file.st_ino) ||
        st.st_size < FORMAT_HEADER_BYTES || !same_bytes(store, fd, 0, FORMAT_HEADER_BYTES))
        return false;
    *size = (uint64_t)st.st_size;
    if (*size > store->chain.end) {
        /* Changes of a writer that died before it could exchange the names. */
        if (store->disk->ftruncate(store->disk, fd, (off_t)store->chain.end) != 0)
            return false;
        *size = store->chain.end;
    }
    size_t compared = *size < COMPARE_BYTES ? (size_t)*size : COMPARE_BYTES;
    return same_bytes(store, fd, *size - compared, compared);
}

/* The spare, brought to the state of the data file; -1 if there is none that can be. */
static int use_spare(struct anystore *store, uint64_t *copied)
{
    const struct disk *disk = store->disk;
    int fd = disk->open(disk, store->spare_path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    uint64_t size = 0;
    if (is_spare(store, fd, &size) &&
        disk_append(disk, store->fd, fd, (off_t)size, (off_t)store->chain.end)) {
        *copied = store->chain.end - size;
        return fd;
    }
    disk->close(disk, fd);
    return -1;
}

void commit_complete_spare(struct anystore *store)
{
    uint64_t copied = 0;
    int fd = store->fd >= 0 && store->has_exchange ? use_spare(store, &copied) : -1;
    if (fd >= 0)
        store->disk->close(store->disk, fd);
    atomic_fetch_add(&store->counters.bytes_copied, copied);
}

int commit_begin_file(struct anystore *store, struct anystore_error *error)
{
    uint64_t copied = store->chain.end;
    const char *method = "swap";
    int fd = store->has_exchange ? use_spare(store, &copied) : -1;
    if (fd < 0) {
        fd = commit_new_file(store, store->spare_path, error);
        if (fd < 0)
            return -1;
        if (!disk_copy(store->disk, store->fd, fd, (off_t)store->chain.end, &method)) {
            error_system(error, "cannot copy %s to %s", store->path, store->spare_path);
            commit_drop_file(store, fd, store->spare_path);
            return -1;
        }
    }
    atomic_store(&store->counters.copy_method, method);
    atomic_fetch_add(&store->counters.bytes_copied, copied);
    return fd;
}

void commit_drop_file(struct anystore *store, int fd, const char *path)
{
    store->disk->unlink(store->disk, path);
    store->disk->close(store->disk, fd);
}

/* ---- Putting it in place ------------------------------------------------------------------ */

/* Gives the file at `from` the data file's name.  *exchanged tells whether the data file is at
 * `from` now. */
static enum anystore_status take_name(struct anystore *store, const char *from, bool *exchanged,
                                      struct anystore_error *error)
{
    const struct disk *disk = store->disk;
    *exchanged = false;
    /* The first file has nothing to exchange its name with. */
    if (store->fd >= 0 && store->has_exchange) {
        *exchanged = disk->exchange(disk, from, store->path) == 0;
        if (*exchanged)
            return ANYSTORE_OK;
        if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
            return error_system(error, "cannot exchange %s and %s", from, store->path);
        store->has_exchange = false;
        store_log(store, ANYSTORE_LOG_NOTICE,
                  "The file system of %s cannot exchange names: each commit copies the file",
                  store->path);
    }
    if (disk->rename(disk, from, store->path) != 0)
        return error_system(error, "cannot rename %s to %s", from, store->path);
    return ANYSTORE_OK;
}

enum anystore_status commit_install(struct anystore *store, int fd, const char *from,
                                    struct anystore_error *error)
{
    const struct disk *disk = store->disk;
    bool sync = store->fsync == ANYSTORE_FSYNC_ALWAYS;
    if (sync && disk->fsync(disk, fd) != 0) {
        enum anystore_status status = error_system(error, "cannot sync %s", from);
        disk->ftruncate(disk, fd, 0); /* should it stay there, nobody must take it for a spare */
        return status;
    }
    /* The last look before the rename: who restores a backup takes no lock, and who removes the lock
     * file breaks it. */
    struct stat st;
    if (store->fd >= 0 && (disk->stat(disk, store->path, &st) != 0 ||
                           st.st_dev != store->file.st_dev || st.st_ino != store->file.st_ino))
        return error_set(error, ANYSTORE_REPLACED, "%s was replaced during a commit", store->path);
    bool exchanged = false;
    enum anystore_status status = take_name(store, from, &exchanged, error);
    if (status != ANYSTORE_OK || !sync || disk_sync_directory_of(disk, store->path))
        return status;
    status = error_system(error, "cannot sync the directory of %s", store->path);
    if (!exchanged || disk->exchange(disk, from, store->path) != 0)
        store_log(store, ANYSTORE_LOG_WARNING,
                  "%s may hold a commit that its clients were told had failed", store->path);
    return status;
}
