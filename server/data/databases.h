/* SPDX-License-Identifier: MIT */
/* The databases that SELECT chooses from: a store each, with a file of its own beside the first
 * one's.
 *
 * The first, number 0, is there from the start.  Another one's file is made when it is first
 * written to, by whichever process; until then it reads as empty.  What may wait for the disk,
 * opening a database and using several together, is done on a thread of its own. */
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
    /* Of the first; its key must stay until databases_free.  What it says of expiry is not used,
     * but: */
    struct anystore_options first;
    void (*on_expired)(unsigned database, const void *key, size_t key_size, void *arg);
    bool (*wants_expired)(void *arg);
    void *expired_arg;
    unsigned count;
    struct log *log;
};

/* Opens the first database and all others below `count` that have a file.  NULL and *error on
 * failure. */
struct databases *databases_new(const struct databases_options *options,
                                struct anystore_error *error);

/* Ends the thread, when it has done what was submitted, and closes all.  Takes NULL. */
void databases_free(struct databases *databases);

/* What follows may be called on any thread. */

/* The store of a database; NULL: it is not open. */
struct anystore *databases_store(const struct databases *databases, unsigned number);

/* The store to read a database from: its own, or an empty one if there is no file of it yet.  NULL:
 * there is one, but it is not open. */
struct anystore *databases_to_read(const struct databases *databases, unsigned number);

/* Those that are open. */
database_bits databases_opened(const struct databases *databases);

/* Those that are open or have a file. */
database_bits databases_present(const struct databases *databases);

/* Why commits fail: the reason that one of those that are open gives, ANYSTORE_OK if none does.
 * After a failure the databases' thread tries a commit now and then, so that this becomes
 * ANYSTORE_OK when commits work again, though nobody writes meanwhile.  A few loads. */
enum anystore_status databases_last_failure(const struct databases *databases);

/* The sums over all that are open.  The figures of the last commit and copy_method are those of the
 * latest one; a failure is one of any of them.  mean_expiry_ms is not set. */
void databases_stats(const struct databases *databases, struct anystore_stats *stats);

/* Work for the thread, which owns it from submission until `run` is called. */
struct database_job {
    void (*run)(struct database_job *job);
    struct database_job *next;
};

void databases_submit(struct databases *databases, struct database_job *job);

/* On the thread only: opens those of a set that are not open, and makes their files if there are
 * none. ANYSTORE_OK, or why one could not be opened. */
enum anystore_status databases_open(struct databases *databases, database_bits bits,
                                    struct anystore_error *error);

#endif
