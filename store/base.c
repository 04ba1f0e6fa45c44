/* SPDX-License-Identifier: MIT */
/* Writing a base: the whole map, without the history of its changes, as a new file. */
#include <fcntl.h>
#include <string.h>

#include <openssl/crypto.h>

#include "error.h"
#include "store_internal.h"
#include "txn.h"

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
    return store->chain.end > 2 * live_bytes(store) + BASE_FLOOR &&
           store->chain.end > store->base_retry_at;
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

/* Header and segments into an empty file. */
static enum anystore_status write_to(struct anystore *store, int fd, const uint8_t *store_id,
                                     struct chain *chain, struct anystore_error *error)
{
    struct format_header header;
    uint8_t file_key[XAES_KEY_BYTES];
    if (!format_header_new(&header, store->key.bytes, store_id, file_key))
        return error_set(error, ANYSTORE_IO, "cannot make a file key: OpenSSL failed");
    uint8_t bytes[FORMAT_HEADER_BYTES];
    format_header_encode(bytes, &header);
    if (!disk_write_exact(store->disk, fd, bytes, sizeof bytes, 0))
        return error_system(error, "cannot write %s", store->temp_path);
    chain_start(chain, &header, file_key);
    OPENSSL_cleanse(file_key, sizeof file_key);

    /* The commit thread reads the map without a lock: it is the only one that changes it while the
     * file lock is held. */
    struct base_writing writing = {.now_ms = clock_now_ms()};
    segment_writer_begin(&writing.writer, store->disk, fd, store->temp_path, chain, FORMAT_BASE,
                         error);
    record_write_count(&writing.writer, store->map.count);
    map_each(&store->map, write_entry, &writing);
    enum anystore_status status =
        segment_writer_finish(&writing.writer, store->chain.generation,
                              store->fd >= 0 ? store->chain.time_ms : clock_now_ms());
    *chain = writing.writer.chain;
    segment_writer_free(&writing.writer);
    return status;
}

enum anystore_status base_write(struct anystore *store, const uint8_t *store_id,
                                struct anystore_error *error)
{
    int fd = commit_new_file(store, store->temp_path, error);
    if (fd < 0)
        return error ? error->status : ANYSTORE_IO;
    struct chain chain;
    struct stat st;
    enum anystore_status status = write_to(store, fd, store_id, &chain, error);
    if (status == ANYSTORE_OK && store->disk->fstat(store->disk, fd, &st) != 0)
        status = error_system(error, "cannot examine %s", store->temp_path);
    if (status == ANYSTORE_OK)
        status = commit_install(store, fd, store->temp_path, error);
    if (status != ANYSTORE_OK) {
        commit_drop_file(store, fd, store->temp_path);
        return status;
    }
    /* The old file, if the names were exchanged. */
    store->disk->unlink(store->disk, store->temp_path);
    atomic_fetch_add(&store->counters.bases_written, 1);
    atomic_fetch_add(&store->counters.bytes_written, chain.end);
    pthread_mutex_lock(&store->refresh_mutex);
    if (store->fd >= 0)
        store->disk->close(store->disk, store->fd);
    store->fd = fd;
    store->file = st;
    store->chain = chain;
    store->base_retry_at = 0;
    store_note_file(store);
    pthread_mutex_unlock(&store->refresh_mutex);
    chain_wipe(&chain);
    return ANYSTORE_OK;
}
