/* SPDX-License-Identifier: MIT */
/* The possible remains of a disk in memory after a crash: one image, or each of them in turn.
 *
 * Synced data remain.  Of the rest a power cut may leave, each independently of the others:
 *
 *   data       each block of 512 bytes as it was synced, or as any write since left it; also where
 *              a write lies within synced data
 *   size       the synced one, any since, and where a write made the file longer, any page's end
 *              (4096 bytes) in between; unwritten bytes read as zeros
 *   directory  each step is there or not, independently of those before and after it.  (ext4, XFS
 *              and btrfs keep more order than that: POSIX does not ask for it.)
 *   mapped     a mapped page as it was synced, or as it is */
#ifndef TESTS_STORE_DISKS_MEMORY_CUT_H
#define TESTS_STORE_DISKS_MEMORY_CUT_H

#include "tests/store/disks/memory_disk.h"

struct memory_cut;

/* The possible remains after a power cut at this moment.  Of a file with more than `most` states,
 * so many are drawn by chance, among them the oldest and the newest.  The disk must not change
 * while this is used.  Ends the program when memory is short. */
struct memory_cut *memory_cut_new(struct memory_disk *memory, size_t most,
                                  uint64_t (*next_random)(void *arg), void *arg);
void memory_cut_free(struct memory_cut *cut);

/* The number of images, some of which may be equal; 0: more than 2^63. *complete: no state of a
 * file or of the directory was left out. */
uint64_t memory_cut_count(const struct memory_cut *cut, bool *complete);

/* Chooses an image; index < memory_cut_count.  Returns a hash of its names, sizes and bytes. */
uint64_t memory_cut_choose(struct memory_cut *cut, uint64_t index);

/* Chooses the image of the present state. */
uint64_t memory_cut_choose_newest(struct memory_cut *cut);

/* The chosen image, as a disk of its own. */
struct memory_disk *memory_cut_disk(const struct memory_cut *cut);

/* A disk of its own with one of the images, drawn by chance. */
struct memory_disk *memory_disk_after_power_cut(struct memory_disk *memory,
                                                uint64_t (*next_random)(void *arg), void *arg);

/* A disk of its own with everything that this one shows, synced or not, and its knowledge of what
 * is synced: all processes were killed. */
struct memory_disk *memory_disk_after_kill(struct memory_disk *memory);

#endif
