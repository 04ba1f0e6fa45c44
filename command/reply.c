/* SPDX-License-Identifier: MIT */
/* The arguments, replies and ways to the store that the functions of commands share. */
#include "command/reply.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/config/config.h"
#include "server/observe/stats.h"
#include "server/publish/notify.h"
#include "server/server.h"
#include "server/session/session.h"
#include "text/number.h"

enum {
    CONTAINER_BYTES = 24, /* no command that has subcommands has a longer name */
    SHOWN_BYTES = 128     /* of a client's words in an error */
};

/* ---- Maps ------------------------------------------------------------------------------------- */

struct anystore_txn *call_txn(const struct call *call, unsigned database)
{
    const struct scope *scope = call->scope;
    if (scope->databases == 0)
        return scope->database == database ? scope->txn : NULL;
    return scope->txns && (scope->databases & database_bit(database)) ? scope->txns[database]
                                                                      : NULL;
}

/* ---- Arguments ---------------------------------------------------------------------------- */

bool arg_is(const struct resp_arg *arg, const char *word)
{
    size_t size = strlen(word);
    if (arg->size < size || (arg->size > size && arg->data[size] != '\0'))
        return false;
    return size == 0 || strncasecmp(arg_text(arg), word, size) == 0;
}

bool arg_integer(const struct resp_arg *arg, int64_t *value)
{
    return number_parse(arg->data, arg->size, value);
}

bool arg_integer_or_reply(struct call *call, size_t index, int64_t *value)
{
    assert(index < call->argc);
    if (arg_integer(&call->argv[index], value))
        return true;
    resp_write_error(call->reply, "ERR value is not an integer or out of range");
    return false;
}

bool arg_is_database(const struct server *server, const struct resp_arg *arg, int64_t *database)
{
    return arg_integer(arg, database) && *database >= 0 &&
           *database < config_number(server->config, CONFIG_DATABASES);
}

bool arg_database_or_reply(struct call *call, size_t index, int64_t *database)
{
    if (!arg_integer_or_reply(call, index, database))
        return false;
    if (*database < INT_MIN || *database > INT_MAX) {
        resp_write_error(call->reply, "ERR value is out of range, value must between "
                                      "-2147483648 and 2147483647"); /* sic */
        return false;
    }
    if (*database < 0 ||
        *database >= config_number(call->session->server->config, CONFIG_DATABASES)) {
        resp_write_error(call->reply, "ERR DB index is out of range");
        return false;
    }
    return true;
}

bool arg_timeout_or_reply(struct call *call, size_t index, int64_t *ms)
{
    const char *wrong = NULL;
    if (!arg_integer(&call->argv[index], ms))
        wrong = "ERR timeout is not an integer or out of range";
    else if (*ms < 0)
        wrong = "ERR timeout is negative";
    if (wrong)
        resp_write_error(call->reply, wrong);
    return !wrong;
}

bool call_is_secret(const struct call *call, size_t index)
{
    const char *name = command_full_name(call->command);
    const struct resp_arg *argv = call->argv;
    if (strcmp(name, "auth") == 0)
        return index >= 1;
    if (strcmp(name, "hello") == 0)
        return (index >= 3 && arg_is(&argv[index - 1], "auth")) ||
               (index >= 4 && arg_is(&argv[index - 2], "auth"));
    if (strcmp(name, "acl|setuser") == 0)
        return index >= 2;
    if (strcmp(name, "config|set") != 0 || index < 3 || index % 2 == 0)
        return false;
    enum config_id id = config_find(arg_text(&argv[index - 1]), argv[index - 1].size);
    return id != CONFIG_COUNT && config_is_secret(id);
}

/* ---- Replies ------------------------------------------------------------------------------ */

/* For "%.*s": what of an argument is shown.  As in Redis that ends at a NUL byte. */
static int shown_size(const struct resp_arg *arg, size_t most)
{
    return (int)(arg->size < most ? arg->size : most);
}

static const char *shown_text(const struct resp_arg *arg)
{
    return arg->size > 0 ? arg_text(arg) : "";
}

static void upper_case(char *text)
{
    for (; *text; text++) {
        if (*text >= 'a' && *text <= 'z')
            *text = (char)(*text - 'a' + 'A');
    }
}

/* "CONFIG" for config, config|get and so on. */
static void container_name(const struct command *command, char name[CONTAINER_BYTES + 1])
{
    const char *full = command_full_name(command);
    snprintf(name, CONTAINER_BYTES + 1, "%.*s", (int)strcspn(full, "|"), full);
    upper_case(name);
}

void reply_ok(struct call *call)
{
    resp_write_simple(call->reply, "OK");
}

void reply_syntax_error(struct call *call)
{
    resp_write_error(call->reply, "ERR syntax error");
}

void reply_unknown_subcommand(struct call *call, const struct command *container)
{
    const struct resp_arg *word = &call->argv[1];
    char name[CONTAINER_BYTES + 1];
    container_name(container, name);
    resp_write_errorf(call->reply, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                      shown_size(word, SHOWN_BYTES), shown_text(word), name);
}

void reply_unknown_command(struct call *call)
{
    char preview[SHOWN_BYTES + sizeof "'' "] = "";
    size_t size = 0;
    for (size_t i = 1; i < call->argc && size < SHOWN_BYTES; i++) {
        const struct resp_arg *word = &call->argv[i];
        int printed = snprintf(preview + size, sizeof preview - size, "'%.*s' ",
                               shown_size(word, SHOWN_BYTES - size), shown_text(word));
        size += (size_t)printed;
    }
    const struct resp_arg *word = &call->argv[0];
    resp_write_errorf(call->reply, "ERR unknown command '%.*s', with args beginning with: %s",
                      shown_size(word, SHOWN_BYTES), shown_text(word), preview);
}

void reply_wrong_arity(struct call *call)
{
    resp_write_errorf(call->reply, "ERR wrong number of arguments for '%s' command",
                      command_full_name(call->command));
}

void reply_wrong_type(struct call *call)
{
    resp_write_error(call->reply,
                     "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void reply_subcommand_syntax_error(struct call *call)
{
    const struct resp_arg *word = &call->argv[1];
    char name[CONTAINER_BYTES + 1];
    container_name(call->command, name);
    resp_write_errorf(
        call->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
        shown_size(word, SHOWN_BYTES), shown_text(word), name);
}

void reply_invalid_expire(struct call *call)
{
    resp_write_errorf(call->reply, "ERR invalid expire time in '%s' command",
                      command_full_name(call->command));
}

void reply_out_of_memory(struct call *call)
{
    resp_write_error(call->reply, "ERR out of memory");
}

void reply_help(struct call *call, const char *const *lines)
{
    size_t count = 0;
    while (lines[count])
        count++;
    char name[CONTAINER_BYTES + 1];
    char first[CONTAINER_BYTES + 80];
    container_name(call->command, name);
    snprintf(first, sizeof first,
             "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", name);
    resp_write_array(call->reply, count + 3);
    resp_write_simple(call->reply, first);
    for (size_t i = 0; i < count; i++)
        resp_write_simple(call->reply, lines[i]);
    resp_write_simple(call->reply, "HELP");
    resp_write_simple(call->reply, "    Prints this help.");
}

/* ---- The store ---------------------------------------------------------------------------- */

static void count_one(struct call *call, bool there)
{
    struct server_stats *stats = call->session->server->stats;
    atomic_fetch_add_explicit(there ? &stats->keyspace_hits : &stats->keyspace_misses, 1,
                              memory_order_relaxed);
}

void count_lookup(struct call *call, const struct resp_arg *key, bool there)
{
    count_one(call, there);
    if (!there)
        notify_event(call, NOTIFY_KEY_MISS, "keymiss", key);
}

bool read_key(struct call *call, const struct resp_arg *key, struct anystore_value *value)
{
    bool there = anystore_get(call->txn, key->data, key->size, value);
    count_lookup(call, key, there);
    return there;
}

bool read_key_quietly(struct call *call, const struct resp_arg *key, struct anystore_value *value)
{
    bool there = anystore_get(call->txn, key->data, key->size, value);
    count_one(call, there);
    return there;
}

const char *type_name(enum anystore_type type)
{
    switch (type) {
    case ANYSTORE_STRING:
        return "string";
    }
    return "unknown"; /* of a newer version's file */
}

bool store_ok_or_reply(struct call *call, enum anystore_status status)
{
    if (status == ANYSTORE_OK)
        return true;
    call->store_failed = true;
    if (status == ANYSTORE_NOMEM)
        reply_out_of_memory(call);
    else if (status == ANYSTORE_TOO_LARGE)
        resp_write_errorf(call->reply, "ERR key or value exceeds maximum allowed size (%zu bytes)",
                          ANYSTORE_MAX_BYTES);
    else
        resp_write_errorf(call->reply, "ERR %s", anystore_status_text(status));
    return false;
}

enum anystore_status put_or_expire(struct call *call, const struct resp_arg *key,
                                   const struct anystore_value *value)
{
    if (value->expire_ms != 0 && value->expire_ms <= anystore_now(call->txn))
        return anystore_delete(call->txn, key->data, key->size, NULL);
    return anystore_put(call->txn, key->data, key->size, value);
}

bool get_string_or_reply(struct call *call, const struct resp_arg *key,
                         struct anystore_value *value, bool *there)
{
    *there = anystore_get(call->txn, key->data, key->size, value);
    if (!*there || value->type == ANYSTORE_STRING)
        return true;
    reply_wrong_type(call);
    return false;
}
