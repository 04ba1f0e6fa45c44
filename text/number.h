/* SPDX-License-Identifier: MIT */
/* Integers as text, and the words that go with them. */
#ifndef TEXT_NUMBER_H
#define TEXT_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Redis's string2ll: reads the whole text as a decimal integer of 64 bits, without blanks, a plus
 * sign or leading zeros.  False if the text is no such integer; *value then stays as it was.
 * `text` may be NULL if size is 0.  Pure: any thread. */
bool number_parse(const void *text, size_t size, int64_t *value);

/* The "s" behind the name of a thing: "1 key", "2 keys". */
static inline const char *number_plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

#endif
