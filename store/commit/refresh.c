/* SPDX-License-Identifier: MIT */
/* Catching up: bringing the published map to what the file holds, by reading only what is new.
 *
 * Two kinds of callers.  A reader that sees a mark ahead of what is loaded reads up to the mark and
 * not further: what is renamed but not yet known to be durable must not be seen.  The holder of the
 * file lock reads to the end; what it finds there beyond the mark was renamed by a process that died
 * before it could sync the directory, so the lock holder syncs it before it shows it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "store/commit/state.h"
#include "store/common/error.h"

/* How often, and after which time, a reader looks again at a file that is ahead of its mark: that ends
 * when the lock holder is done, or this process's commit thread has had the lock. */
#define AHEAD_TRIES   100000
#define AHEAD_WAIT_NS 200000

/* What has been read but not published yet. */
struct news {
    int fd; /* -1: the file is the one that is loaded */
    struct stat st;
    struct chain chain;
    bool reload; /* `map` takes the place of the published map before `pending` is applied */
    struct map map;
    struct pending pending;
    /* Hashes of keys that one commit made and a later one removed: nothing in `pending` tells of
     * them, but who watches them is to know. */
    uint32_t *passing;
    size_t passing_count, passing_capacity;
};

static void news_init(struct news *news, const struct anystore *store)
{
    *news = (struct news){.fd = -1, .chain = store->file.chain};
    map_init(&news->map, &store->map.seed);
    pending_init(&news->pending, &store->map);
}

static void news_free(struct news *news, const struct disk *disk)
{
    if (news->fd >= 0)
        disk->close(disk, news->fd);
    map_clear(&news->map);
    pending_free(&news->pending);
    free(news->passing);
    chain_wipe(&news->chain);
}

/* The map that the pending changes will be applied to. */
static const struct map *news_base(const struct anystore *store, const struct news *news)
{
    return news->reload ? &news->map : &store->map;
}

static enum anystore_status does_not_fit(struct segment_reader *reader)
{
    return error_set(reader->error, ANYSTORE_DAMAGED,
                     "%s is damaged: a change before offset %llu is of a key that is not there",
                     reader->file.path, (unsigned long long)reader->chain.end);
}

/* Notes a change that the pending changes are about to forget.  False if memory is short. */
static bool note_passing(struct entry *change, void *arg)
{
    struct news *news = arg;
    if (news->passing_count == news->passing_capacity) {
        size_t capacity = news->passing_capacity ? 2 * news->passing_capacity : 16;
        uint32_t *passing = realloc(news->passing, capacity * sizeof *passing);
        if (!passing)
            return false;
        news->passing = passing;
        news->passing_capacity = capacity;
    }
    news->passing[news->passing_count++] = change->hash;
    return true;
}

/* Before a record that makes the pending changes forget some.  After a reload all keys count as changed:
 * nothing to note. */
static bool note_forgotten(struct news *news, const struct record *record)
{
    struct map *changes = &news->pending.map;
    if (news->reload || changes->count == 0)
        return true;
    if (record->kind == RECORD_CLEAR)
        return map_each(changes, note_passing, news);
    if (record->kind != RECORD_DELETE)
        return true;
    const struct entry *entry = record->entry;
    struct entry *change = map_find(changes, map_hash(changes, entry_key(entry), entry->key_size),
                                    entry_key(entry), entry->key_size);
    return !change || note_passing(change, news);
}

/* Reads the records of one commit into the pending changes. */
static enum anystore_status read_commit(struct segment_reader *reader, const struct map *base,
                                        struct news *news)
{
    struct pending *pending = &news->pending;
    for (;;) {
        bool end = false;
        enum anystore_status status = segment_reader_at_end(reader, &end);
        if (status != ANYSTORE_OK || end)
            return status;
        struct record record;
        status = record_read(reader, &record);
        if (status != ANYSTORE_OK)
            return status;
        if (!note_forgotten(news, &record)) {
            entry_free(record.entry);
            return error_nomem(reader->error);
        }
        if (record.kind == RECORD_CLEAR) {
            pending_clear(pending);
        } else if (record.entry && !map_ready(&pending->map)) {
            entry_free(record.entry);
            return error_nomem(reader->error);
        } else if (record.entry && !pending_add(pending, base, record.entry)) {
            return does_not_fit(reader);
        }
    }
}

static enum anystore_status replaced(const struct anystore *store, struct anystore_error *error,
                                     const char *what)
{
    return error_set(error, ANYSTORE_REPLACED,
                     "%s %s; put the file back, or restart to use what is there", store->paths.file,
                     what);
}

/* Reads the header and checks that it is this store's; *same tells whether it is the file that is
 * loaded.  Sets up news->chain for another file. */
static enum anystore_status read_header(struct anystore *store, struct news *news, bool first,
                                        bool *same, struct anystore_error *error)
{
    uint8_t bytes[FORMAT_HEADER_BYTES] = {0};
    uint64_t size = (uint64_t)news->st.st_size;
    size_t present = size < sizeof bytes ? (size_t)size : sizeof bytes;
    if (!S_ISREG(news->st.st_mode))
        return error_set(error, ANYSTORE_FOREIGN, "%s is not a regular file", store->paths.file);
    if (!disk_read_exact(store->disk, news->fd, bytes, present, 0))
        return error_system(error, "cannot read %s", store->paths.file);
    struct format_header header;
    enum anystore_status status = format_header_decode(bytes, &header);
    if (present == 0)
        return error_set(error, ANYSTORE_FOREIGN, "%s is not an AnyStore file: it is empty",
                         store->paths.file);
    if (status == ANYSTORE_VERSION)
        return error_set(error, status, "%s has format version %u; this program knows up to %u",
                         store->paths.file, header.version, (unsigned)FORMAT_VERSION);
    if (status != ANYSTORE_OK)
        return error_set(error, status, "%s is not an AnyStore file", store->paths.file);
    if (present < sizeof bytes)
        return error_set(error, ANYSTORE_DAMAGED, "%s is damaged: it ends inside its header",
                         store->paths.file);
    *same = !first && chain_same_file(&store->file.chain, &header);
    if (*same)
        return ANYSTORE_OK;
    if (!first && memcmp(header.store_id, store->id, FORMAT_ID_BYTES) != 0)
        return replaced(store, error, "was replaced by the file of another store");
    const struct anystore *family = store->family;
    if (family != store && memcmp(header.store_id, family->id, FORMAT_ID_BYTES) != 0)
        return error_set(error, ANYSTORE_FOREIGN, "%s does not belong together with %s",
                         store->paths.file, family->paths.file);
    uint8_t file_key[XAES_KEY_BYTES];
    bool fits = false;
    if (!format_file_key(&header, store->key.bytes, file_key, &fits))
        return error_set(error, ANYSTORE_IO, "cannot derive a file key: OpenSSL failed");
    if (!fits)
        return error_set(
            error, ANYSTORE_WRONG_KEY,
            "wrong key for %s: it was sealed with another key (or its header is damaged)",
            store->paths.file);
    chain_start(&news->chain, &header, file_key);
    OPENSSL_cleanse(file_key, sizeof file_key);
    if (!first)
        return ANYSTORE_OK;
    status = store_learn_secrets(store, &header, error);
    map_init(&news->map, &store->map.seed);
    pending_init(&news->pending, &store->map);
    return status;
}

/* What is loaded is older than the base of another file: the commits in between are in the file that is
 * loaded, one of the two copies that there were, though no name may lead to it any more.  Whether they
 * could be read.  The origin tells that they are what the base was made of, and not, say, changes of a
 * commit that failed. */
static bool bridge(struct anystore *store, struct news *news, const struct chain *base)
{
    struct stat st;
    struct anystore_error error;
    if (base->header.version < 2 || store->disk->fstat(store->disk, store->file.fd, &st) != 0)
        return false;
    struct segment_reader reader;
    const struct byte_file file = disk_file(store->disk, store->file.fd, store->paths.file);
    enum anystore_status status =
        segment_reader_begin(&reader, &file, (uint64_t)st.st_size, &store->file.chain, &error);
    bool more = status == ANYSTORE_OK;
    while (more && reader.chain.generation < base->generation) {
        status = segment_reader_next_commit(&reader, &more);
        if (status == ANYSTORE_OK && more)
            status = read_commit(&reader, &store->map, news);
        more = more && status == ANYSTORE_OK;
    }
    bool there = status == ANYSTORE_OK && reader.chain.generation == base->generation &&
                 memcmp(reader.chain.tag, base->origin, XAES_TAG_BYTES) == 0;
    atomic_fetch_add(&store->counters.catch_up_bytes, reader.bytes_read);
    segment_reader_free(&reader);
    if (!there) {
        pending_free(&news->pending);
        news->passing_count = 0;
    }
    return there;
}

/* In another file than the one that is loaded, a new base: goes to the end of it.  *found tells
 * whether that is the loaded state, or news lead there from it.  A base is made of the newest state, so one that is older than
 * what is loaded, or differs from it, is not of the same history: somebody put a backup back. */
static enum anystore_status find_loaded(struct anystore *store, struct news *news,
                                        struct segment_reader *reader, bool *found)
{
    enum anystore_status status = segment_reader_skip_base(reader);
    if (status != ANYSTORE_OK)
        return status;
    *found = reader->chain.generation == store->file.chain.generation;
    if (reader->chain.generation < store->file.chain.generation ||
        (*found && reader->chain.time_ms != store->file.chain.time_ms))
        status = replaced(store, reader->error, "was replaced by an older copy");
    if (status == ANYSTORE_OK && !*found)
        *found = bridge(store, news, &reader->chain);
    return status;
}

/* Another file than the one that is loaded: adopts it if the loaded state is in it, reads it
 * otherwise. */
static enum anystore_status read_other_file(struct anystore *store, struct news *news, bool first,
                                            struct segment_reader *reader)
{
    if (!first) {
        bool found = false;
        enum anystore_status status = find_loaded(store, news, reader, &found);
        if (status != ANYSTORE_OK || found)
            return status;
        struct segment_reader again;
        status = segment_reader_begin(&again, &reader->file, reader->file_size, &news->chain,
                                      reader->error);
        again.bytes_read = reader->bytes_read;
        segment_reader_free(reader);
        *reader = again;
        if (status != ANYSTORE_OK)
            return status;
        atomic_fetch_add(&store->counters.reloads, 1);
    }
    news->reload = true;
    return base_read(reader, &news->map);
}

/* Whether a file of the loaded one's id holds what is loaded: it is as long, and has the same segment
 * there, by its tag. */
static enum anystore_status grows_on(struct anystore *store, const struct news *news, bool *grown,
                                     struct anystore_error *error)
{
    uint8_t tag[XAES_TAG_BYTES];
    *grown = false;
    if ((uint64_t)news->st.st_size < store->file.chain.end)
        return ANYSTORE_OK;
    if (!disk_read_exact(store->disk, news->fd, tag, sizeof tag,
                         (off_t)(store->file.chain.end - sizeof tag)))
        return error_system(error, "cannot read %s", store->paths.file);
    *grown = memcmp(tag, store->file.chain.tag, sizeof tag) == 0;
    return ANYSTORE_OK;
}

/* To write to as well, since it may become the spare. */
static int open_data_file(const struct anystore *store)
{
    const struct disk *disk = store->disk;
    int fd = disk->open(disk, store->paths.file, O_RDWR | O_NONBLOCK, 0); /* it may be a pipe */
    if (fd >= 0 || errno == ENOENT)
        return fd;
    return disk->open(disk, store->paths.file, O_RDONLY | O_NONBLOCK, 0);
}

/* Opens the file that the path names, and notes its length at a moment when the path did.  What is written to
 * it later, when it is the spare, may be within that, into its room: see read_to_mark. */
static enum anystore_status open_named(struct anystore *store, struct news *news, bool first,
                                       struct anystore_error *error)
{
    const struct disk *disk = store->disk;
    for (;;) {
        struct stat opened;
        news->fd = open_data_file(store);
        if (news->fd < 0 && errno == ENOENT && !first)
            return replaced(store, error, "vanished");
        if (news->fd < 0)
            return error_system(error, "cannot open %s", store->paths.file);
        if (disk->fstat(disk, news->fd, &opened) != 0 ||
            disk->stat(disk, store->paths.file, &news->st) != 0)
            return error_system(error, "cannot examine %s", store->paths.file);
        if (disk_same_file(&opened, &news->st))
            return ANYSTORE_OK;
        disk->close(disk, news->fd); /* the names were exchanged in between */
    }
}

/* Whether the path names the file that is loaded, and nothing stands behind what is loaded. */
static bool nothing_new(struct anystore *store)
{
    const struct disk *disk = store->disk;
    static const uint8_t zeros[FORMAT_END_BYTES];
    uint8_t next[FORMAT_END_BYTES];
    struct stat st;
    if (disk->stat(disk, store->paths.file, &st) != 0 || !disk_same_file(&st, &store->file.st))
        return false;
    if ((uint64_t)st.st_size == store->file.chain.end)
        return true;
    return format_has_room(&store->file.chain.header) &&
           disk_read_exact(disk, store->file.fd, next, sizeof next, (off_t)store->file.chain.end) &&
           memcmp(next, zeros, sizeof next) == 0;
}

/* Reads all commits up to the generation `target` into news. */
static enum anystore_status read_news(struct anystore *store, struct news *news, bool first,
                                      uint64_t target, struct anystore_error *error)
{
    if (!first && nothing_new(store))
        return ANYSTORE_OK;
    enum anystore_status status = open_named(store, news, first, error);
    if (status != ANYSTORE_OK)
        return status;
    bool same = false;
    status = read_header(store, news, first, &same, error);
    if (status != ANYSTORE_OK)
        return status;
    uint64_t size = (uint64_t)news->st.st_size;
    if (same) {
        bool grown = false;
        status = grows_on(store, news, &grown, error);
        if (status == ANYSTORE_OK && !grown)
            status = replaced(store, error, "was replaced by an older copy, or cut");
        if (status != ANYSTORE_OK)
            return status;
    }

    struct segment_reader reader;
    const struct byte_file file = disk_file(store->disk, news->fd, store->paths.file);
    status = segment_reader_begin(&reader, &file, size, &news->chain, error);
    if (status == ANYSTORE_OK && !same)
        status = read_other_file(store, news, first, &reader);
    bool more = status == ANYSTORE_OK;
    while (more && reader.chain.generation < target) {
        status = segment_reader_next_commit(&reader, &more);
        if (status == ANYSTORE_OK && more)
            status = read_commit(&reader, news_base(store, news), news);
        if (status == ANYSTORE_OK && more)
            pending_settle(&news->pending, reader.chain.time_ms);
        if (status != ANYSTORE_OK)
            more = false;
    }
    if (status == ANYSTORE_OK && first)
        status = segment_reader_check_room(&reader);
    news->chain = reader.chain;
    atomic_fetch_add(&store->counters.catch_up_bytes, reader.bytes_read + FORMAT_HEADER_BYTES);
    segment_reader_free(&reader);
    return status;
}

/* Keeps the file of the news open in the place of what was loaded, which is the spare now, or was thrown away
 * with its file id. */
static void take_file(struct anystore *store, struct news *news)
{
    bool same_id = store->file.fd >= 0 && chain_same_file(&store->file.chain, &news->chain.header);
    bool other_copy = !disk_same_file(&store->file.st, &news->st);
    if (!same_id) {
        /* They have no name any more, if what took their place is a new base. */
        closer_give(&store->closer, store->file.fd);
        closer_give(&store->closer, store->file.spare.fd);
        store->file.spare.fd = -1;
    } else if (other_copy) {
        copies_keep_spare(&store->file);
    } else {
        store->disk->close(store->disk, store->file.fd);
    }
    store->file.fd = news->fd;
    news->fd = -1;
}

/* Makes the news the published state.  refresh_mutex is held. */
static enum anystore_status publish_news(struct anystore *store, struct news *news,
                                         struct anystore_error *error)
{
    if (news->fd < 0)
        return ANYSTORE_OK;
    if (news->chain.generation != store->file.chain.generation || news->reload) {
        struct entry *garbage = NULL;
        struct map replaced_map, cleared_map;
        map_init(&replaced_map, &store->map.seed);
        /* The published map always has a table, so that nobody has to make one under its readers. */
        if (!map_ready(news->pending.cleared ? &news->pending.map
                       : news->reload        ? &news->map
                                             : &store->map))
            return error_nomem(error);
        view_lock_exclusive(&store->view_lock);
        if (news->reload) {
            replaced_map = store->map;
            store->map = news->map;
            map_init(&news->map, &store->map.seed);
        }
        if (replaced_map.table[0].size != 0)
            watch_touch_all(&store->watches);
        watch_touch_pending(&store->watches, &news->pending, 0);
        for (size_t i = 0; i < news->passing_count; i++)
            watch_touch_hash(&store->watches, news->passing[i]);
        news->pending.late_ms = news->reload ? 0 : news->chain.time_ms;
        pending_apply(&news->pending, &store->map, &garbage, &cleared_map);
        atomic_store_explicit(&store->loaded, news->chain.generation, memory_order_release);
        store_note_map(store);
        view_unlock_exclusive(&store->view_lock);
        expire_tell_news(store, &news->pending, news->reload ? &replaced_map : NULL,
                         news->chain.time_ms);
        entry_free_list(garbage);
        map_clear(&replaced_map);
        map_clear(&cleared_map);
        atomic_fetch_add(&store->counters.catch_ups, 1);
    }
    take_file(store, news);
    store->file.st = news->st;
    store->file.chain = news->chain;
    store_note_file(store);
    return ANYSTORE_OK;
}

/* Whether the path does not name the file of the news any more.  Then it is the spare, and what was read
 * beyond the mark may be of a commit that is being written, or a piece of one. */
static bool has_moved_on(const struct anystore *store, const struct news *news)
{
    struct stat st;
    return news->fd >= 0 && store->disk->stat(store->disk, store->paths.file, &st) == 0 &&
           !disk_same_file(&st, &news->st);
}

/* Reads up to the mark.  The lock is not held: where the file does not lead there (somebody damaged it, or
 * the mark) it counts only if it was the data file all the time. */
static enum anystore_status read_to_mark(struct anystore *store, struct news *news, uint64_t mark,
                                         struct anystore_error *error)
{
    for (;;) {
        news_init(news, store);
        enum anystore_status status = read_news(store, news, false, mark, error);
        bool there = status == ANYSTORE_OK && news->chain.generation >= mark;
        if (there || !has_moved_on(store, news))
            return status;
        news_free(news, store->disk);
    }
}

/* One try.  *ahead: the file holds a base beyond the mark, so two stores are being exchanged this moment
 * (several.c), or the process that did that has died. */
static enum anystore_status catch_up(struct anystore *store, bool *ahead,
                                     struct anystore_error *error)
{
    enum anystore_status status = ANYSTORE_OK;
    *ahead = false;
    pthread_mutex_lock(&store->refresh_mutex);
    uint64_t mark = lockfile_mark(&store->lockfile);
    /* While this process holds the file lock nobody can be ahead of it. */
    if (mark > store->file.chain.generation && !store->commit_in_progress) {
        struct news news;
        status = read_to_mark(store, &news, mark, error);
        *ahead = status == ANYSTORE_OK && news.fd >= 0 && news.chain.generation > mark;
        /* A mark that the file does not reach is damaged, and vouches for nothing. */
        if (status == ANYSTORE_OK && news.fd >= 0 && news.chain.generation < mark)
            status = copies_sync_name(&store->file, error);
        if (status == ANYSTORE_OK && !*ahead)
            status = publish_news(store, &news, error);
        news_free(&news, store->disk);
    }
    bool behind = mark > store->file.chain.generation && !store->commit_in_progress;
    pthread_mutex_unlock(&store->refresh_mutex);
    if (status == ANYSTORE_OK && behind) {
        /* The file is the truth: the commit thread takes the lock and puts the mark right. */
        queue_announce_suspect_mark(&store->queue);
    }
    return status;
}

enum anystore_status refresh_to_mark(struct anystore *store, struct anystore_error *error)
{
    bool ahead = false;
    enum anystore_status status = ANYSTORE_OK;
    for (int i = 0; i < AHEAD_TRIES; i++) {
        status = catch_up(store, &ahead, error);
        if (status != ANYSTORE_OK || !ahead)
            return status;
        static const struct timespec moment = {.tv_nsec = AHEAD_WAIT_NS};
        nanosleep(&moment, NULL);
    }
    return error_set(error, ANYSTORE_REPLACED, "%s is ahead of its lock file, and stays so",
                     store->paths.file);
}

/* What the lock holder found in the file becomes durable, if its writer died before it could see to
 * that, and the mark says so. */
static enum anystore_status help(struct anystore *store, uint64_t generation,
                                 struct anystore_error *error)
{
    if (lockfile_mark(&store->lockfile) == generation)
        return ANYSTORE_OK;
    enum anystore_status status = copies_sync_name(&store->file, error);
    if (status == ANYSTORE_OK)
        lockfile_set_mark(&store->lockfile, generation);
    return status;
}

/* What a process with "fsync no" wrote becomes durable before one with "fsync always" shows it. */
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
    news_init(&news, store);
    enum anystore_status status = read_news(store, &news, first, UINT64_MAX, error);
    if (status == ANYSTORE_OK && first)
        status = sync_first(store, &news, error);
    if (status == ANYSTORE_OK)
        status = help(store, news.chain.generation, error);
    if (status == ANYSTORE_OK)
        status = publish_news(store, &news, error);
    news_free(&news, store->disk);
    store->commit_in_progress = status == ANYSTORE_OK && !first;
    pthread_mutex_unlock(&store->refresh_mutex);
    return status;
}

enum anystore_status refresh_locked(struct anystore *store, struct anystore_error *error)
{
    return refresh_to_end(store, false, error);
}

enum anystore_status refresh_first(struct anystore *store, struct anystore_error *error)
{
    return refresh_to_end(store, true, error);
}
