/* SPDX-License-Identifier: MIT */
/* What a call needs before it can run. */
#ifndef COMMAND_NEEDS_H
#define COMMAND_NEEDS_H

#include <stdbool.h>

#include "command/database_bits.h"
#include "command/table.h"

struct needs {
    /* enum command_flags and command_own_flags; of EXEC also those of the queued calls. */
    unsigned flags;
    /* Databases that the call reads or writes.  It needs all of them at the same time. */
    database_bits read, write;
    /* Databases that must be open; they are made if they do not exist: WATCH and INFO need that. */
    database_bits open;
    bool swap;  /* SWAPDB: the two databases of `write` change places */
    bool fresh; /* the reply covers all databases: they are brought up to date first */
};

static inline database_bits needs_databases(const struct needs *needs)
{
    return needs->read | needs->write;
}

/* Whether the call uses a transaction. */
static inline bool needs_map(const struct needs *needs)
{
    return (needs->flags & NEEDS_MAP) != 0 || needs_databases(needs) != 0;
}

#endif
