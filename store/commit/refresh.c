/* SPDX-License-Identifier: MIT */
/* How far the two kinds of callers read, and when they may show it. */
#include "store/commit/refresh.h"

#include <time.h>

#include "store/commit/data_file.h"
#include "store/commit/news.h"
#include "store/commit/other_file.h"
#include "store/commit/publish.h"
#include "store/common/error.h"

/* How often, and at which interval, a reader looks again at a file that is ahead of its mark.  That
 * ends when the lock holder is done, or when this process's commit thread has had the lock. */
#define AHEAD_TRIES   100000
#define AHEAD_WAIT_NS 200000

/* ---- Reading ------------------------------------------------------------------------------ */

/* Reads the commits behind the reader's position, up to the generation `target`. */
static enum anystore_status read_commits(struct anystore *store, struct news *news,
                                         struct segment_reader *reader, uint64_t target)
{
    enum anystore_status status = ANYSTORE_OK;
    bool more = true;
    while (status == ANYSTORE_OK && more && reader->chain.generation < target) {
        status = segment_reader_next_commit(reader, &more);
        if (status == ANYSTORE_OK && more)
            status = news_read_commit(news, reader, news_base(news, &store->published.map));
        if (status == ANYSTORE_OK && more)
            pending_end_commit(&news->pending, reader->chain.time_ms);
    }
    return status;
}

/* Reads all commits up to the generation `target` into news. */
static enum anystore_status read_news(struct anystore *store, struct news *news, bool first,
                                      uint64_t target, struct anystore_error *error)
{
    if (!first && data_file_has_nothing_new(store))
        return ANYSTORE_OK;
    bool same = false;
    enum anystore_status status = data_file_open(store, news, first, error);
    if (status == ANYSTORE_OK)
        status = data_file_check(store, news, first, &same, error);
    if (status == ANYSTORE_OK && same)
        status = data_file_must_grow_on(store, news, error);
    if (status != ANYSTORE_OK)
        return status;

    struct segment_reader reader;
    const struct byte_file file = disk_file(store->disk, news->fd, store->paths.file);
    status = segment_reader_begin(&reader, &file, (uint64_t)news->st.st_size, &news->chain, error);
    if (status == ANYSTORE_OK && !same)
        status = other_file_read(store, news, first, &reader);
    if (status == ANYSTORE_OK)
        status = read_commits(store, news, &reader, target);
    if (status == ANYSTORE_OK && first)
        status = segment_reader_check_room(&reader);
    news->chain = reader.chain;
    atomic_fetch_add(&store->counters.catch_up_bytes, reader.bytes_read + FORMAT_HEADER_BYTES);
    segment_reader_free(&reader);
    return status;
}

/* ---- Readers ------------------------------------------------------------------------------ */

/* Reads up to the mark, without the file lock.  If the file does not lead there, somebody damaged
 * it or the mark: then what was read counts only if the path named that file all the time (R4). */
static enum anystore_status read_to_mark(struct anystore *store, struct news *news, uint64_t mark,
                                         struct anystore_error *error)
{
    for (;;) {
        news_init(news, &store->file.chain, &store->published.map);
        enum anystore_status status = read_news(store, news, false, mark, error);
        bool reached = status == ANYSTORE_OK && news->chain.generation >= mark;
        if (reached || !data_file_has_moved_on(store, news))
            return status;
        news_free(news, store->disk);
    }
}

/* Publishes what is new up to the mark.  *ahead: the file holds a base beyond the mark (R5).  So
 * two stores are being exchanged at this moment (several.c), or the process that did that has
 * died. */
static enum anystore_status publish_to_mark(struct anystore *store, uint64_t mark, bool *ahead,
                                            struct anystore_error *error)
{
    struct news news;
    enum anystore_status status = read_to_mark(store, &news, mark, error);
    *ahead = status == ANYSTORE_OK && news.fd >= 0 && news.chain.generation > mark;
    /* A mark that the file does not reach is damaged: it does not say that the rest is durable
     * (R1). */
    if (status == ANYSTORE_OK && news.fd >= 0 && news.chain.generation < mark)
        status = copies_sync_name(&store->file, error);
    if (status == ANYSTORE_OK && !*ahead)
        status = publish_news(store, &news, error);
    news_free(&news, store->disk);
    return status;
}

/* Tries once to bring the published map to the mark. */
static enum anystore_status catch_up(struct anystore *store, bool *ahead,
                                     struct anystore_error *error)
{
    enum anystore_status status = ANYSTORE_OK;
    *ahead = false;
    pthread_mutex_lock(&store->refresh_mutex);
    uint64_t mark = lockfile_mark(&store->lockfile);
    /* While this process holds the file lock nobody can be ahead of it (R7). */
    if (mark > store->file.chain.generation && !store->commit_in_progress)
        status = publish_to_mark(store, mark, ahead, error);
    bool behind = mark > store->file.chain.generation && !store->commit_in_progress;
    pthread_mutex_unlock(&store->refresh_mutex);
    /* The file is the truth (R6): the commit thread takes the lock and puts the mark right. */
    if (status == ANYSTORE_OK && behind)
        queue_announce_suspect_mark(&store->queue);
    return status;
}

enum anystore_status refresh_to_mark(struct anystore *store, struct anystore_error *error)
{
    static const struct timespec moment = {.tv_nsec = AHEAD_WAIT_NS};
    for (int i = 0; i < AHEAD_TRIES; i++) {
        bool ahead = false;
        enum anystore_status status = catch_up(store, &ahead, error);
        if (status != ANYSTORE_OK || !ahead)
            return status;
        nanosleep(&moment, NULL);
    }
    return error_set(error, ANYSTORE_REPLACED, "%s is ahead of its lock file, and stays so",
                     store->paths.file);
}

/* ---- The lock holder ---------------------------------------------------------------------- */

/* The lock holder has found commits beyond the mark: their writer died before it synced the
 * directory.  Makes them durable, and says so by the mark. */
static enum anystore_status finish_dead_writer(struct anystore *store, uint64_t generation,
                                               struct anystore_error *error)
{
    if (lockfile_mark(&store->lockfile) == generation)
        return ANYSTORE_OK;
    enum anystore_status status = copies_sync_name(&store->file, error);
    if (status == ANYSTORE_OK)
        lockfile_set_mark(&store->lockfile, generation);
    return status;
}

/* A process with "fsync no" may have written the file: makes it durable, before a process with
 * "fsync always" shows it. */
static enum anystore_status sync_first(struct anystore *store, const struct news *news,
                                       struct anystore_error *error)
{
    if (store->file.syncs && store->disk->fsync(store->disk, news->fd) != 0)
        return error_system(error, "cannot sync %s", store->paths.file);
    return copies_sync_name(&store->file, error);
}

static enum anystore_status refresh_to_end(struct anystore *store, bool first,
                                           struct anystore_error *error)
{
    struct news news;
    pthread_mutex_lock(&store->refresh_mutex);
    news_init(&news, &store->file.chain, &store->published.map);
    enum anystore_status status = read_news(store, &news, first, UINT64_MAX, error);
    if (status == ANYSTORE_OK && first)
        status = sync_first(store, &news, error);
    if (status == ANYSTORE_OK)
        status = finish_dead_writer(store, news.chain.generation, error);
    if (status == ANYSTORE_OK)
        status = publish_news(store, &news, error);
    news_free(&news, store->disk);
    store->commit_in_progress = status == ANYSTORE_OK && !first;
    pthread_mutex_unlock(&store->refresh_mutex);
    return status;
}

enum anystore_status refresh_first(struct anystore *store, struct anystore_error *error)
{
    return refresh_to_end(store, true, error);
}

enum anystore_status refresh_acquire(struct anystore *store, struct anystore_error *error)
{
    enum anystore_status status = lockfile_acquire(&store->lockfile, error);
    if (status != ANYSTORE_OK)
        return status;
    status = refresh_to_end(store, false, error);
    if (status != ANYSTORE_OK)
        lockfile_release(&store->lockfile);
    return status;
}

void refresh_release(struct anystore *store)
{
    pthread_mutex_lock(&store->refresh_mutex);
    store->commit_in_progress = false;
    pthread_mutex_unlock(&store->refresh_mutex);
    lockfile_release(&store->lockfile);
}
