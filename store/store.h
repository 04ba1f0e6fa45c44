/* SPDX-License-Identifier: MIT */
/* Opening a store in the way of tests; the rest of store.c is in anystore.h. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "anystore.h"

struct disk;

/* anystore_open with another table of disk calls. */
struct anystore *store_open_on_disk(const struct anystore_options *options, const struct disk *disk,
                                    struct anystore_error *error);

#endif
