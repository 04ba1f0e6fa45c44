/* SPDX-License-Identifier: MIT */
/* Writing and reading the records of a commit as a chain of sealed segments.
 *
 * The writer cuts a string of bytes into segments, the reader gives the string back; neither holds
 * more than a segment or two in memory.  One thread at a time each. */
#ifndef STORE_FORMAT_SEGMENT_H
#define STORE_FORMAT_SEGMENT_H

#include "store/format/byte_file.h"
#include "store/format/chain.h"

/* A segment, and room behind it to the end of a block. */
#define SEGMENT_BUFFER_BYTES (FORMAT_FRAME_BYTES + FORMAT_SEGMENT_BYTES + 2 * FORMAT_BLOCK_BYTES)

struct segment_writer {
    struct byte_file file;
    struct chain chain; /* where the next segment goes */
    enum format_kind kind;
    struct xaes *xaes;
    uint8_t *segment; /* prefix, plaintext, tag, room: SEGMENT_BUFFER_BYTES */
    size_t used;      /* bytes of plaintext in it */
    bool roomy; /* set by the caller: the commit mark is followed by room to the end of a block */
    enum anystore_status status; /* the first failure; writes do nothing after it */
    struct anystore_error *error;
};

/* Starts a commit of that kind at the position `chain` (copied) in the file.  Check the status once
 * at the end: segment_writer_finish gives the first failure. */
void segment_writer_begin(struct segment_writer *writer, const struct byte_file *file,
                          const struct chain *chain, enum format_kind kind,
                          struct anystore_error *error);
void segment_write(struct segment_writer *writer, const void *data, size_t size);

/* Ends the commit with its mark, a base with writer->chain.origin, too.  On OK writer->chain is the
 * position behind it. */
enum anystore_status segment_writer_finish(struct segment_writer *writer, uint64_t generation,
                                           int64_t time_ms);

struct segment_reader;

/* Appends all that is left of the reader's current commit.  The reader's failures are returned. */
enum anystore_status segment_copy(struct segment_writer *writer, struct segment_reader *reader);

/* Frees what the writer holds (not the descriptor), whatever happened. */
void segment_writer_free(struct segment_writer *writer);

struct segment_reader {
    struct byte_file file;
    uint64_t file_size; /* reading stops here, also if the file grows */
    struct chain chain; /* behind the last segment read */
    enum format_kind kind;
    struct xaes *xaes;
    uint8_t *window; /* a piece of the file */
    uint64_t window_offset;
    size_t window_size;
    size_t window_next;  /* how much is read the next time */
    const uint8_t *next; /* unread bytes of the current segment, in the window */
    size_t left;
    bool marked;         /* the current segment has the commit mark */
    uint64_t bytes_read; /* from the file */
    struct anystore_error *error;
};

/* Prepares to read on from `chain` (copied). */
enum anystore_status segment_reader_begin(struct segment_reader *reader,
                                          const struct byte_file *file, uint64_t file_size,
                                          const struct chain *chain, struct anystore_error *error);

/* Goes to the next commit: *more is false at the end of the chain.  DAMAGED if what follows does
 * not authenticate or the file ends in the middle of a segment. */
enum anystore_status segment_reader_next_commit(struct segment_reader *reader, bool *more);

/* At the end of the chain: DAMAGED if what follows is not room.  Nobody must be writing to the
 * file. */
enum anystore_status segment_reader_check_room(struct segment_reader *reader);

/* Reads exactly `size` bytes of the current commit.  DAMAGED if it has fewer. */
enum anystore_status segment_read(struct segment_reader *reader, void *data, size_t size);

/* Whether all of the current commit has been read.  Then reader->chain is the position behind it,
 * with its generation.  Loads the next segment to find out, hence the status. */
enum anystore_status segment_reader_at_end(struct segment_reader *reader, bool *at_end);

/* How many bytes the current commit can still have, at most: a bound to check announced sizes
 * against before memory is allocated for them. */
uint64_t segment_reader_bound(const struct segment_reader *reader);

/* Goes to the end of the base without reading what it holds, from its start: only its last segment
 * is opened. */
enum anystore_status segment_reader_skip_base(struct segment_reader *reader);

void segment_reader_free(struct segment_reader *reader);

#endif
