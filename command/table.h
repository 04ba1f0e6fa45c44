/* SPDX-License-Identifier: MIT */
/* The command table: one constant row for each command.
 *
 * The rows of a family (strings, keys, ...) stand at the end of the file with its functions,
 * command_<family>.c.  COMMAND, COMMAND DOCS and the README's list come from the rows. */
#ifndef COMMAND_TABLE_H
#define COMMAND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anystore.h"
#include "resp/parser.h"
#include "resp/writer.h"

struct call;
struct command;
struct needs;

/* Redis's flags of the same names.  COMMAND INFO shows all but the last. */
enum command_flags {
    COMMAND_WRITE = 1 << 0,
    COMMAND_READONLY = 1 << 1,
    COMMAND_DENYOOM = 1 << 2,
    COMMAND_ADMIN = 1 << 3,
    COMMAND_PUBSUB = 1 << 4,
    COMMAND_NOSCRIPT = 1 << 5,
    COMMAND_BLOCKING = 1 << 6,
    COMMAND_LOADING = 1 << 7,
    COMMAND_STALE = 1 << 8,
    COMMAND_SKIP_MONITOR = 1 << 9,
    COMMAND_SKIP_SLOWLOG = 1 << 10,
    COMMAND_FAST = 1 << 11,
    COMMAND_NO_AUTH = 1 << 12, /* may run before AUTH */
    COMMAND_ALLOW_BUSY = 1 << 13,
    COMMAND_NO_MULTI = 1 << 14,
    COMMAND_NO_ASYNC_LOADING = 1 << 15,
    COMMAND_MAY_REPLICATE = 1 << 16 /* more than a write (PUBLISH) */
};

/* Our own flags, in the same field. */
enum command_own_flags {
    COMMAND_ALONE = 1 << 20,      /* runs in a commit of its own that writes a new base (SAVE) */
    COMMAND_VIEW = 1 << 21,       /* sees the map, though Redis does not call it a read (WATCH) */
    COMMAND_AT_ONCE = 1 << 22,    /* is not queued after MULTI (DISCARD, QUIT) */
    COMMAND_RUNS_QUEUE = 1 << 23, /* needs what the queued commands need (EXEC) */
    COMMAND_SELECTS = 1 << 24,    /* its argument becomes the selected database */
    COMMAND_WHILE_SUBSCRIBED = 1 << 25, /* a subscribed client of RESP2 may send it */
    COMMAND_PROTECTED = 1 << 26,        /* only as enable-debug-command says */
    COMMAND_WAITS = 1 << 27,            /* takes its time, so not while it holds a map */
    COMMAND_NOT_PAUSED = 1 << 28,       /* runs even during a CLIENT PAUSE ALL */
    COMMAND_SLICED = 1 << 29,           /* may stop and go on later, see slices.h */
    COMMAND_LONG = 1 << 30 /* of a call of such a command: has to, so no update runs it */
};

/* A command with one of these sees a map. */
#define NEEDS_MAP (COMMAND_READONLY | COMMAND_WRITE | COMMAND_ALONE | COMMAND_VIEW)

/* Redis's ACL categories; @fast and @slow, @read, @write and the like that follow from the flags are
 * not written into the rows. */
enum command_categories {
    CATEGORY_KEYSPACE = 1 << 0,
    CATEGORY_STRING = 1 << 1,
    CATEGORY_CONNECTION = 1 << 2,
    CATEGORY_DANGEROUS = 1 << 3,
    CATEGORY_TRANSACTION = 1 << 4,
    CATEGORY_PUBSUB = 1 << 5,
    CATEGORY_BITMAP = 1 << 6,
    CATEGORY_SCRIPTING = 1 << 7,
    CATEGORY_ADMIN = 1 << 8, /* beside what COMMAND_ADMIN implies */
    CATEGORY_LIST = 1 << 9,
    CATEGORY_SET = 1 << 10,
    CATEGORY_SORTEDSET = 1 << 11
};

/* A range of keys among the arguments of a command, which uses all of them in the same way. */
struct key_range {
    /* Redis's key specification flags, blank separated: "RO access", "RW access update"; NULL ends a
     * list. */
    const char *flags;
    const char *notes; /* what Redis notes about the flags; NULL: nothing */
    int first;         /* the argument of the first key; 0: only a call tells */
    int last; /* of the last key, from `first` on; below zero: from the end, -1 the last one */
    int step; /* from key to key */
};

struct command {
    const char *name;               /* lower case; NULL ends a table */
    const char *full_name;          /* "client|id" for a subcommand, NULL: the name */
    void (*run)(struct call *call); /* NULL: only its subcommands can be called */
    int arity;                      /* with the name; negative: at least -arity; as Redis counts */
    unsigned flags;                 /* enum command_flags and command_own_flags */
    unsigned categories;            /* enum command_categories */
    size_t number;                  /* its own, below command_total(); the table sets it */
    const struct key_range *keys;   /* see KEYS; NULL: the command has none */
    /* Where the last range depends on the arguments of a call: sets in *range what is so in that call.
     * `first` stays 0 if the call has no such keys.  NULL: it does not depend on them. */
    void (*call_keys)(size_t argc, const struct resp_arg *argv, struct key_range *range);
    const struct command *subcommands; /* NULL: none */
    const char *since;
    const char *group;
    const char *complexity; /* NULL: not said */
    const char *summary;
    const char *tips; /* Redis's command tips, blank separated; NULL: none */
    const char *deprecated_since, *replaced_by; /* where Redis 7.0 says so; NULL: it does not */
    bool is_system;                             /* Redis calls it a system command */
    /* The flags that one call has beside the row's, where they depend on its arguments; NULL: none. */
    unsigned (*call_flags)(size_t argc, const struct resp_arg *argv);
    /* Whether an argument of a call is a secret, which nobody else may see; NULL: none is. */
    bool (*is_secret)(const struct resp_arg *argv, size_t index);
    /* For a command that uses other databases than the selected one: adds to *needs, which holds what its
     * flags tell, or changes it.  NULL: it does not. */
    void (*call_databases)(const struct call *call, struct needs *needs);
};

/* For the rows: a list of ranges of keys, those that only a call tells last. */
#define KEYS(...)                                                                                  \
    .keys = (const struct key_range[])                                                             \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define ONE_KEY(words)  KEYS({.flags = words, .first = 1, .step = 1})
#define ALL_KEYS(words) KEYS({.flags = words, .first = 1, .last = -1, .step = 1})

/* For the rows: what HELP of all containers has in common. */
#define HELP_SUB                                                                                   \
    .arity = 2, .flags = COMMAND_LOADING | COMMAND_STALE, .complexity = "O(1)",                    \
    .summary = "Lists the subcommands."

/* All commands of all families, to look up by name. */
struct command_table;

/* Makes a table of copies of all rows of the families.  Each list of families ends with NULL; `more` may
 * be NULL.  No two commands may have the same name.  NULL if memory is short. */
struct command_table *command_table_new(const struct command *const *families,
                                        const struct command *const *more);
void command_table_free(struct command_table *table);

/* NULL if there is none; case does not matter. */
const struct command *command_find(const struct command_table *table, const void *name,
                                   size_t size);
const struct command *command_find_sub(const struct command *command, const void *name,
                                       size_t size);

/* "get", "config|set": by the full name. */
const struct command *command_find_full(const struct command_table *table, const void *name,
                                        size_t size);

/* The row of a call, the subcommand's if its first word has subcommands.  NULL: there is none; then
 * *container is the row of the first word if only the second one is wrong, and otherwise NULL. */
const struct command *command_find_call(const struct command_table *table, size_t argc,
                                        const struct resp_arg *argv,
                                        const struct command **container);

/* The commands in the order of their names. */
size_t command_count(const struct command_table *table);
const struct command *command_at(const struct command_table *table, size_t index);

/* How many commands and subcommands there are. */
size_t command_total(const struct command_table *table);

static inline const char *command_full_name(const struct command *command)
{
    return command->full_name ? command->full_name : command->name;
}

/* The flags of one call: the row's and those that depend on its arguments. */
static inline unsigned command_call_flags(const struct command *command, size_t argc,
                                          const struct resp_arg *argv)
{
    return command->flags | (command->call_flags ? command->call_flags(argc, argv) : 0);
}

/* Whether Redis's arity lets a command have so many arguments, its name included. */
bool command_arity_fits(const struct command *command, size_t argc);

#endif
