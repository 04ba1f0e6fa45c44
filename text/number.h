/* SPDX-License-Identifier: MIT */
/* Integers as text, and the words that go with them. */
#ifndef TEXT_NUMBER_H
#define TEXT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Redis's string2ll: the whole text is a decimal integer of 64 bits, without blanks, a plus sign or
 * leading zeros.  False if it is not; *value is then as it was.  text may be NULL if size is 0. */
bool number_parse(const void *text, size_t size, int64_t *value);

/* The "s" behind the name of a thing: "1 key", "2 keys". */
static inline const char *number_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

#endif
