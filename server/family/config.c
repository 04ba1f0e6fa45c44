/* SPDX-License-Identifier: MIT */
/* CONFIG, over the table of options. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/data/memory.h"
#include "server/data/open_files.h"
#include "server/family/families.h"
#include "server/observe/histogram.h"
#include "server/observe/log.h"
#include "server/observe/rates.h"
#include "server/observe/stats.h"
#include "server/observe/tally.h"
#include "server/publish/notify.h"
#include "server/server.h"
#include "server/session/session.h"
#include "text/glob.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- CONFIG GET --------------------------------------------------------------------------- */

/* One option of the answer. */
struct config_match {
    const char *name; /* the client's spelling, or the option's own name for a pattern */
    size_t name_size;
    char *value;
};

static bool is_pattern(const struct resp_arg *arg)
{
    for (size_t i = 0; i < arg->size; i++) {
        if (arg->data[i] == '*' || arg->data[i] == '?' || arg->data[i] == '[')
            return true;
    }
    return false;
}

/* The first argument that names an option decides its spelling in the answer. */
static void match_config(const struct call *call, struct config_match matches[CONFIG_COUNT])
{
    for (size_t i = 2; i < call->argc; i++) {
        const struct resp_arg *arg = &call->argv[i];
        const char *text = arg_text(arg);
        if (!is_pattern(arg)) {
            enum config_id id = config_find(text, arg->size);
            if (id != CONFIG_COUNT && !matches[id].name)
                matches[id] = (struct config_match){.name = text, .name_size = arg->size};
            continue;
        }
        for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
            const char *name = config_row(id)->name;
            if (!matches[id].name && glob_match(text, arg->size, name, strlen(name), true))
                matches[id] = (struct config_match){.name = name, .name_size = strlen(name)};
        }
    }
}

static void run_config_get(struct call *call)
{
    struct config_match matches[CONFIG_COUNT] = {{.name = NULL}};
    size_t count = 0;
    bool complete = true;
    match_config(call, matches);
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        if (!matches[id].name)
            continue;
        matches[id].value = config_format(call->session->server->config, id);
        complete = complete && matches[id].value;
        count++;
    }
    if (complete)
        resp_write_map(call->reply, count);
    else
        reply_out_of_memory(call);
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        if (complete && matches[id].name) {
            resp_write_bulk(call->reply, matches[id].name, matches[id].name_size);
            resp_write_bulk_text(call->reply, matches[id].value);
        }
        free(matches[id].value);
    }
}

/* ---- CONFIG SET --------------------------------------------------------------------------- */

struct config_change {
    enum config_id id;
    char *new_value, *old_value;
};

static void reply_set_failed(struct call *call, const char *name, size_t name_size, const char *why)
{
    resp_write_errorf(call->reply,
                      "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                      (int)name_size, name, why ? why : "out of memory");
}

/* Names of options are short, but a client may send any length. */
enum { SHOWN_MAX = 1 << 20 };

static size_t shown_size(const struct resp_arg *arg)
{
    return arg->size < SHOWN_MAX ? arg->size : SHOWN_MAX;
}

/* As in Redis, an integer does not contain a NUL byte, and a word or a size ends at one.  A text
 * with a NUL byte is an error: cut short it would be another value, which is worst for a
 * password. */
static const char *refuse_nul(enum config_id id, const struct resp_arg *value)
{
    enum config_type type = config_row(id)->type;
    if (value->size == 0 || !memchr(value->data, '\0', value->size))
        return NULL;
    if (type == CONFIG_NUMBER)
        return "argument couldn't be parsed into an integer";
    return type == CONFIG_TEXT ? "argument must not contain a NUL byte" : NULL;
}

/* The text of an argument; NULL if memory is short. */
static char *copy_text(const struct resp_arg *arg)
{
    char *text = malloc(arg->size + 1);
    if (!text)
        return NULL;
    if (arg->size > 0)
        memcpy(text, arg->data, arg->size);
    text[arg->size] = '\0';
    return text;
}

/* Finds the options to change.  No option may come twice, so there is room for all. */
static bool find_changes_or_reply(struct call *call, struct config_change changes[CONFIG_COUNT],
                                  size_t *count)
{
    bool seen[CONFIG_COUNT] = {false};
    *count = 0;
    for (size_t i = 2; i < call->argc; i += 2) {
        const struct resp_arg *name = &call->argv[i];
        const struct resp_arg *value = &call->argv[i + 1];
        enum config_id id = config_find(arg_text(name), name->size);
        const char *wrong = NULL;
        if (id == CONFIG_COUNT) {
            resp_write_errorf(call->reply,
                              "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                              (int)shown_size(name), name->size > 0 ? arg_text(name) : "");
            return false;
        }
        if (!config_row(id)->mutable)
            wrong = "can't set immutable config";
        else if (seen[id])
            wrong = "duplicate parameter";
        else
            wrong = refuse_nul(id, value);
        if (wrong) {
            reply_set_failed(call, arg_text(name), name->size, wrong);
            return false;
        }
        seen[id] = true;
        struct config_change *change = &changes[(*count)++];
        *change = (struct config_change){.id = id};
        change->new_value = copy_text(value);
        change->old_value = config_format(call->session->server->config, id);
        if (!change->new_value || !change->old_value) {
            reply_out_of_memory(call);
            return false;
        }
    }
    return true;
}

/* Sets all of the options; or none, with an error replied. */
static bool apply_changes_or_reply(struct call *call, struct config *config,
                                   const struct config_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *cause = NULL;
        if (config_set(config, changes[i].id, changes[i].new_value, &cause))
            continue;
        const char *name = config_row(changes[i].id)->name;
        reply_set_failed(call, name, strlen(name), cause);
        free(cause);
        while (i-- > 0) {
            if (!config_set(config, changes[i].id, changes[i].old_value, NULL))
                log_write(call->session->server->log, LOG_WARNING,
                          "CONFIG SET failed, and %s could not be set back to what it was",
                          config_row(changes[i].id)->name);
        }
        return false;
    }
    return true;
}

/* As in Redis, the system's limit of open files bounds the number of clients. */
static bool fits_system_or_reply(struct call *call, const struct config *trial,
                                 const struct config_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (changes[i].id != CONFIG_MAXCLIENTS)
            continue;
        int64_t wanted = config_number(trial, CONFIG_MAXCLIENTS);
        int64_t most = open_files_for(wanted);
        if (most == wanted)
            continue;
        char text[128];
        snprintf(text, sizeof text,
                 "The operating system is not able to handle the specified number of clients, try "
                 "with %lld",
                 (long long)most);
        reply_set_failed(call, "maxclients", strlen("maxclients"), text);
        return false;
    }
    return true;
}

/* Tries the values first where no other thread sees them.  So other threads see none of them unless
 * all are good, and only a lack of memory can make it necessary to take one back. */
static bool change_config(struct call *call, const struct config_change *changes, size_t count)
{
    struct config *trial = config_new();
    if (!trial) {
        reply_out_of_memory(call);
        return false;
    }
    bool good = apply_changes_or_reply(call, trial, changes, count) &&
                fits_system_or_reply(call, trial, changes, count);
    config_free(trial);
    return good && apply_changes_or_reply(call, call->session->server->config, changes, count);
}

static void free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text)); /* it may be a password */
    free(text);
}

/* Warns as Redis does. */
static void warn_of_maxmemory(struct server *server, uint64_t before)
{
    uint64_t most = (uint64_t)config_number(server->config, CONFIG_MAXMEMORY);
    uint64_t used = memory_used(server->memory, server->databases);
    if (most != before && most != 0 && most < used)
        log_write(
            server->log, LOG_WARNING,
            "maxmemory was set to %llu, which is less than the memory in use (%llu): commands "
            "that take more are refused",
            (unsigned long long)most, (unsigned long long)used);
}

static void run_config_set(struct call *call)
{
    struct server *server = call->session->server;
    struct config_change changes[CONFIG_COUNT];
    size_t count = 0;
    if (call->argc % 2 != 0) {
        reply_syntax_error(call);
        return;
    }
    config_lock_changes(server->config);
    uint64_t maxmemory = (uint64_t)config_number(server->config, CONFIG_MAXMEMORY);
    if (find_changes_or_reply(call, changes, &count) && change_config(call, changes, count)) {
        log_set_level(server->log, (enum log_level)config_number(server->config, CONFIG_LOGLEVEL));
        notify_change(server->notify);
        warn_of_maxmemory(server, maxmemory);
        reply_ok(call);
    }
    config_unlock_changes(server->config);
    for (size_t i = 0; i < count; i++) {
        free_secret(changes[i].new_value);
        free_secret(changes[i].old_value);
    }
}

static void run_config_resetstat(struct call *call)
{
    struct anystore_stats store;
    databases_stats(call->session->server->databases, &store);
    stats_reset(call->session->server->stats, store.expired);
    rates_reset(call->session->server->rates);
    tally_reset(call->session->server->tally);
    histogram_clear(call->session->server->commit_times);
    reply_ok(call);
}

static void run_config_rewrite(struct call *call)
{
    struct server *server = call->session->server;
    if (!server->config_file) {
        resp_write_error(call->reply, "ERR The server is running without a config file");
        return;
    }
    config_lock_changes(server->config);
    mode_t exposed = 0;
    bool ok = config_rewrite(server->config, server->config_file, &exposed);
    int number = errno;
    config_unlock_changes(server->config);
    if (ok) {
        log_write(server->log, LOG_WARNING, "CONFIG REWRITE executed with success.");
        if (exposed)
            log_write(
                server->log, LOG_WARNING,
                "CONFIG REWRITE wrote the password into %s, which others may read (mode %03o)",
                server->config_file, (unsigned)exposed);
        reply_ok(call);
    } else {
        log_write(server->log, LOG_WARNING, "CONFIG REWRITE failed: %s", strerror(number));
        resp_write_errorf(call->reply, "ERR Rewriting config file: %s", strerror(number));
    }
}

static void run_config_help(struct call *call)
{
    static const char *const lines[] = {
        "GET <pattern> [<pattern> ...]",
        "    Return the options that match a pattern, and their values.",
        "SET <option> <value> [<option> <value> ...]",
        "    Change options, all of them or none.",
        "RESETSTAT",
        "    Set the counters that INFO shows to zero.",
        "REWRITE",
        "    Write the options back into the configuration file.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define CONFIG_SUB                                                                                 \
    .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE, .group = "server"

/* Whether an argument is the value of an option that is a secret. */
static bool is_set_secret(const struct resp_arg *argv, size_t index)
{
    if (index < 3 || index % 2 == 0)
        return false;
    enum config_id id = config_find(arg_text(&argv[index - 1]), argv[index - 1].size);
    return id != CONFIG_COUNT && config_is_secret(id);
}

static const struct command config_subcommands[] = {
    {.name = "get",
     .full_name = "config|get",
     .run = run_config_get,
     .arity = -3,
     CONFIG_SUB,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of patterns",
     .summary = "Returns the options that match one of the patterns."},
    {.name = "help",
     .full_name = "config|help",
     .run = run_config_help,
     HELP_SUB,
     .since = "5.0.0",
     .group = "server"},
    {.name = "resetstat",
     .full_name = "config|resetstat",
     .run = run_config_resetstat,
     .arity = 2,
     CONFIG_SUB,
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Sets the counters that INFO shows to zero."},
    {.name = "rewrite",
     .full_name = "config|rewrite",
     .run = run_config_rewrite,
     .arity = 2,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_WAITS,
     .group = "server",
     .since = "2.8.0",
     .complexity = "O(1)",
     .summary = "Writes the options back into the configuration file."},
    {.name = "set",
     .full_name = "config|set",
     .run = run_config_set,
     .arity = -4,
     .is_secret = is_set_secret,
     CONFIG_SUB,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of options",
     .summary = "Changes options while the server runs, all of them or none.",
     .tips = "request_policy:all_nodes response_policy:all_succeeded"},
    {0},
};

const struct command command_config_rows[] = {
    {.name = "config",
     .arity = -2,
     .subcommands = config_subcommands,
     .since = "2.0.0",
     .group = "server",
     .complexity = "Depends on the subcommand",
     .summary = "A container for commands about the options."},
    {0},
};
