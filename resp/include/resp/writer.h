/* SPDX-License-Identifier: MIT */
/* Writes replies in RESP2 or RESP3 into a buffer.
 *
 * What RESP2 cannot say is written as Redis 7.0 writes it there: maps, sets and pushes as arrays,
 * doubles, big numbers and verbatim strings as bulk strings, booleans as 1 and 0, null as $-1.
 * Failure to allocate shows in buffer->failed.  Not thread-safe. */
#ifndef RESP_WRITER_H
#define RESP_WRITER_H

#include "resp/buffer.h"

struct resp_writer {
    struct resp_buffer *out;
    int version; /* 2 or 3 */
};

/* "+text".  No CR or LF in it. */
void resp_write_simple(struct resp_writer *writer, const char *text);

/* "-text".  The text begins with its code: "ERR ...", "WRONGTYPE ...".  As a client's own bytes
 * may be part of it, CR and LF at its end are dropped and elsewhere replaced by blanks. */
void resp_write_error(struct resp_writer *writer, const char *text);
void resp_write_errorf(struct resp_writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void resp_write_integer(struct resp_writer *writer, int64_t value);
void resp_write_bulk(struct resp_writer *writer, const void *data, size_t size);
void resp_write_bulk_text(struct resp_writer *writer, const char *text);
void resp_write_bulkf(struct resp_writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The decimal digits of value as a bulk string. */
void resp_write_bulk_integer(struct resp_writer *writer, int64_t value);

/* No value: "$-1" or "_". */
void resp_write_null(struct resp_writer *writer);

/* No array: "*-1" or "_" (EXEC after a WATCHed key changed, for example). */
void resp_write_null_array(struct resp_writer *writer);

/* Headers; the elements follow as further writes.  `count` is the number of elements, of pairs
 * for a map.  A push is an array in RESP2. */
void resp_write_array(struct resp_writer *writer, size_t count);
void resp_write_map(struct resp_writer *writer, size_t count);
void resp_write_set(struct resp_writer *writer, size_t count);
void resp_write_push(struct resp_writer *writer, size_t count);

/* A header whose count is not known yet: begin returns a mark, end puts the header in its place,
 * which moves what was written since.  They nest.  `type` is '*', '%', '~' or '>', the RESP3 sign,
 * and `count` as above.  Nothing may be consumed from the buffer in between. */
size_t resp_write_begin(struct resp_writer *writer);
void resp_write_end(struct resp_writer *writer, size_t mark, char type, size_t count);

/* As Redis 7.0's addReplyDouble: up to 17 significant digits as printf's "%.17g" has them, which
 * read back as the same number (0.1 is 0.10000000000000001; 7.2 is the first that writes the
 * shortest such text); inf, -inf, nan. */
void resp_write_double(struct resp_writer *writer, double value);
void resp_write_boolean(struct resp_writer *writer, bool value);

/* `digits` is a decimal number with or without a minus sign. */
void resp_write_big_number(struct resp_writer *writer, const char *digits);

/* `format` has three characters: "txt" or "mkd". */
void resp_write_verbatim(struct resp_writer *writer, const char *format, const void *data,
                         size_t size);

#endif
