/* SPDX-License-Identifier: MIT */
/* Writing and reading the records of a commit as a chain of sealed segments.
 *
 * The writer cuts a string of bytes into segments, the reader gives the string back.  Neither holds
 * more than a segment or two in memory.  Each is for one thread at a time. */
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
    bool roomy; /* the caller may set it: room to the end of a block follows the commit mark */
    enum anystore_status status; /* the first failure; writes do nothing after it */
    struct anystore_error *error;
};

/* Starts a commit of that kind at the position `chain` (copied) in the file.  Check the status once
 * at the end: segment_writer_finish gives the first failure. */
void segment_writer_begin(struct segment_writer *writer, const struct byte_file *file,
                          const struct chain *chain, enum format_kind kind,
                          struct anystore_error *error);

/* Appends bytes to the commit.  Failures stay in the writer. */
void segment_write(struct segment_writer *writer, const void *data, size_t size);

/* Ends the commit with its mark; a base with its origin, too, which the caller has put into
 * writer->chain.origin.  On OK writer->chain is the position behind it. */
enum anystore_status segment_writer_finish(struct segment_writer *writer, uint64_t generation,
                                           int64_t time_ms);

struct segment_reader;

/* Appends what is left of the reader's current commit.  Returns the reader's failures; the writer's
 * stay in the writer. */
enum anystore_status segment_copy(struct segment_writer *writer, struct segment_reader *reader);

/* Frees what the writer holds (not the descriptor), whatever happened. */
void segment_writer_free(struct segment_writer *writer);

struct segment_reader {
    struct byte_file file;
    uint64_t file_size; /* reading stops here, even if the file grows */
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

/* Prepares to read on from `chain` (copied); no commit is current yet. */
enum anystore_status segment_reader_begin(struct segment_reader *reader,
                                          const struct byte_file *file, uint64_t file_size,
                                          const struct chain *chain, struct anystore_error *error);

/* Goes to the next commit: *more is false at the end of the chain.  DAMAGED if what follows does
 * not authenticate or the file ends in the middle of a segment. */
enum anystore_status segment_reader_next_commit(struct segment_reader *reader, bool *more);

/* At the end of the chain: DAMAGED if something else than room follows.  Nobody must be writing to
 * the file. */
enum anystore_status segment_reader_check_room(struct segment_reader *reader);

/* Reads exactly `size` bytes of the current commit.  DAMAGED if it has fewer. */
enum anystore_status segment_read(struct segment_reader *reader, void *data, size_t size);

/* Whether all of the current commit has been read.  Then reader->chain is the position behind it,
 * with its generation.  May have to load the next segment to find out, hence the status. */
enum anystore_status segment_reader_at_end(struct segment_reader *reader, bool *at_end);

/* The most bytes that the current commit can still have: sizes that a record announces are checked
 * against this before memory is allocated for them. */
uint64_t segment_reader_bound(const struct segment_reader *reader);

/* Goes from the start of a base to its end without reading what it holds: only its last segment is
 * opened. */
enum anystore_status segment_reader_skip_base(struct segment_reader *reader);

void segment_reader_free(struct segment_reader *reader);

#endif
