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

/* Opens what the path names, into news->fd and news->st.  The length is of a moment when the path
 * named that file.  When it has become the spare, later commits may be written within that length,
 * into its room: R4 says what a reader may believe. */
enum anystore_status data_file_open(const struct anystore *store, struct news *news, bool first,
                                    struct anystore_error *error);

/* Reads the header and checks that the file is this store's.  *same says whether it has the file id
 * of what is loaded.  If not, news->chain becomes the start of its chain. */
enum anystore_status data_file_check(struct anystore *store, struct news *news, bool first,
                                     bool *same, struct anystore_error *error);

/* A file with the loaded id must hold what is loaded: it is as long at least, and has the same
 * segment at that place, by its tag.  REPLACED if not. */
enum anystore_status data_file_must_grow_on(const struct anystore *store, const struct news *news,
                                            struct anystore_error *error);

/* Whether the path has stopped to name the file of the news.  Then that is the spare, and what was
 * read beyond the mark may be a commit that is being written, or a piece of one. */
bool data_file_has_moved_on(const struct anystore *store, const struct news *news);

/* Takes from the header what depends on the store's id: the id itself, the mask of the mark, the
 * seed of the map, which must be empty.  Due as soon as the id is known; the file lock is held. */
enum anystore_status data_file_learn_secrets(struct anystore *store,
                                             const struct format_header *header,
                                             struct anystore_error *error);

/* The error of a file that is not what it was: "<path> <what>; put the file back, ...". */
enum anystore_status data_file_replaced(const struct anystore *store, const char *what,
                                        struct anystore_error *error);

#endif
