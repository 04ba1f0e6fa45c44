/* SPDX-License-Identifier: MIT */
/* The table of the server's options, a row by its name, and --help. */
#include "server/config/config.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "command/database_bits.h"
#include "server/config/internal.h"

#define MIB (INT64_C(1) << 20)

static const char *const fsync_values[] = {"always", "no", NULL};
static const char *const protected_values[] = {"no", "yes", "local", NULL};
static const char *const eviction_values[] = {"volatile-lru",   "volatile-lfu", "volatile-random",
                                              "volatile-ttl",   "allkeys-lru",  "allkeys-lfu",
                                              "allkeys-random", "noeviction",   NULL};
static const char *const loglevel_values[] = {"debug", "verbose", "notice", "warning", NULL};

/* As many as Redis allows; the listener has room for them. */
enum { BIND_MAX = 16 };

static const char *check_bind(const char *value)
{
    size_t count = 0;
    while (*value) {
        size_t size = strcspn(value, " ");
        if (size == 1 && *value == '-')
            return "an address must follow the '-'";
        count++;
        value += size;
        value += strspn(value, " ");
    }
    return count > BIND_MAX ? "Too many bind addresses specified." : NULL;
}

static const char *check_unixsocket(const char *value)
{
    struct sockaddr_un address;
    if (strlen(value) >= sizeof address.sun_path)
        return "argument must be shorter than 108 bytes, as every path of a UNIX socket";
    return NULL;
}

/* The store keeps other files beside it (<name>.lock, <name>.spare).  All are in `dir`, so that a
 * volume, a backup or a permission concerns one directory. */
static const char *check_dbfilename(const char *value)
{
    if (!*value)
        return "dbfilename can't be empty";
    if (strchr(value, '/') || !strcmp(value, ".") || !strcmp(value, ".."))
        return "dbfilename can't be a path, just a filename";
    return NULL;
}

/* These two come from a redis.conf, where they say how much a crash may lose.  Values that ask for
 * no second file hold here, too.  Others would make a promise that is not kept. */
static const char *check_save(const char *value)
{
    if (*value)
        return "argument must be \"\": there are no snapshots, every write is already durable in "
               "the one file";
    return NULL;
}

static const char *check_appendonly(const char *value)
{
    if (strcasecmp(value, "no") != 0)
        return "argument must be 'no': there is no second file to append to, every write is "
               "already durable in the one file";
    return NULL;
}

/* All other policies would remove acknowledged data, for all servers of the file. */
static const char *check_maxmemory_policy(const char *value)
{
    if (strcasecmp(value, "noeviction") != 0)
        return "argument must be 'noeviction': acknowledged data is never dropped, and it is the "
               "data of all servers of the file";
    return NULL;
}

static const struct config_definition definitions[CONFIG_COUNT] = {
    [CONFIG_BIND] =
        {
            .row = {.name = "bind",
                    .type = CONFIG_TEXT,
                    .default_text = "127.0.0.1 -::1",
                    .argument = "<address ...>",
                    .help = "addresses to listen on; one behind '-' may be missing"},
            .words = true,
            .check = check_bind,
        },
    [CONFIG_PORT] = {.row = {.name = "port",
                             .type = CONFIG_NUMBER,
                             .max = 65535,
                             .default_text = "6379",
                             .argument = "<port>",
                             .help = "TCP port; 0: no TCP"}},
    [CONFIG_UNIXSOCKET] = {.row = {.name = "unixsocket",
                                   .type = CONFIG_TEXT,
                                   .default_text = "",
                                   .argument = "<path>",
                                   .help = "UNIX socket to listen on as well; \"\": none"},
                           .check = check_unixsocket},
    [CONFIG_UNIXSOCKETPERM] = {.row = {.name = "unixsocketperm",
                                       .type = CONFIG_OCTAL,
                                       .max = 0777,
                                       .default_text = "0",
                                       .argument = "<mode>",
                                       .help =
                                           "mode of the UNIX socket, octal; 0: as the umask says"}},
    [CONFIG_TCP_BACKLOG] = {.row = {.name = "tcp-backlog",
                                    .type = CONFIG_NUMBER,
                                    .max = INT_MAX,
                                    .default_text = "511",
                                    .argument = "<count>",
                                    .help = "connections that may wait to be accepted"}},
    [CONFIG_TCP_KEEPALIVE] = {.row = {.name = "tcp-keepalive",
                                      .type = CONFIG_NUMBER,
                                      .mutable = true,
                                      .max = INT_MAX,
                                      .default_text = "300",
                                      .argument = "<seconds>",
                                      .help = "time between probes of a silent client; 0: none"}},
    [CONFIG_TIMEOUT] = {.row = {.name = "timeout",
                                .type = CONFIG_NUMBER,
                                .mutable = true,
                                .max = INT_MAX,
                                .default_text = "0",
                                .argument = "<seconds>",
                                .help = "idle time after which a client is closed; 0: never"}},
    [CONFIG_MAXCLIENTS] = {.row = {.name = "maxclients",
                                   .type = CONFIG_NUMBER,
                                   .mutable = true,
                                   .min = 1,
                                   .max = UINT_MAX,
                                   .default_text = "10000",
                                   .argument = "<count>",
                                   .help = "most clients connected at once"}},
    [CONFIG_PROTECTED_MODE] = {.row = {.name = "protected-mode",
                                       .type = CONFIG_BOOL,
                                       .mutable = true,
                                       .default_text = "yes",
                                       .argument = "<yes|no>",
                                       .help =
                                           "without a password accept only clients of this host"}},
    [CONFIG_REQUIREPASS] = {.row = {.name = "requirepass",
                                    .type = CONFIG_TEXT,
                                    .mutable = true,
                                    .default_text = "",
                                    .argument = "<password>",
                                    .help = "password that clients must AUTH with; \"\": none"},
                            .secret = true},
    [CONFIG_IO_THREADS] = {.row = {.name = "io-threads",
                                   .type = CONFIG_NUMBER,
                                   .max = 128,
                                   .default_text = "0",
                                   .argument = "<count>",
                                   .help = "worker threads; 0: one for two cores, at most 8"}},
    [CONFIG_DIR] = {.row = {.name = "dir",
                            .type = CONFIG_TEXT,
                            .default_text = "",
                            .argument = "<path>",
                            .help = "directory of the data file; \"\": the default place"}},
    [CONFIG_DBFILENAME] = {.row = {.name = "dbfilename",
                                   .type = CONFIG_TEXT,
                                   .default_text = "anystore.db",
                                   .argument = "<name>",
                                   .help = "name of the data file in dir"},
                           .check = check_dbfilename},
    [CONFIG_ENCRYPTION_KEY_FILE] = {.row = {.name = "encryption-key-file",
                                            .type = CONFIG_TEXT,
                                            .default_text = "",
                                            .argument = "<path>",
                                            .help = "key of the data file; \"\": the default "
                                                    "place"}},
    [CONFIG_PERSISTENCE] = {.row = {.name = "persistence",
                                    .type = CONFIG_BOOL,
                                    .default_text = "yes",
                                    .argument = "<yes|no>",
                                    .help = "no: keep the data in memory only, no file, no key"}},
    [CONFIG_FSYNC] = {.row = {.name = "fsync",
                              .type = CONFIG_ENUM,
                              .default_text = "always",
                              .values = fsync_values,
                              .argument = "<always|no>",
                              .help = "always: sync before a write is answered"}},
    [CONFIG_DATABASES] = {.row = {.name = "databases",
                                  .type = CONFIG_NUMBER,
                                  .min = 1,
                                  .max = DATABASES_MOST,
                                  .default_text = "16",
                                  .argument = "<count>",
                                  .help = "databases to SELECT from"}},
    [CONFIG_LOGLEVEL] = {.row = {.name = "loglevel",
                                 .type = CONFIG_ENUM,
                                 .mutable = true,
                                 .default_text = "notice",
                                 .values = loglevel_values,
                                 .argument = "<debug|verbose|notice|warning>",
                                 .help = "lowest level of events to log"}},
    [CONFIG_LOGFILE] = {.row = {.name = "logfile",
                                .type = CONFIG_TEXT,
                                .default_text = "",
                                .argument = "<path>",
                                .help = "file to log to; \"\": standard output"}},
    [CONFIG_PIDFILE] = {.row = {.name = "pidfile",
                                .type = CONFIG_TEXT,
                                .default_text = "",
                                .argument = "<path>",
                                .help = "file for the process id; \"\": none"}},
    [CONFIG_MAXMEMORY] = {.row = {.name = "maxmemory",
                                  .type = CONFIG_MEMORY,
                                  .mutable = true,
                                  .max = INT64_MAX,
                                  .default_text = "0",
                                  .argument = "<bytes>",
                                  .help = "memory above which writes are refused; 0: no limit"}},
    [CONFIG_MAXMEMORY_POLICY] = {.row = {.name = "maxmemory-policy",
                                         .type = CONFIG_ENUM,
                                         .mutable = true,
                                         .default_text = "noeviction",
                                         .values = eviction_values,
                                         .argument = "<noeviction>",
                                         .help =
                                             "only noeviction: acknowledged data is never dropped"},
                                 .check = check_maxmemory_policy},
    [CONFIG_MAXMEMORY_CLIENTS] = {.row = {.name = "maxmemory-clients",
                                          .type = CONFIG_MEMORY,
                                          .mutable = true,
                                          .min = -100,
                                          .max = INT64_MAX,
                                          .default_text = "0",
                                          .argument = "<bytes>",
                                          .help = "limit for all clients together, or percent of "
                                                  "maxmemory"}},
    [CONFIG_PROTO_MAX_BULK_LEN] = {.row = {.name = "proto-max-bulk-len",
                                           .type = CONFIG_MEMORY,
                                           .mutable = true,
                                           .min = MIB,
                                           .max = INT64_MAX,
                                           .default_text = "512mb",
                                           .argument = "<bytes>",
                                           .help = "longest argument of a command"}},
    [CONFIG_CLIENT_QUERY_BUFFER_LIMIT] = {.row = {.name = "client-query-buffer-limit",
                                                  .type = CONFIG_MEMORY,
                                                  .mutable = true,
                                                  .min = MIB,
                                                  .max = INT64_MAX,
                                                  .default_text = "1gb",
                                                  .argument = "<bytes>",
                                                  .help =
                                                      "most input of one client that may wait"}},
    [CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT] =
        {
            .row = {.name = "client-output-buffer-limit",
                    .type = CONFIG_TEXT,
                    .mutable = true,
                    .default_text = "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
                    .argument = "<class hard soft seconds ...>",
                    .help = "most replies that may wait for a client"},
            .words = true,
        },
    [CONFIG_SLOWLOG_LOG_SLOWER_THAN] =
        {.row = {.name = "slowlog-log-slower-than",
                 .type = CONFIG_NUMBER,
                 .mutable = true,
                 .min = -1,
                 .max = INT64_MAX,
                 .default_text = "10000",
                 .argument = "<microseconds>",
                 .help = "duration of noted commands; 0: all; -1: none"}},
    [CONFIG_SLOWLOG_MAX_LEN] = {.row = {.name = "slowlog-max-len",
                                        .type = CONFIG_NUMBER,
                                        .mutable = true,
                                        .max = INT64_MAX,
                                        .default_text = "128",
                                        .argument = "<count>",
                                        .help = "commands to keep in the slow log"}},
    [CONFIG_LATENCY_TRACKING] = {.row = {.name = "latency-tracking",
                                         .type = CONFIG_BOOL,
                                         .mutable = true,
                                         .default_text = "yes",
                                         .argument = "<yes|no>",
                                         .help = "count how long each command takes"}},
    [CONFIG_LATENCY_TRACKING_INFO_PERCENTILES] =
        {
            .row = {.name = "latency-tracking-info-percentiles",
                    .type = CONFIG_TEXT,
                    .mutable = true,
                    .default_text = "50 99 99.9",
                    .argument = "<percent ...>",
                    .help = "percentiles in INFO latencystats; \"\": none"},
            .words = true,
            .check = config_percentiles_check,
            .tidy = config_percentiles_tidy,
        },
    [CONFIG_LATENCY_MONITOR_THRESHOLD] = {.row = {.name = "latency-monitor-threshold",
                                                  .type = CONFIG_NUMBER,
                                                  .mutable = true,
                                                  .max = INT64_MAX,
                                                  .default_text = "0",
                                                  .argument = "<milliseconds>",
                                                  .help = "duration of monitored events; 0: off"}},
    [CONFIG_NOTIFY_KEYSPACE_EVENTS] = {.row = {.name = "notify-keyspace-events",
                                               .type = CONFIG_EVENTS,
                                               .mutable = true,
                                               .default_text = "",
                                               .argument = "<classes>",
                                               .help = "publish events of keys: characters of "
                                                       "Ag$lshzxeKEtmdn"}},
    [CONFIG_ENABLE_DEBUG_COMMAND] =
        {.row = {.name = "enable-debug-command",
                 .type = CONFIG_ENUM,
                 .default_text = "no",
                 .values = protected_values,
                 .argument = "<no|yes|local>",
                 .help = "clients that may use DEBUG; local: of this host"}},
    [CONFIG_SAVE] = {.row = {.name = "save",
                             .type = CONFIG_TEXT,
                             .default_text = "",
                             .argument = "\"\"",
                             .help = "only \"\": there are no snapshots beside the file"},
                     .words = true,
                     .check = check_save},
    [CONFIG_APPENDONLY] = {.row = {.name = "appendonly",
                                   .type = CONFIG_BOOL,
                                   .default_text = "no",
                                   .argument = "<no>",
                                   .help = "only no: there is no second file to append to"},
                           .check = check_appendonly},
};

const struct config_definition *config_definition(enum config_id id)
{
    assert(id < CONFIG_COUNT);
    return &definitions[id];
}

const struct config_row *config_row(enum config_id id)
{
    return &config_definition(id)->row;
}

bool config_is_secret(enum config_id id)
{
    return config_definition(id)->secret;
}

static bool is_name(const char *known, const char *name, size_t size)
{
    return strlen(known) == size && !strncasecmp(known, name, size);
}

bool config_is_include(const char *name, size_t size)
{
    return is_name("include", name, size);
}

enum config_id config_find(const char *name, size_t size)
{
    enum config_id id = 0;
    while (id < CONFIG_COUNT && !is_name(definitions[id].row.name, name, size))
        id++;
    return id;
}

void config_print_help(void *stdio_file)
{
    static const char indent[] = "      ";
    const size_t width = 80;
    FILE *out = stdio_file;
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        const struct config_row *row = config_row(id);
        const char *value = *row->default_text ? row->default_text : "\"\"";
        size_t used = strlen(indent) + strlen(row->help) + strlen(" (default: )") + strlen(value);
        fprintf(out, "  --%s %s\n%s%s%s%s(default: %s)\n", row->name, row->argument, indent,
                row->help, used > width ? "\n" : " ", used > width ? indent : "", value);
    }
}
