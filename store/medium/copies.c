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
 * died left behind, it agrees with the data file up to some point, and what is beyond is written over or
 * cut off.  Only a power cut can leave something else (blocks that were never written); no process
 * outlives that, and who opens a store throws the spare away.  Blocks are compared all the same.
 *
 * The file that was the data file before the last commit that this process knows of stays open.  If it has
 * the spare's name, and its last segment by the tag, it is known how far it agrees. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "store/commit/state.h"
#include "store/common/error.h"

/* How much is compared with the data file at once, and copied again: a block. */
#define COMPARE_BYTES FORMAT_BLOCK_BYTES

/* Room is made for about so many commits as the one that needs it, but for no more than this part of the file, as
 * disks are finite; within limits. */
#define ROOM_COMMITS   32
#define ROOM_PART(end) ((end) / 8)
#define ROOM_LEAST     ((uint64_t)16 << 10)
#define ROOM_MOST      ((uint64_t)1 << 20)

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

/* How far a spare of the same file id agrees with the data file, at least: behind the last block in
 * which it does. */
static uint64_t agreement(const struct anystore *store, const struct copy *copy)
{
    uint64_t size = copy->size < store->chain.end ? copy->size : store->chain.end;
    while (size > FORMAT_HEADER_BYTES) {
        uint64_t start = (size - 1) / COMPARE_BYTES * COMPARE_BYTES;
        if (same_bytes(store, copy->fd, start, (size_t)(size - start)))
            return size;
        size = start;
    }
    return FORMAT_HEADER_BYTES;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether it is a file that nobody keeps under another name, as a backup. */
static bool is_own(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 1;
}

/* Whether the copy has the segment there up to which it agreed, by its tag; and whether there is only room
 * behind it: a writer that died has first written there what it lacked. */
static bool is_as_left(const struct anystore *store, struct copy *copy)
{
    static const uint8_t zeros[FORMAT_END_BYTES];
    uint8_t there[XAES_TAG_BYTES + FORMAT_END_BYTES] = {0};
    bool has_room = format_has_room(&store->chain.header) && copy->size > copy->agreed;
    size_t size = has_room ? sizeof there : XAES_TAG_BYTES;
    if (!disk_read_exact(store->disk, copy->fd, there, size,
                         (off_t)(copy->agreed - XAES_TAG_BYTES)) ||
        memcmp(there, copy->tag, XAES_TAG_BYTES) != 0)
        return false;
    copy->clean = (has_room || copy->size == copy->agreed) &&
                  memcmp(there + XAES_TAG_BYTES, zeros, sizeof zeros) == 0;
    return true;
}

/* The spare that is known, if it has that name still. */
static bool take_known(struct anystore *store, struct copy *copy)
{
    struct stat st;
    *copy = store->spare;
    store->spare.fd = -1;
    if (copy->fd < 0)
        return false;
    if (store->disk->stat(store->disk, store->paths.spare, &st) == 0 && is_own(&st) &&
        same_file(&st, &copy->file) && st.st_size == copy->file.st_size) {
        copy->size = (uint64_t)st.st_size;
        if (is_as_left(store, copy))
            return true;
    }
    store->disk->close(store->disk, copy->fd);
    return false;
}

/* Whatever has that name, if it is an older state of the chain. */
static bool take_found(struct anystore *store, struct copy *copy)
{
    const struct disk *disk = store->disk;
    copy->fd = disk->open(disk, store->paths.spare, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (copy->fd < 0)
        return false;
    if (disk->fstat(disk, copy->fd, &copy->file) == 0 && is_own(&copy->file) &&
        !same_file(&copy->file, &store->file) && copy->file.st_size >= FORMAT_HEADER_BYTES &&
        same_bytes(store, copy->fd, 0, FORMAT_HEADER_BYTES)) {
        copy->size = (uint64_t)copy->file.st_size;
        copy->agreed = agreement(store, copy);
        copy->clean = false;
        return true;
    }
    disk->close(disk, copy->fd);
    return false;
}

void commit_cut_back(struct anystore *store, struct copy *copy)
{
    const struct disk *disk = store->disk;
    off_t agreed = (off_t)copy->agreed;
    if (!store->has_exchange || disk->ftruncate(disk, copy->fd, agreed) != 0 ||
        !disk_read_exact(disk, store->fd, copy->tag, sizeof copy->tag,
                         agreed - (off_t)sizeof copy->tag)) {
        commit_drop_file(store, copy->fd, store->paths.spare);
        return;
    }
    copy->file.st_size = agreed;
    store->spare = *copy;
}

/* Brings the spare to the state of the data file.  *used is false if there is none that can be; *copied is how
 * many bytes it lacked. */
static enum anystore_status use_spare(struct anystore *store, struct copy *copy, bool *used,
                                      uint64_t *copied, struct anystore_error *error)
{
    const struct disk *disk = store->disk;
    const uint64_t end = store->chain.end;
    enum anystore_status status = ANYSTORE_OK;
    *used = take_known(store, copy) || take_found(store, copy);
    if (!*used)
        return status;
    *copied = end - copy->agreed;
    /* From the start of a block: what somebody did to it since it was written heals. */
    uint64_t from = copy->agreed / COMPARE_BYTES * COMPARE_BYTES;
    if (copy->size > end && !copy->clean) {
        *used = disk->ftruncate(disk, copy->fd, (off_t)end) == 0;
        copy->size = end;
    }
    if (*used && disk_append(disk, store->fd, copy->fd, (off_t)from, (off_t)end)) {
        copy->agreed = end;
        return status;
    }
    if (*used)
        status = error_system(error, "cannot write %s", store->paths.spare);
    *used = false;
    if (status == ANYSTORE_NO_SPACE) {
        commit_cut_back(store, copy); /* a new copy would need more */
        return status;
    }
    disk->close(disk, copy->fd);
    return error_ok(error);
}

void commit_complete_spare(struct anystore *store)
{
    uint64_t copied = 0;
    bool used = false;
    struct copy copy;
    if (store->fd >= 0 && store->has_exchange)
        use_spare(store, &copy, &used, &copied, NULL);
    if (!used)
        return;
    store->disk->close(store->disk, copy.fd);
    atomic_fetch_add(&store->counters.bytes_copied, copied);
}

/* A copy that has just been made. */
static enum anystore_status make_copy(struct anystore *store, struct copy *copy,
                                      const char **method, struct anystore_error *error)
{
    const uint64_t end = store->chain.end;
    copy->fd = commit_new_file(store, store->paths.spare, error);
    if (copy->fd < 0)
        return error ? error->status : ANYSTORE_IO;
    enum anystore_status status = ANYSTORE_OK;
    if (!disk_copy(store->disk, store->fd, copy->fd, (off_t)end, method))
        status = error_system(error, "cannot copy %s to %s", store->paths.file, store->paths.spare);
    else if (store->disk->fstat(store->disk, copy->fd, &copy->file) != 0)
        status = error_system(error, "cannot examine %s", store->paths.spare);
    if (status != ANYSTORE_OK)
        commit_drop_file(store, copy->fd, store->paths.spare);
    copy->size = copy->agreed = end;
    return status;
}

enum anystore_status commit_begin_file(struct anystore *store, struct copy *copy,
                                       struct anystore_error *error)
{
    uint64_t copied = store->chain.end;
    const char *method = "swap";
    bool used = false;
    enum anystore_status status = ANYSTORE_OK;
    if (store->has_exchange)
        status = use_spare(store, copy, &used, &copied, error);
    if (status == ANYSTORE_OK && !used) {
        copied = store->chain.end;
        status = make_copy(store, copy, &method, error);
    }
    if (status != ANYSTORE_OK)
        return status;
    atomic_store(&store->counters.copy_method, method);
    atomic_fetch_add(&store->counters.bytes_copied, copied);
    return ANYSTORE_OK;
}

static uint64_t whole_blocks(uint64_t size)
{
    return (size + FORMAT_BLOCK_BYTES - 1) / FORMAT_BLOCK_BYTES * FORMAT_BLOCK_BYTES;
}

void commit_make_room(struct anystore *store, struct copy *copy, uint64_t end)
{
    uint64_t room = (end - copy->agreed) * ROOM_COMMITS;
    room = room > ROOM_PART(end) ? ROOM_PART(end) : room;
    room = room < ROOM_LEAST ? ROOM_LEAST : room > ROOM_MOST ? ROOM_MOST : whole_blocks(room);
    if (format_has_room(&store->chain.header)) {
        end = whole_blocks(end + FORMAT_END_BYTES); /* zeros were written as far as that */
        uint8_t *zeros = NULL;
        if (end > copy->size && store->has_exchange)
            zeros = calloc(1, (size_t)room);
        if (zeros && disk_write_exact(store->disk, copy->fd, zeros, (size_t)room, (off_t)end))
            end += room;
        free(zeros);
    }
    copy->file.st_size = (off_t)(end > copy->size ? end : copy->size);
}

void commit_drop_file(struct anystore *store, int fd, const char *path)
{
    store->disk->unlink(store->disk, path);
    store->disk->close(store->disk, fd);
}

void commit_keep_spare(struct anystore *store)
{
    commit_forget_spare(store);
    store->spare = (struct copy){.fd = store->fd, .file = store->file, .agreed = store->chain.end};
    memcpy(store->spare.tag, store->chain.tag, sizeof store->spare.tag);
}

void commit_look_at_spare(struct anystore *store)
{
    struct stat st;
    pthread_mutex_lock(&store->refresh_mutex);
    if (store->spare.fd >= 0 && store->disk->fstat(store->disk, store->spare.fd, &st) == 0 &&
        st.st_nlink == 0) {
        closer_give(&store->closer, store->spare.fd);
        store->spare.fd = -1;
    }
    pthread_mutex_unlock(&store->refresh_mutex);
}

void commit_forget_spare(struct anystore *store)
{
    if (store->spare.fd >= 0)
        store->disk->close(store->disk, store->spare.fd);
    store->spare.fd = -1;
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
        *exchanged = disk->exchange(disk, from, store->paths.file) == 0;
        if (*exchanged)
            return ANYSTORE_OK;
        if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
            return error_system(error, "cannot exchange %s and %s", from, store->paths.file);
        store->has_exchange = false;
        store_log(&store->log, ANYSTORE_LOG_NOTICE,
                  "The file system of %s cannot exchange names: each commit copies the file",
                  store->paths.file);
    }
    if (disk->rename(disk, from, store->paths.file) != 0)
        return error_system(error, "cannot rename %s to %s", from, store->paths.file);
    return ANYSTORE_OK;
}

enum anystore_status commit_install(struct anystore *store, int fd, const char *from,
                                    struct anystore_error *error)
{
    const struct disk *disk = store->disk;
    bool sync = store->fsync == ANYSTORE_FSYNC_ALWAYS;
    if (sync && disk->fdatasync(disk, fd) != 0) {
        enum anystore_status status = error_system(error, "cannot sync %s", from);
        disk->ftruncate(disk, fd, 0); /* should it stay there, nobody must take it for a spare */
        return status;
    }
    /* The last look before the rename: who restores a backup takes no lock, and who removes the lock
     * file breaks it. */
    struct stat st;
    bool named = store->fd < 0 || disk->stat(disk, store->paths.file, &st) == 0;
    if (!named && errno != ENOENT)
        return error_system(error, "cannot examine %s", store->paths.file);
    if (!named ||
        (store->fd >= 0 && (st.st_dev != store->file.st_dev || st.st_ino != store->file.st_ino)))
        return error_set(error, ANYSTORE_REPLACED, "%s was replaced during a commit",
                         store->paths.file);
    bool exchanged = false;
    enum anystore_status status = take_name(store, from, &exchanged, error);
    if (status != ANYSTORE_OK || !sync || disk_sync_directory_of(disk, store->paths.file))
        return status;
    status = error_system(error, "cannot sync the directory of %s", store->paths.file);
    /* Back, and the new file has no name then.  It must not be there as a spare, to be changed: as long as the
     * directory is not synced a power cut may leave it as the data file. */
    if (!exchanged || disk->rename(disk, from, store->paths.file) != 0)
        store_log(&store->log, ANYSTORE_LOG_WARNING,
                  "%s may hold a commit that its clients were told had failed", store->paths.file);
    return status;
}
