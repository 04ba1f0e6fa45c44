/* SPDX-License-Identifier: MIT */
/* Stores that belong together, for the tests of transactions over several. */
#ifndef TESTS_STORE_SIBLINGS_H
#define TESTS_STORE_SIBLINGS_H

#include "anystore.h"

struct disk;

#define COUNT 3

/* The siblings as one process has them open; the files are directory/a, b and c. */
struct siblings {
    struct anystore *stores[COUNT];
};

struct anystore *siblings_open(const char *path, struct anystore *sibling, const struct disk *disk,
                               struct anystore_error *error);
void siblings_start(struct siblings *process, const char *directory, const struct disk *disk);
void siblings_end(struct siblings *process);
void siblings_put(struct anystore_txn *txn, const char *key, const char *text);

#endif
