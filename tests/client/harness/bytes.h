/* SPDX-License-Identifier: MIT */
/* A growing piece of memory for bytes.  Tests need memory: failing to grow ends the process.  All
 * bytes zero is an empty one; one owner at a time. */
#ifndef TESTS_CLIENT_HARNESS_BYTES_H
#define TESTS_CLIENT_HARNESS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    uint8_t *data; /* always followed by a NUL that does not count, once something was appended */
    size_t size;
    size_t capacity;
};

void bytes_append(struct bytes *bytes, const void *data, size_t size);
void bytes_append_text(struct bytes *bytes, const char *text);
void bytes_appendf(struct bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends printable characters as they are, others (and the backslash) as \n \r \t \\ or \xHH. */
void bytes_append_escaped(struct bytes *bytes, const void *data, size_t size);

/* Makes room for `size` more bytes and returns their place; add them to `size` when written. */
uint8_t *bytes_reserve(struct bytes *bytes, size_t size);

void bytes_consume(struct bytes *bytes, size_t size); /* drops from the front */
void bytes_clear(struct bytes *bytes);                /* empties, keeps the memory */
void bytes_free(struct bytes *bytes);
bool bytes_equal(const struct bytes *one, const struct bytes *other);

/* The contents as text; "" if there are none.  Valid until the next change. */
const char *bytes_text(const struct bytes *bytes);

/* Appends a file's contents; false (errno) if it cannot be read. */
bool bytes_read_file(struct bytes *bytes, const char *path);

/* Writes a whole file with the mode given; false (errno) on failure. */
bool bytes_write_file(const char *path, const void *data, size_t size, unsigned mode);

/* printf into memory of its own, which the caller frees. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
