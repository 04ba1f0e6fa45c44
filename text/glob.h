/* SPDX-License-Identifier: MIT */
/* Redis's glob-style pattern matching, as KEYS and CONFIG GET have it: * ? [abc] [^a] [a-c] and \
 * to take a character as it is. */
#ifndef TEXT_GLOB_H
#define TEXT_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the whole text fits the pattern; both are any bytes.  The time is bounded also for
 * patterns made to be slow (many stars). */
bool glob_match(const char *pattern, size_t pattern_size, const char *text, size_t text_size,
                bool ignore_case);

#endif
