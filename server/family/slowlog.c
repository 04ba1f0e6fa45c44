/* SPDX-License-Identifier: MIT */
/* SLOWLOG: the slow commands. */
#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/family/families.h"
#include "server/observe/slowlog.h"
#include "server/server.h"
#include "server/session/session.h"

enum { DEFAULT_COUNT = 10 };

static void run_slowlog_get(struct call *call)
{
    int64_t count = DEFAULT_COUNT;
    if (call->argc > 3) {
        reply_subcommand_syntax_error(call);
        return;
    }
    if (call->argc == 3 && (!arg_integer(&call->argv[2], &count) || count < -1)) {
        resp_write_error(call->reply, "ERR count should be greater than or equal to -1");
        return;
    }
    slowlog_reply(call->session->server->slowlog, count < 0 ? SIZE_MAX : (size_t)count,
                  call->reply);
}

static void run_slowlog_len(struct call *call)
{
    resp_write_integer(call->reply, (int64_t)slowlog_length(call->session->server->slowlog));
}

static void run_slowlog_reset(struct call *call)
{
    slowlog_clear(call->session->server->slowlog);
    reply_ok(call);
}

static void run_slowlog_help(struct call *call)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    Return the newest <count> entries (default: 10, -1: all). An entry is made of:",
        "    id, timestamp, time in microseconds, arguments, client address, client name",
        "LEN",
        "    Return the number of entries.",
        "RESET",
        "    Forget all entries.",
        NULL,
    };
    reply_help(call, lines);
}

#define SLOWLOG_FLAGS (COMMAND_ADMIN | COMMAND_LOADING | COMMAND_STALE)

static const struct command slowlog_rows[] = {
    {.name = "get",
     .full_name = "slowlog|get",
     .run = run_slowlog_get,
     .arity = -2,
     .flags = SLOWLOG_FLAGS,
     .since = "2.2.12",
     .group = "server",
     .complexity = "O(N) where N is the number of entries returned",
     .summary = "Returns the newest slow commands.",
     .tips = "request_policy:all_nodes nondeterministic_output"},
    {.name = "help",
     .full_name = "slowlog|help",
     .run = run_slowlog_help,
     HELP_SUB,
     .since = "6.2.0",
     .group = "server"},
    {.name = "len",
     .full_name = "slowlog|len",
     .run = run_slowlog_len,
     .arity = 2,
     .flags = SLOWLOG_FLAGS,
     .since = "2.2.12",
     .group = "server",
     .complexity = "O(1)",
     .summary = "Returns how many slow commands are kept.",
     .tips = "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
    {.name = "reset",
     .full_name = "slowlog|reset",
     .run = run_slowlog_reset,
     .arity = 2,
     .flags = SLOWLOG_FLAGS,
     .since = "2.2.12",
     .group = "server",
     .complexity = "O(N) where N is the number of entries in the slowlog",
     .summary = "Forgets the slow commands.",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {0},
};

const struct command command_slowlog_rows[] = {
    {.name = "slowlog",
     .arity = -2,
     .subcommands = slowlog_rows,
     .since = "2.2.12",
     .group = "server",
     .complexity = "Depends on the subcommand",
     .summary = "A container for commands about the slow log."},
    {0},
};
