/* SPDX-License-Identifier: MIT */
/* What a session keeps between MULTI and EXEC: the queued commands and the watched keys.
 *
 * Belongs to the session: used by whichever thread has that. */
#ifndef SERVER_TRANSACTION_H
#define SERVER_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>

#include "anystore.h"
#include "resp/parser.h"

struct command;
struct server;

/* A command and its arguments, in one piece of memory. */
struct queued_command {
    const struct command *command;
    size_t argc;
    struct resp_arg *argv; /* points behind itself for the bytes */
    size_t bytes;
};

struct watched_key; /* an anystore_watch and its key */

struct transaction {
    bool open;   /* MULTI was called */
    bool failed; /* a command could not be queued: EXEC is to refuse */
    struct queued_command *queue;
    size_t count, capacity;
    unsigned flags; /* enum command_flags of all that is queued, together */
    size_t bytes;   /* memory of the arguments */
    struct watched_key *watched;
};

/* Copies a command into the queue.  False if memory is short. */
bool transaction_queue(struct transaction *transaction, const struct command *command,
                       const struct resp_arg *argv, size_t argc);

/* Ends the transaction: forgets the queue, not the watched keys. */
void transaction_end(struct transaction *transaction);

/* Watches a key from now on; once is enough.  False if memory is short. */
bool transaction_watch(struct transaction *transaction, struct anystore_txn *txn,
                       const struct resp_arg *key);

/* Whether a watched key was changed. */
bool transaction_broken(const struct transaction *transaction, const struct anystore_txn *txn);

void transaction_unwatch(struct transaction *transaction, struct anystore *store);

/* Ends and unwatches, and frees everything: it can be used again. */
void transaction_free(struct transaction *transaction, struct anystore *store);

#endif
