/* SPDX-License-Identifier: MIT */
/* Getting from what is loaded to the base of another file. */
#include "store/commit/other_file.h"

#include <string.h>

#include "store/commit/base_read.h"
#include "store/commit/data_file.h"
#include "store/commit/state.h"

/* What is loaded is older than the base.  The commits in between are in the file that this process
 * has open, one of the two copies that there were, though no name may lead to it any more.  Returns
 * whether they could be read.  By its origin the base was made of these commits, and not, say, of
 * one that failed. */
static bool read_missing_commits(struct anystore *store, struct news *news,
                                 const struct chain *base)
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
            status = news_read_commit(news, &reader, &store->published.map);
        more = more && status == ANYSTORE_OK;
    }
    bool complete = status == ANYSTORE_OK && reader.chain.generation == base->generation &&
                    memcmp(reader.chain.tag, base->origin, XAES_TAG_BYTES) == 0;
    atomic_fetch_add(&store->counters.catch_up_bytes, reader.bytes_read);
    segment_reader_free(&reader);
    if (!complete)
        news_forget_changes(news);
    return complete;
}

/* Skips to the end of the base.  *found: that state is loaded already, or can be reached from it
 * through the news.  A base is made of the newest state (R5).  So if it is older than what is
 * loaded, or has the same generation with another time, it is not of the same history: somebody put
 * a backup back. */
static enum anystore_status find_loaded(struct anystore *store, struct news *news,
                                        struct segment_reader *reader, bool *found)
{
    const struct chain *loaded = &store->file.chain;
    enum anystore_status status = segment_reader_skip_base(reader);
    if (status != ANYSTORE_OK)
        return status;
    *found = reader->chain.generation == loaded->generation;
    if (reader->chain.generation < loaded->generation ||
        (*found && reader->chain.time_ms != loaded->time_ms))
        return data_file_replaced(store, "was replaced by an older copy", reader->error);
    if (!*found)
        *found = read_missing_commits(store, news, &reader->chain);
    return ANYSTORE_OK;
}

/* Puts the reader back to the start of the file. */
static enum anystore_status rewind_reader(struct segment_reader *reader, const struct chain *start)
{
    struct segment_reader again;
    enum anystore_status status =
        segment_reader_begin(&again, &reader->file, reader->file_size, start, reader->error);
    again.bytes_read = reader->bytes_read;
    segment_reader_free(reader);
    *reader = again;
    return status;
}

enum anystore_status other_file_read(struct anystore *store, struct news *news, bool first,
                                     struct segment_reader *reader)
{
    if (!first) {
        bool found = false;
        enum anystore_status status = find_loaded(store, news, reader, &found);
        if (status != ANYSTORE_OK || found)
            return status;
        status = rewind_reader(reader, &news->chain);
        if (status != ANYSTORE_OK)
            return status;
        atomic_fetch_add(&store->counters.reloads, 1);
    }
    news->reload = true;
    return base_read(reader, &news->map);
}
