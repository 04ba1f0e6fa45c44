/* SPDX-License-Identifier: MIT */
/* Redis's glob-style patterns, as in KEYS, PSUBSCRIBE and CONFIG GET: * ? [abc] [^a] [a-c], and \
 * to take the next character as it is.  Pure functions: any thread. */
#ifndef TEXT_GLOB_H
#define TEXT_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most stars with something behind them.  As in Redis, a pattern with more matches nothing.
 * Stars in a row count as one. */
#define GLOB_STARS 1000

/* Whether the whole text matches the pattern; both may hold any bytes.  With ignore_case, letters
 * of ASCII match in both cases.  The part between two stars is looked for once.  If it is a word,
 * the time is proportional to the size of the text, whatever the word; with ? or classes in the
 * part, at worst to the product of both sizes. */
bool glob_match(const char *pattern, size_t pattern_size, const char *text, size_t text_size,
                bool ignore_case);

/* The same in steps, for a text that may be long.  All members of struct glob are private. */
enum glob_result { GLOB_NO, GLOB_YES, GLOB_MORE };

struct glob {
    const uint8_t *pattern, *text; /* the caller's, valid until the end */
    size_t pattern_size, text_size;
    bool ignore_case;
    unsigned stars; /* found so far */
    size_t at, i;   /* the bytes to compare next, in the pattern and in the text */
    /* The part behind the last star. */
    size_t part, word; /* where it begins, and how many of its first bytes are a word */
    size_t start;      /* the place in the text where it is tried */
    bool floating;     /* a star follows it, so it may stand at several places */
    bool seeking;      /* the next place is being looked for */
};

void glob_begin(struct glob *glob, const char *pattern, size_t pattern_size, const char *text,
                size_t text_size, bool ignore_case);

/* Goes on for about *steps steps, of a byte each, and subtracts from *steps the steps that it took.
 * GLOB_MORE: the answer is not known yet. */
enum glob_result glob_continue(struct glob *glob, size_t *steps);

#endif
