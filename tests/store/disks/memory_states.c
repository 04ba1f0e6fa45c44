/* SPDX-License-Identifier: MIT */
/* The states of one file that a power cut may leave: a size, and for each block one of its
 * versions. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/store/disks/memory_internal.h"

#define BLOCK ((size_t)512)
#define PAGE  ((size_t)4096)

/* The contents of a block since the last sync, each once, the synced one first. */
struct block {
    size_t index, count, newest;
    uint8_t *contents;
    uint64_t *hashes;
};

struct versions {
    const struct bytes *synced;
    size_t *sizes;
    size_t size_count, newest_size;
    struct block *blocks; /* only those that were changed */
    size_t block_count;
};

/* ---- Hashes ------------------------------------------------------------------------------- */

/* Zero for a block of zeros, so that unwritten blocks need no look. */
static uint64_t block_hash(size_t index, const uint8_t *content)
{
    uint64_t words[BLOCK / 8], any = 0, hash = index + 1;
    memcpy(words, content, BLOCK);
    for (size_t i = 0; i < BLOCK / 8; i++) {
        any |= words[i];
        hash = memory_mix(hash, words[i]);
    }
    return any ? hash : 0;
}

/* The content of a block, with zeros behind the end. */
static void get_block(const struct bytes *bytes, size_t index, uint8_t *content)
{
    size_t start = index * BLOCK;
    size_t there = bytes->size <= start          ? 0
                   : bytes->size - start > BLOCK ? BLOCK
                                                 : bytes->size - start;
    memset(content, 0, BLOCK);
    if (there > 0)
        memcpy(content, bytes->data + start, there);
}

/* ---- Versions ----------------------------------------------------------------------------- */

static void add_size(struct versions *versions, size_t size)
{
    size_t i = 0;
    while (i < versions->size_count && versions->sizes[i] != size)
        i++;
    if (i == versions->size_count) {
        versions->sizes = memory_need(realloc(versions->sizes, (i + 1) * sizeof *versions->sizes));
        versions->sizes[versions->size_count++] = size;
    }
    versions->newest_size = i;
}

static void add_version(struct block *block, const uint8_t *content)
{
    uint64_t hash = block_hash(block->index, content);
    size_t i = 0;
    while (i < block->count && block->hashes[i] != hash)
        i++;
    block->newest = i;
    if (i < block->count)
        return;
    block->contents = memory_need(realloc(block->contents, (i + 1) * BLOCK));
    block->hashes = memory_need(realloc(block->hashes, (i + 1) * sizeof *block->hashes));
    memcpy(block->contents + i * BLOCK, content, BLOCK);
    block->hashes[i] = hash;
    block->count++;
}

static struct block *block_at(struct versions *versions, size_t index, const struct bytes *before)
{
    uint8_t content[BLOCK];
    for (size_t i = 0; i < versions->block_count; i++)
        if (versions->blocks[i].index == index)
            return &versions->blocks[i];
    versions->blocks = memory_need(
        realloc(versions->blocks, (versions->block_count + 1) * sizeof *versions->blocks));
    struct block *block = &versions->blocks[versions->block_count++];
    *block = (struct block){.index = index};
    get_block(before, index, content);
    add_version(block, content);
    return block;
}

/* Notes the present bytes from `start` to `end`. */
static void note_range(struct versions *versions, const struct bytes *before,
                       const struct bytes *after, size_t start, size_t end)
{
    uint8_t content[BLOCK];
    for (size_t i = start / BLOCK; i * BLOCK < end; i++) {
        struct block *block = block_at(versions, i, before);
        get_block(after, i, content);
        add_version(block, content);
    }
}

/* A file grows by pages. */
static void note_sizes(struct versions *versions, size_t before, size_t after)
{
    for (size_t size = before - before % PAGE + PAGE; size < after; size += PAGE)
        add_size(versions, size);
    add_size(versions, after);
}

static void versions_init(struct versions *versions, const struct inode *inode)
{
    struct bytes now = {NULL, 0, 0}, before = {NULL, 0, 0};
    *versions = (struct versions){.synced = &inode->synced};
    bytes_copy(&now, &inode->synced);
    add_size(versions, now.size);
    for (const struct change *change = inode->changes; change; change = change->next) {
        bytes_copy(&before, &now);
        bytes_apply(&now, change);
        size_t start = change->offset, end = change->data ? start + change->size : before.size;
        note_range(versions, &before, &now, start, end);
        note_sizes(versions, before.size, now.size);
    }
    if (inode->pinned) { /* stores to the mapped page appear in no change */
        bytes_copy(&before, &now);
        bytes_copy(&now, &inode->now);
        note_range(versions, &before, &now, 0, BLOCK);
    }
    free(now.data);
    free(before.data);
}

static void versions_free(struct versions *versions)
{
    for (size_t i = 0; i < versions->block_count; i++) {
        free(versions->blocks[i].contents);
        free(versions->blocks[i].hashes);
    }
    free(versions->blocks);
    free(versions->sizes);
}

/* How many states there are; UINT64_MAX: that or more. */
static uint64_t versions_product(const struct versions *versions)
{
    uint64_t product = versions->size_count;
    for (size_t i = 0; i < versions->block_count; i++)
        if (__builtin_mul_overflow(product, versions->blocks[i].count, &product))
            return UINT64_MAX;
    return product;
}

/* ---- A state ------------------------------------------------------------------------------ */

/* A state is a number: its digits are the choices, if all states are known; otherwise it is the
 * seed of choices. */
struct choices {
    bool drawn;
    uint64_t state;
    unsigned style;
};

enum { STYLE_NEWEST, STYLE_OLDEST, STYLE_MOSTLY_NEWEST, STYLE_ANY };

static size_t choose(struct choices *choices, size_t count, size_t newest)
{
    if (!choices->drawn) {
        size_t choice = choices->state % count;
        choices->state /= count;
        return choice;
    }
    choices->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t random = memory_mix(memory_mix(1, choices->state), choices->state >> 7);
    switch (choices->style) {
    case STYLE_NEWEST:
        return newest;
    case STYLE_OLDEST:
        return 0;
    case STYLE_MOSTLY_NEWEST:
        return random % 8 > 0 ? newest : (random >> 8) % count;
    default:
        return (random >> 8) % count;
    }
}

static struct choices choices_of(uint64_t how, bool drawn)
{
    return (struct choices){drawn, how, how < STYLE_ANY ? (unsigned)how : (unsigned)(how & 3)};
}

static void build(const struct versions *versions, struct choices choices, struct bytes *out)
{
    size_t size = versions->sizes[choose(&choices, versions->size_count, versions->newest_size)];
    bytes_copy(out, versions->synced);
    bytes_resize(out, size);
    for (size_t i = 0; i < versions->block_count; i++) {
        const struct block *block = &versions->blocks[i];
        const uint8_t *content =
            block->contents + choose(&choices, block->count, block->newest) * BLOCK;
        size_t start = block->index * BLOCK;
        if (start < size)
            memcpy(out->data + start, content, size - start < BLOCK ? size - start : BLOCK);
    }
}

/* The hash of the state that `build` makes; clean[i] is that of the first i blocks without the
 * changed ones. */
static uint64_t hash_of(const struct versions *versions, struct choices choices,
                        const uint64_t *clean, size_t clean_count)
{
    size_t size = versions->sizes[choose(&choices, versions->size_count, versions->newest_size)];
    size_t whole = size / BLOCK, rest = size % BLOCK;
    uint64_t hash = memory_mix(7, size) + clean[whole < clean_count ? whole : clean_count];
    uint8_t last[BLOCK];
    get_block(versions->synced, whole, last);
    for (size_t i = 0; i < versions->block_count; i++) {
        const struct block *block = &versions->blocks[i];
        size_t choice = choose(&choices, block->count, block->newest);
        if (block->index < whole)
            hash += block->hashes[choice];
        else if (block->index == whole)
            memcpy(last, block->contents + choice * BLOCK, BLOCK);
    }
    memset(last + rest, 0, BLOCK - rest);
    return hash + block_hash(whole, last);
}

/* ---- All states --------------------------------------------------------------------------- */

static uint64_t *clean_hashes(const struct versions *versions, size_t *count)
{
    uint8_t content[BLOCK];
    *count = (versions->synced->size + BLOCK - 1) / BLOCK;
    uint64_t *sums = memory_need(calloc(*count + 1, sizeof *sums));
    for (size_t i = 0; i < *count; i++) {
        bool changed = false;
        for (size_t j = 0; j < versions->block_count && !changed; j++)
            changed = versions->blocks[j].index == i;
        get_block(versions->synced, i, content);
        sums[i + 1] = sums[i] + (changed ? 0 : block_hash(i, content));
    }
    return sums;
}

static int compare_states(const void *a, const void *b)
{
    const struct file_state *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static void keep_each_once(struct file_states *states)
{
    size_t kept = 0;
    qsort(states->list, states->count, sizeof *states->list, compare_states);
    for (size_t i = 0; i < states->count; i++)
        if (i == 0 || states->list[i].hash != states->list[kept - 1].hash)
            states->list[kept++] = states->list[i];
    states->count = kept;
}

void file_states_find(struct inode *inode, size_t most, uint64_t (*next_random)(void *arg),
                      void *arg)
{
    if (inode->states && !inode->pinned)
        return;
    file_states_free(inode->states);
    struct versions versions;
    versions_init(&versions, inode);
    uint64_t product = versions_product(&versions);
    struct file_states *states = memory_need(calloc(1, sizeof *states));
    states->complete = product <= most;
    states->count = states->complete ? (size_t)product : most;
    assert(states->count > 0); /* the present state is one of them */
    states->list = memory_need(calloc(states->count, sizeof *states->list));
    size_t clean_count;
    uint64_t *clean = clean_hashes(&versions, &clean_count);
    for (size_t i = 0; i < states->count; i++) {
        struct file_state *state = &states->list[i];
        state->how = states->complete || i < STYLE_MOSTLY_NEWEST ? i : next_random(arg);
        state->hash =
            hash_of(&versions, choices_of(state->how, !states->complete), clean, clean_count);
    }
    uint64_t newest = hash_of(&versions, choices_of(STYLE_NEWEST, true), clean, clean_count);
    keep_each_once(states);
    while (states->list[states->newest].hash != newest)
        states->newest++;
    free(clean);
    versions_free(&versions);
    inode->states = states;
}

void file_states_free(struct file_states *states)
{
    if (!states)
        return;
    free(states->list);
    free(states);
}

void file_state_build(const struct inode *inode, size_t state, struct bytes *out)
{
    struct versions versions;
    versions_init(&versions, inode);
    build(&versions, choices_of(inode->states->list[state].how, !inode->states->complete), out);
    versions_free(&versions);
}
