/* SPDX-License-Identifier: MIT */
/* What a request needs before it can run: found without running it. */
#ifndef SERVER_SESSION_NEEDS_H
#define SERVER_SESSION_NEEDS_H

#include <stdbool.h>

#include "server/data/databases.h"

struct call;

struct needs {
    unsigned flags; /* enum command_flags; for EXEC also of what is queued */
    /* Databases that are read or written; if they are several, they have to be there together. */
    database_bits read, write;
    database_bits open; /* have to be open, and are made if they are not there: to be watched, or
                         * looked into */
    bool swap;          /* the two of `write` change places */
    bool fresh;         /* tells of all databases: they have to be brought up to date first */
};

/* Of a request whose checks have been made. */
struct needs needs_of(const struct call *call);

static inline database_bits needs_databases(const struct needs *needs)
{
    return needs->read | needs->write;
}

/* Whether EXEC is to be refused: what is queued writes in more than one database, and each has a commit
 * of its own. */
bool needs_too_many(const struct call *call, const struct needs *needs);

#endif
