/* SPDX-License-Identifier: MIT */
/* How long a round of group commit waits for the callers of the round before.
 *
 * Clients that write one thing after the other come back just after they were answered.  A round
 * that began with those who were waiting at that moment would leave the others to the next, and so
 * on for ever: two halves that take turns, each round half as large as it could be.  So a round
 * waits until as many have come as the one before had, with those that were waiting already; not
 * for long, and not at all if lately that was in vain. */
#ifndef STORE_COMMIT_GATHER_H
#define STORE_COMMIT_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the commit thread.  All zero at the start. */
struct gather {
    size_t expected;   /* requests that may come at once; 0 or 1: nothing to wait for */
    uint64_t until_us; /* the end of waiting, on the monotonic clock */
    unsigned in_vain;  /* times in a row that not all came */
    unsigned rest;     /* rounds that are not to wait */
};

/* A round of `ran` requests that took so long has ended at that moment, and its callers are about
 * to be told; `waiting` others are in the queue. */
void gather_note_round(struct gather *gather, size_t ran, size_t waiting, uint64_t took_us,
                       uint64_t now_us);

/* Whether the round that is about to begin waits for gather->expected requests, until
 * gather->until_us. */
bool gather_begin(struct gather *gather, uint64_t now_us);

/* So many are in the queue at the end of the wait. */
void gather_end(struct gather *gather, size_t waiting);

#endif
