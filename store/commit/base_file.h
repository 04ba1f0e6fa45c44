/* SPDX-License-Identifier: MIT */
/* What the two ways to write a base share: the beginning of its file, and what follows when it is
 * in place. */
#ifndef STORE_COMMIT_BASE_FILE_H
#define STORE_COMMIT_BASE_FILE_H

#include "anystore.h"
#include "store/format/chain.h"

struct anystore;
struct stat;

/* Begins a new file: writes a fresh header, of the given store (NULL: of a new one), into the empty
 * file fd and gives the chain's start.  `path` is for error texts.  Any thread. */
enum anystore_status base_file_begin(const struct anystore *store, int fd, const char *path,
                                     const uint8_t *store_id, struct chain *chain,
                                     struct anystore_error *error);

/* The base in fd is in place and ends at `chain`: it is what is loaded from now on.  Returns the
 * descriptor of what was loaded before, or -1.  File lock; refresh_mutex is not held. */
int base_file_adopt(struct anystore *store, int fd, const struct stat *st,
                    const struct chain *chain);

#endif
