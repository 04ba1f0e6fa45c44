/* SPDX-License-Identifier: MIT */
/* Cases of the commands on the connection: PING, HELLO, AUTH, RESET, CLIENT ... */
#include "tests/client/commands.h"

#include <stdlib.h>
#include <string.h>

static void ping_echo(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+PONG", "PING");
    client_expect(c, "$hello", "PING hello");
    client_expect(c, "$", "PING %s", "");
    client_expect(c, "$hello", "ECHO hello");
    client_expect(c, "$\\x00\\r\\n", "ECHO %b", "\0\r\n", (size_t)3);
    raw_expect(t->raw, "+PONG", "ping");
    commands_arity(c, "ping", "PING a b");
    commands_arity(c, "echo", "ECHO");
    commands_arity(c, "echo", "ECHO a b");
}

static void select_database(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, "+OK", "SELECT 0");
    client_expect(c, "$1", "GET a");
    client_expect(c, "+OK", "SELECT 15");
    client_expect(c, "_", "GET a");
    client_expect(c, "+OK", "SELECT 0");
    client_expect(c, "-ERR DB index is out of range", "SELECT 16");
    client_expect(c, "-ERR DB index is out of range", "SELECT -1");
    client_expect(c, "-ERR value is not an integer or out of range", "SELECT x");
    client_expect(c, "-ERR value is out of range, value must between -2147483648 and 2147483647",
                  "SELECT 99999999999");
    commands_arity(c, "select", "SELECT");
    commands_arity(c, "select", "SELECT 0 0");
    client_expect(c, "$1", "GET a");
}

static void quit(struct commands *t)
{
    struct raw *raw = raw_connect(t->server);
    check(raw, "cannot connect");
    check(raw_send_text(raw, "*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n"), "cannot send");
    raw_expect_reply(raw, "+OK");
    check(raw_closes(raw), "still open after QUIT, or went on after it");
    raw_close(raw);
    raw = raw_connect(t->server);
    check(raw, "cannot connect");
    raw_expect(raw, "+OK", "quit now");
    check(raw_closes(raw), "still open after QUIT");
    raw_close(raw);
    raw_expect(t->raw, "+OK", "QUIT");
    check(raw_closes(t->raw), "still open after QUIT");
}

static void reset(struct commands *t)
{
    raw_expect(t->raw, "+OK", "CLIENT SETNAME somebody");
    raw_expect(t->raw, "+OK", "SET a 1");
    raw_expect(t->raw, "+RESET", "RESET");
    raw_expect(t->raw, "_", "CLIENT GETNAME");
    const uint8_t *bytes;
    size_t size;
    check(raw_send_text(t->raw, "GET missing\r\n") && raw_read(t->raw, &bytes, &size),
          "no answer after RESET");
    check(size == 5 && !memcmp(bytes, "$-1\r\n", 5), "RESET did not go back to RESP2");
    raw_expect(t->raw, "$1", "GET a");
    commands_arity(t->client, "reset", "RESET x");
}

static void hello_field(const struct reply *reply, const char *field, const char *expected)
{
    const struct reply *value = reply_find(reply, field);
    check(value, "HELLO has no field %s", field);
    char *text = reply_text(value);
    check(!expected || !strcmp(text, expected), "HELLO's %s is %s, not %s", field, text, expected);
    free(text);
}

static void hello(struct commands *t)
{
    struct raw *raw = t->raw;
    for (int version = 3; version >= 2; version--) {
        struct reply *reply = raw_command(raw, "HELLO", version == 3 ? "3" : "2", NULL);
        check(reply && reply->type == (version == 3 ? '%' : '*'), "HELLO %d is no map", version);
        check(reply->count == 14, "HELLO has %zu fields", reply->count / 2);
        hello_field(reply, "server", NULL);
        hello_field(reply, "version", NULL);
        hello_field(reply, "proto", version == 3 ? ":3" : ":2");
        hello_field(reply, "id", NULL);
        hello_field(reply, "mode", "$standalone");
        hello_field(reply, "role", "$master");
        hello_field(reply, "modules", "[]");
        check(reply_find(reply, "id")->type == ':', "HELLO's id is no number");
        reply_free(reply);
    }
    struct reply *reply = raw_command(raw, "HELLO", NULL);
    check(reply && reply->type == '*', "HELLO without version changed the protocol");
    hello_field(reply, "proto", ":2");
    reply_free(reply);
    raw_expect(raw, "-NOPROTO unsupported protocol version", "HELLO 4");
    raw_expect(raw, "-NOPROTO unsupported protocol version", "HELLO 1");
    raw_expect(raw, "-NOPROTO unsupported protocol version", "HELLO -3");
    raw_expect(raw, "-ERR Protocol version is not an integer or out of range", "HELLO three");
    raw_expect(raw, "-ERR Syntax error in HELLO option 'foo'", "HELLO 3 foo");
    raw_expect(raw, "-ERR Syntax error in HELLO option 'AUTH'", "HELLO 3 AUTH default");
    raw_expect(raw, "-ERR Syntax error in HELLO option 'SETNAME'", "HELLO 3 SETNAME");
    raw_expect(raw, "-WRONGPASS invalid username-password pair or user is disabled.",
               "HELLO 3 AUTH nobody x");
    /* None of these switched. */
    const uint8_t *bytes;
    size_t size;
    check(raw_send_text(raw, "GET missing\r\n") && raw_read(raw, &bytes, &size), "no answer");
    check(size == 5, "a HELLO that failed switched the protocol");
    reply = raw_command(raw, "HELLO", "3", "SETNAME", "me", "AUTH", "default", "any", NULL);
    check(reply && reply->type == '%', "HELLO with options fails");
    reply_free(reply);
    raw_expect(raw, "$me", "CLIENT GETNAME");
    raw_expect(raw, "-ERR Client names cannot contain spaces, newlines or special characters.",
               "HELLO 2 SETNAME a\nb");
}

static void auth(struct commands *t)
{
    redisContext *c = t->client;
    const char *wrong = "-WRONGPASS invalid username-password pair or user is disabled.";
    const char *noauth = "-NOAUTH Authentication required.";
    client_expect(c,
                  "-ERR AUTH <password> called without any password configured for the default "
                  "user. Are you sure your configuration is correct?",
                  "AUTH x");
    client_expect(c, "+OK", "AUTH default anything");
    client_expect(c, wrong, "AUTH nobody anything");
    commands_arity(c, "auth", "AUTH");
    client_expect(c, "-ERR syntax error", "AUTH a b c");
    client_expect(c, "+OK", "CONFIG SET requirepass secret");
    client_expect(c, "+PONG", "PING"); /* a client that is authenticated stays so */

    redisContext *other = client_connect(t->server);
    client_expect(other, noauth, "PING");
    client_expect(other, noauth, "GET a");
    client_expect(other, noauth, "SET a 1");
    client_expect(other, noauth, "CLIENT ID");
    client_expect(other, noauth, "COMMAND");
    client_expect(other, "-ERR unknown command 'nosuch', with args beginning with: 'x' ",
                  "nosuch x");
    commands_arity(other, "get", "GET");
    client_expect(other,
                  "-NOAUTH HELLO must be called with the client already authenticated, otherwise "
                  "the HELLO AUTH <user> <pass> option can be used to authenticate the client and "
                  "select the RESP protocol version at the same time",
                  "HELLO 2");
    client_expect(other, wrong, "AUTH wrong");
    client_expect(other, wrong, "AUTH %s", "");
    client_expect(other, wrong, "AUTH secre");
    client_expect(other, wrong, "AUTH secrett");
    client_expect(other, wrong, "AUTH nobody secret");
    client_expect(other, noauth, "GET a");
    client_expect(other, "+RESET", "RESET");
    client_expect(other, noauth, "GET a");
    client_expect(other, "+OK", "AUTH secret");
    client_expect(other, "_", "GET a");
    client_expect(other, wrong, "AUTH wrong"); /* does not disconnect authenticated clients */
    client_expect(other, "+PONG", "PING");
    client_expect(other, "+RESET", "RESET"); /* does */
    client_expect(other, noauth, "PING");
    client_expect(other, wrong, "HELLO 2 AUTH default wrong");
    client_expect(other, noauth, "PING");
    client_expect(other, "+OK", "AUTH default secret");
    client_expect(other, "+PONG", "PING");
    client_expect(other, "+RESET", "RESET");
    client_expect_start(other, "[$server", "HELLO 2 AUTH default secret");
    client_expect(other, "_", "GET a");
    client_expect(other, "+RESET", "RESET");
    client_expect(other, "+OK", "QUIT"); /* may leave */
    redisFree(other);

    client_expect(c, "+OK", "CONFIG SET requirepass %s", "");
    other = client_connect(t->server);
    client_expect(other, "+PONG", "PING");
    redisFree(other);
}

static void client_names(struct commands *t)
{
    redisContext *c = t->client;
    const char *bad = "-ERR Client names cannot contain spaces, newlines or special characters.";
    client_expect(c, "_", "CLIENT GETNAME");
    raw_expect(t->raw, "_", "CLIENT GETNAME");
    client_expect(c, "+OK", "CLIENT SETNAME me");
    client_expect(c, "$me", "CLIENT GETNAME");
    client_expect(c, bad, "CLIENT SETNAME %s", "a b");
    client_expect(c, bad, "CLIENT SETNAME %s", "a\n");
    client_expect(c, bad, "CLIENT SETNAME %s", "\xc3\xa4");
    client_expect(c, "$me", "client getname");
    client_expect(c, "+OK", "CLIENT SETNAME %s", "");
    client_expect(c, "_", "CLIENT GETNAME");
    long long id = client_integer(c, "CLIENT ID");
    check(id > 0 && client_integer(c, "CLIENT ID") == id, "CLIENT ID changes");
    redisContext *other = client_connect(t->server);
    check(client_integer(other, "CLIENT ID") > id, "a later client has no larger id");
    redisFree(other);
    commands_arity(c, "client|id", "CLIENT ID x");
    commands_arity(c, "client|setname", "CLIENT SETNAME");
    commands_arity(c, "client|getname", "CLIENT GETNAME x");
    commands_arity(c, "client", "CLIENT");
    client_expect(c, "-ERR unknown subcommand 'foo'. Try CLIENT HELP.", "CLIENT foo");
    client_expect(c, "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.", "client FOO bar");
}

/* Whether a line of CLIENT LIST has "field=value", or the field with any value if that is NULL. */
static bool has_field(const char *line, const char *field, const char *value)
{
    char *wanted = text_format(" %s=%s", field, value ? value : "");
    const char *found = strstr(line, wanted);
    size_t length = strlen(wanted);
    bool has = found && (!value || found[length] == ' ' || found[length] == '\n');
    free(wanted);
    return has;
}

static void client_list(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "CLIENT SETNAME first");
    long long id = client_integer(c, "CLIENT ID");
    redisReply *reply = redisCommand(c, "CLIENT INFO");
    check(reply && reply->type == REDIS_REPLY_STRING, "CLIENT INFO is no text");
    char *start = text_format("id=%lld ", id);
    check(!strncmp(reply->str, start, strlen(start)), "CLIENT INFO: %s", reply->str);
    check(reply->str[reply->len - 1] == '\n', "CLIENT INFO does not end its line");
    const char *const fields[] = {"addr",  "laddr", "fd",      "age",    "idle", "qbuf",
                                  "multi", "omem",  "tot-mem", "events", "resp"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        check(has_field(reply->str, fields[i], NULL), "no field %s: %s", fields[i], reply->str);
    check(has_field(reply->str, "name", "first"), "no name: %s", reply->str);
    check(has_field(reply->str, "db", "0"), "no db: %s", reply->str);
    check(has_field(reply->str, "flags", "U"), "no flag U for a UNIX socket: %s", reply->str);
    check(has_field(reply->str, "cmd", "client|info"), "no cmd: %s", reply->str);
    check(has_field(reply->str, "user", "default"), "no user: %s", reply->str);
    check(has_field(reply->str, "resp", "2"), "no resp: %s", reply->str);
    freeReplyObject(reply);

    reply = redisCommand(c, "CLIENT LIST");
    check(reply && reply->type == REDIS_REPLY_STRING, "CLIENT LIST is no text");
    int lines = 0;
    for (const char *at = reply->str; (at = strchr(at, '\n')); at++)
        lines++;
    check(lines == 2, "CLIENT LIST has %d lines:\n%s", lines, reply->str);
    check(strstr(reply->str, " name=first ") && strstr(reply->str, start + 2), "%s", reply->str);
    freeReplyObject(reply);

    reply = redisCommand(c, "CLIENT LIST ID %lld 999999", id);
    check(reply && reply->type == REDIS_REPLY_STRING, "CLIENT LIST ID is no text");
    check(strchr(reply->str, '\n') == reply->str + reply->len - 1, "not one line: %s", reply->str);
    freeReplyObject(reply);
    free(start);

    reply = redisCommand(c, "CLIENT LIST TYPE normal");
    check(reply && reply->type == REDIS_REPLY_STRING && reply->len > 0, "no client is normal");
    freeReplyObject(reply);
    client_expect(c, "$", "CLIENT LIST TYPE pubsub");
    client_expect(c, "-ERR Unknown client type 'foo'", "CLIENT LIST TYPE foo");
    client_expect(c, "-ERR Invalid client ID", "CLIENT LIST ID x");
    client_expect(c, "-ERR syntax error", "CLIENT LIST x");
    client_expect(c, "-ERR syntax error", "CLIENT LIST TYPE");
    client_expect(c, "-ERR syntax error", "CLIENT LIST ID");
    commands_arity(c, "client|info", "CLIENT INFO x");

    struct reply *verbatim = raw_command(t->raw, "CLIENT", "LIST", NULL);
    check(verbatim && verbatim->type == '=', "CLIENT LIST is no verbatim string in RESP3");
    check(!strncmp(reply_string(verbatim), "txt:", 4), "CLIENT LIST is not marked as text");
    check(strstr(reply_string(verbatim), " resp=3"), "no client speaks RESP3");
    reply_free(verbatim);
}

/* CLIENT SETINFO came with Redis 7.2; client libraries send it when they connect. */
static void client_setinfo(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "CLIENT SETINFO LIB-NAME mylib");
    client_expect(c, "+OK", "CLIENT SETINFO lib-ver 1.2.3");
    redisReply *reply = redisCommand(c, "CLIENT INFO");
    check(reply && has_field(reply->str, "lib-name", "mylib"), "no lib-name");
    check(has_field(reply->str, "lib-ver", "1.2.3"), "no lib-ver");
    freeReplyObject(reply);
    client_expect(c, "-ERR Unrecognized option 'foo'", "CLIENT SETINFO foo bar");
    client_expect(c, "-ERR lib-name cannot contain spaces, newlines or special characters.",
                  "CLIENT SETINFO LIB-NAME %s", "a b");
    client_expect(c, "-ERR lib-ver cannot contain spaces, newlines or special characters.",
                  "CLIENT SETINFO LIB-VER %s", "1\n");
    commands_arity(c, "client|setinfo", "CLIENT SETINFO LIB-NAME");
}

const struct commands_case commands_connection[] = {
    {"ping_echo", ping_echo, false},
    {"select_database", select_database, false},
    {"quit", quit, false},
    {"reset", reset, false},
    {"hello", hello, false},
    {"auth", auth, false},
    {"client_names", client_names, false},
    {"client_list", client_list, false},
    {"client_setinfo", client_setinfo, true},
    {NULL, NULL, false},
};
