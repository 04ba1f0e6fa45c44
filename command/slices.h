/* SPDX-License-Identifier: MIT */
/* Long calls in slices.
 *
 * A command whose work has no bound, and need not be done at one moment, stops when a slice of time is
 * over: call_yields says so, and the command returns without having replied.  It is called again in a
 * later turn, when other clients have been served, and goes on from what it kept in its slices.  Where
 * a call must be done at one moment (in EXEC, in an update), call_yields never says so.
 *
 * Commands that work so carry COMMAND_SLICED for calls that may be long. */
#ifndef COMMAND_SLICES_H
#define COMMAND_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/buffer.h"

struct call;

/* What a command keeps between its slices; all bytes zero at first.  The host frees it when the call
 * has replied or its client is gone. */
struct call_slices {
    size_t at;       /* how far it is: an argument, say */
    uint64_t cursor; /* the same in a walk */
    uint64_t count, seen;
    struct resp_buffer kept; /* parts of the reply */
    void *state;             /* anything else */
    void (*free_state)(void *state);

    /* The host's. */
    int64_t until_ns; /* of the steady clock: the slice is over then; 0: never */
    int64_t spent_ns; /* by the slices before */
    bool unfinished;  /* call_yields has said so */
};

/* Whether the command has to stop for now.  Reads the clock: once for some tens of microseconds of
 * work is enough. */
bool call_yields(struct call *call);

/* Frees what was kept: all bytes are zero again. */
void slices_free(struct call_slices *slices);

#endif
