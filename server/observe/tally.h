/* SPDX-License-Identifier: MIT */
/* Counts how often each command was called, how long it took, and which errors were replied.
 *
 * Each thread that runs commands counts in a block of its own, so that counting touches no cache
 * line that other threads write; a reader adds the blocks up.  The commit threads share one block:
 * they wait for a disk anyway.  All functions may be called on any thread unless they say
 * otherwise. */
#ifndef SERVER_OBSERVE_TALLY_H
#define SERVER_OBSERVE_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/observe/histogram.h"

struct tally;
struct tally_block;

/* A tally of commands with numbers below `commands`; NULL if memory is short. */
struct tally *tally_new(size_t commands);
void tally_free(struct tally *tally); /* frees all blocks, too; takes NULL */

/* A new block for one thread, NULL if memory is short.  It belongs to the tally. */
struct tally_block *tally_block_new(struct tally *tally);

/* The block of all threads that have none of their own. */
struct tally_block *tally_shared(struct tally *tally);

/* Starts all counts again. */
void tally_reset(struct tally *tally);

/* Counts a call.  A duration below zero, in nanoseconds, is unknown.  Only on the block's
 * thread. */
void tally_call(struct tally_block *block, size_t number, int64_t ns, bool failed,
                bool with_histogram);

/* Counts a call that was refused before it ran.  Only on the block's thread. */
void tally_reject(struct tally_block *block, size_t number);

/* Counts an error by its code, which is the first word of `error`, without the "-". */
void tally_error(struct tally *tally, const void *error, size_t size);

struct tally_counts {
    uint64_t calls, ns, rejected, failed;
    struct histogram_counts durations;
};

void tally_collect(struct tally *tally, size_t number, struct tally_counts *counts);

/* Calls fn for each error code that was counted. */
typedef void tally_error_fn(const char *code, uint64_t count, void *arg);
void tally_each_error(struct tally *tally, tally_error_fn *fn, void *arg);

#endif
