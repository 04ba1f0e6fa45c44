/* SPDX-License-Identifier: MIT */
/* The names of the files of a store: the data file, and those beside it. */
#ifndef STORE_MEDIUM_PATHS_H
#define STORE_MEDIUM_PATHS_H

#include "anystore.h"

/* Constant after open.  All NULL: a store without a file. */
struct paths {
    char *file;       /* the data file */
    char *lock;       /* .lock: the lock and the commit mark; made once, never removed */
    char *spare;      /* .spare: the other copy of the data file */
    char *temp;       /* .tmp: a base that is written under the file lock */
    char *base;       /* .base: one that is written beside commits */
    char *base_spare; /* .base.spare: the second copy of that */
};

/* Sets all of them for the data file at `path`, with links resolved, so that every process uses the
 * same files.  The data file need not exist, but its directory must.  paths_free is due after a
 * failure, too. */
enum anystore_status paths_set(struct paths *paths, const char *path, struct anystore_error *error);

void paths_free(struct paths *paths);

#endif
