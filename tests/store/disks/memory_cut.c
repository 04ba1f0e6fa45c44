/* SPDX-License-Identifier: MIT */
/* The possible remains of a disk in memory after a crash: states of its directory, each with states
 * of its files. */
#include "tests/store/disks/memory_cut.h"

#include <stdlib.h>
#include <string.h>

#include "tests/store/disks/memory_internal.h"

/* Of up to so many steps each set is tried; of more, some sets. */
#define STEPS_MOST 12

/* One possible state, and the number of images with it. */
struct choice {
    struct directory directory;
    uint64_t images;
};

struct memory_cut {
    struct memory_disk *memory;
    struct choice *choices;
    size_t count, newest;
    bool complete;
    /* The choice. */
    const struct choice *choice;
    size_t states[MEMORY_NAMES];
};

/* ---- Directories -------------------------------------------------------------------------- */

static bool same_directory(const struct directory *a, const struct directory *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (directory_find(b, a->names[i].path) != a->names[i].inode)
            return false;
    return true;
}

/* The number of a state of the directory. */
static size_t add_directory(struct memory_cut *cut, const struct directory *directory)
{
    for (size_t i = 0; i < cut->count; i++)
        if (same_directory(&cut->choices[i].directory, directory))
            return i;
    cut->choices = memory_need(realloc(cut->choices, (cut->count + 1) * sizeof *cut->choices));
    cut->choices[cut->count].directory = *directory;
    return cut->count++;
}

/* With each step whose bit is set. */
static size_t add_steps(struct memory_cut *cut, uint64_t bits)
{
    const struct memory_disk *memory = cut->memory;
    struct directory directory = memory->synced;
    for (size_t i = 0; i < memory->step_count; i++)
        if (i >= 64 || (bits >> i & 1))
            directory_apply(&directory, &memory->steps[i]);
    return add_directory(cut, &directory);
}

static void find_directories(struct memory_cut *cut, uint64_t (*next_random)(void *arg), void *arg)
{
    size_t steps = cut->memory->step_count;
    cut->complete = steps <= STEPS_MOST;
    if (cut->complete) {
        for (uint64_t bits = 0; bits < (uint64_t)1 << steps; bits++)
            add_steps(cut, bits);
    } else {
        for (size_t i = 0; i < steps && i < 64; i++)
            add_steps(cut, ((uint64_t)1 << i) - 1);
        for (size_t i = 0; i < (size_t)1 << STEPS_MOST; i++)
            add_steps(cut, next_random(arg));
    }
    cut->newest = add_directory(cut, &cut->memory->now);
}

/* ---- Images ------------------------------------------------------------------------------- */

/* 0: more than 2^63; sums over all states are below that, too. */
static uint64_t count_images(const struct directory *directory)
{
    uint64_t images = 1;
    for (size_t i = 0; i < directory->count; i++)
        if (__builtin_mul_overflow(images, directory->names[i].inode->states->count, &images))
            return 0;
    return images >> 63 ? 0 : images;
}

/* The mutex is held. */
static struct memory_cut *cut_new(struct memory_disk *memory, size_t most,
                                  uint64_t (*next_random)(void *arg), void *arg)
{
    struct memory_cut *cut = memory_need(calloc(1, sizeof *cut));
    cut->memory = memory;
    find_directories(cut, next_random, arg);
    for (size_t i = 0; i < cut->count; i++) {
        struct directory *directory = &cut->choices[i].directory;
        for (size_t j = 0; j < directory->count; j++) {
            struct inode *inode = directory->names[j].inode;
            file_states_find(inode, most, next_random, arg);
            cut->complete = cut->complete && inode->states->complete;
        }
        cut->choices[i].images = count_images(directory);
    }
    return cut;
}

struct memory_cut *memory_cut_new(struct memory_disk *memory, size_t most,
                                  uint64_t (*next_random)(void *arg), void *arg)
{
    pthread_mutex_lock(&memory->mutex);
    struct memory_cut *cut = cut_new(memory, most, next_random, arg);
    pthread_mutex_unlock(&memory->mutex);
    return cut;
}

void memory_cut_free(struct memory_cut *cut)
{
    if (cut)
        free(cut->choices);
    free(cut);
}

uint64_t memory_cut_count(const struct memory_cut *cut, bool *complete)
{
    uint64_t count = 0;
    *complete = cut->complete;
    for (size_t i = 0; i < cut->count; i++) {
        if (cut->choices[i].images == 0)
            return 0;
        count += cut->choices[i].images;
        if (count >> 63)
            return 0;
    }
    return count;
}

static uint64_t name_hash(const struct name *name)
{
    uint64_t words[MEMORY_NAME_MOST / 8], hash = 3;
    memcpy(words, name->path, sizeof words);
    for (size_t i = 0; i < MEMORY_NAME_MOST / 8; i++)
        hash = memory_mix(hash, words[i]);
    return hash;
}

/* The names are in no order. */
static uint64_t image_hash(const struct memory_cut *cut)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < cut->choice->directory.count; i++) {
        const struct name *name = &cut->choice->directory.names[i];
        uint64_t file = name->inode->states->list[cut->states[i]].hash;
        hash += memory_mix(name_hash(name), file) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return hash;
}

uint64_t memory_cut_choose(struct memory_cut *cut, uint64_t index)
{
    size_t i = 0;
    while (index >= cut->choices[i].images)
        index -= cut->choices[i++].images;
    cut->choice = &cut->choices[i];
    for (size_t j = 0; j < cut->choice->directory.count; j++) {
        size_t count = cut->choice->directory.names[j].inode->states->count;
        cut->states[j] = index % count;
        index /= count;
    }
    return image_hash(cut);
}

uint64_t memory_cut_choose_newest(struct memory_cut *cut)
{
    cut->choice = &cut->choices[cut->newest];
    for (size_t i = 0; i < cut->choice->directory.count; i++)
        cut->states[i] = cut->choice->directory.names[i].inode->states->newest;
    return image_hash(cut);
}

struct memory_disk *memory_cut_disk(const struct memory_cut *cut)
{
    struct memory_disk *copy = memory_disk_new(&cut->memory->abilities);
    for (size_t i = 0; i < cut->choice->directory.count; i++) {
        const struct name *name = &cut->choice->directory.names[i];
        struct inode *inode = inode_new(copy);
        file_state_build(name->inode, cut->states[i], &inode->now);
        inode_settle(inode);
        directory_set(&copy->now, name->path, inode);
    }
    directory_sync(copy);
    return copy;
}

/* ---- One image ---------------------------------------------------------------------------- */

struct memory_disk *memory_disk_after_power_cut(struct memory_disk *memory,
                                                uint64_t (*next_random)(void *arg), void *arg)
{
    pthread_mutex_lock(&memory->mutex);
    struct memory_cut *cut = cut_new(memory, 16, next_random, arg);
    cut->choice = &cut->choices[next_random(arg) % cut->count];
    for (size_t i = 0; i < cut->choice->directory.count; i++)
        cut->states[i] = next_random(arg) % cut->choice->directory.names[i].inode->states->count;
    struct memory_disk *copy = memory_cut_disk(cut);
    memory_cut_free(cut);
    pthread_mutex_unlock(&memory->mutex);
    return copy;
}

static struct inode *inode_copy(struct memory_disk *to, const struct inode *from)
{
    struct inode *inode = inode_new(to);
    inode->number = from->number;
    bytes_copy(&inode->synced, &from->synced);
    bytes_copy(&inode->now, &from->synced);
    for (const struct change *change = from->changes; change; change = change->next)
        if (change->data)
            inode_write(inode, change->offset, change->data, change->size);
        else
            inode_truncate(inode, change->offset);
    bytes_copy(&inode->now, &from->now); /* bytes that a sync lost can be read, too */
    return inode;
}

static void repoint(struct name *names, size_t count, struct inode *inodes)
{
    for (size_t i = 0; i < count; i++)
        for (struct inode *inode = inodes; inode && names[i].inode; inode = inode->next)
            if (inode->number == names[i].inode->number) {
                names[i].inode = inode;
                break;
            }
}

struct memory_disk *memory_disk_after_kill(struct memory_disk *memory)
{
    struct memory_disk *copy = memory_disk_new(&memory->abilities);
    pthread_mutex_lock(&memory->mutex);
    for (const struct inode *inode = memory->inodes; inode; inode = inode->next)
        inode_copy(copy, inode);
    copy->last_number = memory->last_number;
    copy->now = memory->now;
    copy->synced = memory->synced;
    copy->step_count = memory->step_count;
    copy->steps = memory_need(calloc(memory->step_count + 1, sizeof *copy->steps));
    for (size_t i = 0; i < memory->step_count; i++) {
        copy->steps[i] = memory->steps[i];
        repoint(copy->steps[i].names, copy->steps[i].count, copy->inodes);
    }
    repoint(copy->now.names, copy->now.count, copy->inodes);
    repoint(copy->synced.names, copy->synced.count, copy->inodes);
    pthread_mutex_unlock(&memory->mutex);
    return copy;
}
