/* SPDX-License-Identifier: MIT */
/* The files and the directory of a disk in memory, with the synced part of each. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/store/disks/memory_internal.h"

void *memory_need(void *memory)
{
    if (!memory) {
        fprintf(stderr, "memory disk: out of memory\n");
        abort();
    }
    return memory;
}

/* ---- Bytes -------------------------------------------------------------------------------- */

void bytes_resize(struct bytes *bytes, size_t size)
{
    if (size > bytes->capacity) {
        size_t capacity = size < 4096 ? 4096 : size + size / 2;
        bytes->data = memory_need(realloc(bytes->data, capacity));
        bytes->capacity = capacity;
    }
    if (bytes->data && size > bytes->size)
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

void bytes_write(struct bytes *bytes, size_t offset, const uint8_t *data, size_t size)
{
    if (offset + size > bytes->size)
        bytes_resize(bytes, offset + size);
    assert(size == 0 || bytes->data);
    if (size > 0)
        memcpy(bytes->data + offset, data, size);
}

/* The first number of a mapped page is the commit mark, which other threads may be storing. */
void bytes_copy(struct bytes *to, const struct bytes *from)
{
    bytes_resize(to, from->size);
    size_t start = 0;
    if (from->size >= sizeof(uint64_t)) {
        uint64_t mark =
            __atomic_load_n((const uint64_t *)(const void *)from->data, __ATOMIC_ACQUIRE);
        memcpy(to->data, &mark, sizeof mark);
        start = sizeof mark;
    }
    if (from->size > start)
        memcpy(to->data + start, from->data + start, from->size - start);
}

void bytes_apply(struct bytes *bytes, const struct change *change)
{
    if (change->data)
        bytes_write(bytes, change->offset, change->data, change->size);
    else
        bytes_resize(bytes, change->offset);
}

/* ---- Files -------------------------------------------------------------------------------- */

struct inode *inode_new(struct memory_disk *memory)
{
    struct inode *inode = memory_need(calloc(1, sizeof *inode));
    inode->number = ++memory->last_number;
    inode->last_change = &inode->changes;
    inode->next = memory->inodes;
    memory->inodes = inode;
    return inode;
}

static void forget_states(struct inode *inode)
{
    file_states_free(inode->states);
    inode->states = NULL;
}

void inode_forget_changes(struct inode *inode)
{
    forget_states(inode);
    while (inode->changes) {
        struct change *next = inode->changes->next;
        free(inode->changes->data);
        free(inode->changes);
        inode->changes = next;
    }
    inode->last_change = &inode->changes;
}

void inode_free(struct inode *inode)
{
    inode_forget_changes(inode);
    free(inode->now.data);
    free(inode->synced.data);
    free(inode);
}

static void log_change(struct inode *inode, size_t offset, const uint8_t *data, size_t size)
{
    struct change *change = memory_need(calloc(1, sizeof *change));
    forget_states(inode);
    change->offset = offset;
    change->size = size;
    if (data) {
        change->data = memory_need(malloc(size > 0 ? size : 1));
        memcpy(change->data, data, size);
    }
    *inode->last_change = change;
    inode->last_change = &change->next;
}

void inode_write(struct inode *inode, size_t offset, const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    if (inode->pinned && offset + size > inode->now.capacity) {
        fprintf(stderr, "memory disk: a mapped file grows\n");
        abort();
    }
    log_change(inode, offset, data, size);
    bytes_write(&inode->now, offset, data, size);
}

void inode_truncate(struct inode *inode, size_t size)
{
    log_change(inode, size, NULL, 0);
    bytes_resize(&inode->now, size);
}

/* Only logged changes: bytes that an earlier sync lost stay lost. */
void inode_sync(struct inode *inode)
{
    for (const struct change *change = inode->changes; change; change = change->next)
        bytes_apply(&inode->synced, change);
    inode_forget_changes(inode);
    if (inode->pinned)
        bytes_copy(&inode->synced, &inode->now);
}

void inode_settle(struct inode *inode)
{
    inode_forget_changes(inode);
    bytes_copy(&inode->synced, &inode->now);
}

/* ---- The directory ------------------------------------------------------------------------ */

/* The place of a path; directory->count if it is not there. */
static size_t place_of(const struct directory *directory, const char *path)
{
    size_t i = 0;
    while (i < directory->count && strcmp(directory->names[i].path, path) != 0)
        i++;
    return i;
}

struct inode *directory_find(const struct directory *directory, const char *path)
{
    size_t i = place_of(directory, path);
    return i < directory->count ? directory->names[i].inode : NULL;
}

static void set_name(struct name *name, const char *path, struct inode *inode)
{
    if (strlen(path) >= MEMORY_NAME_MOST) {
        fprintf(stderr, "memory disk: the name %s is too long\n", path);
        abort();
    }
    memset(name->path, 0, sizeof name->path);
    memcpy(name->path, path, strlen(path));
    name->inode = inode;
}

void directory_set(struct directory *directory, const char *path, struct inode *inode)
{
    size_t i = place_of(directory, path);
    if (i == directory->count) {
        if (!inode)
            return;
        if (i == MEMORY_NAMES) {
            fprintf(stderr, "memory disk: too many names\n");
            abort();
        }
        directory->count++;
    }
    if (inode)
        set_name(&directory->names[i], path, inode);
    else
        directory->names[i] = directory->names[--directory->count];
}

void directory_apply(struct directory *directory, const struct step *step)
{
    for (size_t i = 0; i < step->count; i++)
        directory_set(directory, step->names[i].path, step->names[i].inode);
}

void directory_change(struct memory_disk *memory, const char *a, struct inode *inode_a,
                      const char *b, struct inode *inode_b)
{
    memory->steps =
        memory_need(realloc(memory->steps, (memory->step_count + 1) * sizeof *memory->steps));
    struct step *step = &memory->steps[memory->step_count++];
    step->count = b ? 2 : 1;
    set_name(&step->names[0], a, inode_a);
    if (b)
        set_name(&step->names[1], b, inode_b);
    directory_apply(&memory->now, step);
    memory->changes++;
}

void directory_sync(struct memory_disk *memory)
{
    memory->synced = memory->now;
    memory->step_count = 0;
    memory->changes++;
}
