/* SPDX-License-Identifier: MIT */
/* The commands that show and change the server itself as data: COMMAND, from the rows of all
 * families, and CONFIG, from the table of options. */
#include "command.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command_internal.h"
#include "config.h"
#include "glob.h"
#include "log.h"
#include "server.h"

/* ---- Words -------------------------------------------------------------------------------- */

struct word {
    unsigned bit;
    const char *word;
};

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

/* The categories that follow from a command's flags, beside enum command_categories. */
enum {
    CATEGORY_READ = 1 << 16,
    CATEGORY_WRITE = 1 << 17,
    CATEGORY_FAST = 1 << 19,
    CATEGORY_SLOW = 1 << 20,
    CATEGORY_BLOCKING = 1 << 21
};

/* In Redis's order; those of data types that are not here have no command to show. */
static const struct word category_words[] = {
    {CATEGORY_KEYSPACE, "@keyspace"},
    {CATEGORY_READ, "@read"},
    {CATEGORY_WRITE, "@write"},
    {CATEGORY_SET, "@set"},
    {CATEGORY_SORTEDSET, "@sortedset"},
    {CATEGORY_LIST, "@list"},
    {CATEGORY_STRING, "@string"},
    {CATEGORY_BITMAP, "@bitmap"},
    {CATEGORY_PUBSUB, "@pubsub"},
    {CATEGORY_ADMIN, "@admin"},
    {CATEGORY_FAST, "@fast"},
    {CATEGORY_SLOW, "@slow"},
    {CATEGORY_BLOCKING, "@blocking"},
    {CATEGORY_DANGEROUS, "@dangerous"},
    {CATEGORY_CONNECTION, "@connection"},
    {CATEGORY_TRANSACTION, "@transaction"},
    {CATEGORY_SCRIPTING, "@scripting"},
};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static unsigned all_categories(const struct command *command)
{
    unsigned flags = command->flags;
    unsigned categories = command->categories;
    if (flags & COMMAND_WRITE)
        categories |= CATEGORY_WRITE;
    /* EVAL_RO and its kin read, but whoever may read may not therefore run scripts. */
    if ((flags & COMMAND_READONLY) && !(categories & CATEGORY_SCRIPTING))
        categories |= CATEGORY_READ;
    if (flags & COMMAND_ADMIN)
        categories |= CATEGORY_ADMIN | CATEGORY_DANGEROUS;
    if (flags & COMMAND_PUBSUB)
        categories |= CATEGORY_PUBSUB;
    if (flags & COMMAND_BLOCKING)
        categories |= CATEGORY_BLOCKING;
    return categories | (flags & COMMAND_FAST ? (unsigned)CATEGORY_FAST : CATEGORY_SLOW);
}

static void reply_bits(struct request *request, unsigned bits, const struct word *words,
                       size_t word_count)
{
    size_t count = 0;
    for (size_t i = 0; i < word_count; i++)
        count += (bits & words[i].bit) != 0;
    resp_write_set(request->reply, count);
    for (size_t i = 0; i < word_count; i++) {
        if (bits & words[i].bit)
            resp_write_simple(request->reply, words[i].word);
    }
}

/* A set of blank separated words; NULL is none. */
static void reply_words(struct request *request, const char *text, bool as_bulk)
{
    size_t mark = resp_write_begin(request->reply);
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
            resp_write_bulk_text(request->reply, word);
        else
            resp_write_simple(request->reply, word);
        count++;
        text += size;
        text += strspn(text, " ");
    }
    resp_write_end(request->reply, mark, '~', count);
}

/* ---- COMMAND INFO ------------------------------------------------------------------------- */

/* {"type": ..., "spec": {...}}: the caller writes the pairs of the spec. */
static void begin_spec(struct request *request, const char *name, const char *type, size_t pairs)
{
    struct resp_writer *reply = request->reply;
    resp_write_bulk_text(reply, name);
    resp_write_map(reply, 2);
    resp_write_bulk_text(reply, "type");
    resp_write_bulk_text(reply, type);
    resp_write_bulk_text(reply, "spec");
    resp_write_map(reply, pairs);
}

static void reply_key_range(struct request *request, const struct key_range *range)
{
    struct resp_writer *reply = request->reply;
    bool known = range->first != 0;
    resp_write_map(reply, range->notes ? 4 : 3);
    if (range->notes) {
        resp_write_bulk_text(reply, "notes");
        resp_write_bulk_text(reply, range->notes);
    }
    resp_write_bulk_text(reply, "flags");
    reply_words(request, range->flags, false);

    begin_spec(request, "begin_search", known ? "index" : "unknown", known ? 1 : 0);
    if (known) {
        resp_write_bulk_text(reply, "index");
        resp_write_integer(reply, range->first);
    }
    begin_spec(request, "find_keys", known ? "range" : "unknown", known ? 3 : 0);
    if (known) {
        resp_write_bulk_text(reply, "lastkey");
        resp_write_integer(reply, range->last);
        resp_write_bulk_text(reply, "keystep");
        resp_write_integer(reply, range->step);
        resp_write_bulk_text(reply, "limit");
        resp_write_integer(reply, 0);
    }
}

/* The ranges of a command, which end with one without flags; one[] is room for a single one. */
static const struct key_range *ranges_of(const struct command *command, struct key_range one[2])
{
    if (command->key_ranges)
        return command->key_ranges;
    int last = command->last_key;
    one[0] = (struct key_range){
        .flags = command->key_flags,
        .notes = command->key_notes,
        .first = command->first_key,
        .last = last < 0 ? last : last - command->first_key,
        .step = command->key_step,
    };
    one[1] = (struct key_range){.flags = NULL};
    return one;
}

static void reply_key_ranges(struct request *request, const struct command *command)
{
    struct key_range one[2];
    const struct key_range *ranges = ranges_of(command, one);
    size_t count = 0;
    while (ranges[count].flags)
        count++;
    resp_write_set(request->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_key_range(request, &ranges[i]);
}

/* Not all keys are where first_key, last_key and key_step say. */
static bool has_movable_keys(const struct command *command)
{
    const struct key_range *range = command->key_ranges;
    while (range && range->flags && range->first != 0)
        range++;
    return range && range->flags;
}

static size_t count_rows(const struct command *rows)
{
    size_t count = 0;
    while (rows[count].name)
        count++;
    return count;
}

/* No subcommand has subcommands of its own: that ends the recursion. */
static void reply_info(struct request *request, const struct command *command)
{
    struct resp_writer *reply = request->reply;
    resp_write_array(reply, 10);
    resp_write_bulk_text(reply, command_full_name(command));
    resp_write_integer(reply, command->arity);
    unsigned movable = has_movable_keys(command) ? FLAG_MOVABLE_KEYS : 0;
    reply_bits(request, command->flags | movable, flag_words, COUNT_OF(flag_words));
    resp_write_integer(reply, command->first_key);
    resp_write_integer(reply, command->last_key);
    resp_write_integer(reply, command->key_step);
    reply_bits(request, all_categories(command), category_words, COUNT_OF(category_words));
    reply_words(request, command->tips, true);
    reply_key_ranges(request, command);
    if (!command->subcommands) {
        resp_write_set(reply, 0);
        return;
    }
    resp_write_array(reply, count_rows(command->subcommands));
    for (const struct command *row = command->subcommands; row->name; row++)
        reply_info(request, row);
}

static void run_command(struct request *request)
{
    const struct command_table *table = request->server->commands;
    resp_write_array(request->reply, command_count(table));
    for (size_t i = 0; i < command_count(table); i++)
        reply_info(request, command_at(table, i));
}

/* "get", "config|set": the names that COMMAND itself answers. */
static const struct command *find_full_name(const struct command_table *table,
                                            const struct resp_arg *arg)
{
    const uint8_t *bar = arg->size > 0 ? memchr(arg->data, '|', arg->size) : NULL;
    if (!bar)
        return command_find(table, arg->data, arg->size);
    size_t size = (size_t)(bar - arg->data);
    const struct command *container = command_find(table, arg->data, size);
    return container ? command_find_sub(container, bar + 1, arg->size - size - 1) : NULL;
}

static void run_command_info(struct request *request)
{
    if (request->argc == 2) {
        run_command(request);
        return;
    }
    resp_write_array(request->reply, request->argc - 2);
    for (size_t i = 2; i < request->argc; i++) {
        const struct command *command =
            find_full_name(request->server->commands, &request->argv[i]);
        if (command)
            reply_info(request, command);
        else
            resp_write_null(request->reply);
    }
}

static void run_command_count(struct request *request)
{
    resp_write_integer(request->reply, (int64_t)command_count(request->server->commands));
}

/* ---- COMMAND DOCS ------------------------------------------------------------------------- */

/* A name and what belongs to it: one pair of a map. */
static void reply_docs(struct request *request, const struct command *command)
{
    struct resp_writer *reply = request->reply;
    const struct {
        const char *name, *text;
    } fields[] = {
        {"summary", command->summary},
        {"since", command->since},
        {"group", command->group},
        {"complexity", command->complexity},
    };
    resp_write_bulk_text(reply, command_full_name(command));
    resp_write_map(reply, COUNT_OF(fields) + (command->subcommands != NULL));
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        resp_write_bulk_text(reply, fields[i].name);
        resp_write_bulk_text(reply, fields[i].text);
    }
    if (!command->subcommands)
        return;
    resp_write_bulk_text(reply, "subcommands");
    resp_write_map(reply, count_rows(command->subcommands));
    for (const struct command *row = command->subcommands; row->name; row++)
        reply_docs(request, row);
}

static void run_command_docs(struct request *request)
{
    const struct command_table *table = request->server->commands;
    if (request->argc == 2) {
        resp_write_map(request->reply, command_count(table));
        for (size_t i = 0; i < command_count(table); i++)
            reply_docs(request, command_at(table, i));
        return;
    }
    size_t count = 0;
    size_t mark = resp_write_begin(request->reply);
    for (size_t i = 2; i < request->argc; i++) {
        const struct command *command = find_full_name(table, &request->argv[i]);
        if (!command)
            continue;
        reply_docs(request, command);
        count++;
    }
    resp_write_end(request->reply, mark, '%', count);
}

/* ---- COMMAND LIST ------------------------------------------------------------------------- */

struct list_filter {
    enum { LIST_ALL, LIST_MODULE, LIST_CATEGORY, LIST_PATTERN } kind;
    const struct resp_arg *arg;
    unsigned category; /* 0: one that no command has */
};

static bool list_filter_or_reply(struct request *request, struct list_filter *filter)
{
    static const char *const kinds[] = {
        [LIST_MODULE] = "MODULE", [LIST_CATEGORY] = "ACLCAT", [LIST_PATTERN] = "PATTERN"};
    const struct resp_arg *argv = request->argv;
    *filter = (struct list_filter){.kind = LIST_ALL};
    if (request->argc == 2)
        return true;
    if (request->argc == 5 && arg_is(&argv[2], "FILTERBY")) {
        for (unsigned kind = LIST_MODULE; kind <= LIST_PATTERN; kind++) {
            if (arg_is(&argv[3], kinds[kind]))
                filter->kind = kind;
        }
    }
    if (filter->kind == LIST_ALL) {
        reply_syntax_error(request);
        return false;
    }
    filter->arg = &argv[4];
    for (size_t i = 0; filter->kind == LIST_CATEGORY && i < COUNT_OF(category_words); i++) {
        if (arg_is(filter->arg, category_words[i].word + 1))
            filter->category = category_words[i].bit;
    }
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
        return (all_categories(command) & filter->category) != 0;
    case LIST_PATTERN:
        return glob_match(arg_text(filter->arg), filter->arg->size, name, strlen(name), true);
    }
    return false;
}

/* A command that the filter drops may have subcommands that it keeps. */
static size_t reply_list_entry(struct request *request, const struct list_filter *filter,
                               const struct command *command)
{
    size_t count = 0;
    if (list_wants(filter, command)) {
        resp_write_bulk_text(request->reply, command_full_name(command));
        count++;
    }
    for (const struct command *row = command->subcommands; row && row->name; row++)
        count += reply_list_entry(request, filter, row);
    return count;
}

static void run_command_list(struct request *request)
{
    const struct command_table *table = request->server->commands;
    struct list_filter filter;
    if (!list_filter_or_reply(request, &filter))
        return;
    size_t count = 0;
    size_t mark = resp_write_begin(request->reply);
    for (size_t i = 0; i < command_count(table); i++)
        count += reply_list_entry(request, &filter, command_at(table, i));
    resp_write_end(request->reply, mark, '*', count);
}

/* ---- COMMAND GETKEYS ---------------------------------------------------------------------- */

/* The call that stands behind COMMAND GETKEYS, or NULL with an error replied. */
static const struct command *call_or_reply(struct request *request)
{
    const struct resp_arg *argv = request->argv + 2;
    size_t argc = request->argc - 2;
    const struct command *command =
        command_find(request->server->commands, argv[0].data, argv[0].size);
    if (command && command->subcommands && argc > 1)
        command = command_find_sub(command, argv[1].data, argv[1].size);

    const char *wrong = NULL;
    if (!command)
        wrong = "ERR Invalid command specified";
    else if (command->first_key == 0)
        wrong = "ERR The command has no key arguments";
    else if (!command_arity_fits(command, argc))
        wrong = "ERR Invalid number of arguments specified for command";
    if (wrong)
        resp_write_error(request->reply, wrong);
    return wrong ? NULL : command;
}

/* Where the keys of a range are in a call; false if there are none. */
static bool range_in_call(const struct command *command, const struct key_range *range, size_t argc,
                          const struct resp_arg *argv, size_t *first, size_t *last)
{
    if (range->first == 0) {
        /* Of several unknown ranges the last one is that of call_key. */
        *first = command->call_key && !range[1].flags ? command->call_key(argc, argv) : 0;
        *last = *first;
        return *first != 0;
    }
    size_t from_end = range->last < 0 ? (size_t)-range->last : 0;
    *first = (size_t)range->first;
    *last = from_end ? argc - from_end : *first + (size_t)range->last;
    return from_end <= argc && *first <= *last && *last < argc;
}

static void reply_keys(struct request *request, bool with_flags)
{
    const struct resp_arg *argv = request->argv + 2;
    size_t argc = request->argc - 2;
    const struct command *command = call_or_reply(request);
    if (!command)
        return;
    struct key_range one[2];
    size_t count = 0;
    size_t start = resp_buffer_size(request->reply->out);
    size_t mark = resp_write_begin(request->reply);
    for (const struct key_range *range = ranges_of(command, one); range->flags; range++) {
        size_t first, last;
        if (!range_in_call(command, range, argc, argv, &first, &last))
            continue;
        const char *flags =
            command->call_key_flags ? command->call_key_flags(argc, argv) : range->flags;
        for (size_t i = first; i <= last; i += range->step > 0 ? (size_t)range->step : 1) {
            if (with_flags)
                resp_write_array(request->reply, 2);
            resp_write_bulk(request->reply, argv[i].data, argv[i].size);
            if (with_flags)
                reply_words(request, flags, false);
            count++;
        }
    }
    resp_write_end(request->reply, mark, '*', count);
    if (count > 0)
        return;
    resp_buffer_truncate(request->reply->out, start);
    resp_write_error(request->reply, "ERR Invalid arguments specified for command");
}

static void run_command_getkeys(struct request *request)
{
    reply_keys(request, false);
}

static void run_command_getkeysandflags(struct request *request)
{
    reply_keys(request, true);
}

static void run_command_help(struct request *request)
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
    reply_help(request, lines);
}

/* ---- CONFIG GET --------------------------------------------------------------------------- */

/* One option of the answer. */
struct config_match {
    const char *name; /* as the client wrote it, or the option's own name for a pattern */
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

/* The first argument that names an option decides how it is written in the answer. */
static void match_config(const struct request *request, struct config_match matches[CONFIG_COUNT])
{
    for (size_t i = 2; i < request->argc; i++) {
        const struct resp_arg *arg = &request->argv[i];
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

static void run_config_get(struct request *request)
{
    struct config_match matches[CONFIG_COUNT] = {{.name = NULL}};
    size_t count = 0;
    bool complete = true;
    match_config(request, matches);
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        if (!matches[id].name)
            continue;
        matches[id].value = config_format(request->server->config, id);
        complete = complete && matches[id].value;
        count++;
    }
    if (complete)
        resp_write_map(request->reply, count);
    else
        reply_out_of_memory(request);
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        if (complete && matches[id].name) {
            resp_write_bulk(request->reply, matches[id].name, matches[id].name_size);
            resp_write_bulk_text(request->reply, matches[id].value);
        }
        free(matches[id].value);
    }
}

/* ---- CONFIG SET --------------------------------------------------------------------------- */

struct config_change {
    enum config_id id;
    char *new_value, *old_value;
};

static void reply_set_failed(struct request *request, const char *name, size_t name_size,
                             const char *why)
{
    resp_write_errorf(request->reply,
                      "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                      (int)name_size, name, why ? why : "out of memory");
}

/* Names of options are short; what a client sends as one need not be. */
enum { SHOWN_MAX = 1 << 20 };

static size_t shown_size(const struct resp_arg *arg)
{
    return arg->size < SHOWN_MAX ? arg->size : SHOWN_MAX;
}

/* As in Redis a NUL byte is no part of an integer and ends a word or a size.  A text with one could
 * only be kept cut short, which is worse than an error, above all for a password. */
static const char *refuse_nul(enum config_id id, const struct resp_arg *value)
{
    enum config_type type = config_row(id)->type;
    if (value->size == 0 || !memchr(value->data, '\0', value->size))
        return NULL;
    if (type == CONFIG_NUMBER)
        return "argument couldn't be parsed into an integer";
    return type == CONFIG_TEXT ? "argument must not contain a NUL byte" : NULL;
}

/* Finds what is to be changed.  As no option may come twice there is room for all. */
static bool find_changes_or_reply(struct request *request,
                                  struct config_change changes[CONFIG_COUNT], size_t *count)
{
    bool seen[CONFIG_COUNT] = {false};
    *count = 0;
    for (size_t i = 2; i < request->argc; i += 2) {
        const struct resp_arg *name = &request->argv[i];
        const struct resp_arg *value = &request->argv[i + 1];
        enum config_id id = config_find(arg_text(name), name->size);
        const char *wrong = NULL;
        if (id == CONFIG_COUNT) {
            resp_write_errorf(request->reply,
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
            reply_set_failed(request, arg_text(name), name->size, wrong);
            return false;
        }
        seen[id] = true;
        struct config_change *change = &changes[(*count)++];
        *change = (struct config_change){.id = id};
        change->new_value = strndup(value->size > 0 ? arg_text(value) : "", value->size);
        change->old_value = config_format(request->server->config, id);
        if (!change->new_value || !change->old_value) {
            reply_out_of_memory(request);
            return false;
        }
    }
    return true;
}

/* Sets all of them or, with an error replied, none. */
static bool apply_changes_or_reply(struct request *request, struct config *config,
                                   const struct config_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *cause = NULL;
        if (config_set(config, changes[i].id, changes[i].new_value, &cause))
            continue;
        const char *name = config_row(changes[i].id)->name;
        reply_set_failed(request, name, strlen(name), cause);
        free(cause);
        while (i-- > 0) {
            if (!config_set(config, changes[i].id, changes[i].old_value, NULL))
                log_write(request->server->log, LOG_WARNING,
                          "CONFIG SET failed, and %s could not be set back to what it was",
                          config_row(changes[i].id)->name);
        }
        return false;
    }
    return true;
}

/* Tries the values where nobody sees them first: so other threads see none of them unless all are
 * good, and only a lack of memory can make it necessary to take one back. */
static bool change_config(struct request *request, const struct config_change *changes,
                          size_t count)
{
    struct config *trial = config_new();
    if (!trial) {
        reply_out_of_memory(request);
        return false;
    }
    bool good = apply_changes_or_reply(request, trial, changes, count);
    config_free(trial);
    return good && apply_changes_or_reply(request, request->server->config, changes, count);
}

static void free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text)); /* it may be a password */
    free(text);
}

static void run_config_set(struct request *request)
{
    struct server *server = request->server;
    struct config_change changes[CONFIG_COUNT];
    size_t count = 0;
    if (request->argc % 2 != 0) {
        reply_syntax_error(request);
        return;
    }
    command_config_lock(server->commands);
    if (find_changes_or_reply(request, changes, &count) && change_config(request, changes, count)) {
        log_set_level(server->log, (enum log_level)config_number(server->config, CONFIG_LOGLEVEL));
        reply_ok(request);
    }
    command_config_unlock(server->commands);
    for (size_t i = 0; i < count; i++) {
        free_secret(changes[i].new_value);
        free_secret(changes[i].old_value);
    }
}

static void run_config_resetstat(struct request *request)
{
    struct server_stats *stats = &request->server->stats;
    atomic_uint_fast64_t *const counters[] = {
        &stats->connections_received,
        &stats->connections_rejected,
        &stats->commands_processed,
        &stats->bytes_read,
        &stats->bytes_written,
        &stats->keyspace_hits,
        &stats->keyspace_misses,
        &stats->error_replies,
        &stats->output_limit_disconnections,
        &stats->query_limit_disconnections,
    };
    for (size_t i = 0; i < COUNT_OF(counters); i++)
        atomic_store_explicit(counters[i], 0, memory_order_relaxed);
    reply_ok(request);
}

static void run_config_help(struct request *request)
{
    static const char *const lines[] = {
        "GET <pattern> [<pattern> ...]",
        "    Return the options that match a pattern, and their values.",
        "SET <option> <value> [<option> <value> ...]",
        "    Change options, all of them or none.",
        "RESETSTAT",
        "    Set the counters that INFO shows to zero.",
        NULL,
    };
    reply_help(request, lines);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define COMMAND_SUB                                                                                \
    .flags = COMMAND_LOADING | COMMAND_STALE, .categories = CATEGORY_CONNECTION, .group = "server"

static const struct command command_subcommands[] = {
    {
        .name = "count",
        .full_name = "command|count",
        .run = run_command_count,
        .arity = 2,
        COMMAND_SUB,
        .since = "2.8.13",
        .complexity = "O(1)",
        .summary = "Answers how many commands there are",
    },
    {
        .name = "docs",
        .full_name = "command|docs",
        .run = run_command_docs,
        .arity = -2,
        COMMAND_SUB,
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of commands asked for",
        .summary = "Answers the documentation of some commands, or of all",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "getkeys",
        .full_name = "command|getkeys",
        .run = run_command_getkeys,
        .arity = -4,
        COMMAND_SUB,
        .since = "2.8.13",
        .complexity = "O(N) where N is the number of arguments of the command",
        .summary = "Answers which arguments of a full command are keys",
    },
    {
        .name = "getkeysandflags",
        .full_name = "command|getkeysandflags",
        .run = run_command_getkeysandflags,
        .arity = -4,
        COMMAND_SUB,
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of arguments of the command",
        .summary = "Answers which arguments of a full command are keys, and how it uses them",
    },
    {
        .name = "help",
        .full_name = "command|help",
        .run = run_command_help,
        .arity = 2,
        COMMAND_SUB,
        .since = "5.0.0",
        .complexity = "O(1)",
        .summary = "Tells what subcommands there are",
    },
    {
        .name = "info",
        .full_name = "command|info",
        .run = run_command_info,
        .arity = -2,
        COMMAND_SUB,
        .since = "2.8.13",
        .complexity = "O(N) where N is the number of commands asked for",
        .summary = "Answers arity, flags and key positions of some commands, or of all",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "list",
        .full_name = "command|list",
        .run = run_command_list,
        .arity = -2,
        COMMAND_SUB,
        .since = "7.0.0",
        .complexity = "O(N) where N is the number of commands",
        .summary = "Answers the names of all commands, or of those that pass a filter",
        .tips = "nondeterministic_output_order",
    },
    {.name = NULL},
};

#define CONFIG_SUB                                                                                 \
    .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE, .group = "server"

static const struct command config_subcommands[] = {
    {
        .name = "get",
        .full_name = "config|get",
        .run = run_config_get,
        .arity = -3,
        CONFIG_SUB,
        .since = "2.0.0",
        .complexity = "O(N) where N is the number of patterns",
        .summary = "Answers the options that match one of the patterns",
    },
    {
        .name = "help",
        .full_name = "config|help",
        .run = run_config_help,
        .arity = 2,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .since = "5.0.0",
        .group = "server",
        .complexity = "O(1)",
        .summary = "Tells what subcommands there are",
    },
    {
        .name = "resetstat",
        .full_name = "config|resetstat",
        .run = run_config_resetstat,
        .arity = 2,
        CONFIG_SUB,
        .since = "2.0.0",
        .complexity = "O(1)",
        .summary = "Sets the counters that INFO shows to zero",
    },
    {
        .name = "set",
        .full_name = "config|set",
        .run = run_config_set,
        .arity = -4,
        CONFIG_SUB,
        .since = "2.0.0",
        .complexity = "O(N) where N is the number of options",
        .summary = "Changes options while the server runs, all of them or none",
        .tips = "request_policy:all_nodes response_policy:all_succeeded",
    },
    {.name = NULL},
};

const struct command command_introspect_rows[] = {
    {
        .name = "command",
        .run = run_command,
        .arity = -1,
        .flags = COMMAND_LOADING | COMMAND_STALE,
        .categories = CATEGORY_CONNECTION,
        .subcommands = command_subcommands,
        .since = "2.8.13",
        .group = "server",
        .complexity = "O(N) where N is the number of commands",
        .summary = "Answers arity, flags and key positions of all commands",
        .tips = "nondeterministic_output_order",
    },
    {
        .name = "config",
        .arity = -2,
        .subcommands = config_subcommands,
        .since = "2.0.0",
        .group = "server",
        .complexity = "Depends on the subcommand",
        .summary = "Shows and changes the server's options",
    },
    {.name = NULL},
};
