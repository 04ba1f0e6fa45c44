/* SPDX-License-Identifier: MIT */
/* Commands about the connection itself: PING, ECHO, AUTH, HELLO, SELECT, RESET, QUIT. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "command/args.h"
#include "command/reply.h"
#include "command/slices.h"
#include "command/table.h"
#include "server/client/client.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/family/client.h"
#include "server/family/families.h"
#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "server/publish/monitor.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/session.h"
#include "server/version.h"

/* In the form of a message, because a subscribed client of RESP2 expects nothing else. */
static void reply_pong_to_subscriber(struct call *call)
{
    resp_write_array(call->reply, 2);
    resp_write_bulk_text(call->reply, "pong");
    if (call->argc == 2)
        resp_write_bulk(call->reply, call->argv[1].data, call->argv[1].size);
    else
        resp_write_bulk(call->reply, "", 0);
}

/* As in Redis, a client that asks whether the server is well hears that writes fail. */
static void run_ping(struct call *call)
{
    const struct session *session = call->session;
    enum anystore_status failure = databases_last_failure(session->server->databases);
    if (failure != ANYSTORE_OK)
        resp_write_errorf(call->reply, "MISCONF Errors writing to the data file: %s",
                          anystore_status_text(failure));
    else if (call->argc > 2)
        reply_wrong_arity(call);
    else if (session->resp_version == 2 && subscriber_total(session->subscriber) > 0)
        reply_pong_to_subscriber(call);
    else if (call->argc == 2)
        resp_write_bulk(call->reply, call->argv[1].data, call->argv[1].size);
    else
        resp_write_simple(call->reply, "PONG");
}

static void run_echo(struct call *call)
{
    resp_write_bulk(call->reply, call->argv[1].data, call->argv[1].size);
}

static void run_quit(struct call *call)
{
    reply_ok(call);
    call->session->close_after_reply = true;
}

static void run_select(struct call *call)
{
    int64_t database;
    if (!arg_database_or_reply(call, 1, &database))
        return;
    session_select(call->session, (unsigned)database);
    reply_ok(call);
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

/* Whether user and password are right; any password is while none is set. */
static bool is_authentic(struct call *call, const struct resp_arg *user,
                         const struct resp_arg *password)
{
    static const char name[] = "default";
    char *expected = config_text(call->session->server->config, CONFIG_REQUIREPASS);
    if (!expected)
        return false;
    bool known = user->size == sizeof name - 1 && memcmp(user->data, name, user->size) == 0;
    bool right = expected[0] == '\0' ||
                 same_secret(password->data, password->size, expected, strlen(expected));
    OPENSSL_cleanse(expected, strlen(expected));
    free(expected);
    return known && right;
}

static bool authenticate_or_reply(struct call *call, const struct resp_arg *user,
                                  const struct resp_arg *password)
{
    if (!is_authentic(call, user, password)) {
        resp_write_error(call->reply,
                         "WRONGPASS invalid username-password pair or user is disabled.");
        return false;
    }
    call->session->authenticated = true;
    return true;
}

static bool password_needed(const struct call *call)
{
    char *password = config_text(call->session->server->config, CONFIG_REQUIREPASS);
    bool needed = !password || password[0] != '\0';
    free(password);
    return needed;
}

static void run_auth(struct call *call)
{
    static const struct resp_arg default_user = {(const uint8_t *)"default", 7};
    if (call->argc > 3) {
        reply_syntax_error(call);
        return;
    }
    if (call->argc == 2 && !password_needed(call)) {
        resp_write_error(call->reply,
                         "ERR AUTH <password> called without any password configured for the "
                         "default user. Are you sure your configuration is correct?");
        return;
    }
    const struct resp_arg *user = call->argc == 3 ? &call->argv[1] : &default_user;
    if (authenticate_or_reply(call, user, &call->argv[call->argc - 1]))
        reply_ok(call);
}

/* ---- HELLO -------------------------------------------------------------------------------- */

static void reply_hello(struct call *call)
{
    struct resp_writer *reply = call->reply;
    resp_write_map(reply, 7);
    resp_write_bulk_text(reply, "server");
    resp_write_bulk_text(reply, "redis");
    resp_write_bulk_text(reply, "version");
    resp_write_bulk_text(reply, SERVER_REDIS_VERSION);
    resp_write_bulk_text(reply, "proto");
    resp_write_integer(reply, call->session->resp_version);
    resp_write_bulk_text(reply, "id");
    resp_write_integer(reply, (int64_t)call->session->client->id);
    resp_write_bulk_text(reply, "mode");
    resp_write_bulk_text(reply, "standalone");
    resp_write_bulk_text(reply, "role");
    resp_write_bulk_text(reply, "master");
    resp_write_bulk_text(reply, "modules");
    resp_write_array(reply, 0);
}

static void set_resp_version(struct call *call, int version)
{
    call->session->resp_version = version;
    call->reply->version = version;
    atomic_store_explicit(&call->session->client->resp_version, version, memory_order_relaxed);
}

static void run_hello(struct call *call)
{
    struct session *session = call->session;
    const struct resp_arg *argv = call->argv;
    int64_t version = session->resp_version;
    if (call->argc >= 2) {
        if (!arg_integer(&argv[1], &version)) {
            resp_write_error(call->reply, "ERR Protocol version is not an integer or out of range");
            return;
        }
        if (version < 2 || version > 3) {
            resp_write_error(call->reply, "NOPROTO unsupported protocol version");
            return;
        }
    }
    const struct resp_arg *user = NULL, *password = NULL, *name = NULL;
    for (size_t i = 2; i < call->argc; i++) {
        size_t more = call->argc - 1 - i;
        if (arg_is(&argv[i], "auth") && more >= 2) {
            user = &argv[i + 1];
            password = &argv[i + 2];
            i += 2;
        } else if (arg_is(&argv[i], "setname") && more >= 1) {
            name = &argv[++i];
            if (!client_text_fits(name)) {
                resp_write_error(call->reply, "ERR Client names cannot contain spaces, newlines "
                                              "or special characters.");
                return;
            }
        } else {
            resp_write_errorf(call->reply, "ERR Syntax error in HELLO option '%.*s'",
                              (int)argv[i].size, arg_text(&argv[i]));
            return;
        }
    }
    if (user && !authenticate_or_reply(call, user, password))
        return;
    if (!session->authenticated && password_needed(call)) {
        resp_write_error(
            call->reply,
            "NOAUTH HELLO must be called with the client already authenticated, "
            "otherwise the HELLO AUTH <user> <pass> option can be used to authenticate "
            "the client and select the RESP protocol version at the same time");
        return;
    }
    if (name && !client_set_text_or_reply(call, CLIENT_NAME, "Client names", name))
        return;
    if (call->argc >= 2)
        set_resp_version(call, (int)version);
    reply_hello(call);
}

enum { SUBSCRIPTIONS_BETWEEN_LOOKS = 64 };

static void run_reset(struct call *call)
{
    /* In slices, because there may be many subscriptions. */
    while (subscriber_unsubscribe(call->session->server->pubsub, call->session->subscriber,
                                  SUBSCRIPTIONS_BETWEEN_LOOKS)) {
        if (call_yields(call))
            return;
    }
    set_resp_version(call, 2);
    transaction_free(&call->session->transaction);
    session_select(call->session, 0);
    call->session->authenticated = !password_needed(call);
    client_set_text(call->session->server->clients, call->session->client, CLIENT_NAME, NULL, 0);
    monitors_leave(call->session->server->monitors, call->session->subscriber);
    /* An earlier CLIENT REPLY SKIP holds for this reply. */
    call->session->silence = (struct silence){.skip = call->session->silence.skip};
    resp_write_simple(call->reply, "RESET");
}

/* ---- Rows --------------------------------------------------------------------------------- */

/* The name is a secret, too: it may be a mistyped password. */
static bool is_auth_secret(const struct resp_arg *argv, size_t index)
{
    (void)argv;
    return index >= 1;
}

/* The two words behind AUTH are secrets. */
static bool is_hello_secret(const struct resp_arg *argv, size_t index)
{
    return (index >= 3 && arg_is(&argv[index - 1], "auth")) ||
           (index >= 4 && arg_is(&argv[index - 2], "auth"));
}

#define SESSION_FLAGS                                                                              \
    (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_NO_AUTH |         \
     COMMAND_ALLOW_BUSY)

const struct command command_connection_rows[] = {
    {.name = "auth",
     .run = run_auth,
     .arity = -2,
     .is_secret = is_auth_secret,
     .flags = SESSION_FLAGS | COMMAND_NOT_PAUSED,
     .categories = CATEGORY_CONNECTION,
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(N) where N is the number of passwords defined for the user",
     .summary = "Authenticates the connection."},
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
     .is_secret = is_hello_secret,
     .flags = SESSION_FLAGS | COMMAND_NOT_PAUSED,
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
     .flags =
         SESSION_FLAGS | COMMAND_AT_ONCE | COMMAND_WHILE_SUBSCRIBED | COMMAND_SLICED | COMMAND_LONG,
     .categories = CATEGORY_CONNECTION,
     .since = "6.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Brings the connection back to how it began."},
    {.name = "select",
     .run = run_select,
     .arity = 2,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_SELECTS,
     .categories = CATEGORY_CONNECTION,
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .summary = "Chooses the database."},
    {0},
};
