/* SPDX-License-Identifier: MIT */
/* The two copies of the chain, and putting a file in the data file's place.
 *
 * Beside the data file lies a spare: an older state of the same chain, byte for byte.  A commit
 * appends to the spare what it lacks and the new changes, syncs it, and exchanges the two names: so
 * only the change is written, and the path names a complete map before and after.  Then the other
 * copy is the spare, one commit behind.
 *
 * What makes a spare of the same file id usable: writers only ever append to it, under the file
 * lock, first the bytes that the data file has there and then changes of their own.  So whatever a
 * writer that died left behind, it has a beginning in common with the data file, and what is beyond
 * is written over or cut off.  Only a power cut can leave something else (blocks that were never
 * written); no process outlives that, and a process that opens the store throws the spare away.
 * Blocks are compared all the same.
 *
 * The file that was the data file before the last commit that this process knows of stays open.  If
 * it has the spare's name, and its last segment by the tag, it is known how much is in common. */
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
    uint8_t tag[XAES_TAG_BYTES]; /* of a spare: of the segment that ends there */
    /* While a commit uses it. */
    uint64_t size; /* its length, with room */
    bool clean;    /* behind what is in common there was only room */
};

/* What is known of the files.  While a process holds the file lock nobody else changes its data
 * file or its spare; the functions below that do not say otherwise want it to be held. */
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
    /* What was the data file before, of the same file id: it has the spare's name, if nobody else
     * has committed since. */
    struct copy spare;
    bool has_exchange; /* the file system can exchange two names */
    /* Any thread. */
    atomic_uint_fast64_t bytes_copied; /* into the second copy, which it lacked */
    _Atomic(const char *) copy_method; /* how the last commit got a copy to append to */
};

/* No file is open.  Everything given must stay. */
void copies_init(struct copies *copies, const struct disk *disk, const struct paths *paths,
                 const struct store_log *log, struct closer *closer, bool syncs);

/* Closes what is open. */
void copies_free(struct copies *copies);

/* A new, empty file in the place of what a dead process left there, for the only one who may make
 * it: the lock holder, or the process that holds the claim.  -1 and *error on failure. */
int copies_make_file(const struct copies *copies, const char *path, struct anystore_error *error);

/* Throws a file away whose commit failed: it is never synced again. */
void copies_drop_file(const struct copies *copies, int fd, const char *path);

/* ---- A commit ----------------------------------------------------------------------------- */

/* A copy of the data file at the spare's path, to append to: the spare if it can be used, else a
 * new copy. */
enum anystore_status copies_begin(struct copies *copies, struct copy *copy,
                                  struct anystore_error *error);

/* When a commit that ends at `end` has been written to the copy: makes room for the next ones
 * behind it, if there is none.  If that fails the next commit makes the file longer. */
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

/* Before another copy takes the place of `fd`: what is loaded is the spare from now on. */
void copies_keep_spare(struct copies *copies);

/* Closes the spare, for good. */
void copies_forget_spare(struct copies *copies);

/* Has the file closed that was to be the spare, if somebody threw it away: its space is free only
 * then.  The file lock need not be held. */
void copies_close_lost_spare(struct copies *copies);

/* Before a file of another id takes the place of both copies: brings the spare up to the data file,
 * if there is one, for the processes that have it open and will read there what they lack. */
void copies_complete_spare(struct copies *copies);

/* What one has loaded the other has loaded now, and the other way round; neither has a spare. */
void copies_exchange_loaded(struct copies *a, struct copies *b);

/* Aborts if what is known of the files contradicts itself: C1 of the chain (chain.h), and
 *
 * S1. The spare ends where the chain ended once: not behind it, nor inside the header. */
void copies_check(const struct copies *copies);

/* ---- Syncing ------------------------------------------------------------------------------ */

/* Makes durable that the path names the file that it names now.  The file lock need not be held. */
enum anystore_status copies_sync_name(const struct copies *copies, struct anystore_error *error);

#endif
