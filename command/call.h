/* SPDX-License-Identifier: MIT */
/* A call: one command that is being run, with its arguments, its maps and its reply. */
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

/* What calls may use of the databases.  With nothing but `database` set no map can be used. */
struct scope {
    unsigned database;
    struct anystore_txn *txn; /* of `database`: a view or an update; NULL: it cannot be used */
    database_bits databases;  /* one call over several: these; else 0 */
    struct anystore_txn *const *txns; /* of these, by number; NULL as txn */
    /* Of several: the one whose commit comes first. If it fails, the changes in the others are
     * undone by the store, which needs their journals for that; see anystore_settle. */
    database_bits commits_first;
    bool updating;  /* else it is a view */
    bool rewriting; /* an update that writes a new base */
    bool fresh;     /* all databases have been brought up to date */
    const char
        *refusal; /* the error of a call that needs what cannot be used or written; or NULL */
};

/* One command of one client being run. */
struct call {
    const struct command_host *host; /* who runs it, see host.h */
    struct session *session;         /* whose call it is; only the host looks into it */
    const struct command *command;   /* the subcommand's row where there is one */
    unsigned database;               /* the selected one */
    /* The map of the selected database: to read with COMMAND_READONLY, to change too with
     * COMMAND_WRITE.  Commands with neither flag must not use it. */
    struct anystore_txn *txn;
    const struct scope *scope; /* the maps that can be used, see call_txn */
    size_t argc;               /* >= 1 */
    const struct resp_arg *argv;
    struct resp_writer *reply; /* the command writes exactly one reply */
    struct resp_writer
        *push; /* for confirmations that the client gets though it wants no replies */
    /* Set when the store refused a change: what the command had changed before that is still in the
     * transaction, which is therefore not to be committed. */
    bool store_failed;
    struct call_slices *slices; /* of a command with COMMAND_SLICED, see slices.h */
    bool in_exec;               /* EXEC runs it */
    size_t hits, misses;        /* lookups that read_key and count_lookup have counted */
};

#endif
