/* SPDX-License-Identifier: MIT */
/* The two copies of the chain, and putting a file in the data file's place.
 *
 * Beside the data file lies a spare: an older state of the same chain, byte for byte.  A commit
 * appends to the spare what it lacks and the new changes, syncs it, and exchanges the two names: so
 * only the change is written, and the path names a complete map before and after.  Then the other
 * copy is the spare, one commit behind.
 *
 * Why a spare of the same file id can be used: writers only append to it, under the file lock,
 * first the bytes that the data file has there and then changes of their own.  So whatever a dead
 * writer left behind, the spare and the data file have a beginning in common, and what is behind it
 * is written over or cut off.  Only a power cut can leave something else (blocks that were never
 * written).  No process outlives that, and a process that opens the store throws the spare away.
 * Blocks are compared all the same.
 *
 * This process keeps the previous data file open.  If that file has the spare's name now, and still
 * ends with the same segment, by its tag, it is known how much is in common and nothing is
 * compared. */
#ifndef STORE_MEDIUM_COPIES_H
#define STORE_MEDIUM_COPIES_H

#include <stdatomic.h>

#include "store/common/log.h"
#include "store/format/chain.h"
#include "store/medium/closer.h"
#include "store/medium/paths.h"

/* One of the two copies of the data file, open; fd -1: none. */
struct copy {
    int fd;
    struct stat st;      /* of fd: st_dev, st_ino and st_size, as it was loaded or written */
    uint64_t common_end; /* up to here it has the same bytes as the data file */
    uint8_t tag[XAES_TAG_BYTES]; /* of a spare: of the segment that ends at common_end */
    /* While a commit uses it. */
    uint64_t size; /* its length, with room */
    bool clean;    /* only room was behind what is in common */
};

/* What is known of the files.  A function below needs the file lock, unless it says otherwise:
 * while a process holds that, nobody else changes the data file or the spare. */
struct copies {
    /* Constant after open. */
    const struct disk *disk;
    const struct paths *paths;
    const struct store_log *log;
    struct closer *closer;
    bool syncs; /* files and names are synced; else the system decides when */
    /* The data file as it was loaded, or written by this process.  The caller guards this. */
    struct chain chain; /* its end */
    int fd;             /* kept open, so that its inode is not used again; -1: none yet */
    struct stat st;     /* of fd: st_dev, st_ino and st_size */
    /* The previous data file, of the same file id.  It has the spare's name, if nobody else has
     * committed since. */
    struct copy spare;
    bool has_exchange; /* the file system can exchange two names */
    /* Any thread. */
    atomic_uint_fast64_t bytes_copied; /* that the second copy lacked */
    _Atomic(const char *) copy_method; /* how the last commit got a copy to append to */
};

/* No file is open yet.  All that is given must outlive the copies. */
void copies_init(struct copies *copies, const struct disk *disk, const struct paths *paths,
                 const struct store_log *log, struct closer *closer, bool syncs);

/* Closes what is open. */
void copies_free(struct copies *copies);

/* A new, empty file in the place of what a dead process left there; -1 and *error on failure.  Only
 * one process may make a file of that name at a time: the lock holder, or the holder of the claim
 * (LOCKFILE_BASE). */
int copies_make_file(const struct copies *copies, const char *path, struct anystore_error *error);

/* Throws away a file whose commit failed: its sync must never be tried again. */
void copies_drop_file(const struct copies *copies, int fd, const char *path);

/* ---- A commit ----------------------------------------------------------------------------- */

/* A copy of the data file at the spare's path, to append to: the spare if it can be used, else a
 * new copy. */
enum anystore_status copies_begin(struct copies *copies, struct copy *copy,
                                  struct anystore_error *error);

/* A commit that ends at `end` has been written to the copy: makes room behind it for the next ones,
 * if there is none.  Should that fail, the next commit makes the file longer. */
void copies_make_room(struct copies *copies, struct copy *copy, uint64_t end);

/* A commit failed for lack of space: cuts the copy to what it has in common with the data file, so
 * that it can be the spare again.  Throwing it away would not do: other processes may have it open,
 * so that its space would stay taken. */
void copies_cut_back(struct copies *copies, struct copy *copy);

/* Puts the finished file `fd`, which is at `from`, in the place of the data file: sync, exchange of
 * the names (or rename), directory sync.  Without success the path names what it named before, as
 * far as the disk lets us. */
enum anystore_status copies_install(struct copies *copies, int fd, const char *from,
                                    struct anystore_error *error);

/* ---- The spare ---------------------------------------------------------------------------- */

/* Another copy is about to take the place of `fd`: what is loaded becomes the spare.  Any thread
 * that may change what is loaded. */
void copies_keep_spare(struct copies *copies);

/* Closes the spare, for good. */
void copies_forget_spare(struct copies *copies);

/* Has the spare closed if somebody threw it away: only then its space is free.  The file lock need
 * not be held. */
void copies_close_lost_spare(struct copies *copies);

/* A file of another id is about to take the place of both copies: brings the spare, if there is
 * one, up to the data file.  Processes that have it open read there what they lack
 * (other_file.h). */
void copies_complete_spare(struct copies *copies);

/* What one has loaded the other has loaded now, and the other way round; neither has a spare. */
void copies_exchange_loaded(struct copies *a, struct copies *b);

/* Aborts if C1 of the chain (chain.h) does not hold, or
 *
 * S1.  The spare ends where the chain ended once: not behind its end, nor inside the header. */
void copies_check(const struct copies *copies);

/* ---- Syncing ------------------------------------------------------------------------------ */

/* Makes the name durable: after a power cut the path names the file that it names now.  The file
 * lock need not be held. */
enum anystore_status copies_sync_name(const struct copies *copies, struct anystore_error *error);

#endif
