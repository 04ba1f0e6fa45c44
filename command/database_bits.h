/* SPDX-License-Identifier: MIT */
/* Sets of databases as bits. */
#ifndef COMMAND_DATABASE_BITS_H
#define COMMAND_DATABASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define DATABASES_MOST 64

/* Bit n is database n. */
typedef uint64_t database_bits;

static inline database_bits database_bit(unsigned number)
{
    return (database_bits)1 << number;
}

/* The lowest number in a set that is not empty. */
static inline unsigned database_first(database_bits bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

static inline bool database_is_single(database_bits bits)
{
    return bits != 0 && (bits & (bits - 1)) == 0;
}

#endif
