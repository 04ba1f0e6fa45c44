/* SPDX-License-Identifier: MIT */
/* Matches bytes against a glob-style pattern, with no recursion. */
#include "text/glob.h"

#include <stdint.h>

static uint8_t fold(uint8_t byte, bool ignore_case)
{
    return ignore_case && byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

/* The pattern, and how its letters compare. */
struct pattern {
    const uint8_t *bytes;
    size_t size;
    bool ignore_case;
};

static bool same(const struct pattern *pattern, size_t at, uint8_t byte)
{
    return fold(pattern->bytes[at], pattern->ignore_case) == fold(byte, pattern->ignore_case);
}

/* The ends of a range may stand in any order. */
static bool in_range(const struct pattern *pattern, size_t from, size_t to, uint8_t byte)
{
    uint8_t a = fold(pattern->bytes[from], pattern->ignore_case);
    uint8_t b = fold(pattern->bytes[to], pattern->ignore_case);
    uint8_t folded = fold(byte, pattern->ignore_case);
    return a <= b ? folded >= a && folded <= b : folded >= b && folded <= a;
}

/* *at is behind the "[" and moves behind the class.  Odd classes mean what they mean in Redis: one
 * that is not closed ends with the pattern, "[]" holds nothing, and a range takes any byte as its
 * end, also "]". */
static bool class_matches(const struct pattern *pattern, size_t *at, uint8_t byte)
{
    const uint8_t *bytes = pattern->bytes;
    size_t i = *at;
    bool negated = i < pattern->size && bytes[i] == '^';
    if (negated)
        i++;
    bool found = false;
    while (i < pattern->size && bytes[i] != ']') {
        size_t left = pattern->size - i;
        if (bytes[i] == '\\' && left >= 2) {
            found |= same(pattern, i + 1, byte);
            i += 2;
        } else if (left >= 3 && bytes[i + 1] == '-') {
            found |= in_range(pattern, i, i + 2, byte);
            i += 3;
        } else {
            found |= same(pattern, i, byte);
            i++;
        }
    }
    *at = i < pattern->size ? i + 1 : i;
    return found != negated;
}

/* Whether the byte fits what stands at *at, anything but a star; *at moves behind that. */
static bool element_matches(const struct pattern *pattern, size_t *at, uint8_t byte)
{
    switch (pattern->bytes[(*at)++]) {
    case '?':
        return true;
    case '[':
        return class_matches(pattern, at, byte);
    case '\\':
        if (*at < pattern->size)
            (*at)++;
        break;
    default:
        break;
    }
    return same(pattern, *at - 1, byte);
}

/* What follows a star is tried at each place of the text in turn, for the last star met only: if
 * what stands between two stars fits at an early place, there is nothing that the earlier star
 * could gain by taking more.  So the steps are at most the product of both sizes, however many
 * stars there are. */
bool glob_match(const char *pattern, size_t pattern_size, const char *text, size_t text_size,
                bool ignore_case)
{
    const struct pattern p = {(const uint8_t *)pattern, pattern_size, ignore_case};
    const uint8_t *bytes = (const uint8_t *)text;
    bool starred = false;
    size_t after_star = 0; /* in the pattern, behind the last star met */
    size_t star_end = 0;   /* in the text, behind what that star takes */
    size_t at = 0;
    size_t i = 0;
    while (i < text_size) {
        if (at < p.size && p.bytes[at] == '*') {
            starred = true;
            after_star = ++at;
            star_end = i;
            if (at == p.size)
                return true;
        } else if (at < p.size && element_matches(&p, &at, bytes[i])) {
            i++;
        } else if (starred) {
            at = after_star;
            i = ++star_end;
        } else {
            return false;
        }
    }
    while (at < p.size && p.bytes[at] == '*')
        at++;
    return at == p.size;
}
