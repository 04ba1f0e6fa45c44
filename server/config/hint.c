/* SPDX-License-Identifier: MIT */
/* Explains a directive that is not in the table: Redis has it, or it is a slip of the pen. */
#include "server/config/internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* The directives of a redis.conf up to version 7.0 that AnyStore does not have, each with the
 * option that takes its place, if there is one. */
static const struct redis_directive {
    const char *name;
    const char *instead;
} redis_directives[] = {
    {"acl-pubsub-default", NULL},
    {"aclfile", "see requirepass"},
    {"acllog-max-len", NULL},
    {"active-defrag-cycle-max", NULL},
    {"active-defrag-cycle-min", NULL},
    {"active-defrag-ignore-bytes", NULL},
    {"active-defrag-max-scan-fields", NULL},
    {"active-defrag-threshold-lower", NULL},
    {"active-defrag-threshold-upper", NULL},
    {"active-expire-effort", NULL},
    {"activedefrag", NULL},
    {"activerehashing", NULL},
    {"always-show-logo", NULL},
    {"aof-disable-auto-gc", NULL},
    {"aof-load-truncated", NULL},
    {"aof-rewrite-incremental-fsync", NULL},
    {"aof-timestamp-enabled", NULL},
    {"aof-use-rdb-preamble", NULL},
    {"aof_rewrite_cpulist", NULL},
    {"appenddirname", NULL},
    {"appendfilename", NULL},
    {"appendfsync", "see fsync"},
    {"auto-aof-rewrite-min-size", NULL},
    {"auto-aof-rewrite-percentage", NULL},
    {"bgsave_cpulist", NULL},
    {"bind-source-addr", NULL},
    {"bio_cpulist", NULL},
    {"busy-reply-threshold", NULL},
    {"cluster-allow-pubsubshard-when-down", NULL},
    {"cluster-allow-reads-when-down", NULL},
    {"cluster-allow-replica-migration", NULL},
    {"cluster-announce-bus-port", NULL},
    {"cluster-announce-hostname", NULL},
    {"cluster-announce-ip", NULL},
    {"cluster-announce-port", NULL},
    {"cluster-announce-tls-port", NULL},
    {"cluster-config-file", NULL},
    {"cluster-enabled", "servers that open the same file share its data"},
    {"cluster-link-sendbuf-limit", NULL},
    {"cluster-migration-barrier", NULL},
    {"cluster-node-timeout", NULL},
    {"cluster-port", NULL},
    {"cluster-preferred-endpoint-type", NULL},
    {"cluster-replica-no-failover", NULL},
    {"cluster-replica-validity-factor", NULL},
    {"cluster-require-full-coverage", NULL},
    {"cluster-slave-no-failover", NULL},
    {"cluster-slave-validity-factor", NULL},
    {"crash-log-enabled", NULL},
    {"crash-memcheck-enabled", NULL},
    {"daemonize", "let a service manager or a container run the server"},
    {"disable-thp", NULL},
    {"dynamic-hz", NULL},
    {"enable-module-command", NULL},
    {"enable-protected-configs", NULL},
    {"hash-max-listpack-entries", NULL},
    {"hash-max-listpack-value", NULL},
    {"hash-max-ziplist-entries", NULL},
    {"hash-max-ziplist-value", NULL},
    {"hll-sparse-max-bytes", NULL},
    {"hz", NULL},
    {"ignore-warnings", NULL},
    {"io-threads-do-reads", NULL},
    {"jemalloc-bg-thread", NULL},
    {"key-load-delay", NULL},
    {"lazyfree-lazy-eviction", NULL},
    {"lazyfree-lazy-expire", NULL},
    {"lazyfree-lazy-server-del", NULL},
    {"lazyfree-lazy-user-del", NULL},
    {"lazyfree-lazy-user-flush", NULL},
    {"lfu-decay-time", NULL},
    {"lfu-log-factor", NULL},
    {"list-compress-depth", NULL},
    {"list-max-listpack-size", NULL},
    {"list-max-ziplist-entries", NULL},
    {"list-max-ziplist-size", NULL},
    {"list-max-ziplist-value", NULL},
    {"loading-process-events-interval-bytes", NULL},
    {"loadmodule", NULL},
    {"lua-replicate-commands", NULL},
    {"lua-time-limit", NULL},
    {"masterauth", NULL},
    {"masteruser", NULL},
    {"maxmemory-eviction-tenacity", "nothing is evicted"},
    {"maxmemory-samples", "nothing is evicted"},
    {"min-replicas-max-lag", NULL},
    {"min-replicas-to-write", NULL},
    {"min-slaves-max-lag", NULL},
    {"min-slaves-to-write", NULL},
    {"no-appendfsync-on-rewrite", NULL},
    {"oom-score-adj", NULL},
    {"oom-score-adj-values", NULL},
    {"proc-title-template", NULL},
    {"propagation-error-behavior", NULL},
    {"rdb-del-sync-files", NULL},
    {"rdb-key-save-delay", NULL},
    {"rdb-save-incremental-fsync", NULL},
    {"rdbchecksum", NULL},
    {"rdbcompression", NULL},
    {"rename-command", NULL},
    {"repl-backlog-size", NULL},
    {"repl-backlog-ttl", NULL},
    {"repl-disable-tcp-nodelay", NULL},
    {"repl-diskless-load", NULL},
    {"repl-diskless-sync", NULL},
    {"repl-diskless-sync-delay", NULL},
    {"repl-diskless-sync-max-replicas", NULL},
    {"repl-ping-replica-period", NULL},
    {"repl-ping-slave-period", NULL},
    {"repl-timeout", NULL},
    {"replica-announce-ip", NULL},
    {"replica-announce-port", NULL},
    {"replica-announced", NULL},
    {"replica-ignore-disk-write-errors", NULL},
    {"replica-ignore-maxmemory", NULL},
    {"replica-lazy-flush", NULL},
    {"replica-priority", NULL},
    {"replica-read-only", NULL},
    {"replica-serve-stale-data", NULL},
    {"replicaof", "servers that open the same file share its data"},
    {"sanitize-dump-payload", NULL},
    {"sentinel", NULL},
    {"server_cpulist", NULL},
    {"set-max-intset-entries", NULL},
    {"set-proc-title", NULL},
    {"shutdown-on-sigint", NULL},
    {"shutdown-on-sigterm", NULL},
    {"shutdown-timeout", NULL},
    {"slave-announce-ip", NULL},
    {"slave-announce-port", NULL},
    {"slave-ignore-maxmemory", NULL},
    {"slave-lazy-flush", NULL},
    {"slave-priority", NULL},
    {"slave-read-only", NULL},
    {"slave-serve-stale-data", NULL},
    {"slaveof", "servers that open the same file share its data"},
    {"socket-mark-id", NULL},
    {"stop-writes-on-bgsave-error", NULL},
    {"stream-node-max-bytes", NULL},
    {"stream-node-max-entries", NULL},
    {"supervised", "let a service manager or a container run the server"},
    {"syslog-enabled", "see logfile"},
    {"syslog-facility", NULL},
    {"syslog-ident", NULL},
    {"tls-auth-clients", NULL},
    {"tls-ca-cert-dir", NULL},
    {"tls-ca-cert-file", NULL},
    {"tls-cert-file", NULL},
    {"tls-ciphers", NULL},
    {"tls-ciphersuites", NULL},
    {"tls-client-cert-file", NULL},
    {"tls-client-key-file", NULL},
    {"tls-client-key-file-pass", NULL},
    {"tls-cluster", NULL},
    {"tls-dh-params-file", NULL},
    {"tls-key-file", NULL},
    {"tls-key-file-pass", NULL},
    {"tls-port", NULL},
    {"tls-prefer-server-ciphers", NULL},
    {"tls-protocols", NULL},
    {"tls-replication", NULL},
    {"tls-session-cache-size", NULL},
    {"tls-session-cache-timeout", NULL},
    {"tls-session-caching", NULL},
    {"tracking-table-max-keys", NULL},
    {"use-exit-on-panic", NULL},
    {"user", "see requirepass"},
    {"watchdog-period", NULL},
    {"zset-max-listpack-entries", NULL},
    {"zset-max-listpack-value", NULL},
    {"zset-max-ziplist-entries", NULL},
    {"zset-max-ziplist-value", NULL},
};

bool config_hint_redis(const char *name, size_t size, const char **instead)
{
    const size_t count = sizeof redis_directives / sizeof *redis_directives;
    for (size_t i = 0; i < count; i++) {
        const char *known = redis_directives[i].name;
        if (strlen(known) == size && !strncasecmp(known, name, size)) {
            *instead = redis_directives[i].instead;
            return true;
        }
    }
    return false;
}

/* NAME_MAX_SIZE: longer than every name in the table.  NEAR: names with more different letters than
 * this are not near each other. */
enum { NAME_MAX_SIZE = 64, NEAR = 2 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The number of letters to insert, remove or replace to make one name of the other (Levenshtein's
 * distance).  Only one row of the textbook's table is kept. */
static size_t edit_distance(const char *known, const char *name, size_t size)
{
    size_t row[NAME_MAX_SIZE + 1];
    for (size_t i = 0; i <= size; i++)
        row[i] = i;
    for (size_t k = 0; known[k]; k++) {
        size_t diagonal = row[0];
        row[0] = k + 1;
        for (size_t i = 1; i <= size; i++) {
            bool same = known[k] == tolower((unsigned char)name[i - 1]);
            size_t replaced = diagonal + !same;
            diagonal = row[i];
            row[i] = least(replaced, least(row[i], row[i - 1]) + 1);
        }
    }
    return row[size];
}

const char *config_hint_near(const char *name, size_t size)
{
    if (size > NAME_MAX_SIZE)
        return NULL;
    const char *nearest = NULL;
    /* Half of a short name is not a slip: "bar" does not mean "dir". */
    size_t best = least(NEAR, size / 2) + 1;
    for (enum config_id id = 0; id <= CONFIG_COUNT; id++) {
        const char *known = id < CONFIG_COUNT ? config_row(id)->name : "include";
        size_t distance = edit_distance(known, name, size);
        if (distance < best) {
            best = distance;
            nearest = known;
        }
    }
    return nearest;
}
