/* SPDX-License-Identifier: MIT */
/* One word of a line at a time: what the inline requests of the parser and resp_split_words
 * share. */
#ifndef RESP_SPLIT_INTERNAL_H
#define RESP_SPLIT_INTERNAL_H

#include "resp/parser.h"

enum split_result {
    SPLIT_WORD,      /* *word is the next one */
    SPLIT_END,       /* there are no more */
    SPLIT_UNBALANCED /* a quote is not closed, or something sticks to a closing one */
};

/* Finds the word that begins at or behind *at and moves *at behind it.  A word without quotes is
 * in the line itself; one with quotes is written to `room`, which must hold as many bytes as there
 * are between *at and `end`; it may be NULL if the line has no quotes.  A NUL byte ends the
 * line. */
enum split_result split_next(const uint8_t **at, const uint8_t *end, uint8_t *room,
                             struct resp_arg *word);

#endif
