/* SPDX-License-Identifier: MIT */
/* Opening the file that a store's path names, and checking that it is the store's. */
#ifndef STORE_COMMIT_DATA_FILE_H
#define STORE_COMMIT_DATA_FILE_H

#include <stdbool.h>

#include "store/commit/news.h"

struct anystore;

/* In all of these refresh_mutex is held; `first` says that nothing is loaded yet. */

/* Whether the path names the file that is loaded, and nothing stands behind what is loaded. */
bool data_file_has_nothing_new(const struct anystore *store);

/* Opens what the path names, into news->fd and news->st: the length is of a moment when the path
 * named it.  What is written to it later, when it is the spare, may be within that, in its room:
 * refresh.c minds that. */
enum anystore_status data_file_open(const struct anystore *store, struct news *news, bool first,
                                    struct anystore_error *error);

/* Reads the header and checks that the file is this store's; *same tells whether it has the id of
 * what is loaded.  For a file of another id news->chain is its start then. */
enum anystore_status data_file_check(struct anystore *store, struct news *news, bool first,
                                     bool *same, struct anystore_error *error);

/* A file of the id that is loaded must hold what is loaded: it is as long, and has the same segment
 * there, by its tag.  REPLACED if not. */
enum anystore_status data_file_must_grow_on(const struct anystore *store, const struct news *news,
                                            struct anystore_error *error);

/* Whether the path does not name the file of the news any more.  Then it is the spare, and what was
 * read beyond the mark may be of a commit that is being written, or a piece of one. */
bool data_file_has_moved_on(const struct anystore *store, const struct news *news);

/* Takes from the header what the store's id decides: the id, the mask of the mark, the seed of the
 * still empty map.  The first thing when an id is known; the file lock is held. */
enum anystore_status data_file_learn_secrets(struct anystore *store,
                                             const struct format_header *header,
                                             struct anystore_error *error);

/* The error of a file that is not what it was: "<path> <what>; ..." */
enum anystore_status data_file_replaced(const struct anystore *store, const char *what,
                                        struct anystore_error *error);

#endif
