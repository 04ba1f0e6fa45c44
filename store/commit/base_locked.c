/* SPDX-License-Identifier: MIT */
/* A base, the whole map without the history of its changes: when one is due, writing one as a new file
 * under the file lock, and reading one. */
#include <fcntl.h>
#include <string.h>

#include <openssl/crypto.h>

#include "store/commit/state.h"
#include "store/common/clock.h"
#include "store/common/error.h"

/* Below this many bytes of changes no new base is written, however small the data. */
#define BASE_FLOOR ((uint64_t)4 << 20)

/* About what a record and the map's entry cost beside key and value. */
#define BASE_RECORD_BYTES 8

static uint64_t live_bytes(const struct anystore *store)
{
    return store->map.bytes + BASE_RECORD_BYTES * store->map.count;
}

bool base_due(const struct anystore *store)
{
    return store->file.chain.end > 2 * live_bytes(store) + BASE_FLOOR &&
           store->file.chain.end > store->base_retry_at;
}

struct base_writing {
    struct segment_writer writer;
    int64_t now_ms;
};

static bool write_entry(struct entry *entry, void *arg)
{
    struct base_writing *writing = arg;
    if (!entry_expired(entry, writing->now_ms))
        record_write_entry(&writing->writer, entry);
    return writing->writer.status == ANYSTORE_OK;
}

enum anystore_status base_start_file(struct anystore *store, int fd, const char *path,
                                     const uint8_t *store_id, struct chain *chain,
                                     struct anystore_error *error)
{
    struct format_header header = {.version = FORMAT_VERSION};
    uint8_t file_key[XAES_KEY_BYTES];
    if (!format_header_new(&header, store->key.bytes, store_id, file_key))
        return error_set(error, ANYSTORE_IO, "cannot make a file key: OpenSSL failed");
    uint8_t bytes[FORMAT_HEADER_BYTES];
    format_header_encode(bytes, &header);
    enum anystore_status status = ANYSTORE_OK;
    if (disk_write_exact(store->disk, fd, bytes, sizeof bytes, 0))
        chain_start(chain, &header, file_key);
    else
        status = error_system(error, "cannot write %s", path);
    OPENSSL_cleanse(file_key, sizeof file_key);
    return status;
}

/* Header and segments into an empty file. */
static enum anystore_status write_to(struct anystore *store, int fd, const uint8_t *store_id,
                                     struct chain *chain, struct anystore_error *error)
{
    enum anystore_status status =
        base_start_file(store, fd, store->paths.temp, store_id, chain, error);
    if (status != ANYSTORE_OK)
        return status;
    /* The commit thread reads the map without a lock: it is the only one that changes it while the
     * file lock is held. */
    struct base_writing writing = {.now_ms = clock_now_ms()};
    const struct byte_file file = disk_file(store->disk, fd, store->paths.temp);
    segment_writer_begin(&writing.writer, &file, chain, FORMAT_BASE, error);
    record_write_count(&writing.writer, store->map.count);
    map_each(&store->map, write_entry, &writing);
    memcpy(writing.writer.chain.origin, store->file.chain.tag, XAES_TAG_BYTES);
    status =
        segment_writer_finish(&writing.writer, store->file.chain.generation,
                              store->file.fd >= 0 ? store->file.chain.time_ms : clock_now_ms());
    *chain = writing.writer.chain;
    segment_writer_free(&writing.writer);
    return status;
}

int base_adopt(struct anystore *store, int fd, const struct stat *file, const struct chain *chain)
{
    atomic_fetch_add(&store->counters.bases_written, 1);
    atomic_fetch_add(&store->counters.bytes_written, chain->end);
    pthread_mutex_lock(&store->refresh_mutex);
    int old_fd = store->file.fd;
    store->file.fd = fd;
    store->file.st = *file;
    store->file.chain = *chain;
    store->base_retry_at = 0;
    copies_forget_spare(&store->file);
    store_note_file(store);
    pthread_mutex_unlock(&store->refresh_mutex);
    return old_fd;
}

enum anystore_status base_write(struct anystore *store, const uint8_t *store_id,
                                struct anystore_error *error)
{
    int fd = copies_make_file(&store->file, store->paths.temp, error);
    if (fd < 0)
        return error ? error->status : ANYSTORE_IO;
    struct chain chain;
    struct stat st;
    enum anystore_status status = write_to(store, fd, store_id, &chain, error);
    if (status == ANYSTORE_OK && store->disk->fstat(store->disk, fd, &st) != 0)
        status = error_system(error, "cannot examine %s", store->paths.temp);
    if (status == ANYSTORE_OK) {
        copies_complete_spare(&store->file);
        status = copies_install(&store->file, fd, store->paths.temp, error);
    }
    if (status != ANYSTORE_OK) {
        copies_drop_file(&store->file, fd, store->paths.temp);
        return status;
    }
    /* The old file, if the names were exchanged. */
    store->disk->unlink(store->disk, store->paths.temp);
    int old_fd = base_adopt(store, fd, &st, &chain);
    if (old_fd >= 0)
        store->disk->close(store->disk, old_fd);
    chain_wipe(&chain);
    return ANYSTORE_OK;
}

/* ---- Reading ------------------------------------------------------------------------------ */

/* Puts what a record of a base says into the map; takes its entry over. */
static enum anystore_status apply(struct segment_reader *reader, struct map *map,
                                  const struct record *record)
{
    struct entry *entry = record->entry;
    bool put = record->kind == RECORD_PUT || record->kind == RECORD_PUT_EXPIRING;
    if (record->kind == RECORD_COUNT) {
        /* Only what can be in the file is made room for. */
        uint64_t most = segment_reader_bound(reader) / 4;
        map_reserve(map, record->count < most ? record->count : most);
        return ANYSTORE_OK;
    }
    if (record->kind == RECORD_NOTHING)
        return ANYSTORE_OK;
    if (!put && reader->chain.header.version == 1) {
        entry_free(entry);
        return error_set(reader->error, ANYSTORE_DAMAGED, "%s is damaged: its base holds a change",
                         reader->file.path);
    }
    if (record->kind == RECORD_CLEAR) {
        map_clear(map);
        return ANYSTORE_OK;
    }
    if (!map_ready(map)) {
        entry_free(entry);
        return error_nomem(reader->error);
    }
    entry->hash = map_hash(map, entry_key(entry), entry->key_size);
    if (put) {
        entry_free(map_put(map, entry));
        return ANYSTORE_OK;
    }
    /* The walk may have met a key before or after what the record tells of, or not at all. */
    if (record->kind == RECORD_DELETE) {
        entry_free(map_remove(map, entry->hash, entry_key(entry), entry->key_size));
    } else {
        struct entry *there = map_find(map, entry->hash, entry_key(entry), entry->key_size);
        if (there)
            map_set_expiry(map, there, entry->expire_ms);
    }
    entry_free(entry);
    return ANYSTORE_OK;
}

enum anystore_status base_read(struct segment_reader *reader, struct map *map)
{
    bool more = false;
    enum anystore_status status = segment_reader_next_commit(reader, &more);
    if (status == ANYSTORE_OK && !more)
        status = error_set(reader->error, ANYSTORE_DAMAGED,
                           "%s is damaged: it ends behind its header", reader->file.path);
    while (status == ANYSTORE_OK) {
        bool end = false;
        struct record record;
        status = segment_reader_at_end(reader, &end);
        if (status != ANYSTORE_OK || end)
            break;
        status = record_read(reader, &record);
        if (status == ANYSTORE_OK)
            status = apply(reader, map, &record);
    }
    return status;
}
