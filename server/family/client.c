/* SPDX-License-Identifier: MIT */
/* CLIENT: shows and changes the connections of this server. */
#include "server/family/client.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/client/client.h"
#include "server/client/pause.h"
#include "server/config/config.h"
#include "server/family/families.h"
#include "server/observe/clock.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/session.h"

/* Whether a name fits into CLIENT LIST's lines: printable, without blanks. */
bool client_text_fits(const struct resp_arg *arg)
{
    for (size_t i = 0; i < arg->size; i++)
        if (arg->data[i] < '!' || arg->data[i] > '~')
            return false;
    return true;
}

bool client_set_text_or_reply(struct call *call, enum client_text which, const char *what,
                              const struct resp_arg *value)
{
    if (!client_text_fits(value)) {
        resp_write_errorf(call->reply,
                          "ERR %s cannot contain spaces, newlines or special characters.", what);
        return false;
    }
    if (!client_set_text(call->session->server->clients, call->session->client, which, value->data,
                         value->size)) {
        resp_write_error(call->reply, "ERR out of memory");
        return false;
    }
    return true;
}

/* ---- CLIENT ------------------------------------------------------------------------------- */

static void run_client_id(struct call *call)
{
    resp_write_integer(call->reply, (int64_t)call->session->client->id);
}

static void run_client_setname(struct call *call)
{
    if (client_set_text_or_reply(call, CLIENT_NAME, "Client names", &call->argv[2]))
        reply_ok(call);
}

static void run_client_getname(struct call *call)
{
    char *name = client_text(call->session->server->clients, call->session->client, CLIENT_NAME);
    if (name)
        resp_write_bulk_text(call->reply, name);
    else
        resp_write_null(call->reply);
    free(name);
}

static void run_client_setinfo(struct call *call)
{
    const struct resp_arg *attribute = &call->argv[2], *value = &call->argv[3];
    bool set = false;
    if (arg_is(attribute, "lib-name"))
        set = client_set_text_or_reply(call, CLIENT_LIBRARY_NAME, "lib-name", value);
    else if (arg_is(attribute, "lib-ver"))
        set = client_set_text_or_reply(call, CLIENT_LIBRARY_VERSION, "lib-ver", value);
    else
        resp_write_errorf(call->reply, "ERR Unrecognized option '%.*s'", (int)attribute->size,
                          arg_text(attribute));
    if (set)
        reply_ok(call);
}

static void reply_text_lines(struct call *call, struct resp_buffer *text)
{
    if (text->failed)
        resp_write_error(call->reply, "ERR out of memory");
    else
        resp_write_verbatim(call->reply, "txt", resp_buffer_bytes(text), resp_buffer_size(text));
    resp_buffer_free(text);
}

static void run_client_info(struct call *call)
{
    struct resp_buffer text = {0};
    client_describe(call->session->server->clients, call->session->client, steady_ms(), &text);
    reply_text_lines(call, &text);
}

/* CLIENT LIST ID id [id ...] */
static void list_ids(struct call *call)
{
    size_t count = call->argc - 3;
    uint64_t *ids = calloc(count, sizeof *ids);
    if (!ids) {
        resp_write_error(call->reply, "ERR out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t id = 0;
        if (!arg_integer(&call->argv[3 + i], &id)) {
            resp_write_error(call->reply, "ERR Invalid client ID");
            free(ids);
            return;
        }
        ids[i] = (uint64_t)id;
    }
    struct resp_buffer text = {0};
    client_describe_some(call->session->server->clients, ids, count, steady_ms(), &text);
    free(ids);
    reply_text_lines(call, &text);
}

/* For "%.*s" in errors.  As in Redis an argument ends at a NUL byte, where printf stops by
 * itself. */
static int shown_size(const struct resp_arg *arg)
{
    return arg->size < INT_MAX ? (int)arg->size : INT_MAX;
}

/* The kind of clients with that name. */
static bool client_kind_or_reply(struct call *call, const struct resp_arg *word,
                                 enum client_kind *kind)
{
    static const struct {
        const char *word;
        enum client_kind kind;
    } kinds[] = {{"normal", CLIENT_KIND_NORMAL},
                 {"pubsub", CLIENT_KIND_PUBSUB},
                 {"master", CLIENT_KIND_REPLICATION},
                 {"replica", CLIENT_KIND_REPLICATION},
                 {"slave", CLIENT_KIND_REPLICATION}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        *kind = kinds[i].kind;
        if (arg_is(word, kinds[i].word))
            return true;
    }
    resp_write_errorf(call->reply, "ERR Unknown client type '%.*s'", shown_size(word),
                      arg_text(word));
    return false;
}

static void run_client_list(struct call *call)
{
    struct resp_buffer text = {0};
    const struct resp_arg *argv = call->argv;
    if (call->argc == 4 && arg_is(&argv[2], "type")) {
        enum client_kind kind = CLIENT_KIND_ANY;
        if (!client_kind_or_reply(call, &argv[3], &kind))
            return;
        client_describe_all(call->session->server->clients, kind, steady_ms(), &text);
        reply_text_lines(call, &text);
    } else if (call->argc > 3 && arg_is(&argv[2], "id")) {
        list_ids(call);
    } else if (call->argc != 2) {
        reply_syntax_error(call);
    } else {
        client_describe_all(call->session->server->clients, CLIENT_KIND_ANY, steady_ms(), &text);
        reply_text_lines(call, &text);
    }
}

/* ---- CLIENT KILL, PAUSE, REPLY ------------------------------------------------------------ */

static bool yes_no_or_reply(struct call *call, const struct resp_arg *word, const char *yes,
                            const char *no, bool *value)
{
    *value = arg_is(word, yes);
    if (*value || arg_is(word, no))
        return true;
    reply_syntax_error(call);
    return false;
}

/* One option of CLIENT KILL and its value, argv[at] and argv[at + 1]. */
static bool kill_option_or_reply(struct call *call, size_t at, struct client_filter *filter)
{
    const struct resp_arg *option = &call->argv[at], *value = option + 1;
    const struct client *own = call->session->client;
    if (at + 1 >= call->argc) {
        reply_syntax_error(call);
        return false;
    }
    if (arg_is(option, "id")) {
        int64_t id = 0;
        if (!arg_integer(value, &id) || id < 1) {
            resp_write_error(call->reply, "ERR client-id should be greater than 0");
            return false;
        }
        filter->id = (uint64_t)id;
    } else if (arg_is(option, "type")) {
        if (!client_kind_or_reply(call, value, &filter->kind))
            return false;
    } else if (arg_is(option, "addr")) {
        filter->address = value;
    } else if (arg_is(option, "laddr")) {
        filter->local_address = value;
    } else if (arg_is(option, "user")) {
        if (value->size != strlen("default") || memcmp(value->data, "default", value->size) != 0) {
            resp_write_errorf(call->reply, "ERR No such user '%.*s'", shown_size(value),
                              arg_text(value));
            return false;
        }
    } else if (arg_is(option, "skipme")) {
        bool skip = true;
        if (!yes_no_or_reply(call, value, "yes", "no", &skip))
            return false;
        filter->skip = skip ? own : NULL;
    } else {
        reply_syntax_error(call);
        return false;
    }
    return true;
}

static void run_client_kill(struct call *call)
{
    const struct client *own = call->session->client;
    struct client_filter filter = {.skip = own};
    bool old_form = call->argc == 3, own_fits = false;
    if (old_form)
        filter = (struct client_filter){.address = &call->argv[2]};
    for (size_t i = 2; !old_form && i < call->argc; i += 2) {
        if (!kill_option_or_reply(call, i, &filter))
            return;
    }
    size_t count = client_kill(call->session->server->clients, &filter, own, &own_fits);
    if (!old_form)
        resp_write_integer(call->reply, (int64_t)count);
    else if (count == 0)
        resp_write_error(call->reply, "ERR No such client");
    else
        reply_ok(call);
    call->session->close_after_reply |= own_fits;
}

static void run_client_pause(struct call *call)
{
    enum pause_kind kind = PAUSE_ALL;
    int64_t ms = 0;
    if (call->argc > 4) {
        reply_subcommand_syntax_error(call);
        return;
    }
    if (call->argc == 4 && arg_is(&call->argv[3], "write")) {
        kind = PAUSE_WRITES;
    } else if (call->argc == 4 && !arg_is(&call->argv[3], "all")) {
        resp_write_error(call->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return;
    }
    if (!arg_timeout_or_reply(call, 2, &ms))
        return;
    if (ms > 0 && !pause_begin(call->session->server->pause, kind, ms))
        resp_write_error(call->reply, "ERR timeout is out of range");
    else
        reply_ok(call);
}

static void run_client_unpause(struct call *call)
{
    struct server *server = call->session->server;
    pause_end(server->pause);
    client_recheck_all(server->clients);
    reply_ok(call);
}

static void run_client_reply(struct call *call)
{
    struct silence *silence = &call->session->silence;
    const struct resp_arg *mode = &call->argv[2];
    if (arg_is(mode, "on")) {
        *silence = (struct silence){.off = false};
        reply_ok(call);
    } else if (arg_is(mode, "off")) {
        silence->off = true;
    } else if (arg_is(mode, "skip")) {
        silence->skip_next = !silence->off;
    } else {
        reply_syntax_error(call);
        return;
    }
    /* In an EXEC it gets a reply, because the array of EXEC has one for each command.  In Redis
     * that array is one short, and never ends. */
    if (call->in_exec && !arg_is(mode, "on"))
        reply_ok(call);
}

static void run_client_no_evict(struct call *call)
{
    bool on = false;
    if (!yes_no_or_reply(call, &call->argv[2], "on", "off", &on))
        return;
    atomic_store_explicit(&call->session->client->no_evict, on, memory_order_relaxed);
    reply_ok(call);
}

/* No effect: the time at which a key was last used is not kept. */
static void run_client_no_touch(struct call *call)
{
    bool on = false;
    if (yes_no_or_reply(call, &call->argv[2], "on", "off", &on))
        reply_ok(call);
}

/* Unblocks nobody: no command here blocks, and a client that waits for the end of a pause cannot be
 * unblocked. */
static void run_client_unblock(struct call *call)
{
    int64_t id = 0;
    if (call->argc > 4) {
        reply_subcommand_syntax_error(call);
        return;
    }
    if (call->argc == 4 && !arg_is(&call->argv[3], "timeout") && !arg_is(&call->argv[3], "error")) {
        resp_write_error(call->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (arg_integer_or_reply(call, 2, &id))
        resp_write_integer(call->reply, 0);
}

/* ---- HELP ---------------------------------------------------------------------------------- */

static void run_client_help(struct call *call)
{
    static const char *const lines[] = {
        "CACHING (YES|NO)",
        "    An error: there is no client side caching.",
        "GETNAME",
        "    Return the name of the current connection.",
        "GETREDIR",
        "    Return -1: there is no client side caching.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current client connection.",
        "KILL <address>",
        "    Close the connection made from that address.",
        "KILL <option> <value> [<option> <value> ...]",
        "    Close the connections that all options fit:",
        "    * ID <client-id>",
        "    * ADDR <address>, LADDR <address>: at the client's end, at the server's",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * USER <username>",
        "    * SKIPME (YES|NO): whether to spare the current connection (default: yes)",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> ...]",
        "    Return information about all client connections or some.",
        "NO-EVICT (ON|OFF)",
        "    Accepted: no client is evicted here.",
        "NO-TOUCH (ON|OFF)",
        "    Accepted: no command changes when a key was used last.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Make all clients of this server, or those that write, wait for so many milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Control the replies sent to the current connection.",
        "SETINFO <LIB-NAME|LIB-VER> <value>",
        "    Set the library attributes of the current connection.",
        "SETNAME <name>",
        "    Assign a name to the current connection.",
        "TRACKING (ON|OFF) [...]",
        "    ON is an error: there is no client side caching.",
        "TRACKINGINFO",
        "    Report the tracking status of the current connection.",
        "UNBLOCK <client-id> [TIMEOUT|ERROR]",
        "    Unblock a client that is blocked by a command.",
        "UNPAUSE",
        "    End a pause.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define CLIENT_FLAGS (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)

static const struct command client_rows[] = {
    {.name = "caching",
     .full_name = "client|caching",
     .run = run_client_caching,
     .arity = 3,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "6.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Tells that there is no client side caching."},
    {.name = "getname",
     .full_name = "client|getname",
     .run = run_client_getname,
     .arity = 2,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "2.6.9",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Returns the name of the connection."},
    {.name = "getredir",
     .full_name = "client|getredir",
     .run = run_client_getredir,
     .arity = 2,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "6.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Returns -1: there is no client side caching."},
    {.name = "help",
     .full_name = "client|help",
     .run = run_client_help,
     HELP_SUB,
     .categories = CATEGORY_CONNECTION,
     .since = "5.0.0",
     .group = "connection"},
    {.name = "id",
     .full_name = "client|id",
     .run = run_client_id,
     .arity = 2,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "5.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Returns the unique number of the connection."},
    {.name = "info",
     .full_name = "client|info",
     .run = run_client_info,
     .arity = 2,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "6.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Describes the connection as CLIENT LIST does.",
     .tips = "nondeterministic_output"},
    {.name = "kill",
     .full_name = "client|kill",
     .run = run_client_kill,
     .arity = -3,
     .flags = CLIENT_FLAGS | COMMAND_ADMIN,
     .categories = CATEGORY_CONNECTION,
     .since = "2.4.0",
     .group = "connection",
     .complexity = "O(N) where N is the number of client connections",
     .summary = "Closes connections."},
    {.name = "list",
     .full_name = "client|list",
     .run = run_client_list,
     .arity = -2,
     .flags = CLIENT_FLAGS | COMMAND_ADMIN,
     .categories = CATEGORY_CONNECTION,
     .since = "2.4.0",
     .group = "connection",
     .complexity = "O(N) where N is the number of client connections",
     .summary = "Lists the open connections.",
     .tips = "nondeterministic_output"},
    {.name = "no-evict",
     .full_name = "client|no-evict",
     .run = run_client_no_evict,
     .arity = 3,
     .flags = CLIENT_FLAGS | COMMAND_ADMIN,
     .categories = CATEGORY_CONNECTION,
     .since = "7.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Protects the connection from eviction."},
    {.name = "no-touch",
     .full_name = "client|no-touch",
     .run = run_client_no_touch,
     .arity = 3,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "7.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Makes commands leave the time of last use of keys as it is."},
    {.name = "pause",
     .full_name = "client|pause",
     .run = run_client_pause,
     .arity = -3,
     .flags = CLIENT_FLAGS | COMMAND_ADMIN,
     .categories = CATEGORY_CONNECTION,
     .since = "2.9.50",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Makes the clients of this server wait for a while."},
    {.name = "reply",
     .full_name = "client|reply",
     .run = run_client_reply,
     .arity = 3,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "3.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Tells whether the client wants replies."},
    {.name = "setinfo",
     .full_name = "client|setinfo",
     .run = run_client_setinfo,
     .arity = 4,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "7.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Notes name and version of the client library."},
    {.name = "setname",
     .full_name = "client|setname",
     .run = run_client_setname,
     .arity = 3,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "2.6.9",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Names the connection."},
    {.name = "tracking",
     .full_name = "client|tracking",
     .run = run_client_tracking,
     .arity = -3,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "6.0.0",
     .group = "connection",
     .complexity = "O(1). Some options may introduce additional complexity",
     .summary = "Refuses client side caching: there is none."},
    {.name = "trackinginfo",
     .full_name = "client|trackinginfo",
     .run = run_client_trackinginfo,
     .arity = 2,
     .flags = CLIENT_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "6.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Tells that the connection has no client side caching."},
    {.name = "unblock",
     .full_name = "client|unblock",
     .run = run_client_unblock,
     .arity = -3,
     .flags = CLIENT_FLAGS | COMMAND_ADMIN,
     .categories = CATEGORY_CONNECTION,
     .since = "5.0.0",
     .group = "connection",
     .complexity = "O(log N) where N is the number of client connections",
     .summary = "Unblocks a client that a command blocks."},
    {.name = "unpause",
     .full_name = "client|unpause",
     .run = run_client_unpause,
     .arity = 2,
     .flags = CLIENT_FLAGS | COMMAND_ADMIN | COMMAND_NOT_PAUSED,
     .categories = CATEGORY_CONNECTION,
     .since = "6.2.0",
     .group = "connection",
     .complexity = "O(N) where N is the number of paused clients",
     .summary = "Ends a pause of the clients."},
    {0},
};

const struct command command_client_rows[] = {
    {.name = "client",
     .arity = -2,
     .categories = CATEGORY_CONNECTION,
     .subcommands = client_rows,
     .since = "2.4.0",
     .group = "connection",
     .complexity = "Depends on the subcommand",
     .summary = "A container for commands about client connections."},
    {0},
};
