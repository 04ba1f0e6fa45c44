/* SPDX-License-Identifier: MIT */
/* A base that is written beside running commits.
 *
 * The commit thread begins it and puts it in place, under the file lock; what takes long is done in
 * between by a thread of its own, which holds no lock for longer than it takes to copy a few keys:
 *
 *     begin   (commit thread, file lock)  make the file, note the position G in the data file
 *     write   (base thread)               the map, step by step, as it is at each step; then all commits
 *                                         that the data file has behind G, as they are; a second copy
 *     finish  (commit thread, file lock)  the few commits since, the mark, put it in place
 *     clean   (base thread)               remove what is left over
 *
 * Why that is the state of the last commit: who changes a key while the map is walked publishes a commit
 * behind G, so what it holds of the key stands in the base again, later than anything the walk wrote.
 * A record says what holds afterwards; so it does not matter that the walk may have seen it already.
 *
 * One process at a time writes a base: it holds the claim (disk.h) from begin to clean.  The two files
 * have names of their own, so nobody else touches them; and before one takes the data file's name it is
 * looked at whether it is the one that was made. */
#ifndef STORE_COMMIT_BASE_BESIDE_H
#define STORE_COMMIT_BASE_BESIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "store/commit/queue.h"
#include "store/format/segment.h"

struct anystore;

/* Whose turn it is; that thread alone uses the rest. */
enum base_phase {
    BASE_IDLE,    /* commit thread: may begin */
    BASE_WRITING, /* base thread */
    BASE_READY,   /* commit thread: finish */
    BASE_CLEANUP, /* base thread */
    BASE_CLEANED  /* commit thread: tell who asked for it */
};

struct base_job {
    enum base_phase phase; /* guard: base_mutex */
    atomic_bool stop;      /* the store is closed and nobody waits for the base */
    int claim, fd, copy_fd;
    int old_fd;     /* the data file that the base took the place of */
    struct stat st; /* of fd: st_dev and st_ino */
    bool clones;    /* the copy is cloned at the end, not written along */
    bool writing;   /* writer has begun */
    bool installed;
    bool outdated;    /* another base came in between: nothing failed, but this one is no use */
    uint64_t settled; /* bytes that are synced, and in the copy */
    struct segment_writer writer;
    struct chain read; /* the position in the data file up to which the base has its commits */
    enum anystore_status status;
    struct anystore_error error;
    struct queued *waiting; /* who waits for it; commit thread */
};

/* Begins a base.  The file lock is held and the map is up to date.  False if another process is writing
 * one.  Otherwise job->status tells whether to go on to write or, after a failure, to clean. */
bool base_job_begin(struct anystore *store, struct base_job *job);

/* The long part.  No lock is held. */
void base_job_write(struct anystore *store, struct base_job *job);

/* Puts the base in place, unless something failed before.  The file lock is held and the map is up to
 * date. */
void base_job_finish(struct anystore *store, struct base_job *job);

/* Removes what is left over and gives the claim back; after begin said true, whatever happened since. */
void base_job_clean(struct anystore *store, struct base_job *job);

/* Writes each key that is in the map from the beginning to the end of the walk; and of others, whatever
 * it meets.  Calls on_step now and then, between two records, and stops when that returns false.
 * No lock is held. */
typedef bool base_step_fn(struct anystore *store, struct base_job *job);
void base_walk(struct anystore *store, struct base_job *job, base_step_fn *on_step);

#endif
