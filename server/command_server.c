/* SPDX-License-Identifier: MIT */
/* Commands about the server: INFO, SAVE, LASTSAVE, TIME, SHUTDOWN. */
#include <sys/time.h>

#include "command.h"
#include "config.h"
#include "connection.h"
#include "info.h"
#include "log.h"
#include "server.h"

static void run_info(struct request *request)
{
    struct resp_buffer text = {0};
    info_write(request->server, request->argv + 1, request->argc - 1, &text);
    if (text.failed)
        resp_write_error(request->reply, "ERR out of memory");
    else
        resp_write_verbatim(request->reply, "txt", resp_buffer_bytes(&text),
                            resp_buffer_size(&text));
    resp_buffer_free(&text);
}

/* Every write is durable already; what is done, by the commit that this runs in, is a new base. */
static void run_save(struct request *request)
{
    reply_ok(request);
}

static void run_lastsave(struct request *request)
{
    struct anystore_stats stats;
    anystore_stats(request->server->store, &stats);
    int64_t ms = stats.last_commit_ms ? stats.last_commit_ms : request->server->started_ms;
    resp_write_integer(request->reply, ms / 1000);
}

static void run_time(struct request *request)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    resp_write_array(request->reply, 2);
    resp_write_bulk_integer(request->reply, now.tv_sec);
    resp_write_bulk_integer(request->reply, now.tv_usec);
}

static void run_shutdown(struct request *request)
{
    bool save = false, nosave = false, abort = false, other = false;
    for (size_t i = 1; i < request->argc; i++) {
        const struct resp_arg *arg = &request->argv[i];
        if (arg_is(arg, "save") && !nosave) {
            save = true;
        } else if (arg_is(arg, "nosave") && !save) {
            nosave = true;
        } else if (arg_is(arg, "now") || arg_is(arg, "force")) {
            other = true; /* nothing is waited for or could be lost */
        } else if (arg_is(arg, "abort")) {
            abort = true;
        } else {
            reply_syntax_error(request);
            return;
        }
    }
    if (abort && (save || nosave || other)) {
        reply_syntax_error(request);
        return;
    }
    if (abort) {
        resp_write_error(request->reply, "ERR No shutdown in progress.");
        return;
    }
    log_write(request->server->log, LOG_WARNING, "User requested shutdown...");
    request->connection->session.close_after_reply = true;
    request->connection->session.closing_now = true;
    request->server->on_shutdown(request->server);
}

const struct command command_server_rows[] = {
    {.name = "info",
     .run = run_info,
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
    {.name = "save",
     .run = run_save,
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
              COMMAND_NO_MULTI | COMMAND_ALLOW_BUSY,
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
