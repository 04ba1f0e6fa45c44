/* SPDX-License-Identifier: MIT */
/* COMMAND, from the rows of all families. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command/args.h"
#include "command/category.h"
#include "command/keys.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/family/families.h"
#include "server/server.h"
#include "server/session/session.h"
#include "text/glob.h"

/* ---- Words -------------------------------------------------------------------------------- */

/* A flag that follows from the row's ranges of keys, beside enum command_flags. */
#define FLAG_MOVABLE_KEYS (1u << 31)

/* In the order in which Redis shows them. */
static const struct word flag_words[] = {
    {COMMAND_WRITE, "write"},
    {COMMAND_READONLY, "readonly"},
    {COMMAND_DENYOOM, "denyoom"},
    {COMMAND_ADMIN, "admin"},
    {COMMAND_PUBSUB, "pubsub"},
    {COMMAND_NOSCRIPT, "noscript"},
    {COMMAND_BLOCKING, "blocking"},
    {COMMAND_LOADING, "loading"},
    {COMMAND_STALE, "stale"},
    {COMMAND_SKIP_MONITOR, "skip_monitor"},
    {COMMAND_SKIP_SLOWLOG, "skip_slowlog"},
    {COMMAND_FAST, "fast"},
    {COMMAND_NO_AUTH, "no_auth"},
    {COMMAND_NO_ASYNC_LOADING, "no_async_loading"},
    {COMMAND_NO_MULTI, "no_multi"},
    {FLAG_MOVABLE_KEYS, "movablekeys"},
    {COMMAND_ALLOW_BUSY, "allow_busy"},
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static void reply_bits(struct call *call, unsigned bits, const struct word *words,
                       size_t word_count)
{
    size_t count = 0;
    for (size_t i = 0; i < word_count; i++)
        count += (bits & words[i].bit) != 0;
    resp_write_set(call->reply, count);
    for (size_t i = 0; i < word_count; i++) {
        if (bits & words[i].bit)
            resp_write_simple(call->reply, words[i].word);
    }
}

/* Writes blank separated words as a set; NULL is an empty one. */
static void reply_words(struct call *call, const char *text, bool as_bulk)
{
    size_t mark = resp_write_begin(call->reply);
    size_t count = 0;
    if (!text)
        text = "";
    while (*text) {
        char word[64];
        size_t size = strcspn(text, " ");
        size_t kept = size < sizeof word ? size : sizeof word - 1;
        memcpy(word, text, kept);
        word[kept] = '\0';
        if (as_bulk)
            resp_write_bulk_text(call->reply, word);
        else
            resp_write_simple(call->reply, word);
        count++;
        text += size;
        text += strspn(text, " ");
    }
    resp_write_end(call->reply, mark, '~', count);
}

/* ---- COMMAND INFO ------------------------------------------------------------------------- */

/* Begins {"type": ..., "spec": {...}}; the caller writes the pairs of the spec. */
static void begin_spec(struct call *call, const char *name, const char *type, size_t pairs)
{
    struct resp_writer *reply = call->reply;
    resp_write_bulk_text(reply, name);
    resp_write_map(reply, 2);
    resp_write_bulk_text(reply, "type");
    resp_write_bulk_text(reply, type);
    resp_write_bulk_text(reply, "spec");
    resp_write_map(reply, pairs);
}

static void reply_key_range(struct call *call, const struct key_range *range)
{
    struct resp_writer *reply = call->reply;
    bool known = range->first != 0;
    resp_write_map(reply, range->notes ? 4 : 3);
    if (range->notes) {
        resp_write_bulk_text(reply, "notes");
        resp_write_bulk_text(reply, range->notes);
    }
    resp_write_bulk_text(reply, "flags");
    reply_words(call, range->flags, false);

    begin_spec(call, "begin_search", known ? "index" : "unknown", known ? 1 : 0);
    if (known) {
        resp_write_bulk_text(reply, "index");
        resp_write_integer(reply, range->first);
    }
    begin_spec(call, "find_keys", known ? "range" : "unknown", known ? 3 : 0);
    if (known) {
        resp_write_bulk_text(reply, "lastkey");
        resp_write_integer(reply, range->last);
        resp_write_bulk_text(reply, "keystep");
        resp_write_integer(reply, range->step);
        resp_write_bulk_text(reply, "limit");
        resp_write_integer(reply, 0);
    }
}

static void reply_key_ranges(struct call *call, const struct command *command)
{
    const struct key_range *ranges = command->keys;
    size_t count = 0;
    while (ranges && ranges[count].flags)
        count++;
    resp_write_set(call->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_key_range(call, &ranges[i]);
}

static size_t count_rows(const struct command *rows)
{
    size_t count = 0;
    while (rows[count].name)
        count++;
    return count;
}

/* The recursion ends here: no subcommand has subcommands of its own. */
static void reply_info(struct call *call, const struct command *command)
{
    struct resp_writer *reply = call->reply;
    resp_write_array(reply, 10);
    resp_write_bulk_text(reply, command_full_name(command));
    resp_write_integer(reply, command->arity);
    unsigned movable = command_has_movable_keys(command) ? FLAG_MOVABLE_KEYS : 0;
    struct key_span span = command_key_span(command);
    reply_bits(call, command->flags | movable, flag_words, COUNT_OF(flag_words));
    resp_write_integer(reply, span.first);
    resp_write_integer(reply, span.last);
    resp_write_integer(reply, span.step);
    reply_bits(call, command_categories(command), command_category_words, command_category_count);
    reply_words(call, command->tips, true);
    reply_key_ranges(call, command);
    if (!command->subcommands) {
        resp_write_set(reply, 0);
        return;
    }
    resp_write_array(reply, count_rows(command->subcommands));
    for (const struct command *row = command->subcommands; row->name; row++)
        reply_info(call, row);
}

static void run_command(struct call *call)
{
    const struct command_table *table = call->session->server->commands;
    resp_write_array(call->reply, command_count(table));
    for (size_t i = 0; i < command_count(table); i++)
        reply_info(call, command_at(table, i));
}

static void run_command_info(struct call *call)
{
    if (call->argc == 2) {
        run_command(call);
        return;
    }
    resp_write_array(call->reply, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        const struct command *command = command_find_full(call->session->server->commands,
                                                          call->argv[i].data, call->argv[i].size);
        if (command)
            reply_info(call, command);
        else
            resp_write_null(call->reply);
    }
}

static void run_command_count(struct call *call)
{
    resp_write_integer(call->reply, (int64_t)command_count(call->session->server->commands));
}

/* ---- COMMAND DOCS ------------------------------------------------------------------------- */

struct docs_field {
    const char *name, *text; /* left out if it is NULL */
};

static size_t count_fields(const struct docs_field *fields, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += fields[i].text != NULL;
    return count;
}

static void write_fields(struct resp_writer *reply, const struct docs_field *fields, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!fields[i].text)
            continue;
        resp_write_bulk_text(reply, fields[i].name);
        resp_write_bulk_text(reply, fields[i].text);
    }
}

/* Writes a name and its value: one pair of a map. */
static void reply_docs(struct call *call, const struct command *command)
{
    struct resp_writer *reply = call->reply;
    const struct docs_field first[] = {{"summary", command->summary},
                                       {"since", command->since},
                                       {"group", command->group},
                                       {"complexity", command->complexity}};
    const struct docs_field last[] = {{"deprecated_since", command->deprecated_since},
                                      {"replaced_by", command->replaced_by}};
    const char *flag = command->deprecated_since ? "deprecated" : NULL;
    if (command->is_system)
        flag = "syscmd";
    resp_write_bulk_text(reply, command_full_name(command));
    resp_write_map(reply, count_fields(first, COUNT_OF(first)) +
                              count_fields(last, COUNT_OF(last)) + (flag != NULL) +
                              (command->subcommands != NULL));
    write_fields(reply, first, COUNT_OF(first));
    if (flag) {
        resp_write_bulk_text(reply, "doc_flags");
        resp_write_set(reply, 1);
        resp_write_simple(reply, flag);
    }
    write_fields(reply, last, COUNT_OF(last));
    if (!command->subcommands)
        return;
    resp_write_bulk_text(reply, "subcommands");
    resp_write_map(reply, count_rows(command->subcommands));
    for (const struct command *row = command->subcommands; row->name; row++)
        reply_docs(call, row);
}

static void run_command_docs(struct call *call)
{
    const struct command_table *table = call->session->server->commands;
    if (call->argc == 2) {
        resp_write_map(call->reply, command_count(table));
        for (size_t i = 0; i < command_count(table); i++)
            reply_docs(call, command_at(table, i));
        return;
    }
    size_t count = 0;
    size_t mark = resp_write_begin(call->reply);
    for (size_t i = 2; i < call->argc; i++) {
        const struct command *command =
            command_find_full(table, call->argv[i].data, call->argv[i].size);
        if (!command)
            continue;
        reply_docs(call, command);
        count++;
    }
    resp_write_end(call->reply, mark, '%', count);
}

/* ---- COMMAND LIST ------------------------------------------------------------------------- */

struct list_filter {
    enum { LIST_ALL, LIST_MODULE, LIST_CATEGORY, LIST_PATTERN } kind;
    const struct resp_arg *arg;
    unsigned category; /* 0: none was given, or no command has it */
};

static bool list_filter_or_reply(struct call *call, struct list_filter *filter)
{
    static const char *const kinds[] = {
        [LIST_MODULE] = "MODULE", [LIST_CATEGORY] = "ACLCAT", [LIST_PATTERN] = "PATTERN"};
    const struct resp_arg *argv = call->argv;
    *filter = (struct list_filter){.kind = LIST_ALL};
    if (call->argc == 2)
        return true;
    if (call->argc == 5 && arg_is(&argv[2], "FILTERBY")) {
        for (unsigned kind = LIST_MODULE; kind <= LIST_PATTERN; kind++) {
            if (arg_is(&argv[3], kinds[kind]))
                filter->kind = kind;
        }
    }
    if (filter->kind == LIST_ALL) {
        reply_syntax_error(call);
        return false;
    }
    filter->arg = &argv[4];
    if (filter->kind == LIST_CATEGORY)
        filter->category = command_category_find(filter->arg);
    return true;
}

static bool list_wants(const struct list_filter *filter, const struct command *command)
{
    const char *name = command_full_name(command);
    switch (filter->kind) {
    case LIST_ALL:
        return true;
    case LIST_MODULE:
        return false; /* there are no modules */
    case LIST_CATEGORY:
        return (command_categories(command) & filter->category) != 0;
    case LIST_PATTERN:
        return glob_match(arg_text(filter->arg), filter->arg->size, name, strlen(name), true);
    }
    return false;
}

/* Lists a command and its subcommands; the filter may keep these and drop the command. */
static size_t reply_list_entry(struct call *call, const struct list_filter *filter,
                               const struct command *command)
{
    size_t count = 0;
    if (list_wants(filter, command)) {
        resp_write_bulk_text(call->reply, command_full_name(command));
        count++;
    }
    for (const struct command *row = command->subcommands; row && row->name; row++)
        count += reply_list_entry(call, filter, row);
    return count;
}

static void run_command_list(struct call *call)
{
    const struct command_table *table = call->session->server->commands;
    struct list_filter filter;
    if (!list_filter_or_reply(call, &filter))
        return;
    size_t count = 0;
    size_t mark = resp_write_begin(call->reply);
    for (size_t i = 0; i < command_count(table); i++)
        count += reply_list_entry(call, &filter, command_at(table, i));
    resp_write_end(call->reply, mark, '*', count);
}

/* ---- COMMAND GETKEYS ---------------------------------------------------------------------- */

/* The call whose keys COMMAND GETKEYS asks for; NULL with an error replied. */
static const struct command *call_or_reply(struct call *call)
{
    const struct resp_arg *argv = call->argv + 2;
    size_t argc = call->argc - 2;
    const struct command *container;
    const struct command *command =
        command_find_call(call->session->server->commands, argc, argv, &container);

    const char *wrong = NULL;
    if (!command)
        wrong = "ERR Invalid command specified";
    else if (!command->keys)
        wrong = "ERR The command has no key arguments";
    else if (!command_arity_fits(command, argc))
        wrong = "ERR Invalid number of arguments specified for command";
    if (wrong)
        resp_write_error(call->reply, wrong);
    return wrong ? NULL : command;
}

static void reply_keys(struct call *call, bool with_flags)
{
    const struct resp_arg *argv = call->argv + 2;
    size_t argc = call->argc - 2;
    const struct command *command = call_or_reply(call);
    if (!command)
        return;
    size_t count = 0;
    size_t start = resp_buffer_size(call->reply->out);
    size_t mark = resp_write_begin(call->reply);
    for (const struct key_range *range = command->keys; range->flags; range++) {
        struct call_keys keys;
        if (!command_call_keys(command, range, argc, argv, &keys))
            continue;
        for (size_t i = keys.first; i <= keys.last; i += keys.step) {
            if (with_flags)
                resp_write_array(call->reply, 2);
            resp_write_bulk(call->reply, argv[i].data, argv[i].size);
            if (with_flags)
                reply_words(call, keys.flags, false);
            count++;
        }
    }
    resp_write_end(call->reply, mark, '*', count);
    if (count > 0)
        return;
    resp_buffer_truncate(call->reply->out, start);
    resp_write_error(call->reply, "ERR Invalid arguments specified for command");
}

static void run_command_getkeys(struct call *call)
{
    reply_keys(call, false);
}

static void run_command_getkeysandflags(struct call *call)
{
    reply_keys(call, true);
}

static void run_command_help(struct call *call)
{
    static const char *const lines[] = {
        "(no subcommand)",
        "    Return details about all commands.",
        "COUNT",
        "    Return the total number of commands in this server.",
        "LIST [FILTERBY MODULE <name>|ACLCAT <category>|PATTERN <pattern>]",
        "    Return the names of all commands, or of those that pass the filter.",
        "INFO [<command-name> ...]",
        "    Return details about the commands named, or about all.",
        "DOCS [<command-name> ...]",
        "    Return the documentation of the commands named, or of all.",
        "GETKEYS <full-command>",
        "    Return the keys in a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys in a full command and how it uses them.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define COMMAND_SUB                                                                                \
    .flags = COMMAND_LOADING | COMMAND_STALE, .categories = CATEGORY_CONNECTION, .group = "server"

static const struct command command_subcommands[] = {
    {.name = "count",
     .full_name = "command|count",
     .run = run_command_count,
     .arity = 2,
     COMMAND_SUB,
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Returns how many commands there are."},
    {.name = "docs",
     .full_name = "command|docs",
     .run = run_command_docs,
     .arity = -2,
     COMMAND_SUB,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of commands asked for",
     .summary = "Returns the documentation of some commands, or of all.",
     .tips = "nondeterministic_output_order"},
    {.name = "getkeys",
     .full_name = "command|getkeys",
     .run = run_command_getkeys,
     .arity = -4,
     COMMAND_SUB,
     .since = "2.8.13",
     .complexity = "O(N) where N is the number of arguments of the command",
     .summary = "Returns which arguments of a full command are keys."},
    {.name = "getkeysandflags",
     .full_name = "command|getkeysandflags",
     .run = run_command_getkeysandflags,
     .arity = -4,
     COMMAND_SUB,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of arguments of the command",
     .summary = "Returns which arguments of a full command are keys, and how it uses them."},
    {.name = "help",
     .full_name = "command|help",
     .run = run_command_help,
     HELP_SUB,
     .categories = CATEGORY_CONNECTION,
     .group = "server",
     .since = "5.0.0"},
    {.name = "info",
     .full_name = "command|info",
     .run = run_command_info,
     .arity = -2,
     COMMAND_SUB,
     .since = "2.8.13",
     .complexity = "O(N) where N is the number of commands asked for",
     .summary = "Returns arity, flags and key positions of some commands, or of all.",
     .tips = "nondeterministic_output_order"},
    {.name = "list",
     .full_name = "command|list",
     .run = run_command_list,
     .arity = -2,
     COMMAND_SUB,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of commands",
     .summary = "Returns the names of all commands, or of those that pass a filter.",
     .tips = "nondeterministic_output_order"},
    {0},
};

const struct command command_introspect_rows[] = {
    {.name = "command",
     .run = run_command,
     .arity = -1,
     .flags = COMMAND_LOADING | COMMAND_STALE,
     .categories = CATEGORY_CONNECTION,
     .subcommands = command_subcommands,
     .since = "2.8.13",
     .group = "server",
     .complexity = "O(N) where N is the number of commands",
     .summary = "Returns arity, flags and key positions of all commands.",
     .tips = "nondeterministic_output_order"},
    {0},
};
