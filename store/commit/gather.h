/* SPDX-License-Identifier: MIT */
/* How long a round of group commit waits for the callers of the round before.
 *
 * Clients that write one thing after the other come back just after they were answered.  If a round
 * began at once, with the updates that wait at that moment, the others would be left to the next
 * one, and so on for ever: two halves that take turns, each round half as large as it could be.  So
 * a round waits until as many updates have come as the previous round had, those included that were
 * waiting already.  It does not wait for long, and not at all if that was in vain lately. */
#ifndef STORE_COMMIT_GATHER_H
#define STORE_COMMIT_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of the commit thread.  All zero at the start. */
struct gather {
    size_t expected;   /* updates that may come soon; 0 or 1: there is nothing to wait for */
    uint64_t until_us; /* the end of waiting, on the monotonic clock */
    unsigned in_vain;  /* waits in a row in which not all came */
    unsigned rest;     /* rounds that begin without a wait */
};

/* A round has ended at now_us: it ran `ran` updates and took took_us.  Its callers are about to be
 * told; `waiting` others are in the queue. */
void gather_note_round(struct gather *gather, size_t ran, size_t waiting, uint64_t took_us,
                       uint64_t now_us);

/* Whether the round that is about to begin must wait, for gather->expected updates or until
 * gather->until_us. */
bool gather_begin(struct gather *gather, uint64_t now_us);

/* The wait is over: `waiting` updates are in the queue. */
void gather_end(struct gather *gather, size_t waiting);

#endif
