/* SPDX-License-Identifier: MIT */
/* A set of strings of 64-bit words, for the states that a search has seen.  One owner. */
#ifndef TESTS_CLIENT_HISTORY_MEMO_H
#define TESTS_CLIENT_HISTORY_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct history_memo {
    struct history_memo_slot *slots;
    size_t slots_count, count;
    uint64_t *words; /* of each string its length, then itself */
    size_t words_count, words_capacity;
};

/* All bytes zero is an empty one.  False if the string was there already. */
bool history_memo_add(struct history_memo *memo, const uint64_t *words, size_t count);
void history_memo_free(struct history_memo *memo);

#endif
