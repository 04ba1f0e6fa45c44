/* SPDX-License-Identifier: MIT */
/* The databases that SELECT chooses from.  Each is a store with a file of its own, beside the file
 * of the first one.
 *
 * The first, number 0, is there from the start.  Any process makes another one's file when it first
 * writes to it; until then the database reads as empty.  Work that may wait for the disk (opening a
 * database, using several together) runs on a thread of its own. */
#ifndef SERVER_DATA_DATABASES_H
#define SERVER_DATA_DATABASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anystore.h"
#include "command/database_bits.h"

struct databases;
struct log;

struct databases_options {
    /* Of the first database; its key must stay until databases_free.  Instead of its callbacks
     * about expiry, these are called: */
    struct anystore_options first;
    void (*on_expired)(unsigned database, const void *key, size_t key_size, void *arg);
    bool (*wants_expired)(void *arg);
    void *expired_arg;
    unsigned count;
    struct log *log;
};

/* Opens the first database and each other below `count` that has a file.  NULL and *error on
 * failure. */
struct databases *databases_new(const struct databases_options *options,
                                struct anystore_error *error);

/* Ends the thread once all submitted jobs are done, and closes all databases.  Takes NULL. */
void databases_free(struct databases *databases);

/* The functions below may be called on any thread, unless they say otherwise. */

/* The store of a database; NULL: it is not open. */
struct anystore *databases_store(const struct databases *databases, unsigned number);

/* The store for reading a database: its own, or an empty one if the database has no file yet. NULL:
 * there is a file, but it is not open. */
struct anystore *databases_to_read(const struct databases *databases, unsigned number);

/* The open databases. */
database_bits databases_opened(const struct databases *databases);

/* The databases that are open or have a file. */
database_bits databases_present(const struct databases *databases);

/* The reason why commits fail, of one of the open databases; ANYSTORE_OK if they do not fail.
 * After a failure the databases' thread tries a commit now and then, so this returns to ANYSTORE_OK
 * when commits work again, even if nobody writes.  Costs a few loads. */
enum anystore_status databases_last_failure(const struct databases *databases);

/* The sums over all open databases.  The figures of the last commit, and copy_method, are those of
 * the latest one.  A failure is one of any of them.  mean_expiry_ms is not set. */
void databases_stats(const struct databases *databases, struct anystore_stats *stats);

/* A job for the thread, which owns it from its submission until it calls `run`. */
struct database_job {
    void (*run)(struct database_job *job);
    struct database_job *next;
};

void databases_submit(struct databases *databases, struct database_job *job);

/* Opens the databases of a set that are not open, and makes missing files.  Only on the thread.
 * ANYSTORE_OK, or the reason why one could not be opened. */
enum anystore_status databases_open(struct databases *databases, database_bits bits,
                                    struct anystore_error *error);

#endif
