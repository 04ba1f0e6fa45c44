/* SPDX-License-Identifier: MIT */
/* Writing a base beside running commits.
 *
 * The commit thread begins the base and puts it in place, under the file lock.  The base thread
 * does the long part in between; it holds no lock for longer than it takes to copy a few keys:
 *
 *     begin   commit thread, file lock  makes the files, notes the position G in the data file
 *     write   base thread               writes the map step by step, as it is then; then all
 *                                       commits behind G in the data file, as they are; along
 *                                       with it a second copy
 *     finish  commit thread, file lock  writes the few commits since and the mark; puts the base
 *                                       in place
 *     clean   base thread               removes what is left over
 *
 * Why the result is the state of the last commit: if a key is changed while the map is walked, that
 * change is published by a commit behind G.  So what the commit says of the key stands in the base
 * again, later than anything that the walk wrote.  A record says what holds afterwards; so it does
 * no harm if the walk has met the changed key, too.
 *
 * One process at a time writes a base: it holds the claim (a byte of the lock file) from begin to
 * clean.  The two files have names of their own, so nobody else touches them.  All the same, before
 * one takes the data file's name its identity is checked: somebody may have removed or replaced
 * it. */
#ifndef STORE_COMMIT_BASE_BESIDE_H
#define STORE_COMMIT_BASE_BESIDE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "store/format/segment.h"

struct anystore;

struct base_job {
    atomic_bool stop; /* the store is closed and nobody waits for the base */
    int claim, fd, copy_fd;
    int old_fd;      /* the data file that the base took the place of */
    struct stat st;  /* of fd: st_dev and st_ino */
    bool clones;     /* the copy is cloned at the end, not written along */
    bool writing;    /* writer has begun */
    bool installed;  /* the base is the data file */
    bool outdated;   /* another base came in between: nothing failed, but this one is no use */
    uint64_t synced; /* bytes that are on the disk, and in the copy */
    struct segment_writer writer;
    struct chain read; /* the position in the data file up to which the base has its commits */
    enum anystore_status status;
    struct anystore_error error;
};

/* Begins a base.  The file lock is held and the map is up to date.  False if another process is
 * writing one.  Otherwise job->status says whether to go on to write or, after a failure, to
 * clean. */
bool base_beside_begin(struct anystore *store, struct base_job *job);

/* The long part.  No lock is held. */
void base_write_beside(struct anystore *store, struct base_job *job);

/* Puts the base in place, unless something failed before.  The file lock is held and the map is up
 * to date. */
void base_beside_finish(struct anystore *store, struct base_job *job);

/* Removes what is left over and gives the claim back.  Due once begin has returned true, whatever
 * happened since. */
void base_beside_clean(struct anystore *store, struct base_job *job);

/* Removes what a dead process left of a base, unless a living process is writing one.  The file
 * lock is held. */
void base_beside_remove_leftovers(struct anystore *store);

#endif
