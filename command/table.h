/* SPDX-License-Identifier: MIT */
/* The command table: one row for each command and subcommand.
 *
 * The rows of a family (strings, keys, ...) stand at the end of the file with its functions.
 * COMMAND, COMMAND DOCS and the list in README come from the rows. */
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

/* Our own flags, in the same member. */
enum command_own_flags {
    COMMAND_ALONE = 1 << 20,      /* runs in a commit of its own, which writes a new base (SAVE) */
    COMMAND_VIEW = 1 << 21,       /* sees the data, though Redis does not call it a read (WATCH) */
    COMMAND_AT_ONCE = 1 << 22,    /* is not queued after MULTI (DISCARD, QUIT) */
    COMMAND_RUNS_QUEUE = 1 << 23, /* needs what the queued commands need (EXEC) */
    COMMAND_SELECTS = 1 << 24,    /* its argument becomes the selected database */
    COMMAND_WHILE_SUBSCRIBED = 1 << 25, /* a subscribed client of RESP2 may send it */
    COMMAND_PROTECTED = 1 << 26,        /* only as far as enable-debug-command allows */
    COMMAND_WAITS = 1 << 27,            /* takes long, so it runs without a transaction */
    COMMAND_NOT_PAUSED = 1 << 28,       /* runs even during a CLIENT PAUSE ALL */
    COMMAND_SLICED = 1 << 29,           /* may stop and go on later, see slices.h */
    COMMAND_LONG = 1 << 30              /* of a call: needs slices, so no update runs it */
};

/* Commands with one of these flags use a transaction. */
#define NEEDS_MAP (COMMAND_READONLY | COMMAND_WRITE | COMMAND_ALONE | COMMAND_VIEW)

/* Redis's ACL categories.  Flags imply the others (@fast, @slow, @read, @write and so on): those
 * stand in no row. */
enum command_categories {
    CATEGORY_KEYSPACE = 1 << 0,
    CATEGORY_STRING = 1 << 1,
    CATEGORY_CONNECTION = 1 << 2,
    CATEGORY_DANGEROUS = 1 << 3,
    CATEGORY_TRANSACTION = 1 << 4,
    CATEGORY_PUBSUB = 1 << 5,
    CATEGORY_BITMAP = 1 << 6,
    CATEGORY_SCRIPTING = 1 << 7,
    CATEGORY_ADMIN = 1 << 8, /* for commands without COMMAND_ADMIN, which implies it */
    CATEGORY_LIST = 1 << 9,
    CATEGORY_SET = 1 << 10,
    CATEGORY_SORTEDSET = 1 << 11
};

/* A range of keys among the arguments of a command, all used in the same way. */
struct key_range {
    /* Redis's key specification flags, separated by blanks: "RO access", "RW access update".
     * NULL ends a list. */
    const char *flags;
    const char *notes; /* what Redis says about the flags; NULL: nothing */
    int first;         /* the argument of the first key; 0: it depends on the call */
    int last;          /* the last key, counted from `first`; -1: the last argument */
    int step;          /* arguments from one key to the next */
};

struct command {
    const char *name;               /* lower case; NULL ends a table */
    const char *full_name;          /* of a subcommand: "client|id"; NULL: the name */
    void (*run)(struct call *call); /* NULL: only its subcommands can be called */
    int arity;                      /* counts the name, as in Redis; negative: at least that many */
    unsigned flags;                 /* enum command_flags and command_own_flags */
    unsigned categories;            /* enum command_categories */
    size_t number;                  /* below command_total(); the table sets it */
    const struct key_range *keys;   /* see KEYS; NULL: the command has none */
    /* For a command whose last range depends on the arguments: changes *range, a copy of the last
     * range, to what holds in one call.  If `first` stays 0, the call has no such keys.  NULL: no
     * range depends on the arguments. */
    void (*call_keys)(size_t argc, const struct resp_arg *argv, struct key_range *range);
    const struct command *subcommands; /* NULL: none */
    const char *since;
    const char *group;
    const char *complexity; /* NULL: unknown */
    const char *summary;
    const char *tips; /* Redis's command tips, separated by blanks; NULL: none */
    const char *deprecated_since, *replaced_by; /* as in Redis 7.0; NULL: not deprecated */
    bool is_system;                             /* Redis calls it a system command */
    /* Flags that a call has beside those of the row, depending on its arguments.  NULL: none. */
    unsigned (*call_flags)(size_t argc, const struct resp_arg *argv);
    /* Whether an argument is a secret, which only its client may see.  NULL: no argument is. */
    bool (*is_secret)(const struct resp_arg *argv, size_t index);
    /* For a command that uses other databases than the selected one.  *needs holds what follows
     * from the flags; the function adds to it or changes it.  NULL: only the selected one. */
    void (*call_databases)(const struct call *call, struct needs *needs);
};

/* For rows: a list of ranges.  Ranges that depend on the call come last. */
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

/* For rows: what the HELP subcommands have in common. */
#define HELP_SUB                                                                                   \
    .arity = 2, .flags = COMMAND_LOADING | COMMAND_STALE, .complexity = "O(1)",                    \
    .summary = "Lists the subcommands."

/* Commands by name.  Constant once it is made: any thread. */
struct command_table;

/* Makes a table of copies of all rows of the families.  Each list of families ends with NULL;
 * `more` may be NULL.  No two commands may have the same name.  NULL if memory is short. */
struct command_table *command_table_new(const struct command *const *families,
                                        const struct command *const *more);
void command_table_free(struct command_table *table);

/* Finds a command, or a subcommand of a command, in upper or lower case.  NULL if there is none. */
const struct command *command_find(const struct command_table *table, const void *name,
                                   size_t size);
const struct command *command_find_sub(const struct command *command, const void *name,
                                       size_t size);

/* Finds a command or subcommand by its full name, "get" or "config|set".  NULL if there is none. */
const struct command *command_find_full(const struct command_table *table, const void *name,
                                        size_t size);

/* Finds the row of a call: of the command, or of the subcommand if the command has some.  If the
 * command exists but not the subcommand, it returns NULL and *container is the command; if the
 * command does not exist, both are NULL. */
const struct command *command_find_call(const struct command_table *table, size_t argc,
                                        const struct resp_arg *argv,
                                        const struct command **container);

/* All commands, sorted by name. */
size_t command_count(const struct command_table *table);
const struct command *command_at(const struct command_table *table, size_t index);

/* The number of commands and subcommands. */
size_t command_total(const struct command_table *table);

static inline const char *command_full_name(const struct command *command)
{
    return command->full_name ? command->full_name : command->name;
}

/* The flags of a call: those of the row, and those that its arguments imply. */
static inline unsigned command_call_flags(const struct command *command, size_t argc,
                                          const struct resp_arg *argv)
{
    return command->flags | (command->call_flags ? command->call_flags(argc, argv) : 0);
}

/* Whether a command takes so many arguments, its name included. */
bool command_arity_fits(const struct command *command, size_t argc);

#endif
