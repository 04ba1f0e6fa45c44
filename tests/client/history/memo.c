/* SPDX-License-Identifier: MIT */
/* A hash table with open addressing over strings that lie one behind the other. */
#include "tests/client/history/memo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct history_memo_slot {
    uint64_t hash;
    size_t place; /* in the words, plus 1; 0: empty */
};

static void *take(void *memory)
{
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

static uint64_t hash_of(const uint64_t *words, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ words[i]) * 0x9fb21c651e98df25u;
        hash ^= hash >> 32;
    }
    return hash;
}

static struct history_memo_slot *slot_for(const struct history_memo *memo, uint64_t hash,
                                          const uint64_t *words, size_t count)
{
    size_t i = (size_t)hash & (memo->slots_count - 1);
    for (;; i = (i + 1) & (memo->slots_count - 1)) {
        struct history_memo_slot *slot = &memo->slots[i];
        if (!slot->place)
            return slot;
        const uint64_t *there = &memo->words[slot->place - 1];
        if (slot->hash == hash && there[0] == count &&
            !memcmp(there + 1, words, count * sizeof *words))
            return slot;
    }
}

static void grow(struct history_memo *memo)
{
    struct history_memo larger = *memo;
    larger.slots_count = memo->slots_count ? memo->slots_count * 2 : 1024;
    larger.slots = take(calloc(larger.slots_count, sizeof *larger.slots));
    for (size_t i = 0; i < memo->slots_count; i++) {
        const struct history_memo_slot *slot = &memo->slots[i];
        if (slot->place) {
            const uint64_t *words = &memo->words[slot->place - 1];
            *slot_for(&larger, slot->hash, words + 1, (size_t)words[0]) = *slot;
        }
    }
    free(memo->slots);
    *memo = larger;
}

bool history_memo_add(struct history_memo *memo, const uint64_t *words, size_t count)
{
    if (memo->count * 2 >= memo->slots_count)
        grow(memo);
    uint64_t hash = hash_of(words, count);
    struct history_memo_slot *slot = slot_for(memo, hash, words, count);
    if (slot->place)
        return false;
    while (memo->words_capacity < memo->words_count + count + 1) {
        memo->words_capacity = memo->words_capacity ? memo->words_capacity * 2 : 8192;
        memo->words = take(realloc(memo->words, memo->words_capacity * sizeof *memo->words));
    }
    *slot = (struct history_memo_slot){.hash = hash, .place = memo->words_count + 1};
    memo->words[memo->words_count] = count;
    memcpy(&memo->words[memo->words_count + 1], words, count * sizeof *words);
    memo->words_count += count + 1;
    memo->count++;
    return true;
}

void history_memo_free(struct history_memo *memo)
{
    free(memo->slots);
    free(memo->words);
    *memo = (struct history_memo){0};
}
