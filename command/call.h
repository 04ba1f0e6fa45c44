/* SPDX-License-Identifier: MIT */
/* A call: one command with its arguments, the transactions that it may use, and its reply. */
#ifndef COMMAND_CALL_H
#define COMMAND_CALL_H

#include <stdbool.h>
#include <stddef.h>

#include "anystore.h"
#include "command/database_bits.h"
#include "resp/parser.h"
#include "resp/writer.h"

struct command;
struct call_slices;
struct command_host;
struct session;

/* The transactions that calls may use, and what they may do with them.  With nothing but
 * `database` set, a call may use none. */
struct scope {
    unsigned database;
    struct anystore_txn *txn;         /* on `database`: a view or an update; NULL: not usable */
    database_bits databases;          /* one call over several databases: these; otherwise 0 */
    struct anystore_txn *const *txns; /* on these, by number; NULL: not usable */
    /* Of several databases, the one whose commit comes first.  If its commit fails, the store
     * undoes the changes in the others, and needs their journals for that; see anystore_settle. */
    database_bits commits_first;
    bool updating;       /* the transactions are updates; otherwise they are views */
    bool rewriting;      /* the update writes a new base, too */
    bool fresh;          /* all databases have been brought up to date */
    const char *refusal; /* the error for a call that needs what it may not use or write; or NULL */
};

/* One command of one client that is being run. */
struct call {
    const struct command_host *host; /* the program that runs the call, see host.h */
    struct session *session;         /* the client's session; only the host looks into it */
    const struct command *command;   /* for a subcommand, its own row */
    unsigned database;               /* the selected database */
    /* The transaction on the selected database: to read with COMMAND_READONLY, also to change
     * with COMMAND_WRITE.  Commands with neither flag must not use it. */
    struct anystore_txn *txn;
    const struct scope *scope; /* all transactions that the call may use, see call_txn */
    size_t argc;               /* >= 1 */
    const struct resp_arg *argv;
    struct resp_writer *reply; /* the command writes exactly one reply */
    /* For confirmations, which even a client that wants no replies gets. */
    struct resp_writer *push;
    /* The store refused a change.  Earlier changes of the command are still in the transaction,
     * so the host must roll them back. */
    bool store_failed;
    struct call_slices *slices; /* of commands with COMMAND_SLICED, see slices.h */
    bool in_exec;               /* the call was queued; EXEC runs it */
    size_t hits, misses;        /* lookups that access.h has counted */
};

#endif
