/* SPDX-License-Identifier: MIT */
/* Redis's answers about replicas and clusters.  Here servers share a file, and all are equal: each
 * is a master without replicas, and in no cluster. */
#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/family/families.h"
#include "server/server.h"
#include "server/session/session.h"

static void run_role(struct call *call)
{
    resp_write_array(call->reply, 3);
    resp_write_bulk_text(call->reply, "master");
    resp_write_integer(call->reply, 0);
    resp_write_array(call->reply, 0);
}

/* Does not wait: there is never a replica to wait for. */
static void run_wait(struct call *call)
{
    int64_t replicas = 0, timeout_ms = 0;
    if (arg_integer_or_reply(call, 1, &replicas) && arg_timeout_or_reply(call, 2, &timeout_ms))
        resp_write_integer(call->reply, 0);
}

/* Every write of this client was synced before it was answered, unless fsync or persistence is
 * no. */
static void run_waitaof(struct call *call)
{
    const struct server *server = call->session->server;
    bool synced =
        server->data_path && config_number(server->config, CONFIG_FSYNC) == CONFIG_FSYNC_ALWAYS;
    int64_t local = 0, replicas = 0, timeout_ms = 0;
    const char *wrong = NULL;
    /* Checked one after the other, in Redis's order, so two answers are the same. */
    if (!arg_integer(&call->argv[1], &local))
        wrong = "ERR value is not an integer or out of range"; /* NOLINT(bugprone-branch-clone) */
    else if (local < 0 || local > 1)
        wrong = "ERR value is out of range, must be between 0 and 1";
    else if (!arg_integer(&call->argv[2], &replicas))
        wrong = "ERR value is not an integer or out of range";
    else if (replicas < 0)
        wrong = "ERR value is out of range, must be positive";
    if (wrong) {
        resp_write_error(call->reply, wrong);
        return;
    }
    if (!arg_timeout_or_reply(call, 3, &timeout_ms))
        return;
    if (local > 0 && !synced) {
        resp_write_error(call->reply, "ERR WAITAOF cannot be used when numlocal is set but "
                                      "writes are not synced (persistence no or fsync no).");
        return;
    }
    resp_write_array(call->reply, 2);
    resp_write_integer(call->reply, synced);
    resp_write_integer(call->reply, 0);
}

static void run_replicaof(struct call *call)
{
    int64_t port = 0;
    if (arg_is(&call->argv[1], "no") && arg_is(&call->argv[2], "one"))
        reply_ok(call);
    else if (!arg_integer(&call->argv[2], &port) || port < 0 || port > 65535)
        resp_write_error(call->reply, "ERR Invalid master port");
    else
        resp_write_error(call->reply,
                         "ERR REPLICAOF is not supported: start another server on the same data "
                         "file instead, all servers of a file are equal");
}

/* The first command of a replica, and of redis-cli with --rdb or --replica. */
static void run_sync(struct call *call)
{
    resp_write_error(
        call->reply,
        "ERR This server feeds no replicas: start another server on the same data file "
        "instead; for a backup make a hard link to it");
}

/* Without replicas, only the arguments can be wrong before that. */
static void run_failover(struct call *call)
{
    const struct resp_arg *argv = call->argv;
    int64_t timeout_ms = 0, port = 0;
    bool to = false, force = false;
    if (call->argc == 2 && arg_is(&argv[1], "abort")) {
        resp_write_error(call->reply, "ERR No failover in progress.");
        return;
    }
    for (size_t i = 1; i < call->argc; i++) {
        size_t more = call->argc - 1 - i;
        if (arg_is(&argv[i], "timeout") && more >= 1 && timeout_ms == 0) {
            if (!arg_integer_or_reply(call, ++i, &timeout_ms))
                return;
            if (timeout_ms <= 0) {
                resp_write_error(call->reply, "ERR FAILOVER timeout must be greater than 0");
                return;
            }
        } else if (arg_is(&argv[i], "to") && more >= 2 && !to) {
            to = true;
            i += 2;
            if (!arg_integer_or_reply(call, i, &port))
                return;
        } else if (arg_is(&argv[i], "force") && !force) {
            force = true;
        } else {
            reply_syntax_error(call);
            return;
        }
    }
    resp_write_error(call->reply, "ERR FAILOVER requires connected replicas.");
}

static void run_cluster_only(struct call *call)
{
    resp_write_error(call->reply, "ERR This instance has cluster support disabled");
}

#define CLUSTER_ROW                                                                                \
    .run = run_cluster_only, .arity = 1, .categories = CATEGORY_CONNECTION, .since = "3.0.0",      \
    .group = "cluster", .complexity = "O(1)"
#define SYNC_ROW                                                                                   \
    .run = run_sync, .group = "server", .complexity = "O(1)",                                      \
    .summary = "Refuses to feed a replica: there are none."
#define REPLICAOF_ROW                                                                              \
    .run = run_replicaof, .arity = 3,                                                              \
    .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_NO_ASYNC_LOADING,          \
    .group = "server", .complexity = "O(1)",                                                       \
    .summary = "Refuses to make a replica of this server: there are none."

const struct command command_replication_rows[] = {
    {.name = "asking",
     CLUSTER_ROW,
     .flags = COMMAND_FAST,
     .summary = "Tells that this is no cluster."},
    {.name = "failover",
     .run = run_failover,
     .arity = -1,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_STALE,
     .since = "6.2.0",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Tells that there is no replica to take over."},
    {.name = "psync",
     SYNC_ROW,
     .arity = -3,
     .flags = COMMAND_NO_ASYNC_LOADING | COMMAND_ADMIN | COMMAND_NO_MULTI | COMMAND_NOSCRIPT,
     .since = "2.8.0"},
    {.name = "readonly",
     CLUSTER_ROW,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .summary = "Tells that this is no cluster."},
    {.name = "readwrite",
     CLUSTER_ROW,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .summary = "Tells that this is no cluster."},
    {.name = "replconf",
     SYNC_ROW,
     .is_system = true,
     .arity = -1,
     .flags =
         COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_ALLOW_BUSY,
     .since = "3.0.0"},
    {.name = "replicaof", REPLICAOF_ROW, .since = "5.0.0"},
    {.name = "role",
     .run = run_role,
     .arity = 1,
     .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .categories = CATEGORY_ADMIN | CATEGORY_DANGEROUS,
     .since = "2.8.12",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Tells that this server is a master without replicas."},
    {.name = "slaveof",
     REPLICAOF_ROW,
     .since = "1.0.0",
     .deprecated_since = "5.0.0",
     .replaced_by = "`REPLICAOF`"},
    {.name = "sync",
     SYNC_ROW,
     .arity = 1,
     .flags = COMMAND_NO_ASYNC_LOADING | COMMAND_ADMIN | COMMAND_NO_MULTI | COMMAND_NOSCRIPT,
     .since = "1.0.0"},
    {.name = "wait",
     .run = run_wait,
     .arity = 3,
     .flags = COMMAND_NOSCRIPT,
     .categories = CATEGORY_CONNECTION,
     .since = "3.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Tells how many replicas have what the client wrote: none.",
     .tips = "request_policy:all_shards response_policy:agg_min"},
    {.name = "waitaof",
     .run = run_waitaof,
     .arity = 4,
     .flags = COMMAND_NOSCRIPT,
     .categories = CATEGORY_CONNECTION,
     .since = "7.2.0",
     .group = "generic",
     .complexity = "O(1)",
     .summary = "Tells whether what the client wrote is synced to disk.",
     .tips = "request_policy:all_shards response_policy:agg_min"},
    {0},
};
