/* SPDX-License-Identifier: MIT */
/* What a crash could leave of a disk in memory: one image, or each of them in turn.
 *
 * What a power cut may leave, of what was not synced:
 *
 *   data       each block of 512 bytes as it was synced, or as any write since left it, each block on
 *              its own; also where a write lies within what was synced
 *   size       the synced one, any since, and where a write made the file longer, any page's end (4096
 *              bytes) in between; what has not been written reads as zeros
 *   directory  each step is there or not, whatever is there of those before and after it.  (ext4, XFS
 *              and btrfs keep more order than that: POSIX does not ask for it.)
 *   mapped     a mapped page as it was synced, or as it is
 *
 * All of these on their own.  What was synced is there. */
#ifndef TESTS_STORE_DISKS_MEMORY_CUT_H
#define TESTS_STORE_DISKS_MEMORY_CUT_H

#include "tests/store/disks/memory_disk.h"

struct memory_cut;

/* What a power cut could leave at this moment.  Of a file with more than `most` states, so many are
 * drawn by chance, among them the oldest and the newest.  The disk must stay as it is as long as
 * this is used.  Ends the program when memory is short. */
struct memory_cut *memory_cut_new(struct memory_disk *memory, size_t most,
                                  uint64_t (*next_random)(void *arg), void *arg);
void memory_cut_free(struct memory_cut *cut);

/* How many images there are, some of which may be the same; 0: more than 2^63.  *complete: no state
 * of a file or the directory was left out. */
uint64_t memory_cut_count(const struct memory_cut *cut, bool *complete);

/* Chooses an image; index < memory_cut_count.  Returns a hash of its names, sizes and bytes. */
uint64_t memory_cut_choose(struct memory_cut *cut, uint64_t index);

/* Chooses the image in which all is as it is now. */
uint64_t memory_cut_choose_newest(struct memory_cut *cut);

/* The chosen image, as a disk of its own. */
struct memory_disk *memory_cut_disk(const struct memory_cut *cut);

/* A disk of its own that shows what one of the images, drawn by chance, does. */
struct memory_disk *memory_disk_after_power_cut(struct memory_disk *memory,
                                                uint64_t (*next_random)(void *arg), void *arg);

/* A disk of its own that shows what this one does, synced or not, and knows what is: all processes
 * were killed. */
struct memory_disk *memory_disk_after_kill(struct memory_disk *memory);

#endif
