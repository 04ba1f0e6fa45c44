/* SPDX-License-Identifier: MIT */
/* The server's options.  One table of rows has name, type, range, default, help, and whether the
 * option may change while the server runs.  It drives the configuration file, the command line,
 * --help, CONFIG GET and CONFIG SET.  Names, syntax and meanings are those of redis.conf where an
 * option does the same.
 *
 * Any thread may read a value: numbers are atomic, texts are copied under a lock. */
#ifndef SERVER_CONFIG_CONFIG_H
#define SERVER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum config_id {
    CONFIG_BIND,       /* text: addresses, blank separated; one with "-" before it may be missing */
    CONFIG_PORT,       /* 0: no TCP */
    CONFIG_UNIXSOCKET, /* text; empty: none */
    CONFIG_UNIXSOCKETPERM, /* octal mode, 0: as umask says */
    CONFIG_TCP_BACKLOG,
    CONFIG_TCP_KEEPALIVE, /* seconds, 0: off */
    CONFIG_TIMEOUT,       /* seconds a client may idle, 0: for ever */
    CONFIG_MAXCLIENTS,
    CONFIG_PROTECTED_MODE,
    CONFIG_REQUIREPASS, /* text; empty: none */
    CONFIG_IO_THREADS,  /* worker threads; 0: one for two cores, at most 8 */
    CONFIG_DIR,         /* text; empty: the default place, see README */
    CONFIG_DBFILENAME,
    CONFIG_ENCRYPTION_KEY_FILE, /* text; empty: the default place */
    CONFIG_PERSISTENCE,
    CONFIG_FSYNC, /* enum config_fsync */
    CONFIG_DATABASES,
    CONFIG_LOGLEVEL,          /* enum log_level */
    CONFIG_LOGFILE,           /* text; empty: standard output */
    CONFIG_PIDFILE,           /* text; empty: none */
    CONFIG_MAXMEMORY,         /* bytes; 0: no limit */
    CONFIG_MAXMEMORY_POLICY,  /* noeviction */
    CONFIG_MAXMEMORY_CLIENTS, /* bytes; 0: no limit; below: so many percent of maxmemory */
    CONFIG_PROTO_MAX_BULK_LEN,
    CONFIG_CLIENT_QUERY_BUFFER_LIMIT,
    CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT, /* text: "normal <hard> <soft> <seconds> ..." as in Redis */
    CONFIG_SLOWLOG_LOG_SLOWER_THAN,    /* microseconds; 0: all commands; below: none */
    CONFIG_SLOWLOG_MAX_LEN,
    CONFIG_LATENCY_TRACKING,
    CONFIG_LATENCY_TRACKING_INFO_PERCENTILES, /* text: numbers from 0 to 100, one blank between */
    CONFIG_LATENCY_MONITOR_THRESHOLD,         /* milliseconds; 0: off */
    CONFIG_NOTIFY_KEYSPACE_EVENTS,            /* flags: enum notify_class */
    CONFIG_ENABLE_DEBUG_COMMAND,              /* enum config_protected */
    CONFIG_SAVE,       /* text, read-only "": there are no snapshots beside the file */
    CONFIG_APPENDONLY, /* read-only no: there is no second file to append to */
    CONFIG_COUNT
};

/* Who may use a command that can do harm. */
enum config_protected { CONFIG_PROTECTED_NO, CONFIG_PROTECTED_YES, CONFIG_PROTECTED_LOCAL };

enum config_fsync { CONFIG_FSYNC_ALWAYS, CONFIG_FSYNC_NO };

/* The classes of client-output-buffer-limit, in Redis's order. */
enum config_client_class {
    CONFIG_CLASS_NORMAL,
    CONFIG_CLASS_REPLICA,
    CONFIG_CLASS_PUBSUB,
    CONFIG_CLASS_COUNT
};

struct config_output_limit {
    uint64_t hard_bytes; /* 0: none */
    uint64_t soft_bytes; /* 0: none */
    int64_t soft_seconds;
};

struct config;

/* All options at their defaults; NULL if memory is short. */
struct config *config_new(void);
void config_free(struct config *config); /* takes NULL */

/* Keeps other changes of options out.  A thread that takes options back when a later one fails must
 * not take back what another thread has set meanwhile.  Any thread; no function of this header
 * takes this lock. */
void config_lock_changes(struct config *config);
void config_unlock_changes(struct config *config);

/* Reads a file in redis.conf's syntax, "-" for standard input, and the files that it includes.  A
 * later directive replaces an earlier one (client-output-buffer-limit: for the classes it names).
 * On failure false and *cause (allocated, the caller frees; NULL if memory is too short for it) is
 * one line that names file, line number, directive and what is wrong, for example
 * "/etc/anystore.conf:12: port 70000: must be between 0 and 65535"; the lines before that one are
 * applied then. */
bool config_load_file(struct config *config, const char *path, char **cause);

/* Applies the command line after the program's name (argv[0] is the first argument): an optional
 * configuration file first, then "--name value [value ...]" as often as wanted, which wins over
 * the file.  "-" as the first or last argument reads standard input, after the file.  Same
 * failures; the place is named "--port 70000: ...".  Does not handle --help and --version. */
bool config_load_args(struct config *config, int argc, char *const argv[], char **cause);

/* The current values, without a lock but for texts.  Asking for the wrong kind is a programming
 * error (asserted).  A text is a copy that the caller frees, NULL if memory is short. */
int64_t config_number(const struct config *config, enum config_id id); /* numbers and enums */
bool config_flag(const struct config *config, enum config_id id);      /* yes/no */
char *config_text(const struct config *config, enum config_id id);
struct config_output_limit config_output_limit(const struct config *config,
                                               enum config_client_class class);

/* Sets one option to a text, as CONFIG SET or a caller in the program would; the option need not be
 * mutable at run time.  If the value does not fit: false, *cause (allocated; Redis's texts,
 * "argument must be between 0 and 65535 inclusive" for example; NULL if memory is too short), and
 * nothing has changed.  Any thread. */
bool config_set(struct config *config, enum config_id id, const char *value, char **cause);

/* Writes the options that have changed back into a configuration file, in an atomic step; all else
 * in it stays.  *exposed is the mode of the file if a password stands in it and others than its
 * owner may read it, else 0.  False with errno set on failure: the file is as it was then. */
bool config_rewrite(const struct config *config, const char *path, mode_t *exposed);

/* The table. */
enum config_type {
    CONFIG_BOOL,
    CONFIG_NUMBER,
    CONFIG_MEMORY,
    CONFIG_OCTAL,
    CONFIG_ENUM,
    CONFIG_EVENTS, /* classes of keyspace events, see command/event.h */
    CONFIG_TEXT
};

struct config_row {
    const char *name;
    enum config_type type;
    bool mutable; /* CONFIG SET may change it while the server runs */
    /* Numbers; CONFIG_MEMORY in bytes, where a min below zero allows a percentage, which is
     * negative. */
    int64_t min, max;
    const char *default_text;  /* as it would stand in the file */
    const char *const *values; /* CONFIG_ENUM: the names, in the order of the enum, NULL ends */
    const char *argument;      /* what --help shows for the value, "<bytes>" */
    const char *help;          /* one line */
};

const struct config_row *config_row(enum config_id id);

/* Whether no log and no message may show the value. */
bool config_is_secret(enum config_id id);

/* The option of that name, in upper or lower case; CONFIG_COUNT if there is none. */
enum config_id config_find(const char *name, size_t size);

/* The value as CONFIG GET answers it, allocated; NULL if memory is short. */
char *config_format(const struct config *config, enum config_id id);

/* Prints the options for --help, from the rows, to a stream. */
void config_print_help(void *stdio_file);

#endif
