/* SPDX-License-Identifier: MIT */
/* What the files of the disk in memory share.  Guard of everything: the disk's mutex. */
#ifndef TESTS_STORE_DISKS_MEMORY_INTERNAL_H
#define TESTS_STORE_DISKS_MEMORY_INTERNAL_H

#include <pthread.h>

#include "tests/store/disks/memory_disk.h"

#define MEMORY_NAMES        16
#define MEMORY_DESCRIPTORS  64
#define MEMORY_CLIENTS      8
#define MEMORY_NAME_MOST    64
#define MEMORY_LOCKED_BYTES 4 /* that a file has locks for */

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

/* A change of a file's bytes that is not synced: a write, or (no data) a truncation to `offset`. */
struct change {
    struct change *next;
    size_t offset, size;
    uint8_t *data;
};

struct inode {
    struct inode *next; /* of all */
    uint64_t number;
    struct bytes now, synced;
    struct change *changes, **last_change;
    struct file_states *states; /* memory_cut.c; NULL: not known, or not any more */
    bool pinned;                /* mapped: `now` must stay where it is */
    int lock_owner, byte_owner[MEMORY_LOCKED_BYTES]; /* descriptors; 0: free */
};

struct name {
    char path[MEMORY_NAME_MOST];
    struct inode *inode; /* in a step: NULL, the name is removed */
};

struct directory {
    struct name names[MEMORY_NAMES];
    size_t count;
};

/* A change of the directory that is not synced.  A power cut leaves all of it or nothing. */
struct step {
    struct name names[2];
    size_t count;
};

struct memory_disk {
    struct memory_client {
        struct disk table;
        struct memory_disk *memory;
    } clients[MEMORY_CLIENTS]; /* the processes that use it */
    struct memory_disk_abilities abilities;
    pthread_mutex_t mutex;
    pthread_cond_t unlocked;
    struct inode *inodes; /* freed with the disk, not before */
    uint64_t last_number;
    uint64_t changes; /* of anything, so far */
    bool lose_next_sync;
    const char *omitted; /* see memory_disk_omit_syncs */
    struct directory now, synced;
    struct step *steps; /* from synced to now */
    size_t step_count;
    struct {
        bool open, directory;
        struct inode *inode;
        const struct memory_client *client;
    } descriptors[MEMORY_DESCRIPTORS];
};

/* These end the program when memory is short. */
void *memory_need(void *memory);

void bytes_resize(struct bytes *bytes, size_t size); /* new ones are zero */
void bytes_write(struct bytes *bytes, size_t offset, const uint8_t *data, size_t size);
void bytes_copy(struct bytes *to, const struct bytes *from);

struct inode *inode_new(struct memory_disk *memory);
void inode_free(struct inode *inode);
void inode_write(struct inode *inode, size_t offset, const uint8_t *data, size_t size);
void inode_truncate(struct inode *inode, size_t size);
void inode_sync(struct inode *inode);
void inode_forget_changes(struct inode *inode);
void inode_settle(struct inode *inode); /* everything counts as synced */
void bytes_apply(struct bytes *bytes, const struct change *change);

/* memory_states.c: the states of one file that a power cut may leave; see memory_cut.h. */
struct file_states {
    struct file_state {
        uint64_t hash; /* of size and bytes */
        uint64_t how;  /* for file_state_build */
    } * list;
    size_t count, newest;
    bool complete; /* no state was left out */
};

/* Finds inode->states, unless they are known; see memory_cut_new. */
void file_states_find(struct inode *inode, size_t most, uint64_t (*next_random)(void *arg),
                      void *arg);
void file_states_free(struct file_states *states); /* takes NULL */
void file_state_build(const struct inode *inode, size_t state, struct bytes *out);

/* A step of a hash. */
static inline uint64_t memory_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ (hash >> 32);
}

/* NULL if it is not there. */
struct inode *directory_find(const struct directory *directory, const char *path);

/* Adds a name, or changes what it names; inode NULL: removes it. */
void directory_set(struct directory *directory, const char *path, struct inode *inode);

void directory_apply(struct directory *directory, const struct step *step);

/* One step of the directory as it is now; b NULL: it concerns one name. */
void directory_change(struct memory_disk *memory, const char *a, struct inode *inode_a,
                      const char *b, struct inode *inode_b);
void directory_sync(struct memory_disk *memory);

#endif
