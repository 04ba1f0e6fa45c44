/* SPDX-License-Identifier: MIT */
/* Long calls in slices.
 *
 * Some commands do work without bound that need not happen at one moment.  Such a command asks
 * call_yields whether its slice of time is over; if it is, the command returns without a reply.
 * The host calls it again in a later turn, after other clients, and it goes on from what it kept
 * in its slices.  Where a call must happen at one moment (in EXEC, in an update), call_yields is
 * always false.
 *
 * Such commands have COMMAND_SLICED, and their calls that may be long have COMMAND_LONG. */
#ifndef COMMAND_SLICES_H
#define COMMAND_SLICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/buffer.h"

struct call;

/* What a command keeps between its slices.  All bytes are zero at first.  The host frees it when
 * the call has replied or its client is gone. */
struct call_slices {
    size_t at;       /* how far the command is, for example the next argument */
    uint64_t cursor; /* the same for a walk over keys */
    uint64_t count, seen;
    struct resp_buffer kept; /* parts of the reply */
    void *state;             /* anything else */
    void (*free_state)(void *state);

    /* The host's own members. */
    int64_t until_ns; /* when the slice is over, by the steady clock; 0: never */
    int64_t spent_ns; /* spent by earlier slices */
    bool unfinished;  /* call_yields has returned true */
};

/* Whether the command has to stop for now.  It reads the clock, so ask once in some tens of
 * microseconds of work. */
bool call_yields(struct call *call);

/* Frees what was kept, and sets all bytes to zero. */
void slices_free(struct call_slices *slices);

#endif
