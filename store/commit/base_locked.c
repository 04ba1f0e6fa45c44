/* SPDX-License-Identifier: MIT */
/* A base written in one go. */
#include "store/commit/base_locked.h"

#include <string.h>

#include "store/commit/base_file.h"
#include "store/commit/state.h"
#include "store/common/clock.h"
#include "store/common/error.h"
#include "store/map/record.h"

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

/* Writes header and segments into an empty file; *chain is its end. */
static enum anystore_status write_to(struct anystore *store, int fd, const uint8_t *store_id,
                                     struct chain *chain, struct anystore_error *error)
{
    const struct map *map = &store->published.map;
    const struct chain *loaded = &store->file.chain;
    enum anystore_status status =
        base_file_begin(store, fd, store->paths.temp, store_id, chain, error);
    if (status != ANYSTORE_OK)
        return status;
    /* The commit thread reads the map without a lock: it is the only one that changes it while the
     * file lock is held. */
    struct base_writing writing = {.now_ms = clock_now_ms()};
    const struct byte_file file = disk_file(store->disk, fd, store->paths.temp);
    segment_writer_begin(&writing.writer, &file, chain, FORMAT_BASE, error);
    record_write_count(&writing.writer, map->count);
    map_each(map, write_entry, &writing);
    memcpy(writing.writer.chain.origin, loaded->tag, XAES_TAG_BYTES);
    status = segment_writer_finish(&writing.writer, loaded->generation,
                                   store->file.fd >= 0 ? loaded->time_ms : clock_now_ms());
    *chain = writing.writer.chain;
    segment_writer_free(&writing.writer);
    return status;
}

enum anystore_status base_write_locked(struct anystore *store, const uint8_t *store_id,
                                       struct anystore_error *error)
{
    const char *path = store->paths.temp;
    int fd = copies_make_file(&store->file, path, error);
    if (fd < 0)
        return error ? error->status : ANYSTORE_IO;
    struct chain chain;
    struct stat st;
    enum anystore_status status = write_to(store, fd, store_id, &chain, error);
    if (status == ANYSTORE_OK && store->disk->fstat(store->disk, fd, &st) != 0)
        status = error_system(error, "cannot examine %s", path);
    if (status == ANYSTORE_OK) {
        copies_complete_spare(&store->file);
        status = copies_install(&store->file, fd, path, error);
    }
    if (status != ANYSTORE_OK) {
        copies_drop_file(&store->file, fd, path);
        return status;
    }
    /* The old file has this name now, if the names were exchanged. */
    store->disk->unlink(store->disk, path);
    int old_fd = base_file_adopt(store, fd, &st, &chain);
    if (old_fd >= 0)
        store->disk->close(store->disk, old_fd);
    chain_wipe(&chain);
    return ANYSTORE_OK;
}
