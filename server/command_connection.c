/* SPDX-License-Identifier: MIT */
/* Commands about the connection itself: PING, ECHO, AUTH, HELLO, SELECT, RESET, QUIT, CLIENT. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "client.h"
#include "clock.h"
#include "command.h"
#include "config.h"
#include "connection.h"
#include "log.h"
#include "pubsub.h"
#include "server.h"

/* In the form of a message, as such a client expects nothing else. */
static void reply_pong_to_subscriber(struct request *request)
{
    resp_write_array(request->reply, 2);
    resp_write_bulk_text(request->reply, "pong");
    if (request->argc == 2)
        resp_write_bulk(request->reply, request->argv[1].data, request->argv[1].size);
    else
        resp_write_bulk(request->reply, "", 0);
}

static void run_ping(struct request *request)
{
    const struct connection *connection = request->connection;
    if (request->argc > 2)
        reply_wrong_arity(request);
    else if (connection->session.resp_version == 2 && subscriber_total(connection->subscriber) > 0)
        reply_pong_to_subscriber(request);
    else if (request->argc == 2)
        resp_write_bulk(request->reply, request->argv[1].data, request->argv[1].size);
    else
        resp_write_simple(request->reply, "PONG");
}

static void run_echo(struct request *request)
{
    resp_write_bulk(request->reply, request->argv[1].data, request->argv[1].size);
}

static void run_quit(struct request *request)
{
    reply_ok(request);
    request->connection->session.close_after_reply = true;
}

static void run_select(struct request *request)
{
    int64_t index = 0;
    if (!arg_integer_or_reply(request, 1, &index))
        return;
    if (index < INT_MIN || index > INT_MAX)
        resp_write_error(request->reply, "ERR value is out of range, value must between "
                                         "-2147483648 and 2147483647"); /* sic */
    else if (index < 0 || index >= config_number(request->server->config, CONFIG_DATABASES))
        resp_write_error(request->reply, "ERR DB index is out of range");
    else
        reply_ok(request);
}

/* ---- Authentication ----------------------------------------------------------------------- */

/* Compares hashes in constant time, so that neither contents nor length leak. */
static bool same_secret(const void *a, size_t a_size, const void *b, size_t b_size)
{
    uint8_t a_hash[SHA256_DIGEST_LENGTH], b_hash[SHA256_DIGEST_LENGTH];
    SHA256(a, a_size, a_hash);
    SHA256(b, b_size, b_hash);
    return CRYPTO_memcmp(a_hash, b_hash, sizeof a_hash) == 0;
}

/* Whether user and password are right; every password is while none is set. */
static bool is_authentic(struct request *request, const struct resp_arg *user,
                         const struct resp_arg *password)
{
    static const char name[] = "default";
    char *expected = config_text(request->server->config, CONFIG_REQUIREPASS);
    if (!expected)
        return false;
    bool known = user->size == sizeof name - 1 && memcmp(user->data, name, user->size) == 0;
    bool right = expected[0] == '\0' ||
                 same_secret(password->data, password->size, expected, strlen(expected));
    OPENSSL_cleanse(expected, strlen(expected));
    free(expected);
    return known && right;
}

static bool authenticate_or_reply(struct request *request, const struct resp_arg *user,
                                  const struct resp_arg *password)
{
    if (!is_authentic(request, user, password)) {
        resp_write_error(request->reply,
                         "WRONGPASS invalid username-password pair or user is disabled.");
        return false;
    }
    request->connection->session.authenticated = true;
    return true;
}

static bool password_needed(const struct request *request)
{
    char *password = config_text(request->server->config, CONFIG_REQUIREPASS);
    bool needed = !password || password[0] != '\0';
    free(password);
    return needed;
}

static void run_auth(struct request *request)
{
    static const struct resp_arg default_user = {(const uint8_t *)"default", 7};
    if (request->argc > 3) {
        reply_syntax_error(request);
        return;
    }
    if (request->argc == 2 && !password_needed(request)) {
        resp_write_error(request->reply,
                         "ERR AUTH <password> called without any password configured for the "
                         "default user. Are you sure your configuration is correct?");
        return;
    }
    const struct resp_arg *user = request->argc == 3 ? &request->argv[1] : &default_user;
    if (authenticate_or_reply(request, user, &request->argv[request->argc - 1]))
        reply_ok(request);
}

/* ---- HELLO -------------------------------------------------------------------------------- */

/* Names are words that fit into CLIENT LIST's lines: printable, without blanks. */
static bool is_name(const struct resp_arg *arg)
{
    for (size_t i = 0; i < arg->size; i++)
        if (arg->data[i] < '!' || arg->data[i] > '~')
            return false;
    return true;
}

static bool set_text_or_reply(struct request *request, enum client_text which, const char *what,
                              const struct resp_arg *value)
{
    if (!is_name(value)) {
        resp_write_errorf(request->reply,
                          "ERR %s cannot contain spaces, newlines or special characters.", what);
        return false;
    }
    if (!client_set_text(request->server->clients, request->connection->client, which, value->data,
                         value->size)) {
        resp_write_error(request->reply, "ERR out of memory");
        return false;
    }
    return true;
}

static void reply_hello(struct request *request)
{
    struct resp_writer *reply = request->reply;
    resp_write_map(reply, 7);
    resp_write_bulk_text(reply, "server");
    resp_write_bulk_text(reply, "redis");
    resp_write_bulk_text(reply, "version");
    resp_write_bulk_text(reply, SERVER_REDIS_VERSION);
    resp_write_bulk_text(reply, "proto");
    resp_write_integer(reply, request->connection->session.resp_version);
    resp_write_bulk_text(reply, "id");
    resp_write_integer(reply, (int64_t)request->connection->client->id);
    resp_write_bulk_text(reply, "mode");
    resp_write_bulk_text(reply, "standalone");
    resp_write_bulk_text(reply, "role");
    resp_write_bulk_text(reply, "master");
    resp_write_bulk_text(reply, "modules");
    resp_write_array(reply, 0);
}

static void set_resp_version(struct request *request, int version)
{
    request->connection->session.resp_version = version;
    request->reply->version = version;
    atomic_store_explicit(&request->connection->client->resp_version, version,
                          memory_order_relaxed);
}

static void run_hello(struct request *request)
{
    struct session *session = &request->connection->session;
    const struct resp_arg *argv = request->argv;
    int64_t version = session->resp_version;
    if (request->argc >= 2) {
        if (!arg_integer(&argv[1], &version)) {
            resp_write_error(request->reply,
                             "ERR Protocol version is not an integer or out of range");
            return;
        }
        if (version < 2 || version > 3) {
            resp_write_error(request->reply, "NOPROTO unsupported protocol version");
            return;
        }
    }
    const struct resp_arg *user = NULL, *password = NULL, *name = NULL;
    for (size_t i = 2; i < request->argc; i++) {
        size_t more = request->argc - 1 - i;
        if (arg_is(&argv[i], "auth") && more >= 2) {
            user = &argv[i + 1];
            password = &argv[i + 2];
            i += 2;
        } else if (arg_is(&argv[i], "setname") && more >= 1) {
            name = &argv[++i];
            if (!is_name(name)) {
                resp_write_error(request->reply, "ERR Client names cannot contain spaces, newlines "
                                                 "or special characters.");
                return;
            }
        } else {
            resp_write_errorf(request->reply, "ERR Syntax error in HELLO option '%.*s'",
                              (int)argv[i].size, arg_text(&argv[i]));
            return;
        }
    }
    if (user && !authenticate_or_reply(request, user, password))
        return;
    if (!session->authenticated && password_needed(request)) {
        resp_write_error(
            request->reply,
            "NOAUTH HELLO must be called with the client already authenticated, "
            "otherwise the HELLO AUTH <user> <pass> option can be used to authenticate "
            "the client and select the RESP protocol version at the same time");
        return;
    }
    if (name && !set_text_or_reply(request, CLIENT_NAME, "Client names", name))
        return;
    if (request->argc >= 2)
        set_resp_version(request, (int)version);
    reply_hello(request);
}

static void run_reset(struct request *request)
{
    set_resp_version(request, 2);
    transaction_free(&request->connection->session.transaction, request->server->store);
    request->connection->session.authenticated = !password_needed(request);
    client_set_text(request->server->clients, request->connection->client, CLIENT_NAME, NULL, 0);
    subscriber_unsubscribe(request->server->pubsub, request->connection->subscriber);
    resp_write_simple(request->reply, "RESET");
}

/* ---- CLIENT ------------------------------------------------------------------------------- */

static void run_client_id(struct request *request)
{
    resp_write_integer(request->reply, (int64_t)request->connection->client->id);
}

static void run_client_setname(struct request *request)
{
    if (set_text_or_reply(request, CLIENT_NAME, "Client names", &request->argv[2]))
        reply_ok(request);
}

static void run_client_getname(struct request *request)
{
    char *name = client_text(request->server->clients, request->connection->client, CLIENT_NAME);
    if (name)
        resp_write_bulk_text(request->reply, name);
    else
        resp_write_null(request->reply);
    free(name);
}

static void run_client_setinfo(struct request *request)
{
    const struct resp_arg *attribute = &request->argv[2], *value = &request->argv[3];
    bool set = false;
    if (arg_is(attribute, "lib-name"))
        set = set_text_or_reply(request, CLIENT_LIBRARY_NAME, "lib-name", value);
    else if (arg_is(attribute, "lib-ver"))
        set = set_text_or_reply(request, CLIENT_LIBRARY_VERSION, "lib-ver", value);
    else
        resp_write_errorf(request->reply, "ERR Unrecognized option '%.*s'", (int)attribute->size,
                          arg_text(attribute));
    if (set)
        reply_ok(request);
}

static void reply_text_lines(struct request *request, struct resp_buffer *text)
{
    if (text->failed)
        resp_write_error(request->reply, "ERR out of memory");
    else
        resp_write_verbatim(request->reply, "txt", resp_buffer_bytes(text), resp_buffer_size(text));
    resp_buffer_free(text);
}

static void run_client_info(struct request *request)
{
    struct resp_buffer text = {0};
    client_describe(request->server->clients, request->connection->client, now_ms(), &text);
    reply_text_lines(request, &text);
}

/* CLIENT LIST ID id [id ...] */
static void list_ids(struct request *request)
{
    size_t count = request->argc - 3;
    uint64_t *ids = calloc(count, sizeof *ids);
    if (!ids) {
        resp_write_error(request->reply, "ERR out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t id = 0;
        if (!arg_integer(&request->argv[3 + i], &id)) {
            resp_write_error(request->reply, "ERR Invalid client ID");
            free(ids);
            return;
        }
        ids[i] = (uint64_t)id;
    }
    struct resp_buffer text = {0};
    client_describe_all(request->server->clients, ids, count, now_ms(), &text);
    free(ids);
    reply_text_lines(request, &text);
}

static void run_client_list(struct request *request)
{
    struct resp_buffer text = {0};
    const struct resp_arg *argv = request->argv;
    if (request->argc == 4 && arg_is(&argv[2], "type")) {
        /* There are no other kinds of clients than normal ones. */
        if (arg_is(&argv[3], "normal")) {
            client_describe_all(request->server->clients, NULL, 0, now_ms(), &text);
        } else if (!arg_is(&argv[3], "master") && !arg_is(&argv[3], "replica") &&
                   !arg_is(&argv[3], "slave") && !arg_is(&argv[3], "pubsub")) {
            resp_write_errorf(request->reply, "ERR Unknown client type '%.*s'", (int)argv[3].size,
                              arg_text(&argv[3]));
            return;
        }
        reply_text_lines(request, &text);
    } else if (request->argc > 3 && arg_is(&argv[2], "id")) {
        list_ids(request);
    } else if (request->argc != 2) {
        reply_syntax_error(request);
    } else {
        client_describe_all(request->server->clients, NULL, 0, now_ms(), &text);
        reply_text_lines(request, &text);
    }
}

static void run_client_help(struct request *request)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GETNAME",
        "    Return the name of the current connection.",
        "ID",
        "    Return the ID of the current connection.",
        "INFO",
        "    Return information about the current client connection.",
        "LIST [options ...]",
        "    Return information about client connections. Options:",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Return clients of specified type.",
        "    * ID <client-id> [<client-id> ...]",
        "      Return clients of specified IDs only.",
        "SETINFO <LIB-NAME|LIB-VER> <value>",
        "    Set the library attributes of the current connection.",
        "SETNAME <name>",
        "    Assign the name <name> to the current connection.",
        "HELP",
        "    Print this help.",
    };
    resp_write_array(request->reply, sizeof lines / sizeof lines[0]);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        resp_write_simple(request->reply, lines[i]);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define CLIENT_FLAGS (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)

static const struct command client_rows[] = {
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
    {.name = "help",
     .full_name = "client|help",
     .run = run_client_help,
     .arity = 2,
     .flags = COMMAND_LOADING | COMMAND_STALE,
     .categories = CATEGORY_CONNECTION,
     .since = "5.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Tells which subcommands there are."},
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
     .summary = "Describes the connection as CLIENT LIST does."},
    {.name = "list",
     .full_name = "client|list",
     .run = run_client_list,
     .arity = -2,
     .flags = CLIENT_FLAGS | COMMAND_ADMIN,
     .categories = CATEGORY_CONNECTION,
     .since = "2.4.0",
     .group = "connection",
     .complexity = "O(N) where N is the number of client connections",
     .summary = "Lists the open connections."},
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
    {0},
};

#define SESSION_FLAGS                                                                              \
    (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_NO_AUTH |         \
     COMMAND_ALLOW_BUSY)

const struct command command_connection_rows[] = {
    {.name = "auth",
     .run = run_auth,
     .arity = -2,
     .flags = SESSION_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(N) where N is the number of passwords defined for the user",
     .summary = "Authenticates the connection."},
    {.name = "client",
     .arity = -2,
     .categories = CATEGORY_CONNECTION,
     .subcommands = client_rows,
     .since = "2.4.0",
     .group = "connection",
     .complexity = "Depends on subcommand.",
     .summary = "A container for commands about client connections."},
    {.name = "echo",
     .run = run_echo,
     .arity = 2,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .categories = CATEGORY_CONNECTION,
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Returns the given string."},
    {.name = "hello",
     .run = run_hello,
     .arity = -1,
     .flags = SESSION_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .since = "6.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Shakes hands with the server: protocol version, authentication, name."},
    {.name = "ping",
     .run = run_ping,
     .arity = -1,
     .flags = COMMAND_FAST | COMMAND_WHILE_SUBSCRIBED,
     .categories = CATEGORY_CONNECTION,
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Tells that the server is alive."},
    {.name = "quit",
     .run = run_quit,
     .arity = -1,
     .flags = SESSION_FLAGS | COMMAND_AT_ONCE | COMMAND_WHILE_SUBSCRIBED,
     .categories = CATEGORY_CONNECTION,
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Closes the connection."},
    {.name = "reset",
     .run = run_reset,
     .arity = 1,
     .flags = SESSION_FLAGS | COMMAND_AT_ONCE | COMMAND_WHILE_SUBSCRIBED,
     .categories = CATEGORY_CONNECTION,
     .since = "6.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Brings the connection back to how it began."},
    {.name = "select",
     .run = run_select,
     .arity = 2,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .categories = CATEGORY_CONNECTION,
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Chooses the database."},
    {0},
};
