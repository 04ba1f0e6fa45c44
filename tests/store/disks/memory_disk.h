/* SPDX-License-Identifier: MIT */
/* A disk in memory that knows what has been synced: what a power cut could leave of it can be asked
 * for at any time (memory_cut.h).
 *
 * One flat directory; every path is a name in it.  A file is what was synced and the changes since;
 * the directory is what was synced and the steps since, each of which is one call (an exchange or a
 * rename is one). Any number of threads may use it; locks wait as those of the system do. */
#ifndef TESTS_STORE_DISKS_MEMORY_DISK_H
#define TESTS_STORE_DISKS_MEMORY_DISK_H

#include "store/medium/disk.h"

struct memory_disk;

/* What the file system can do; all false is the least. */
struct memory_disk_abilities {
    bool clone, copy_range, exchange;
};

/* These end the program when memory is short. */
struct memory_disk *memory_disk_new(const struct memory_disk_abilities *abilities);
void memory_disk_free(struct memory_disk *memory); /* everything closed; takes NULL */

const struct disk *memory_disk_table(struct memory_disk *memory);

/* The table of one of 8 processes, so that it is known whose descriptors are whose; 0 is that of
 * memory_disk_table. */
const struct disk *memory_disk_client(struct memory_disk *memory, unsigned client);

/* Frees the locks of a process, as its death does. */
void memory_disk_release_locks(struct memory_disk *memory, unsigned client);

/* A file, synced, under a new inode. */
void memory_disk_set_file(struct memory_disk *memory, const char *path, const void *data,
                          size_t size);

/* What the file holds now, for the caller to free; NULL if it is not there. */
uint8_t *memory_disk_get_file(struct memory_disk *memory, const char *path, size_t *size);

/* The next sync fails, and what it should have written of a file is lost without a trace: it can be
 * read until the power is cut, and no later sync writes it. */
void memory_disk_lose_next_sync(struct memory_disk *memory);

/* From now on syncs of files whose name ends so do nothing, and say that they did; "/": those of
 * the directory.  NULL: none.  The text must live as long as the disk. */
void memory_disk_omit_syncs(struct memory_disk *memory, const char *names);

/* Everything is synced, as some time after the last change. */
void memory_disk_settle(struct memory_disk *memory);

/* A number that is another one after each change of what is or could be on the disk. */
uint64_t memory_disk_changes(struct memory_disk *memory);

/* Descriptors that are open. */
size_t memory_disk_descriptors(struct memory_disk *memory);

#endif
