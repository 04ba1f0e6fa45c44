/* SPDX-License-Identifier: MIT */
/* Counts, finds and combines bits in byte strings, a machine word at a time.
 *
 * Bit 0 is the highest bit of the first byte, as in Redis.  Pure functions: any thread.  The
 * bytes need no alignment. */
#ifndef COMMAND_STRING_BITS_H
#define COMMAND_STRING_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bits_operation { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT };

/* The number of ones from bit `first` up to, not including, bit `end`. */
uint64_t bits_count(const uint8_t *bytes, uint64_t first, uint64_t end);

/* The first bit of that value from bit `first` up to, not including, bit `end`; -1 if there is
 * none. */
int64_t bits_find(const uint8_t *bytes, uint64_t first, uint64_t end, bool bit);

/* Computes to = to AND from and so on; BITS_NOT computes to = NOT from.  The two must not
 * overlap. */
void bits_combine(enum bits_operation operation, uint8_t *to, const uint8_t *from, size_t size);

/* A number of 1 to 64 bits, whose highest bit is bit `offset` of the string. */
struct bits_field {
    uint64_t offset;
    unsigned width;
};

/* Reads a field of a string of `size` bytes.  Bits behind the end count as zeros. */
uint64_t bits_load(const uint8_t *bytes, size_t size, const struct bits_field *field);

/* Writes the lowest field->width bits of `value`.  All bytes of the field must exist. */
void bits_store(uint8_t *bytes, const struct bits_field *field, uint64_t value);

#endif
