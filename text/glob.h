/* SPDX-License-Identifier: MIT */
/* Redis's glob-style patterns, as KEYS, PSUBSCRIBE and CONFIG GET have them: * ? [abc] [^a] [a-c], and \
 * to take a character as it is. */
#ifndef TEXT_GLOB_H
#define TEXT_GLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As in Redis a pattern matches nothing if it has more stars with something behind them.  Stars in a row are
 * one. */
#define GLOB_STARS 1000

/* Whether the whole text matches the pattern; both are any bytes.  What stands between two stars is
 * looked for once: if it is a word, in a time that grows with the size of the text, whatever the word;
 * with ? or classes in it, in the product of both sizes at worst. */
bool glob_match(const char *pattern, size_t pattern_size, const char *text, size_t text_size,
                bool ignore_case);

/* The same in steps, for a text that may be long. */
enum glob_result { GLOB_NO, GLOB_YES, GLOB_MORE };

struct glob {
    const uint8_t *pattern, *text; /* kept by the caller */
    size_t pattern_size, text_size;
    bool ignore_case;
    unsigned stars; /* met so far */
    size_t at, i;   /* compared next, in the pattern and in the text */
    /* The part behind the last star. */
    size_t part, word; /* where it begins, and how many bytes of it are a word */
    size_t start;      /* where in the text it is tried */
    bool floating;     /* it may stand elsewhere: a star is behind it, too */
    bool seeking;      /* the next place for it is looked for */
};

void glob_begin(struct glob *glob, const char *pattern, size_t pattern_size, const char *text,
                size_t text_size, bool ignore_case);

/* Does at most so many steps, of a byte each, and not many more. */
enum glob_result glob_continue(struct glob *glob, size_t steps);

#endif
