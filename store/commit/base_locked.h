/* SPDX-License-Identifier: MIT */
/* Writing a base at once, under the file lock: for the first file of a store, and for an exchange.
 * base_beside.h has the other way, which lets commits go on. */
#ifndef STORE_COMMIT_BASE_LOCKED_H
#define STORE_COMMIT_BASE_LOCKED_H

#include "anystore.h"

struct anystore;

/* Writes the map as a file of its own, with a new file id, and puts it in place.  The file lock is
 * held and the map is up to date.  store_id NULL: it is the first file of a new store. */
enum anystore_status base_write_locked(struct anystore *store, const uint8_t *store_id,
                                       struct anystore_error *error);

#endif
