/* SPDX-License-Identifier: MIT */
/* Bytes as text that a person can read. */
#ifndef TEXT_QUOTE_H
#define TEXT_QUOTE_H

#include <stddef.h>
#include <stdio.h>

struct resp_buffer;

/* Writes bytes in double quotes, as Redis does in MONITOR and in its configuration file: \n \r \t
 * \a \b \" \\, and \xNN for every other byte that is no printable ASCII character.
 * resp_split_words reads the same bytes back.  Failures show in the buffer or the file. `bytes`
 * may be NULL if size is 0. */
void quote_to_buffer(struct resp_buffer *out, const void *bytes, size_t size);
void quote_to_file(FILE *out, const void *bytes, size_t size);

/* Writes bytes as they are, but control characters as \xNN: the text stays on one line.  Bytes
 * beyond ASCII stay as they are, because they may be UTF-8. */
void quote_controls_to_file(FILE *out, const void *bytes, size_t size);

#endif
