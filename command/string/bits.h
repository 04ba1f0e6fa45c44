/* SPDX-License-Identifier: MIT */
/* Counts, finds and combines bits in byte strings, a machine word at a time.
 *
 * Bit 0 is the highest bit of the first byte, as in Redis.  Pure functions; bytes need no
 * alignment. */
#ifndef COMMAND_STRING_BITS_H
#define COMMAND_STRING_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bits_operation { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT };

/* The number of ones from bit `first` to before bit `end`. */
uint64_t bits_count(const uint8_t *bytes, uint64_t first, uint64_t end);

/* Where the first one (`bit`) or zero is from bit `first` to before bit `end`; -1 if none is
 * there. */
int64_t bits_find(const uint8_t *bytes, uint64_t first, uint64_t end, bool bit);

/* to = to AND from, and so on, and for BITS_NOT, to = NOT from.  They must not overlap. */
void bits_combine(enum bits_operation operation, uint8_t *to, const uint8_t *from, size_t size);

/* A number of 1 to 64 bits that begins at bit `offset`, its highest bit first. */
struct bits_field {
    uint64_t offset;
    unsigned width;
};

/* Bits behind the end count as zeros. */
uint64_t bits_load(const uint8_t *bytes, size_t size, const struct bits_field *field);

/* The lowest field->width bits of value; the bytes of the field must be there. */
void bits_store(uint8_t *bytes, const struct bits_field *field, uint64_t value);

#endif
