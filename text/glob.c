/* SPDX-License-Identifier: MIT */
/* Matches text part by part, without recursion. */
#include "text/glob.h"

#include <string.h>

static uint8_t fold(uint8_t byte, bool ignore_case)
{
    return ignore_case && byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

static bool same(const struct glob *glob, size_t at, uint8_t byte)
{
    return fold(glob->pattern[at], glob->ignore_case) == fold(byte, glob->ignore_case);
}

/* The ends of a range may stand in any order. */
static bool in_range(const struct glob *glob, size_t from, size_t to, uint8_t byte)
{
    uint8_t a = fold(glob->pattern[from], glob->ignore_case);
    uint8_t b = fold(glob->pattern[to], glob->ignore_case);
    uint8_t folded = fold(byte, glob->ignore_case);
    return a <= b ? folded >= a && folded <= b : folded >= b && folded <= a;
}

/* Compares a byte with a class, and moves *at from behind the "[" to behind the class.  Odd
 * classes mean what they mean in Redis: a class that is not closed ends with the pattern, "[]"
 * holds nothing, and a range takes any byte as its end, even "]". */
static bool class_matches(const struct glob *glob, size_t *at, uint8_t byte)
{
    const uint8_t *bytes = glob->pattern;
    size_t i = *at;
    bool negated = i < glob->pattern_size && bytes[i] == '^';
    if (negated)
        i++;
    bool found = false;
    while (i < glob->pattern_size && bytes[i] != ']') {
        size_t left = glob->pattern_size - i;
        if (bytes[i] == '\\' && left >= 2) {
            found |= same(glob, i + 1, byte);
            i += 2;
        } else if (left >= 3 && bytes[i + 1] == '-') {
            found |= in_range(glob, i, i + 2, byte);
            i += 3;
        } else {
            found |= same(glob, i, byte);
            i++;
        }
    }
    *at = i < glob->pattern_size ? i + 1 : i;
    return found != negated;
}

/* Compares a byte with the element at *at, which is no star, and moves *at behind it. */
static bool element_matches(const struct glob *glob, size_t *at, uint8_t byte)
{
    switch (glob->pattern[(*at)++]) {
    case '?':
        return true;
    case '[':
        return class_matches(glob, at, byte);
    case '\\':
        if (*at < glob->pattern_size)
            (*at)++;
        break;
    default:
        break;
    }
    return same(glob, *at - 1, byte);
}

/* Moves *at behind the element at *at. */
static void skip_element(const struct glob *glob, size_t *at)
{
    (void)element_matches(glob, at, 0);
}

static bool is_word(uint8_t byte)
{
    return byte != '*' && byte != '?' && byte != '[' && byte != '\\';
}

/* Begins the part behind a star, which reaches to the next star.  Without one, the part must
 * stand at the end of the text.  False: the text has no room for the part, or there are too many
 * stars. */
static bool begin_part(struct glob *glob)
{
    size_t end = glob->at, elements = 0;
    if (++glob->stars > GLOB_STARS)
        return false;
    while (end < glob->pattern_size && glob->pattern[end] != '*') {
        skip_element(glob, &end);
        elements++;
    }
    if (elements > glob->text_size - glob->i)
        return false;
    glob->part = glob->at;
    glob->start = glob->i;
    glob->floating = end < glob->pattern_size;
    glob->seeking = glob->floating;
    glob->word = 0;
    while (glob->floating && !glob->ignore_case && glob->part + glob->word < end &&
           is_word(glob->pattern[glob->part + glob->word]))
        glob->word++;
    if (!glob->floating)
        glob->i = glob->text_size - elements;
    return true;
}

/* Finds the next place, from `start` on, where the word of the part stands, and moves behind the
 * word. */
static enum glob_result seek_part(struct glob *glob, size_t *steps)
{
    size_t left = glob->text_size - glob->start, word = glob->word, skipped = 0;
    if (left == 0)
        return GLOB_NO;
    if (word > 0) {
        const uint8_t *from = glob->text + glob->start;
        size_t window = *steps > word ? *steps : word;
        window = window < left && word < left - window ? window + word : left;
        const uint8_t *found = memmem(from, window, glob->pattern + glob->part, word);
        if (!found && window == left)
            return GLOB_NO;
        skipped = found ? (size_t)(found - from) : window - word + 1;
        glob->start += skipped;
        glob->seeking = !found;
    } else {
        glob->seeking = false;
    }
    glob->at = glob->part + word;
    glob->i = glob->start + word;
    skipped += word;
    *steps -= skipped < *steps ? skipped : *steps;
    return GLOB_MORE;
}

void glob_begin(struct glob *glob, const char *pattern, size_t pattern_size, const char *text,
                size_t text_size, bool ignore_case)
{
    *glob = (struct glob){.pattern = (const uint8_t *)pattern,
                          .text = (const uint8_t *)text,
                          .pattern_size = pattern_size,
                          .text_size = text_size,
                          .ignore_case = ignore_case};
}

/* Compares elements up to the next star.  GLOB_MORE: it has reached that star, or the last step. */
static enum glob_result compare(struct glob *glob, size_t *steps)
{
    const size_t pattern_size = glob->pattern_size, text_size = glob->text_size;
    const size_t begin = glob->at, left = pattern_size - begin;
    const size_t stop = begin + (*steps < left ? *steps : left);
    size_t at = begin, i = glob->i;
    bool matches = true;
    while (matches && at < stop && i < text_size && glob->pattern[at] != '*') {
        matches = element_matches(glob, &at, glob->text[i]);
        i += matches;
    }
    glob->at = at;
    glob->i = i;
    *steps -= at - begin < *steps ? at - begin : *steps;
    if (matches && at < pattern_size && (at >= stop || glob->pattern[at] == '*'))
        return GLOB_MORE;
    return matches && at == pattern_size && i == text_size ? GLOB_YES : GLOB_NO;
}

/* A part between two stars is taken at the first place where it stands: a later place would leave
 * less text to the parts behind it.  So no part is looked for twice. */
enum glob_result glob_continue(struct glob *glob, size_t *steps)
{
    while (*steps > 0) {
        if (glob->seeking) {
            if (seek_part(glob, steps) == GLOB_NO)
                return GLOB_NO;
        } else if (glob->at < glob->pattern_size && glob->pattern[glob->at] == '*') {
            while (glob->at < glob->pattern_size && glob->pattern[glob->at] == '*')
                glob->at++;
            if (glob->at == glob->pattern_size)
                return GLOB_YES;
            if (!begin_part(glob))
                return GLOB_NO;
        } else {
            enum glob_result result = compare(glob, steps);
            if (result == GLOB_YES)
                return GLOB_YES;
            if (result == GLOB_NO && (!glob->floating || glob->i == glob->text_size))
                return GLOB_NO;
            if (result == GLOB_NO) {
                glob->start++;
                glob->seeking = true;
            }
        }
    }
    return GLOB_MORE;
}

bool glob_match(const char *pattern, size_t pattern_size, const char *text, size_t text_size,
                bool ignore_case)
{
    struct glob glob;
    size_t steps = SIZE_MAX;
    glob_begin(&glob, pattern, pattern_size, text, text_size, ignore_case);
    return glob_continue(&glob, &steps) == GLOB_YES;
}
