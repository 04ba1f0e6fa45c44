/* SPDX-License-Identifier: MIT */
/* Works on whole 64-bit words where it can and on single bytes at the edges. */
#include "command/string/bits.h"

#include <string.h>

#define WORD_BYTES sizeof(uint64_t)

static uint64_t load_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static void store_word(uint8_t *bytes, uint64_t word)
{
    memcpy(bytes, &word, sizeof word);
}

/* Masks of a byte: the bits from number `first` on, and the bits up to number `last`. */
static unsigned bits_from(uint64_t first)
{
    return 0xffu >> (first & 7);
}

static unsigned bits_up_to(uint64_t last)
{
    return 0xffu << (7 - (last & 7)) & 0xffu;
}

/* ---- Counting ----------------------------------------------------------------------------- */

__attribute__((always_inline)) static inline uint64_t count_in(const uint8_t *bytes, size_t size)
{
    uint64_t count = 0;
    for (; size >= WORD_BYTES; bytes += WORD_BYTES, size -= WORD_BYTES)
        count += (unsigned)__builtin_popcountll(load_word(bytes));
    for (; size > 0; bytes++, size--)
        count += (unsigned)__builtin_popcount(*bytes);
    return count;
}

/* Not every x86-64 has the instruction that counts bits.  Without it, the compiler calls a
 * function for each word. */
#ifdef __x86_64__
__attribute__((target("popcnt"))) static uint64_t count_by_instruction(const uint8_t *bytes,
                                                                       size_t size)
{
    return count_in(bytes, size);
}
#endif

static uint64_t count_whole(const uint8_t *bytes, size_t size)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("popcnt"))
        return count_by_instruction(bytes, size);
#endif
    return count_in(bytes, size);
}

uint64_t bits_count(const uint8_t *bytes, uint64_t first, uint64_t end)
{
    if (first >= end)
        return 0;
    size_t head = (size_t)(first / 8);
    size_t tail = (size_t)((end - 1) / 8);
    unsigned in_head = bytes[head] & bits_from(first);
    if (head == tail)
        return (unsigned)__builtin_popcount(in_head & bits_up_to(end - 1));
    unsigned in_tail = bytes[tail] & bits_up_to(end - 1);
    return (unsigned)__builtin_popcount(in_head) + (unsigned)__builtin_popcount(in_tail) +
           count_whole(bytes + head + 1, tail - head - 1);
}

/* ---- Finding ------------------------------------------------------------------------------ */

int64_t bits_find(const uint8_t *bytes, uint64_t first, uint64_t end, bool bit)
{
    if (first >= end)
        return -1;
    /* A zero is a one in the inverse. */
    const unsigned inverse = bit ? 0 : 0xff;
    const uint64_t none = bit ? 0 : UINT64_MAX;
    size_t at = (size_t)(first / 8);
    const size_t tail = (size_t)((end - 1) / 8);
    unsigned found = (bytes[at] ^ inverse) & bits_from(first);
    while (at < tail && !found) {
        at++;
        while (tail - at >= WORD_BYTES && load_word(bytes + at) == none)
            at += WORD_BYTES;
        found = bytes[at] ^ inverse;
    }
    if (at == tail)
        found &= bits_up_to(end - 1);
    return found ? (int64_t)(8 * at) + __builtin_clz(found) - 24 : -1;
}

/* ---- Combining ---------------------------------------------------------------------------- */

__attribute__((always_inline)) static inline uint64_t combined(enum bits_operation operation,
                                                               uint64_t one, uint64_t other)
{
    switch (operation) {
    case BITS_AND:
        return one & other;
    case BITS_OR:
        return one | other;
    case BITS_XOR:
        return one ^ other;
    case BITS_NOT:
        break;
    }
    return ~other;
}

/* The callers pass a constant operation, so the loop contains no branch on it. */
__attribute__((always_inline)) static inline void combine(enum bits_operation operation,
                                                          uint8_t *restrict to,
                                                          const uint8_t *restrict from, size_t size)
{
    size_t at = 0;
    for (; size - at >= WORD_BYTES; at += WORD_BYTES)
        store_word(to + at, combined(operation, load_word(to + at), load_word(from + at)));
    for (; at < size; at++)
        to[at] = (uint8_t)combined(operation, to[at], from[at]);
}

void bits_combine(enum bits_operation operation, uint8_t *to, const uint8_t *from, size_t size)
{
    switch (operation) {
    case BITS_AND:
        combine(BITS_AND, to, from, size);
        break;
    case BITS_OR:
        combine(BITS_OR, to, from, size);
        break;
    case BITS_XOR:
        combine(BITS_XOR, to, from, size);
        break;
    case BITS_NOT:
        combine(BITS_NOT, to, from, size);
        break;
    }
}

/* ---- Fields ------------------------------------------------------------------------------- */

/* The part of a field that lies in one byte. */
struct part {
    size_t byte;
    unsigned shift, mask; /* the part is (byte >> shift) & mask */
    unsigned width;
};

static struct part part_at(uint64_t offset, unsigned left)
{
    unsigned skipped = (unsigned)(offset & 7);
    unsigned width = left < 8 - skipped ? left : 8 - skipped;
    return (struct part){.byte = (size_t)(offset / 8),
                         .shift = 8 - skipped - width,
                         .mask = (1u << width) - 1,
                         .width = width};
}

uint64_t bits_load(const uint8_t *bytes, size_t size, const struct bits_field *field)
{
    uint64_t value = 0;
    for (unsigned done = 0; done < field->width;) {
        struct part part = part_at(field->offset + done, field->width - done);
        unsigned byte = part.byte < size ? bytes[part.byte] : 0;
        value = value << part.width | (byte >> part.shift & part.mask);
        done += part.width;
    }
    return value;
}

void bits_store(uint8_t *bytes, const struct bits_field *field, uint64_t value)
{
    for (unsigned done = 0; done < field->width;) {
        struct part part = part_at(field->offset + done, field->width - done);
        unsigned left = field->width - done - part.width; /* bits of the value that come later */
        unsigned bits = (unsigned)(value >> left) & part.mask;
        unsigned byte = bytes[part.byte] & ~(part.mask << part.shift);
        bytes[part.byte] = (uint8_t)(byte | bits << part.shift);
        done += part.width;
    }
}
