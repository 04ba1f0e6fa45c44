/* SPDX-License-Identifier: MIT */
/* What a call needs before it can run. */
#ifndef COMMAND_NEEDS_H
#define COMMAND_NEEDS_H

#include <stdbool.h>

#include "command/database_bits.h"
#include "command/table.h"

struct needs {
    unsigned flags; /* enum command_flags; for EXEC also of what is queued */
    /* Databases that are read or written; if they are several, they have to be there together. */
    database_bits read, write;
    database_bits open; /* have to be open, and are made if they are not there: to be watched, or
                         * looked into */
    bool swap;          /* the two of `write` change places */
    bool fresh;         /* tells of all databases: they have to be brought up to date first */
};

static inline database_bits needs_databases(const struct needs *needs)
{
    return needs->read | needs->write;
}

/* Whether the call uses the map of a database. */
static inline bool needs_map(const struct needs *needs)
{
    return (needs->flags & NEEDS_MAP) != 0 || needs_databases(needs) != 0;
}

#endif
