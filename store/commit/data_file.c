/* SPDX-License-Identifier: MIT */
/* Telling this store's data file from others. */
#include "store/commit/data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <openssl/crypto.h>

#include "store/commit/state.h"
#include "store/common/error.h"

enum anystore_status data_file_replaced(const struct anystore *store, const char *what,
                                        struct anystore_error *error)
{
    return error_set(error, ANYSTORE_REPLACED,
                     "%s %s; put the file back, or restart to use what is there", store->paths.file,
                     what);
}

/* ---- Opening ------------------------------------------------------------------------------ */

bool data_file_has_nothing_new(const struct anystore *store)
{
    const struct disk *disk = store->disk;
    const struct chain *chain = &store->file.chain;
    static const uint8_t zeros[FORMAT_END_BYTES];
    uint8_t next[FORMAT_END_BYTES];
    struct stat st;
    if (disk->stat(disk, store->paths.file, &st) != 0 || !disk_same_file(&st, &store->file.st))
        return false;
    if ((uint64_t)st.st_size == chain->end)
        return true;
    return format_has_room(&chain->header) &&
           disk_read_exact(disk, store->file.fd, next, sizeof next, (off_t)chain->end) &&
           memcmp(next, zeros, sizeof next) == 0;
}

/* Opened for writing, too, since it may become the spare. */
static int open_path(const struct anystore *store)
{
    const struct disk *disk = store->disk;
    const char *path = store->paths.file;
    int fd = disk->open(disk, path, O_RDWR | O_NONBLOCK, 0); /* it may be a pipe */
    if (fd >= 0 || errno == ENOENT)
        return fd;
    return disk->open(disk, path, O_RDONLY | O_NONBLOCK, 0);
}

enum anystore_status data_file_open(const struct anystore *store, struct news *news, bool first,
                                    struct anystore_error *error)
{
    const struct disk *disk = store->disk;
    for (;;) {
        struct stat opened;
        news->fd = open_path(store);
        if (news->fd < 0 && errno == ENOENT && !first)
            return data_file_replaced(store, "vanished", error);
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

bool data_file_has_moved_on(const struct anystore *store, const struct news *news)
{
    struct stat st;
    return news->fd >= 0 && store->disk->stat(store->disk, store->paths.file, &st) == 0 &&
           !disk_same_file(&st, &news->st);
}

/* ---- Checking ----------------------------------------------------------------------------- */

static enum anystore_status read_header(const struct anystore *store, const struct news *news,
                                        struct format_header *header, struct anystore_error *error)
{
    const char *path = store->paths.file;
    uint8_t bytes[FORMAT_HEADER_BYTES] = {0};
    uint64_t size = (uint64_t)news->st.st_size;
    size_t present = size < sizeof bytes ? (size_t)size : sizeof bytes;
    if (!S_ISREG(news->st.st_mode))
        return error_set(error, ANYSTORE_FOREIGN, "%s is not a regular file", path);
    if (!disk_read_exact(store->disk, news->fd, bytes, present, 0))
        return error_system(error, "cannot read %s", path);
    enum anystore_status status = format_header_decode(bytes, header);
    if (present == 0)
        return error_set(error, ANYSTORE_FOREIGN, "%s is not an AnyStore file: it is empty", path);
    if (status == ANYSTORE_VERSION)
        return error_set(error, status, "%s has format version %u; this program knows up to %u",
                         path, header->version, (unsigned)FORMAT_VERSION);
    if (status != ANYSTORE_OK)
        return error_set(error, status, "%s is not an AnyStore file", path);
    if (present < sizeof bytes)
        return error_set(error, ANYSTORE_DAMAGED, "%s is damaged: it ends inside its header", path);
    return ANYSTORE_OK;
}

static enum anystore_status check_store_id(const struct anystore *store,
                                           const struct format_header *header, bool first,
                                           struct anystore_error *error)
{
    const struct anystore *family = store->family;
    if (!first && memcmp(header->store_id, store->id, FORMAT_ID_BYTES) != 0)
        return data_file_replaced(store, "was replaced by the file of another store", error);
    if (family != store && memcmp(header->store_id, family->id, FORMAT_ID_BYTES) != 0)
        return error_set(error, ANYSTORE_FOREIGN, "%s does not belong together with %s",
                         store->paths.file, family->paths.file);
    return ANYSTORE_OK;
}

static enum anystore_status start_chain(const struct anystore *store, struct news *news,
                                        const struct format_header *header,
                                        struct anystore_error *error)
{
    uint8_t file_key[XAES_KEY_BYTES];
    bool fits = false;
    if (!format_file_key(header, store->key.bytes, file_key, &fits))
        return error_set(error, ANYSTORE_IO, "cannot derive a file key: OpenSSL failed");
    if (fits)
        chain_start(&news->chain, header, file_key);
    OPENSSL_cleanse(file_key, sizeof file_key);
    if (!fits)
        return error_set(
            error, ANYSTORE_WRONG_KEY,
            "wrong key for %s: it was sealed with another key (or its header is damaged)",
            store->paths.file);
    return ANYSTORE_OK;
}

enum anystore_status data_file_check(struct anystore *store, struct news *news, bool first,
                                     bool *same, struct anystore_error *error)
{
    struct format_header header;
    enum anystore_status status = read_header(store, news, &header, error);
    if (status != ANYSTORE_OK)
        return status;
    *same = !first && chain_same_file(&store->file.chain, &header);
    if (*same)
        return ANYSTORE_OK;
    status = check_store_id(store, &header, first, error);
    if (status == ANYSTORE_OK)
        status = start_chain(store, news, &header, error);
    if (status != ANYSTORE_OK || !first)
        return status;
    status = data_file_learn_secrets(store, &header, error);
    /* Again, with the seed that is known now. */
    map_init(&news->map, &store->published.map.seed);
    pending_init(&news->pending, &store->published.map);
    return status;
}

enum anystore_status data_file_must_grow_on(const struct anystore *store, const struct news *news,
                                            struct anystore_error *error)
{
    const struct chain *chain = &store->file.chain;
    uint8_t tag[XAES_TAG_BYTES];
    bool grows_on = (uint64_t)news->st.st_size >= chain->end;
    if (grows_on &&
        !disk_read_exact(store->disk, news->fd, tag, sizeof tag, (off_t)(chain->end - sizeof tag)))
        return error_system(error, "cannot read %s", store->paths.file);
    if (grows_on && memcmp(tag, chain->tag, sizeof tag) == 0)
        return ANYSTORE_OK;
    return data_file_replaced(store, "was replaced by an older copy, or cut", error);
}

enum anystore_status data_file_learn_secrets(struct anystore *store,
                                             const struct format_header *header,
                                             struct anystore_error *error)
{
    struct format_secrets secrets;
    if (!format_secrets(header, store->key.bytes, &secrets))
        return error_set(error, ANYSTORE_IO, "cannot derive a key: OpenSSL failed");
    memcpy(store->id, header->store_id, sizeof store->id);
    store->lockfile.mask = secrets.mark_mask;
    store->published.map.seed = (struct siphash_key){secrets.map_seed[0], secrets.map_seed[1]};
    OPENSSL_cleanse(&secrets, sizeof secrets);
    return ANYSTORE_OK;
}
