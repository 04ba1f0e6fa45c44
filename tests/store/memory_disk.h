/* SPDX-License-Identifier: MIT */
/* A disk in memory that knows what has been synced: what a power cut could leave of it can be asked
 * for at any time.
 *
 * One flat directory; every path is a name in it.  A file is what was synced and the writes since,
 * each of which a power cut may keep, drop or keep some blocks of.  The directory is the state at its last
 * sync and all states since, of which a power cut keeps one.  Any number of threads may use it;
 * locks wait as those of the system do.  A mapped page is not logged: a power cut keeps it as it
 * was synced, or as it is. */
#ifndef MEMORY_DISK_H
#define MEMORY_DISK_H

#include "disk.h"

struct memory_disk;

/* What the file system can do; all false is the least. */
struct memory_disk_abilities {
    bool clone, copy_range, exchange;
};

/* These end the program when memory is short. */
struct memory_disk *memory_disk_new(const struct memory_disk_abilities *abilities);
void memory_disk_free(struct memory_disk *memory); /* everything closed; takes NULL */

const struct disk *memory_disk_table(struct memory_disk *memory);

/* A file, synced, under a new inode. */
void memory_disk_set_file(struct memory_disk *memory, const char *path, const void *data,
                          size_t size);

/* What the file holds now, for the caller to free; NULL if it is not there. */
uint8_t *memory_disk_get_file(struct memory_disk *memory, const char *path, size_t *size);

/* The next sync of a file fails, and what it should have written is lost without a trace: it can be
 * read until the power is cut, and no later sync writes it. */
void memory_disk_lose_next_sync(struct memory_disk *memory);

/* Descriptors that are open. */
size_t memory_disk_descriptors(struct memory_disk *memory);

/* Frees all locks, as the death of those who hold them does. */
void memory_disk_release_locks(struct memory_disk *memory);

/* A disk of its own that shows what this one does, synced or not: all processes were killed. */
struct memory_disk *memory_disk_after_kill(struct memory_disk *memory);

/* The same after a power cut; `next_random` decides what is kept. */
struct memory_disk *memory_disk_after_power_cut(struct memory_disk *memory,
                                                uint64_t (*next_random)(void *arg), void *arg);

#endif
