/* SPDX-License-Identifier: MIT */
/* What a session keeps between MULTI and EXEC: the queued commands and the watched keys.
 *
 * Belongs to the session: used by whichever thread has that. */
#ifndef SERVER_SESSION_TRANSACTION_H
#define SERVER_SESSION_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>

#include "anystore.h"
#include "resp/parser.h"
#include "server/data/databases.h"

struct command;
struct call;

/* A command and its arguments, in one piece of memory. */
struct queued_command {
    const struct command *command;
    size_t argc;
    struct resp_arg *argv; /* points behind itself for the bytes */
    size_t bytes;
};

struct watched_key; /* an anystore_watch and its key */

/* The keys of WATCH, found by their hash: so it does not matter how many there are. */
struct watched_keys {
    struct watched_key *list;  /* the last one first */
    struct watched_key *first; /* the end of the list */
    struct watched_key **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t count;
    size_t bytes;            /* memory of the list */
    database_bits databases; /* of the keys */
};

struct transaction {
    bool open;   /* MULTI was called */
    bool failed; /* a command could not be queued: EXEC is to refuse */
    struct queued_command *queue;
    size_t count, capacity;
    size_t bytes; /* memory of the arguments */
    struct watched_keys watched;
    struct watched_key *unwatched; /* not watched any more; transaction_tidy frees them */
    size_t unwatched_bytes;
};

/* Copies a command into the queue.  False if memory is short. */
bool transaction_queue(struct transaction *transaction, const struct command *command,
                       const struct resp_arg *argv, size_t argc);

/* The i-th queued command as a call of its own, which is like the given EXEC in all else. */
struct call transaction_call(const struct transaction *transaction, size_t i,
                             const struct call *exec);

/* Bytes that the queue and the watched keys take in memory. */
size_t transaction_memory(const struct transaction *transaction);

/* Ends the transaction: forgets the queue, not the watched keys. */
void transaction_end(struct transaction *transaction);

/* Watches a key of a database, whose store and a transaction on it are given, from now on; once is
 * enough.  False if memory is short. */
bool transaction_watch(struct transaction *transaction, unsigned database, struct anystore *store,
                       struct anystore_txn *txn, const struct resp_arg *key);

/* The databases of the watched keys. */
database_bits transaction_watched(const struct transaction *transaction);

/* Whether a watched key was changed; the request is the EXEC. */
bool transaction_broken(const struct transaction *transaction, const struct call *call);

/* No key is watched any more.  Takes no time, however many there were: they are still to be
 * freed. */
void transaction_unwatch(struct transaction *transaction);

/* Frees some of the keys that are not watched any more.  Whether there are more. */
bool transaction_tidy(struct transaction *transaction);

/* Ends and unwatches: it can be used again. */
void transaction_free(struct transaction *transaction);

#endif
