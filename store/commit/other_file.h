/* SPDX-License-Identifier: MIT */
/* Reading a file with another id than the loaded one: a new base has taken its place, or a file
 * that does not belong to this history. */
#ifndef STORE_COMMIT_OTHER_FILE_H
#define STORE_COMMIT_OTHER_FILE_H

#include <stdbool.h>

#include "store/commit/news.h"

struct anystore;

/* Goes with the reader, which stands at the file's start, to the end of its base.  In this order:
 *
 *     the base is of the loaded generation          there is nothing to read: it is adopted
 *     the file that is loaded leads to the base     its commits go into the news
 *     else                                          the base is read: news->reload
 *
 * `first`: nothing is loaded.  REPLACED if the base is older than what is loaded.  refresh_mutex is
 * held. */
enum anystore_status other_file_read(struct anystore *store, struct news *news, bool first,
                                     struct segment_reader *reader);

#endif
