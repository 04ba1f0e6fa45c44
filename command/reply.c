/* SPDX-License-Identifier: MIT */
/* Writes the replies that many commands have in common. */
#include "command/reply.h"

#include <stdio.h>
#include <string.h>

#include "command/args.h"
#include "command/table.h"

enum {
    CONTAINER_BYTES = 24, /* no command with subcommands has a longer name */
    SHOWN_BYTES = 128     /* bytes of a client's words that an error shows */
};

/* For "%.*s": how much of an argument an error shows.  As in Redis, a NUL byte ends it. */
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

/* "CONFIG" for config, config|get and the like. */
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
