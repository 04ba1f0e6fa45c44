/* SPDX-License-Identifier: MIT */
/* Choosing, completing and installing one of the two copies. */
#include "store/medium/copies.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "store/common/error.h"

/* How much is compared with the data file at once, and copied again: a block. */
#define COMPARE_BYTES FORMAT_BLOCK_BYTES

/* When a commit needs room, room is made for about so many of its size, but not for more than this
 * part of the file, as disks are finite; and within limits. */
#define ROOM_COMMITS   32
#define ROOM_PART(end) ((end) / 8)
#define ROOM_LEAST     ((uint64_t)16 << 10)
#define ROOM_MOST      ((uint64_t)1 << 20)

void copies_init(struct copies *copies, const struct disk *disk, const struct paths *paths,
                 const struct store_log *log, struct closer *closer, bool syncs)
{
    *copies = (struct copies){.disk = disk,
                              .paths = paths,
                              .log = log,
                              .closer = closer,
                              .syncs = syncs,
                              .fd = -1,
                              .spare = {.fd = -1},
                              .has_exchange = true};
    atomic_store(&copies->copy_method, "");
}

void copies_free(struct copies *copies)
{
    if (copies->fd >= 0)
        copies->disk->close(copies->disk, copies->fd);
    copies_forget_spare(copies);
    chain_wipe(&copies->chain);
}

/* ---- Making a file ------------------------------------------------------------------------ */

int copies_make_file(const struct copies *copies, const char *path, struct anystore_error *error)
{
    const struct disk *disk = copies->disk;
    /* Nobody else may make it now: if there is one, a dead process left it. */
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

/* Whether the bytes of both files are the same in [offset, offset + size), size <=
 * COMPARE_BYTES. */
static bool same_bytes(const struct copies *copies, int fd, uint64_t offset, size_t size)
{
    uint8_t own[COMPARE_BYTES], other[COMPARE_BYTES];
    return disk_read_exact(copies->disk, copies->fd, own, size, (off_t)offset) &&
           disk_read_exact(copies->disk, fd, other, size, (off_t)offset) &&
           memcmp(own, other, size) == 0;
}

/* Where what a spare of the same file id has in common with the data file ends, at least: behind
 * the last block that is the same.  Later blocks cannot be, as writers append. */
static uint64_t find_common_end(const struct copies *copies, const struct copy *copy)
{
    uint64_t size = copy->size < copies->chain.end ? copy->size : copies->chain.end;
    while (size > FORMAT_HEADER_BYTES) {
        uint64_t start = (size - 1) / COMPARE_BYTES * COMPARE_BYTES;
        if (same_bytes(copies, copy->fd, start, (size_t)(size - start)))
            return size;
        size = start;
    }
    return FORMAT_HEADER_BYTES;
}

/* Whether it is a file without another name: somebody may keep that as a backup. */
static bool is_own(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 1;
}

/* Whether the copy still has the segment that ends what is in common, by its tag. copy->clean says
 * whether only room is behind that: a dead writer has begun to write there. */
static bool is_as_left(const struct copies *copies, struct copy *copy)
{
    static const uint8_t zeros[FORMAT_END_BYTES];
    uint8_t there[XAES_TAG_BYTES + FORMAT_END_BYTES] = {0};
    bool has_room = format_has_room(&copies->chain.header) && copy->size > copy->common_end;
    size_t size = has_room ? sizeof there : XAES_TAG_BYTES;
    if (!disk_read_exact(copies->disk, copy->fd, there, size,
                         (off_t)(copy->common_end - XAES_TAG_BYTES)) ||
        memcmp(there, copy->tag, XAES_TAG_BYTES) != 0)
        return false;
    copy->clean = (has_room || copy->size == copy->common_end) &&
                  memcmp(there + XAES_TAG_BYTES, zeros, sizeof zeros) == 0;
    return true;
}

/* The spare that is known, if it still has that name. */
static bool take_known(struct copies *copies, struct copy *copy)
{
    struct stat st;
    *copy = copies->spare;
    copies->spare.fd = -1;
    if (copy->fd < 0)
        return false;
    if (copies->disk->stat(copies->disk, copies->paths->spare, &st) == 0 && is_own(&st) &&
        disk_same_file(&st, &copy->st) && st.st_size == copy->st.st_size) {
        copy->size = (uint64_t)st.st_size;
        if (is_as_left(copies, copy))
            return true;
    }
    copies->disk->close(copies->disk, copy->fd);
    return false;
}

/* Whatever has the spare's name, if it is an older state of the chain. */
static bool take_found(struct copies *copies, struct copy *copy)
{
    const struct disk *disk = copies->disk;
    copy->fd = disk->open(disk, copies->paths->spare, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (copy->fd < 0)
        return false;
    if (disk->fstat(disk, copy->fd, &copy->st) == 0 && is_own(&copy->st) &&
        !disk_same_file(&copy->st, &copies->st) && copy->st.st_size >= FORMAT_HEADER_BYTES &&
        same_bytes(copies, copy->fd, 0, FORMAT_HEADER_BYTES)) {
        copy->size = (uint64_t)copy->st.st_size;
        copy->common_end = find_common_end(copies, copy);
        copy->clean = false;
        return true;
    }
    disk->close(disk, copy->fd);
    return false;
}

void copies_cut_back(struct copies *copies, struct copy *copy)
{
    const struct disk *disk = copies->disk;
    off_t end = (off_t)copy->common_end;
    if (!copies->has_exchange || disk->ftruncate(disk, copy->fd, end) != 0 ||
        !disk_read_exact(disk, copies->fd, copy->tag, sizeof copy->tag,
                         end - (off_t)sizeof copy->tag)) {
        copies_drop_file(copies, copy->fd, copies->paths->spare);
        return;
    }
    copy->st.st_size = end;
    copies->spare = *copy;
}

/* Brings the spare to the state of the data file.  *used is false if no spare can be used; *copied
 * is the number of bytes that it lacked. */
static enum anystore_status use_spare(struct copies *copies, struct copy *copy, bool *used,
                                      uint64_t *copied, struct anystore_error *error)
{
    const struct disk *disk = copies->disk;
    const uint64_t end = copies->chain.end;
    enum anystore_status status = ANYSTORE_OK;
    *used = take_known(copies, copy) || take_found(copies, copy);
    if (!*used)
        return status;
    *copied = end - copy->common_end;
    /* From the start of the block, so that the copy has the data file's bytes there whatever became
     * of that block since. */
    uint64_t from = copy->common_end / COMPARE_BYTES * COMPARE_BYTES;
    if (copy->size > end && !copy->clean) {
        *used = disk->ftruncate(disk, copy->fd, (off_t)end) == 0;
        copy->size = end;
    }
    if (*used && disk_append(disk, copies->fd, copy->fd, (off_t)from, (off_t)end)) {
        copy->common_end = end;
        return status;
    }
    if (*used)
        status = error_system(error, "cannot write %s", copies->paths->spare);
    *used = false;
    if (status == ANYSTORE_NO_SPACE) {
        copies_cut_back(copies, copy); /* a new copy would need more */
        return status;
    }
    disk->close(disk, copy->fd);
    return error_ok(error);
}

void copies_complete_spare(struct copies *copies)
{
    uint64_t copied = 0;
    bool used = false;
    struct copy copy;
    if (copies->fd >= 0 && copies->has_exchange)
        use_spare(copies, &copy, &used, &copied, NULL);
    if (!used)
        return;
    copies->disk->close(copies->disk, copy.fd);
    atomic_fetch_add(&copies->bytes_copied, copied);
}

/* A new copy of the data file. */
static enum anystore_status make_copy(struct copies *copies, struct copy *copy, const char **method,
                                      struct anystore_error *error)
{
    const uint64_t end = copies->chain.end;
    copy->fd = copies_make_file(copies, copies->paths->spare, error);
    if (copy->fd < 0)
        return error ? error->status : ANYSTORE_IO;
    enum anystore_status status = ANYSTORE_OK;
    if (!disk_copy(copies->disk, copies->fd, copy->fd, (off_t)end, method))
        status =
            error_system(error, "cannot copy %s to %s", copies->paths->file, copies->paths->spare);
    else if (copies->disk->fstat(copies->disk, copy->fd, &copy->st) != 0)
        status = error_system(error, "cannot examine %s", copies->paths->spare);
    if (status != ANYSTORE_OK)
        copies_drop_file(copies, copy->fd, copies->paths->spare);
    copy->size = copy->common_end = end;
    return status;
}

enum anystore_status copies_begin(struct copies *copies, struct copy *copy,
                                  struct anystore_error *error)
{
    uint64_t copied = copies->chain.end;
    const char *method = "swap";
    bool used = false;
    enum anystore_status status = ANYSTORE_OK;
    if (copies->has_exchange)
        status = use_spare(copies, copy, &used, &copied, error);
    if (status == ANYSTORE_OK && !used) {
        copied = copies->chain.end;
        status = make_copy(copies, copy, &method, error);
    }
    if (status != ANYSTORE_OK)
        return status;
    atomic_store(&copies->copy_method, method);
    atomic_fetch_add(&copies->bytes_copied, copied);
    return ANYSTORE_OK;
}

static uint64_t whole_blocks(uint64_t size)
{
    return (size + FORMAT_BLOCK_BYTES - 1) / FORMAT_BLOCK_BYTES * FORMAT_BLOCK_BYTES;
}

void copies_make_room(struct copies *copies, struct copy *copy, uint64_t end)
{
    uint64_t room = (end - copy->common_end) * ROOM_COMMITS;
    room = room > ROOM_PART(end) ? ROOM_PART(end) : room;
    room = room < ROOM_LEAST ? ROOM_LEAST : room > ROOM_MOST ? ROOM_MOST : whole_blocks(room);
    if (format_has_room(&copies->chain.header)) {
        end = whole_blocks(end + FORMAT_END_BYTES); /* zeros were written as far as that */
        uint8_t *zeros = NULL;
        if (end > copy->size && copies->has_exchange)
            zeros = calloc(1, (size_t)room);
        if (zeros && disk_write_exact(copies->disk, copy->fd, zeros, (size_t)room, (off_t)end))
            end += room;
        free(zeros);
    }
    copy->st.st_size = (off_t)(end > copy->size ? end : copy->size);
}

void copies_drop_file(const struct copies *copies, int fd, const char *path)
{
    copies->disk->unlink(copies->disk, path);
    copies->disk->close(copies->disk, fd);
}

void copies_keep_spare(struct copies *copies)
{
    copies_forget_spare(copies);
    copies->spare =
        (struct copy){.fd = copies->fd, .st = copies->st, .common_end = copies->chain.end};
    memcpy(copies->spare.tag, copies->chain.tag, sizeof copies->spare.tag);
}

void copies_close_lost_spare(struct copies *copies)
{
    struct stat st;
    if (copies->spare.fd >= 0 && copies->disk->fstat(copies->disk, copies->spare.fd, &st) == 0 &&
        st.st_nlink == 0) {
        closer_give(copies->closer, copies->spare.fd);
        copies->spare.fd = -1;
    }
}

void copies_forget_spare(struct copies *copies)
{
    if (copies->spare.fd >= 0)
        copies->disk->close(copies->disk, copies->spare.fd);
    copies->spare.fd = -1;
}

void copies_exchange_loaded(struct copies *a, struct copies *b)
{
    struct chain chain = a->chain;
    a->chain = b->chain;
    b->chain = chain;
    chain_wipe(&chain);
    int fd = a->fd;
    a->fd = b->fd;
    b->fd = fd;
    struct stat st = a->st;
    a->st = b->st;
    b->st = st;
}

void copies_check(const struct copies *copies)
{
    const struct chain *chain = &copies->chain;
    chain_check(chain);
    if (copies->spare.fd >= 0)
        assert(copies->spare.common_end >= FORMAT_HEADER_BYTES &&
               copies->spare.common_end <= chain->end); /* S1 */
}

/* ---- Putting it in place ------------------------------------------------------------------ */

/* Gives the file at `from` the data file's name.  *exchanged says whether the old data file is at
 * `from` now. */
static enum anystore_status take_name(struct copies *copies, const char *from, bool *exchanged,
                                      struct anystore_error *error)
{
    const struct disk *disk = copies->disk;
    *exchanged = false;
    /* The first file has nothing to exchange its name with. */
    if (copies->fd >= 0 && copies->has_exchange) {
        *exchanged = disk->exchange(disk, from, copies->paths->file) == 0;
        if (*exchanged)
            return ANYSTORE_OK;
        if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
            return error_system(error, "cannot exchange %s and %s", from, copies->paths->file);
        copies->has_exchange = false;
        store_log(copies->log, ANYSTORE_LOG_NOTICE,
                  "The file system of %s cannot exchange names: each commit copies the file",
                  copies->paths->file);
    }
    if (disk->rename(disk, from, copies->paths->file) != 0)
        return error_system(error, "cannot rename %s to %s", from, copies->paths->file);
    return ANYSTORE_OK;
}

enum anystore_status copies_install(struct copies *copies, int fd, const char *from,
                                    struct anystore_error *error)
{
    const struct disk *disk = copies->disk;
    bool sync = copies->syncs;
    if (sync && disk->fdatasync(disk, fd) != 0) {
        enum anystore_status status = error_system(error, "cannot sync %s", from);
        disk->ftruncate(disk, fd, 0); /* should it stay, nobody must take it for a spare */
        return status;
    }
    /* The last look before the rename: restoring a backup takes no lock, and removing the lock file
     * breaks it. */
    struct stat st;
    bool named = copies->fd < 0 || disk->stat(disk, copies->paths->file, &st) == 0;
    if (!named && errno != ENOENT)
        return error_system(error, "cannot examine %s", copies->paths->file);
    if (!named || (copies->fd >= 0 && !disk_same_file(&st, &copies->st)))
        return error_set(error, ANYSTORE_REPLACED, "%s was replaced during a commit",
                         copies->paths->file);
    bool exchanged = false;
    enum anystore_status status = take_name(copies, from, &exchanged, error);
    if (status != ANYSTORE_OK || !sync || disk_sync_directory_of(disk, copies->paths->file))
        return status;
    status = error_system(error, "cannot sync the directory of %s", copies->paths->file);
    /* The old file gets its name back, and the new one loses its own.  It must not stay there as a
     * spare, which would be written to: as long as the directory is not synced, a power cut may
     * leave it as the data file. */
    if (!exchanged || disk->rename(disk, from, copies->paths->file) != 0)
        store_log(copies->log, ANYSTORE_LOG_WARNING,
                  "%s may hold a commit that its clients were told had failed",
                  copies->paths->file);
    return status;
}

enum anystore_status copies_sync_name(const struct copies *copies, struct anystore_error *error)
{
    if (copies->syncs && !disk_sync_directory_of(copies->disk, copies->paths->file))
        return error_system(error, "cannot sync the directory of %s", copies->paths->file);
    return ANYSTORE_OK;
}
