/* SPDX-License-Identifier: MIT */
/* Sealing a string of records into segments, and opening them again. */
#include "store/format/segment.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "store/common/error.h"
#include "store/format/bytes.h"

/* The largest piece of the file that is read at once: many small commits then cost few reads. */
#define WINDOW_BYTES ((size_t)2 << 20)
static_assert(WINDOW_BYTES >= FORMAT_FRAME_BYTES + FORMAT_SEGMENT_BYTES, "a segment fits");

/* The first piece, of which the next ones double: a process that catches up reads little, and only
 * room is behind it. */
#define WINDOW_FIRST_BYTES ((size_t)1 << 10)

/* ---- Writer ------------------------------------------------------------------------------- */

static void writer_fail(struct segment_writer *writer, enum anystore_status status)
{
    if (writer->status == ANYSTORE_OK)
        writer->status = status;
}

void segment_writer_begin(struct segment_writer *writer, const struct byte_file *file,
                          const struct chain *chain, enum format_kind kind,
                          struct anystore_error *error)
{
    *writer = (struct segment_writer){.file = *file, .chain = *chain, .kind = kind, .error = error};
    writer->xaes = xaes_new(chain->file_key);
    writer->segment = malloc(SEGMENT_BUFFER_BYTES);
    if (!writer->xaes || !writer->segment)
        writer_fail(writer, error_nomem(error));
}

/* Seals what is in the buffer and writes it behind the chain, followed by `room` zeros. */
static void writer_flush(struct segment_writer *writer, size_t room)
{
    if (writer->status != ANYSTORE_OK)
        return;
    uint8_t *nonce = writer->segment + 4;
    uint8_t *text = writer->segment + FORMAT_PREFIX_BYTES;
    uint8_t *tag = text + writer->used;
    uint8_t aad[FORMAT_AAD_BYTES];
    struct chain *chain = &writer->chain;
    store_le32(writer->segment, (uint32_t)writer->used);
    format_aad(aad, &chain->header, (uint32_t)writer->used, chain->segment, writer->kind,
               chain->tag);
    if (RAND_bytes(nonce, XAES_NONCE_BYTES) != 1 ||
        !xaes_seal(writer->xaes, nonce, aad, sizeof aad, text, writer->used, tag)) {
        writer_fail(writer,
                    error_set(writer->error, ANYSTORE_IO,
                              "cannot seal a segment of %s: OpenSSL failed", writer->file.path));
        return;
    }
    size_t size = writer->used + FORMAT_FRAME_BYTES;
    memset(tag + XAES_TAG_BYTES, 0, room);
    if (!writer->file.write(&writer->file, writer->segment, size + room, chain->end)) {
        writer_fail(writer, error_system(writer->error, "cannot write %s", writer->file.path));
        return;
    }
    memcpy(chain->tag, tag, XAES_TAG_BYTES);
    chain->end += size;
    chain->segment++;
    writer->used = 0;
}

void segment_write(struct segment_writer *writer, const void *data, size_t size)
{
    const size_t room = FORMAT_SEGMENT_BYTES - 1; /* the last byte says that the commit goes on */
    const uint8_t *from = data;
    while (size > 0 && writer->status == ANYSTORE_OK) {
        size_t n = room - writer->used < size ? room - writer->used : size;
        uint8_t *text = writer->segment + FORMAT_PREFIX_BYTES;
        memcpy(text + writer->used, from, n);
        writer->used += n;
        from += n;
        size -= n;
        if (writer->used == room) {
            text[writer->used++] = 0;
            writer_flush(writer, 0);
        }
    }
}

/* How many zeros to write behind the segment in the buffer: to the end of a block, and enough to
 * end the chain. */
static size_t room_behind(const struct segment_writer *writer)
{
    uint64_t end = writer->chain.end + writer->used + FORMAT_FRAME_BYTES;
    size_t room = FORMAT_BLOCK_BYTES - end % FORMAT_BLOCK_BYTES;
    return room < FORMAT_END_BYTES ? room + FORMAT_BLOCK_BYTES : room;
}

enum anystore_status segment_writer_finish(struct segment_writer *writer, uint64_t generation,
                                           int64_t time_ms)
{
    /* A segment with the mark must be shorter than a full one.  Where the mark does not fit, empty
     * records (zeros) fill the segment, and the mark gets one of its own. */
    static const uint8_t nothing[FORMAT_END_MOST];
    const size_t size = format_end_bytes(&writer->chain.header, writer->kind);
    /* No reader would accept that.  Counting does not get so far: somebody made the file by
     * hand. */
    if (generation > INT64_MAX)
        writer_fail(writer, error_set(writer->error, ANYSTORE_DAMAGED,
                                      "%s is damaged: it counts no further", writer->file.path));
    if (writer->status == ANYSTORE_OK && writer->used + size >= FORMAT_SEGMENT_BYTES)
        segment_write(writer, nothing, FORMAT_SEGMENT_BYTES - 1 - writer->used);
    if (writer->status == ANYSTORE_OK) {
        writer->used += size;
        uint8_t *mark = writer->segment + FORMAT_PREFIX_BYTES + writer->used - FORMAT_MARK_BYTES;
        if (size > FORMAT_MARK_BYTES)
            memcpy(mark - XAES_TAG_BYTES, writer->chain.origin, XAES_TAG_BYTES);
        store_le64(mark, generation);
        store_le64(mark + 8, (uint64_t)time_ms);
        mark[16] = 1;
        writer_flush(writer, writer->roomy ? room_behind(writer) : 0);
    }
    if (writer->status == ANYSTORE_OK) {
        writer->chain.generation = generation;
        writer->chain.time_ms = time_ms;
        if (writer->kind == FORMAT_BASE)
            writer->chain.base_end = writer->chain.end;
    }
    return writer->status;
}

void segment_writer_free(struct segment_writer *writer)
{
    xaes_free(writer->xaes);
    free(writer->segment);
    chain_wipe(&writer->chain);
    writer->xaes = NULL;
    writer->segment = NULL;
}

/* ---- Reader ------------------------------------------------------------------------------- */

enum anystore_status segment_reader_begin(struct segment_reader *reader,
                                          const struct byte_file *file, uint64_t file_size,
                                          const struct chain *chain, struct anystore_error *error)
{
    *reader = (struct segment_reader){.file = *file,
                                      .file_size = file_size,
                                      .chain = *chain,
                                      .window_next = WINDOW_FIRST_BYTES,
                                      .error = error};
    reader->kind = chain->base_end == 0 ? FORMAT_BASE : FORMAT_DELTA;
    reader->marked = true; /* no commit is current */
    reader->xaes = xaes_new(chain->file_key);
    reader->window = malloc(WINDOW_BYTES);
    if (!reader->xaes || !reader->window)
        return error_nomem(error);
    return ANYSTORE_OK;
}

static enum anystore_status reader_damaged(struct segment_reader *reader, const char *what)
{
    return error_set(reader->error, ANYSTORE_DAMAGED,
                     "%s is damaged or was tampered with: segment %llu at offset %llu %s",
                     reader->file.path, (unsigned long long)reader->chain.segment,
                     (unsigned long long)reader->chain.end, what);
}

/* `size` bytes of the file from `offset`, in the window.  NULL and *status if the file ends before
 * that, or cannot be read. */
static uint8_t *reader_window(struct segment_reader *reader, uint64_t offset, size_t size,
                              enum anystore_status *status)
{
    if (offset > reader->file_size || size > reader->file_size - offset) {
        *status = reader_damaged(reader, "ends in the middle");
        return NULL;
    }
    if (offset < reader->window_offset ||
        offset + size > reader->window_offset + reader->window_size) {
        uint64_t left = reader->file_size - offset;
        size_t want = reader->window_next > size ? reader->window_next : size;
        want = left < want ? (size_t)left : want;
        reader->window_size = 0;
        if (reader->window_next < WINDOW_BYTES)
            reader->window_next *= 2;
        if (!reader->file.read(&reader->file, reader->window, want, offset)) {
            *status = errno == ENODATA
                          ? reader_damaged(reader, "ends in the middle")
                          : error_system(reader->error, "cannot read %s", reader->file.path);
            return NULL;
        }
        reader->window_offset = offset;
        reader->window_size = want;
        reader->bytes_read += want;
    }
    return reader->window + (offset - reader->window_offset);
}

/* The size of the plaintext of the segment at the chain's end. */
static enum anystore_status reader_size(struct segment_reader *reader, size_t *size)
{
    enum anystore_status status = ANYSTORE_OK;
    const uint8_t *prefix = reader_window(reader, reader->chain.end, FORMAT_PREFIX_BYTES, &status);
    if (!prefix)
        return status;
    *size = load_le32(prefix);
    if (*size == 0 || *size > FORMAT_SEGMENT_BYTES)
        return reader_damaged(reader, "has an impossible length");
    return ANYSTORE_OK;
}

/* Opens the segment at the chain's end and goes behind it. */
static enum anystore_status reader_load(struct segment_reader *reader)
{
    struct chain *chain = &reader->chain;
    size_t size = 0;
    enum anystore_status status = reader_size(reader, &size);
    if (status != ANYSTORE_OK)
        return status;
    uint8_t *segment = reader_window(reader, chain->end, size + FORMAT_FRAME_BYTES, &status);
    if (!segment)
        return status;
    uint8_t *text = segment + FORMAT_PREFIX_BYTES;
    const uint8_t *tag = text + size;
    uint8_t aad[FORMAT_AAD_BYTES];
    format_aad(aad, &chain->header, (uint32_t)size, chain->segment, reader->kind, chain->tag);
    if (!xaes_open(reader->xaes, segment + 4, aad, sizeof aad, text, size, tag)) {
        reader->window_size = 0; /* opening it has wiped these bytes */
        return reader_damaged(reader, "does not authenticate");
    }
    reader->marked = text[size - 1] != 0;
    reader->next = text;
    reader->left = size - 1;
    const size_t end_size = format_end_bytes(&chain->header, reader->kind);
    if (text[size - 1] > 1 || (reader->marked && size < end_size) ||
        reader->marked != (size < FORMAT_SEGMENT_BYTES))
        return reader_damaged(reader, "is malformed");
    memcpy(chain->tag, tag, XAES_TAG_BYTES);
    chain->end += size + FORMAT_FRAME_BYTES;
    chain->segment++;
    if (reader->marked) {
        reader->left = size - end_size;
        const uint8_t *mark = text + size - FORMAT_MARK_BYTES;
        uint64_t generation = load_le64(mark);
        if ((reader->kind == FORMAT_DELTA && generation != chain->generation + 1) ||
            generation > INT64_MAX)
            return reader_damaged(reader, "has the wrong generation");
        chain->generation = generation;
        chain->time_ms = (int64_t)load_le64(mark + 8);
        if (reader->kind == FORMAT_BASE) {
            if (end_size > FORMAT_MARK_BYTES)
                memcpy(chain->origin, mark - XAES_TAG_BYTES, XAES_TAG_BYTES);
            chain->base_end = chain->end;
            reader->kind = FORMAT_DELTA;
        }
    }
    return ANYSTORE_OK;
}

/* Whether the chain ends here, between two commits: with the file, or with room. */
static enum anystore_status reader_at_chain_end(struct segment_reader *reader, bool *at_end)
{
    static const uint8_t zeros[FORMAT_END_BYTES];
    const uint64_t left = reader->file_size - reader->chain.end;
    *at_end = left == 0;
    if (left == 0 || !format_has_room(&reader->chain.header))
        return ANYSTORE_OK;
    enum anystore_status status = ANYSTORE_OK;
    const size_t size = left < sizeof zeros ? (size_t)left : sizeof zeros;
    const uint8_t *next = reader_window(reader, reader->chain.end, size, &status);
    *at_end = next && memcmp(next, zeros, size) == 0;
    return status;
}

enum anystore_status segment_reader_next_commit(struct segment_reader *reader, bool *more)
{
    bool at_end = false;
    enum anystore_status status = reader_at_chain_end(reader, &at_end);
    *more = status == ANYSTORE_OK && !at_end;
    return *more ? reader_load(reader) : status;
}

enum anystore_status segment_reader_check_room(struct segment_reader *reader)
{
    static const uint8_t zeros[FORMAT_BLOCK_BYTES];
    enum anystore_status status = ANYSTORE_OK;
    for (uint64_t at = reader->chain.end; at < reader->file_size;) {
        uint64_t left = reader->file_size - at;
        size_t size = left < sizeof zeros ? (size_t)left : sizeof zeros;
        const uint8_t *room = reader_window(reader, at, size, &status);
        if (!room)
            return status;
        if (memcmp(room, zeros, size) != 0)
            return reader_damaged(reader, "is missing, but something stands behind its place");
        at += size;
    }
    return ANYSTORE_OK;
}

enum anystore_status segment_read(struct segment_reader *reader, void *data, size_t size)
{
    uint8_t *to = data;
    while (size > 0) {
        if (reader->left == 0) {
            if (reader->marked)
                return reader_damaged(reader, "follows a commit that ends inside a record");
            enum anystore_status status = reader_load(reader);
            if (status != ANYSTORE_OK)
                return status;
            continue;
        }
        size_t n = size < reader->left ? size : reader->left;
        memcpy(to, reader->next, n);
        to += n;
        size -= n;
        reader->next += n;
        reader->left -= n;
    }
    return ANYSTORE_OK;
}

enum anystore_status segment_reader_at_end(struct segment_reader *reader, bool *at_end)
{
    while (reader->left == 0 && !reader->marked) {
        enum anystore_status status = reader_load(reader);
        if (status != ANYSTORE_OK)
            return status;
    }
    *at_end = reader->left == 0;
    return ANYSTORE_OK;
}

enum anystore_status segment_copy(struct segment_writer *writer, struct segment_reader *reader)
{
    bool end = false;
    for (;;) {
        enum anystore_status status = segment_reader_at_end(reader, &end);
        if (status != ANYSTORE_OK || end)
            return status;
        segment_write(writer, reader->next, reader->left);
        reader->next += reader->left;
        reader->left = 0;
    }
}

uint64_t segment_reader_bound(const struct segment_reader *reader)
{
    return reader->left + (reader->marked ? 0 : reader->file_size - reader->chain.end);
}

enum anystore_status segment_reader_skip_base(struct segment_reader *reader)
{
    struct chain *chain = &reader->chain;
    for (;;) {
        size_t size = 0;
        uint8_t prefix[FORMAT_PREFIX_BYTES];
        const uint64_t most = FORMAT_SEGMENT_BYTES + FORMAT_FRAME_BYTES;
        if (reader->file_size - chain->end >= most) {
            if (!reader->file.read(&reader->file, prefix, sizeof prefix, chain->end))
                return error_system(reader->error, "cannot read %s", reader->file.path);
            size = load_le32(prefix);
            reader->bytes_read += sizeof prefix;
        }
        if (size != FORMAT_SEGMENT_BYTES)
            break;
        if (!reader->file.read(&reader->file, chain->tag, XAES_TAG_BYTES,
                               chain->end + FORMAT_PREFIX_BYTES + size))
            return error_system(reader->error, "cannot read %s", reader->file.path);
        reader->bytes_read += XAES_TAG_BYTES;
        chain->end += size + FORMAT_FRAME_BYTES;
        chain->segment++;
    }
    enum anystore_status status = reader_load(reader);
    if (status == ANYSTORE_OK && !reader->marked)
        status = reader_damaged(reader, "is not the end of a base");
    reader->left = 0;
    return status;
}

void segment_reader_free(struct segment_reader *reader)
{
    xaes_free(reader->xaes);
    free(reader->window);
    chain_wipe(&reader->chain);
    reader->xaes = NULL;
    reader->window = NULL;
}
