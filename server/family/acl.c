/* SPDX-License-Identifier: MIT */
/* ACL.  There is one user, "default", who may do everything; its password is requirepass. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "command/args.h"
#include "command/category.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/family/families.h"
#include "server/server.h"
#include "server/session/session.h"

#define HASH_HEX_SIZE (2 * SHA256_DIGEST_LENGTH + 1)

enum { GENPASS_DEFAULT_BITS = 256, GENPASS_MOST_BITS = 4096 };

static const char user_name[] = "default";

static bool is_user(const struct resp_arg *name)
{
    return name->size == strlen(user_name) && memcmp(name->data, user_name, name->size) == 0;
}

/* For "%.*s" in errors. */
static int shown_size(const struct resp_arg *arg)
{
    return (int)(arg->size < 1024 ? arg->size : 1024);
}

static void format_hex(char *out, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* The hash of the password, as Redis shows it; false if there is no password. */
static bool password_hash(const struct server *server, char hex[HASH_HEX_SIZE])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    char *password = config_text(server->config, CONFIG_REQUIREPASS);
    bool there = password && *password;
    if (there) {
        SHA256((const uint8_t *)password, strlen(password), hash);
        format_hex(hex, hash, sizeof hash);
    }
    if (password)
        OPENSSL_cleanse(password, strlen(password));
    free(password);
    return there;
}

static void run_acl_whoami(struct call *call)
{
    resp_write_bulk_text(call->reply, user_name);
}

static void run_acl_users(struct call *call)
{
    resp_write_array(call->reply, 1);
    resp_write_bulk_text(call->reply, user_name);
}

static void run_acl_list(struct call *call)
{
    char hex[HASH_HEX_SIZE] = "";
    bool password = password_hash(call->session->server, hex);
    resp_write_array(call->reply, 1);
    resp_write_bulkf(call->reply, "user %s on %s%s ~* &* +@all", user_name,
                     password ? "#" : "nopass", hex);
}

static void run_acl_getuser(struct call *call)
{
    struct resp_writer *reply = call->reply;
    char hex[HASH_HEX_SIZE] = "";
    if (!is_user(&call->argv[2])) {
        resp_write_null(reply);
        return;
    }
    bool password = password_hash(call->session->server, hex);
    resp_write_map(reply, 6);
    resp_write_bulk_text(reply, "flags");
    resp_write_set(reply, password ? 1 : 2);
    resp_write_bulk_text(reply, "on");
    if (!password)
        resp_write_bulk_text(reply, "nopass");
    resp_write_bulk_text(reply, "passwords");
    resp_write_array(reply, password);
    if (password)
        resp_write_bulk_text(reply, hex);
    resp_write_bulk_text(reply, "commands");
    resp_write_bulk_text(reply, "+@all");
    resp_write_bulk_text(reply, "keys");
    resp_write_bulk_text(reply, "~*");
    resp_write_bulk_text(reply, "channels");
    resp_write_bulk_text(reply, "&*");
    resp_write_bulk_text(reply, "selectors");
    resp_write_array(reply, 0);
}

/* ---- ACL CAT ------------------------------------------------------------------------------ */

static size_t reply_members(struct call *call, const struct command *command, unsigned category)
{
    size_t count = 0;
    if (command->subcommands == NULL || command->run) {
        if (command_categories(command) & category) {
            resp_write_bulk_text(call->reply, command_full_name(command));
            count++;
        }
    }
    for (const struct command *row = command->subcommands; row && row->name; row++)
        count += reply_members(call, row, category);
    return count;
}

static void run_acl_cat(struct call *call)
{
    const struct command_table *table = call->session->server->commands;
    if (call->argc > 3) {
        reply_subcommand_syntax_error(call);
        return;
    }
    if (call->argc == 2) {
        resp_write_array(call->reply, command_category_count);
        for (size_t i = 0; i < command_category_count; i++)
            resp_write_bulk_text(call->reply, command_category_words[i].word + 1);
        return;
    }
    const struct resp_arg *name = &call->argv[2];
    unsigned category = command_category_find(name);
    if (!category) {
        resp_write_errorf(call->reply, "ERR Unknown category '%.*s'",
                          name->size < 128 ? (int)name->size : 128,
                          name->size > 0 ? arg_text(name) : "");
        return;
    }
    size_t mark = resp_write_begin(call->reply);
    size_t count = 0;
    for (size_t i = 0; i < command_count(table); i++)
        count += reply_members(call, command_at(table, i), category);
    resp_write_end(call->reply, mark, '*', count);
}

/* ---- The rest ----------------------------------------------------------------------------- */

static void run_acl_dryrun(struct call *call)
{
    const struct resp_arg *argv = call->argv;
    if (!is_user(&argv[2])) {
        resp_write_errorf(call->reply, "ERR User '%.*s' not found", shown_size(&argv[2]),
                          argv[2].size > 0 ? arg_text(&argv[2]) : "");
        return;
    }
    const struct command *command =
        command_find(call->session->server->commands, argv[3].data, argv[3].size);
    if (command && command->subcommands && call->argc > 4)
        command = command_find_sub(command, argv[4].data, argv[4].size);
    if (!command)
        resp_write_errorf(call->reply, "ERR Command '%.*s' not found", shown_size(&argv[3]),
                          argv[3].size > 0 ? arg_text(&argv[3]) : "");
    else if (!command_arity_fits(command, call->argc - 3))
        resp_write_errorf(call->reply, "ERR wrong number of arguments for '%s' command",
                          command_full_name(command));
    else
        reply_ok(call);
}

static void run_acl_genpass(struct call *call)
{
    int64_t bits = GENPASS_DEFAULT_BITS;
    if (call->argc > 3) {
        reply_subcommand_syntax_error(call);
        return;
    }
    if (call->argc == 3 && !arg_integer_or_reply(call, 2, &bits))
        return;
    if (bits <= 0 || bits > GENPASS_MOST_BITS) {
        resp_write_errorf(call->reply,
                          "ERR ACL GENPASS argument must be the number of bits for the output "
                          "password, a positive number up to %d",
                          GENPASS_MOST_BITS);
        return;
    }
    uint8_t bytes[GENPASS_MOST_BITS / 8];
    char hex[2 * sizeof bytes + 1];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        resp_write_error(call->reply, "ERR no random numbers to be had");
        return;
    }
    format_hex(hex, bytes, sizeof bytes);
    resp_write_bulk(call->reply, hex, ((size_t)bits + 3) / 4);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(hex, sizeof hex);
}

/* ACL LOG is always empty, because no rule forbids anything. */
static void run_acl_log(struct call *call)
{
    int64_t count = 0;
    if (call->argc > 3)
        reply_subcommand_syntax_error(call);
    else if (call->argc == 3 && arg_is(&call->argv[2], "reset"))
        reply_ok(call);
    else if (call->argc == 2 || arg_integer_or_reply(call, 2, &count))
        resp_write_array(call->reply, 0);
}

static void run_acl_deluser(struct call *call)
{
    for (size_t i = 2; i < call->argc; i++) {
        if (is_user(&call->argv[i])) {
            resp_write_error(call->reply, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    resp_write_integer(call->reply, 0);
}

static void run_acl_unsupported(struct call *call)
{
    resp_write_error(call->reply,
                     "ERR AnyStore has only the user 'default'; requirepass sets the password");
}

static void run_acl_help(struct call *call)
{
    static const char *const lines[] = {
        "CAT [<category>]",
        "    List all commands that belong to <category>, or all command categories.",
        "DELUSER <username> [<username> ...]",
        "    Delete users: there are none to delete.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Return whether the user can execute the given command, without executing it.",
        "GENPASS [<bits>]",
        "    Generate a password of 256 random bits, or as many as asked for.",
        "GETUSER <username>",
        "    Get the user's details.",
        "LIST",
        "    Show users in config file format.",
        "LOAD, SAVE, SETUSER",
        "    Errors: there is only the user 'default'.",
        "LOG [<count>|RESET]",
        "    Show the ACL log entries: there are none.",
        "USERS",
        "    List all usernames.",
        "WHOAMI",
        "    Return the current connection's username.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define ACL_SUB                                                                                    \
    .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE, .since = "6.0.0", .group = "server"
#define ACL_ADMIN_SUB                                                                              \
    .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE, .group = "server"

/* An argument is a secret, because a rule may be a password. */
static bool is_setuser_secret(const struct resp_arg *argv, size_t index)
{
    (void)argv;
    return index >= 2;
}

static const struct command acl_rows[] = {
    {.name = "cat",
     .full_name = "acl|cat",
     .run = run_acl_cat,
     .arity = -2,
     ACL_SUB,
     .complexity = "O(1) since the categories and commands are a fixed set",
     .summary = "Lists the categories, or the commands of one."},
    {.name = "deluser",
     .full_name = "acl|deluser",
     .run = run_acl_deluser,
     .arity = -3,
     ACL_ADMIN_SUB,
     .since = "6.0.0",
     .complexity = "O(1) amortized time considering the typical user",
     .summary = "Removes users, of which there are none but the default one."},
    {.name = "dryrun",
     .full_name = "acl|dryrun",
     .run = run_acl_dryrun,
     .arity = -4,
     ACL_ADMIN_SUB,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Tells whether a user may run a command."},
    {.name = "genpass",
     .full_name = "acl|genpass",
     .run = run_acl_genpass,
     .arity = -2,
     ACL_SUB,
     .complexity = "O(1)",
     .summary = "Returns a random password."},
    {.name = "getuser",
     .full_name = "acl|getuser",
     .run = run_acl_getuser,
     .arity = 3,
     ACL_ADMIN_SUB,
     .since = "6.0.0",
     .complexity =
         "O(N) where N is the number of password, command and pattern rules that the user has",
     .summary = "Tells what a user may do."},
    {.name = "help",
     .full_name = "acl|help",
     .run = run_acl_help,
     HELP_SUB,
     .since = "6.0.0",
     .group = "server"},
    {.name = "list",
     .full_name = "acl|list",
     .run = run_acl_list,
     .arity = 2,
     ACL_ADMIN_SUB,
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of configured users",
     .summary = "Lists the users and what they may do."},
    {.name = "load",
     .full_name = "acl|load",
     .run = run_acl_unsupported,
     .arity = 2,
     ACL_ADMIN_SUB,
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of configured users",
     .summary = "Refuses: there is no file of users."},
    {.name = "log",
     .full_name = "acl|log",
     .run = run_acl_log,
     .arity = -2,
     ACL_ADMIN_SUB,
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of entries shown",
     .summary = "Lists what was denied by rules: nothing."},
    {.name = "save",
     .full_name = "acl|save",
     .run = run_acl_unsupported,
     .arity = 2,
     ACL_ADMIN_SUB,
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of configured users",
     .summary = "Refuses: there is no file of users."},
    {.name = "setuser",
     .full_name = "acl|setuser",
     .run = run_acl_unsupported,
     .arity = -3,
     ACL_ADMIN_SUB,
     .since = "6.0.0",
     .is_secret = is_setuser_secret,
     .complexity = "O(N) where N is the number of rules provided",
     .summary = "Refuses: there is only the default user."},
    {.name = "users",
     .full_name = "acl|users",
     .run = run_acl_users,
     .arity = 2,
     ACL_ADMIN_SUB,
     .since = "6.0.0",
     .complexity = "O(N) where N is the number of configured users",
     .summary = "Lists the names of the users."},
    {.name = "whoami",
     .full_name = "acl|whoami",
     .run = run_acl_whoami,
     .arity = 2,
     ACL_SUB,
     .complexity = "O(1)",
     .summary = "Returns the name of the connection's user."},
    {0},
};

const struct command command_acl_rows[] = {
    {.name = "acl",
     .arity = -2,
     .subcommands = acl_rows,
     .since = "6.0.0",
     .group = "server",
     .complexity = "Depends on the subcommand",
     .summary = "A container for commands about users."},
    {0},
};
