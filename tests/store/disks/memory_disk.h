/* SPDX-License-Identifier: MIT */
/* A disk in memory that knows what has been synced: the possible remains after a power cut can be
 * listed at any time (memory_cut.h).
 *
 * One flat directory; every path is a name in it.  A file is its synced contents and the changes
 * since; the directory is its synced names and the steps since, each of which is one call (an
 * exchange or a rename is one).  Any number of threads may use it; locks wait like those of the
 * system. */
#ifndef TESTS_STORE_DISKS_MEMORY_DISK_H
#define TESTS_STORE_DISKS_MEMORY_DISK_H

#include "store/medium/disk.h"

struct memory_disk;

/* The abilities of the file system; all false is the least. */
struct memory_disk_abilities {
    bool clone, copy_range, exchange;
};

/* These end the program when memory is short. */
struct memory_disk *memory_disk_new(const struct memory_disk_abilities *abilities);
void memory_disk_free(struct memory_disk *memory); /* everything closed; takes NULL */

const struct disk *memory_disk_table(struct memory_disk *memory);

/* The table of one of 8 processes, so that the owner of each descriptor is known; 0 is that of
 * memory_disk_table. */
const struct disk *memory_disk_client(struct memory_disk *memory, unsigned client);

/* Frees the locks of a process, as its death does. */
void memory_disk_release_locks(struct memory_disk *memory, unsigned client);

/* A file, synced, under a new inode. */
void memory_disk_set_file(struct memory_disk *memory, const char *path, const void *data,
                          size_t size);

/* The present contents of a file, for the caller to free; NULL if it does not exist. */
uint8_t *memory_disk_get_file(struct memory_disk *memory, const char *path, size_t *size);

/* The next sync fails, and the bytes of a file that it should have written are lost without a
 * trace: they can be read until the power is cut, and no later sync writes them. */
void memory_disk_lose_next_sync(struct memory_disk *memory);

/* From now on syncs of files whose names end so do nothing and report success; "/": those of the
 * directory.  NULL: none.  The text must live as long as the disk. */
void memory_disk_omit_syncs(struct memory_disk *memory, const char *names);

/* Everything is synced, as some time after the last change. */
void memory_disk_settle(struct memory_disk *memory);

/* A number that changes with each change of the disk's contents or of its possible remains. */
uint64_t memory_disk_changes(struct memory_disk *memory);

/* Descriptors that are open. */
size_t memory_disk_descriptors(struct memory_disk *memory);

#endif
