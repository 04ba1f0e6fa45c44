/* SPDX-License-Identifier: MIT */
/* The beginning and the end of a new base. */
#include "store/commit/base_file.h"

#include <openssl/crypto.h>

#include "store/commit/state.h"
#include "store/common/error.h"

enum anystore_status base_file_begin(const struct anystore *store, int fd, const char *path,
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

int base_file_adopt(struct anystore *store, int fd, const struct stat *st,
                    const struct chain *chain)
{
    atomic_fetch_add(&store->counters.bases_written, 1);
    atomic_fetch_add(&store->counters.bytes_written, chain->end);
    pthread_mutex_lock(&store->refresh_mutex);
    int old_fd = store->file.fd;
    store->file.fd = fd;
    store->file.st = *st;
    store->file.chain = *chain;
    store->base.retry_at = 0;
    copies_forget_spare(&store->file);
    counters_note_file(&store->counters, chain);
    pthread_mutex_unlock(&store->refresh_mutex);
    return old_fd;
}
