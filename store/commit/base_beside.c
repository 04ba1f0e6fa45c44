/* SPDX-License-Identifier: MIT */
/* The four steps: begin, write, finish, clean. */
#include "store/commit/base_beside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store/commit/base_file.h"
#include "store/commit/base_walk.h"
#include "store/commit/state.h"
#include "store/common/error.h"
#include "store/map/record.h"

/* After so many bytes the files are synced: a commit that comes meanwhile may have to wait for the
 * disk to take what was written before. */
#define SYNC_BYTES ((uint64_t)256 << 10)

/* So many bytes of commits may be left for finish, during which commits wait.  If commits are
 * faster than this thread, more are left: then commits wait longer. */
#define LEFT_BYTES ((uint64_t)64 << 10)

static void fail(struct base_job *job, enum anystore_status status)
{
    if (job->status == ANYSTORE_OK)
        job->status = status;
}

static bool goes_on(const struct base_job *job)
{
    return job->status == ANYSTORE_OK && !job->outdated && !atomic_load(&job->stop);
}

/* ---- Begin -------------------------------------------------------------------------------- */

/* Takes the claim; -1 on failure, with EAGAIN if another process has it. */
static int take_claim(struct anystore *store)
{
    const struct disk *disk = store->disk;
    int fd = disk->open(disk, store->paths.lock, O_RDWR, 0);
    /* Where there are no such locks, has_name must do: it looks at the names before they are
     * used. */
    if (fd >= 0 && disk->claim(disk, fd, LOCKFILE_BASE) != 0 &&
        (errno == EAGAIN || errno == EACCES)) {
        disk->close(disk, fd);
        errno = EAGAIN;
        return -1;
    }
    return fd;
}

void base_beside_remove_leftovers(struct anystore *store)
{
    int claim = take_claim(store);
    if (claim < 0)
        return; /* a process uses them; if not, the next base removes them */
    store->disk->unlink(store->disk, store->paths.base);
    store->disk->unlink(store->disk, store->paths.base_spare);
    store->disk->close(store->disk, claim);
}

/* The second copy, which becomes the spare.  Without one the next commit makes a copy itself. */
static void make_copy(struct anystore *store, struct base_job *job)
{
    const struct disk *disk = store->disk;
    if (!store->file.has_exchange)
        return;
    job->copy_fd = copies_make_file(&store->file, store->paths.base_spare, NULL);
    job->clones = job->copy_fd >= 0 && disk->clone(disk, job->copy_fd, job->fd) == 0;
}

static void drop_copy(struct anystore *store, struct base_job *job)
{
    if (job->copy_fd >= 0)
        copies_drop_file(&store->file, job->copy_fd, store->paths.base_spare);
    job->copy_fd = -1;
}

static enum anystore_status make_files(struct anystore *store, struct base_job *job)
{
    const struct disk *disk = store->disk;
    job->fd = copies_make_file(&store->file, store->paths.base, &job->error);
    if (job->fd < 0)
        return job->error.status;
    if (disk->fstat(disk, job->fd, &job->st) != 0)
        return error_system(&job->error, "cannot examine %s", store->paths.base);
    struct chain chain;
    enum anystore_status status = base_file_begin(
        store, job->fd, store->paths.base, store->file.chain.header.store_id, &chain, &job->error);
    if (status == ANYSTORE_OK) {
        const struct byte_file file = disk_file(disk, job->fd, store->paths.base);
        segment_writer_begin(&job->writer, &file, &chain, FORMAT_BASE, &job->error);
        job->writing = true;
        status = job->writer.status;
        chain_wipe(&chain);
    }
    if (status == ANYSTORE_OK)
        make_copy(store, job);
    return status;
}

bool base_beside_begin(struct anystore *store, struct base_job *job)
{
    job->fd = job->copy_fd = job->old_fd = -1;
    job->clones = job->writing = job->installed = job->outdated = false;
    job->synced = 0;
    job->status = error_ok(&job->error);
    job->read = store->file.chain;
    job->claim = take_claim(store);
    if (job->claim < 0) {
        if (errno == EAGAIN)
            return false;
        job->status = error_system(&job->error, "cannot open the lock file %s", store->paths.lock);
        return true;
    }
    job->status = make_files(store, job);
    return true;
}

/* ---- Write -------------------------------------------------------------------------------- */

static bool sync_file(const struct anystore *store, int fd)
{
    return !store->file.syncs || store->disk->fsync(store->disk, fd) == 0;
}

/* Syncs what has been written and brings the copy up to it. */
static void sync_written(struct anystore *store, struct base_job *job)
{
    const struct disk *disk = store->disk;
    uint64_t end = job->writer.chain.end;
    if (job->synced == end || !goes_on(job))
        return;
    if (!sync_file(store, job->fd)) {
        fail(job, error_system(&job->error, "cannot sync %s", store->paths.base));
        return;
    }
    if (job->copy_fd >= 0 && !job->clones &&
        !(disk_append(disk, job->fd, job->copy_fd, (off_t)job->synced, (off_t)end) &&
          sync_file(store, job->copy_fd)))
        drop_copy(store, job);
    job->synced = end;
}

/* Between two records: syncs now and then.  Whether to go on. */
static bool on_step(struct anystore *store, struct base_job *job)
{
    fail(job, job->writer.status);
    if (job->writer.chain.end - job->synced >= SYNC_BYTES)
        sync_written(store, job);
    return goes_on(job);
}

/* Writes the commits that the base lacks, up to the position `to` in the data file; fd is one of
 * its copies. */
static void copy_commits(struct anystore *store, struct base_job *job, int fd,
                         const struct chain *to)
{
    struct segment_reader reader;
    const struct byte_file file = disk_file(store->disk, fd, store->paths.file);
    enum anystore_status status =
        segment_reader_begin(&reader, &file, to->end, &job->read, &job->error);
    bool more = status == ANYSTORE_OK;
    while (more) {
        status = segment_reader_next_commit(&reader, &more);
        if (status == ANYSTORE_OK && more)
            status = segment_copy(&job->writer, &reader);
        more = more && status == ANYSTORE_OK && on_step(store, job);
    }
    job->read = reader.chain;
    segment_reader_free(&reader);
    fail(job, status);
    fail(job, job->writer.status);
}

/* Whether the file is one of the two copies that the base is made from. */
static bool is_source(const struct anystore *store, const struct base_job *job, int fd)
{
    uint8_t own[FORMAT_HEADER_BYTES], other[FORMAT_HEADER_BYTES];
    format_header_encode(own, &job->read.header);
    return disk_read_exact(store->disk, fd, other, sizeof other, 0) &&
           memcmp(own, other, sizeof own) == 0;
}

/* Writes the commits that have been published meanwhile.  Returns how many bytes they had. */
static uint64_t catch_up(struct anystore *store, struct base_job *job)
{
    const struct disk *disk = store->disk;
    pthread_mutex_lock(&store->refresh_mutex);
    struct chain now = store->file.chain;
    pthread_mutex_unlock(&store->refresh_mutex);
    uint64_t size = now.end - job->read.end;
    job->outdated = !chain_same_file(&now, &job->read.header);
    if (!job->outdated && size > 0) {
        int fd = disk->open(disk, store->paths.file, O_RDONLY | O_NONBLOCK, 0);
        if (fd < 0)
            fail(job, error_system(&job->error, "cannot open %s", store->paths.file));
        else if (!is_source(store, job, fd))
            job->outdated = true;
        else
            copy_commits(store, job, fd, &now);
        if (fd >= 0)
            disk->close(disk, fd);
    }
    chain_wipe(&now);
    return size;
}

static void clone_copy(struct anystore *store, struct base_job *job)
{
    if (!goes_on(job) || job->copy_fd < 0 || !job->clones)
        return;
    if (store->disk->clone(store->disk, job->copy_fd, job->fd) != 0 ||
        !sync_file(store, job->copy_fd))
        drop_copy(store, job);
}

struct stepping {
    struct anystore *store;
    struct base_job *job;
};

static bool on_walk_step(void *arg)
{
    const struct stepping *stepping = arg;
    return on_step(stepping->store, stepping->job);
}

void base_write_beside(struct anystore *store, struct base_job *job)
{
    record_write_count(&job->writer, atomic_load(&store->counters.keys));
    struct stepping stepping = {store, job};
    enum anystore_status status =
        base_walk(&store->published, &job->writer, on_walk_step, &stepping);
    if (status != ANYSTORE_OK)
        fail(job, error_nomem(&job->error));
    uint64_t before, now = UINT64_MAX;
    do {
        before = now;
        now = goes_on(job) ? catch_up(store, job) : 0;
    } while (now >= LEFT_BYTES && now < before);
    sync_written(store, job);
    clone_copy(store, job);
}

/* ---- Finish ------------------------------------------------------------------------------- */

/* Whether the path still names the file that was made: somebody may have removed or replaced it. */
static bool has_name(const struct anystore *store, const struct base_job *job)
{
    struct stat st;
    return store->disk->stat(store->disk, store->paths.base, &st) == 0 &&
           disk_same_file(&st, &job->st);
}

/* Gives the second copy the spare's name.  What had that name is removed with the rest. */
static void place_copy(struct anystore *store, struct base_job *job)
{
    const struct disk *disk = store->disk;
    if (job->copy_fd < 0)
        return;
    if (disk->exchange(disk, store->paths.base_spare, store->paths.spare) != 0)
        disk->rename(disk, store->paths.base_spare, store->paths.spare);
    atomic_fetch_add(&store->file.bytes_copied, job->synced);
}

void base_beside_finish(struct anystore *store, struct base_job *job)
{
    if (job->status != ANYSTORE_OK)
        return;
    job->outdated = job->outdated || !chain_same_file(&store->file.chain, &job->read.header);
    if (job->outdated)
        return;
    copy_commits(store, job, store->file.fd, &store->file.chain);
    memcpy(job->writer.chain.origin, job->read.tag, XAES_TAG_BYTES);
    if (job->status == ANYSTORE_OK)
        fail(job, segment_writer_finish(&job->writer, store->file.chain.generation,
                                        store->file.chain.time_ms));
    job->outdated = !has_name(store, job);
    if (job->status == ANYSTORE_OK && !job->outdated) {
        copies_complete_spare(&store->file);
        fail(job, copies_install(&store->file, job->fd, store->paths.base, &job->error));
    }
    if (job->status != ANYSTORE_OK || job->outdated)
        return;
    job->installed = true;
    job->old_fd = base_file_adopt(store, job->fd, &job->st, &job->writer.chain);
    place_copy(store, job);
}

/* ---- Clean -------------------------------------------------------------------------------- */

/* The old spare, which has the second copy's name now; -1 if there is none. */
static int open_old_spare(struct anystore *store, const struct base_job *job)
{
    const struct disk *disk = store->disk;
    return job->installed && job->copy_fd >= 0
               ? disk->open(disk, store->paths.base_spare, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0)
               : -1;
}

void base_beside_clean(struct anystore *store, struct base_job *job)
{
    const struct disk *disk = store->disk;
    int old_spare = open_old_spare(store, job);
    if (job->writing)
        segment_writer_free(&job->writer);
    chain_wipe(&job->read);
    if (job->fd >= 0 && (job->installed || has_name(store, job)))
        disk->unlink(disk, store->paths.base); /* the old data file, if the names were exchanged */
    if (job->fd >= 0 && !job->installed)
        disk->close(disk, job->fd);
    drop_copy(store, job); /* its name is the old spare's now, or still its own */
    if (job->claim >= 0)
        disk->close(disk, job->claim);
    closer_close_slowly(&store->closer, job->old_fd);
    closer_close_slowly(&store->closer, old_spare);
}
