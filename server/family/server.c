/* SPDX-License-Identifier: MIT */
/* Commands about the server: INFO, SAVE and its kin, LASTSAVE, TIME, SHUTDOWN, LOLWUT, MODULE,
 * MONITOR. */
#include <limits.h>

#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/family/families.h"
#include "server/family/info.h"
#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "server/publish/monitor.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/needs.h"
#include "server/session/session.h"
#include "server/version.h"

static void run_info(struct call *call)
{
    struct resp_buffer text = {0};
    info_write(call->session->server, call->argv + 1, call->argc - 1, &text);
    if (text.failed)
        resp_write_error(call->reply, "ERR out of memory");
    else
        resp_write_verbatim(call->reply, "txt", resp_buffer_bytes(&text), resp_buffer_size(&text));
    resp_buffer_free(&text);
}

/* Every write is durable already.  The commit that this runs in writes a new base. */
static void run_save(struct call *call)
{
    reply_ok(call);
}

/* BGSAVE and BGSAVE SCHEDULE are the same here.  They answer when the work is done, with the words
 * that Redis says at its start. */
static bool bgsave_fits(size_t argc, const struct resp_arg *argv)
{
    return argc == 1 || (argc == 2 && arg_is(&argv[1], "schedule"));
}

static unsigned bgsave_flags(size_t argc, const struct resp_arg *argv)
{
    return bgsave_fits(argc, argv) ? COMMAND_ALONE : 0;
}

static void run_bgsave(struct call *call)
{
    if (!bgsave_fits(call->argc, call->argv))
        reply_syntax_error(call);
    else
        resp_write_simple(call->reply, call->in_exec ? "Background saving scheduled"
                                                     : "Background saving started");
}

/* All databases that there are. */
static void save_databases(const struct call *call, struct needs *needs)
{
    if (!call->in_exec && (needs->flags & COMMAND_ALONE))
        needs->write = databases_present(call->session->server->databases);
}

/* INFO looks at all databases, but has no transaction on them. */
static void info_databases(const struct call *call, struct needs *needs)
{
    needs->open = databases_present(call->session->server->databases);
    needs->fresh = !call->in_exec;
}

static void run_bgrewriteaof(struct call *call)
{
    resp_write_simple(call->reply, call->in_exec ? "Background append only file rewriting scheduled"
                                                 : "Background append only file rewriting started");
}

/* Redis 7.0 draws nothing either. */
static void run_lolwut(struct call *call)
{
    static const char text[] = "Redis ver. " SERVER_REDIS_VERSION "\n";
    int64_t version = 0;
    if (call->argc >= 3 && arg_is(&call->argv[1], "version") &&
        !arg_integer_or_reply(call, 2, &version))
        return;
    resp_write_verbatim(call->reply, "txt", text, sizeof text - 1);
}

static void run_module_list(struct call *call)
{
    resp_write_array(call->reply, 0);
}

static void run_module_help(struct call *call)
{
    static const char *const lines[] = {
        "LIST",
        "    Return a list of loaded modules: there are none.",
        NULL,
    };
    reply_help(call, lines);
}

static void run_lastsave(struct call *call)
{
    struct anystore_stats stats;
    databases_stats(call->session->server->databases, &stats);
    int64_t ms = stats.last_commit_ms ? stats.last_commit_ms : call->session->server->started_ms;
    resp_write_integer(call->reply, ms / 1000);
}

static void run_time(struct call *call)
{
    int64_t now_us = wall_us();
    resp_write_array(call->reply, 2);
    resp_write_bulk_integer(call->reply, now_us / 1000000);
    resp_write_bulk_integer(call->reply, now_us % 1000000);
}

static void run_shutdown(struct call *call)
{
    bool save = false, nosave = false, abort = false, other = false;
    for (size_t i = 1; i < call->argc; i++) {
        const struct resp_arg *arg = &call->argv[i];
        if (arg_is(arg, "save") && !nosave) {
            save = true;
        } else if (arg_is(arg, "nosave") && !save) {
            nosave = true;
        } else if (arg_is(arg, "now") || arg_is(arg, "force")) {
            other = true; /* no effect: nothing is waited for or could be lost */
        } else if (arg_is(arg, "abort")) {
            abort = true;
        } else {
            reply_syntax_error(call);
            return;
        }
    }
    if (abort && (save || nosave || other)) {
        reply_syntax_error(call);
        return;
    }
    if (abort) {
        resp_write_error(call->reply, "ERR No shutdown in progress.");
        return;
    }
    log_write(call->session->server->log, LOG_WARNING, "User requested shutdown...");
    call->session->close_after_reply = true;
    call->session->closing_now = true;
    call->session->server->on_shutdown(call->session->server);
}

/* As in Redis, only the first MONITOR gets a reply. */
static void run_monitor(struct call *call)
{
    struct subscriber *subscriber = call->session->subscriber;
    if (call->in_exec) {
        resp_write_error(call->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
    } else if (!subscriber_monitors(subscriber)) {
        monitors_join(call->session->server->monitors, subscriber);
        reply_ok(call);
    }
}

static const struct command module_rows[] = {
    {.name = "help",
     .full_name = "module|help",
     .run = run_module_help,
     HELP_SUB,
     .since = "5.0.0",
     .group = "server"},
    {.name = "list",
     .full_name = "module|list",
     .run = run_module_list,
     .arity = 2,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT,
     .since = "4.0.0",
     .group = "server",
     .complexity = "O(N) where N is the number of loaded modules",
     .summary = "Lists the loaded modules, of which there are none.",
     .tips = "nondeterministic_output_order"},
    {0},
};

const struct command command_server_rows[] = {
    {.name = "bgrewriteaof",
     .run = run_bgrewriteaof,
     .call_databases = save_databases,
     .arity = 1,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING | COMMAND_ALONE,
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Writes the data file anew, as SAVE does."},
    {.name = "bgsave",
     .run = run_bgsave,
     .call_databases = save_databases,
     .arity = -1,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING,
     .call_flags = bgsave_flags,
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Writes the data file anew, as SAVE does."},
    {.name = "info",
     .run = run_info,
     .call_databases = info_databases,
     .arity = -1,
     .flags = COMMAND_LOADING | COMMAND_STALE,
     .categories = CATEGORY_DANGEROUS,
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Tells facts and figures about the server."},
    {.name = "lastsave",
     .run = run_lastsave,
     .arity = 1,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .categories = CATEGORY_DANGEROUS | CATEGORY_ADMIN,
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Returns the Unix time of the last commit."},
    {.name = "lolwut",
     .run = run_lolwut,
     .arity = -1,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .since = "5.0.0",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Tells the version."},
    {.name = "module",
     .arity = -2,
     .subcommands = module_rows,
     .since = "4.0.0",
     .group = "server",
     .complexity = "Depends on the subcommand",
     .summary = "A container for commands about modules."},
    {.name = "monitor",
     .run = run_monitor,
     .arity = 1,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE,
     .since = "1.0.0",
     .group = "server",
     .summary = "Shows the client every command that this server runs."},
    {.name = "save",
     .run = run_save,
     .call_databases = save_databases,
     .arity = 1,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING | COMMAND_NO_MULTI |
              COMMAND_ALONE,
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(N) where N is the total number of keys",
     .summary = "Writes the data file anew, without the history of its changes."},
    {.name = "shutdown",
     .run = run_shutdown,
     .arity = -1,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE |
              COMMAND_NO_MULTI | COMMAND_ALLOW_BUSY | COMMAND_NOT_PAUSED,
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Ends the server. Whatever was acknowledged is in the file."},
    {.name = "time",
     .run = run_time,
     .arity = 1,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .since = "2.6.0",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Returns the server's time."},
    {0},
};
