/* SPDX-License-Identifier: MIT */
/* Cases of the commands on the server itself: COMMAND, CONFIG, INFO, SAVE, SHUTDOWN ... */
#include "tests/client/commands.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void unknown_commands(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "-ERR unknown command 'nosuch', with args beginning with: ", "nosuch");
    client_expect(c, "-ERR unknown command 'NoSuch', with args beginning with: 'a' 'b' ",
                  "NoSuch a b");
    client_expect(c, "-ERR unknown command '', with args beginning with: ", "%s", "");
    client_expect(c, "-ERR unknown command 'no  such', with args beginning with: 'a  b' ", "%s %s",
                  "no\r\nsuch", "a\r\nb");
    client_expect(c, "-ERR unknown command 'get%s', with args beginning with: '%n' ", "%s %s",
                  "get%s", "%n");
    char lengthy[300];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = 0;
    char *expected = text_format(
        "-ERR unknown command '%.128s', with args beginning with: '%.128s' ", lengthy, lengthy);
    client_expect(c, expected, "%s %s more", lengthy, lengthy);
    free(expected);
}

static const struct reply *item(const struct reply *reply, size_t index)
{
    check(reply && index < reply->count, "the reply has no item %zu", index);
    return &reply->items[index];
}

static void command_info(struct commands *t)
{
    redisContext *c = t->client;
    long long count = client_integer(c, "COMMAND COUNT");
    struct reply *all = raw_command(t->raw, "COMMAND", NULL);
    check(all && all->type == '*', "COMMAND is no array");
    check((long long)all->count == count, "COMMAND COUNT %lld, COMMAND %zu", count, all->count);
    reply_free(all);

    struct reply *info = raw_command(t->raw, "COMMAND", "INFO", "get", "nosuch", "MSET", NULL);
    check(info && info->count == 3, "COMMAND INFO does not answer for each");
    const struct reply *get = item(info, 0), *mset = item(info, 2);
    check(item(info, 1)->type == '_', "COMMAND INFO knows nosuch");
    check(get->count == 10, "COMMAND INFO has %zu fields", get->count);
    char *text = reply_text(item(get, 0));
    check(!strcmp(text, "$get"), "%s", text);
    free(text);
    char *head = text_format("%s %s %s %s %s", reply_string(item(get, 1)),
                             reply_string(item(get, 3)), reply_string(item(get, 4)),
                             reply_string(item(get, 5)), reply_string(item(mset, 5)));
    check(!strcmp(head, "2 1 1 1 2"), "arity and key positions: %s", head);
    free(head);
    text = reply_text(item(get, 2));
    check(strstr(text, "+readonly") && strstr(text, "+fast"), "flags of get: %s", text);
    check(text[0] == '~', "flags are no set in RESP3: %s", text);
    free(text);
    reply_free(info);

    info = raw_command(t->raw, "COMMAND", "INFO", NULL);
    check(info && (long long)info->count == count, "COMMAND INFO without names is not all");
    reply_free(info);
    client_expect(c, "[_]", "COMMAND INFO nosuch");
    client_expect(c, "-ERR unknown subcommand 'foo'. Try COMMAND HELP.", "COMMAND foo");
    commands_arity(c, "command|count", "COMMAND COUNT x");
}

static void command_docs(struct commands *t)
{
    struct reply *docs = raw_command(t->raw, "COMMAND", "DOCS", "SET", "nosuch", "mget", NULL);
    check(docs && docs->type == '%' && docs->count == 4, "COMMAND DOCS is no map of two");
    const struct reply *set = reply_find(docs, "set");
    check(set && set->type == '%', "COMMAND DOCS has no set");
    check(*reply_string(reply_find(set, "summary")), "no summary");
    check(!strcmp(reply_string(reply_find(set, "since")), "1.0.0"), "since");
    check(!strcmp(reply_string(reply_find(set, "group")), "string"), "group");
    check(reply_find(docs, "mget"), "COMMAND DOCS has no mget");
    reply_free(docs);
    docs = raw_command(t->raw, "COMMAND", "DOCS", NULL);
    long long count = client_integer(t->client, "COMMAND COUNT");
    check(docs && (long long)docs->count == 2 * count, "COMMAND DOCS is not all");
    reply_free(docs);
    client_expect(t->client, "[]", "COMMAND DOCS nosuch");
}

static void config_get_set(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "[$port $0]", "CONFIG GET port");
    client_expect(c, "[$PORT $0]", "CONFIG GET PORT"); /* in the order of the question */
    client_expect(c, "[$save $]", "CONFIG GET save");
    client_expect(c, "[$appendonly $no]", "CONFIG GET appendonly");
    client_expect(c, "[]", "CONFIG GET nosuch");
    client_expect(c, "[$maxclients $10000]", "CONFIG GET maxclien*");
    client_expect(c, "[$databases $16]", "CONFIG GET databases");
    raw_expect(t->raw, "{$timeout $0}", "CONFIG GET timeout");
    raw_expect(t->raw, "{}", "CONFIG GET nosuch");
    client_expect(c, "+OK", "CONFIG SET timeout 1000");
    client_expect(c, "[$timeout $1000]", "CONFIG GET timeout");
    client_expect(c, "+OK", "config set TIMEOUT 0 tcp-keepalive 100");
    client_expect(c, "[$tcp-keepalive $100]", "CONFIG GET tcp-keepalive");
    client_expect(c, "+OK", "CONFIG SET proto-max-bulk-len 2mb");
    client_expect(c, "[$proto-max-bulk-len $2097152]", "CONFIG GET proto-max-bulk-len");
    client_expect(c, "+OK", "CONFIG SET proto-max-bulk-len 3M");
    client_expect(c, "[$proto-max-bulk-len $3000000]", "CONFIG GET proto-max-bulk-len");
    client_expect(c, "+OK", "CONFIG SET maxclients 100");
    client_expect(c, "[$maxclients $100]", "CONFIG GET maxclients");
    client_expect(c, "+OK", "CONFIG SET protected-mode no");
    client_expect(c, "[$protected-mode $no]", "CONFIG GET protected-mode");
    client_expect(c, "+OK", "CONFIG SET loglevel warning");
    client_expect(c, "[$loglevel $warning]", "CONFIG GET loglevel");
    client_expect(c, "+OK", "CONFIG SET client-output-buffer-limit %s", "normal 1mb 512kb 10");
    client_expect_start(c, "[$client-output-buffer-limit $normal 1048576 524288 10 ",
                        "CONFIG GET client-output-buffer-limit");
    client_expect(c, "[$latency-tracking-info-percentiles $50 99 99.9]",
                  "CONFIG GET latency-tracking-info-percentiles");
    client_expect(c, "+OK", "CONFIG SET latency-tracking-info-percentiles %s", "0.0 12.50 100");
    client_expect(c, "[$latency-tracking-info-percentiles $0 12.5 100]",
                  "CONFIG GET latency-tracking-info-percentiles");
    char *several = client_text(c, "CONFIG GET timeout port timeout p?rt nosuch");
    check(strstr(several, "$timeout $0") && strstr(several, "$port $0"), "%s", several);
    redisReply *reply = redisCommand(c, "CONFIG GET *");
    check(reply && reply->elements > 30 && reply->elements % 2 == 0, "CONFIG GET * is too short");
    freeReplyObject(reply);
    free(several);
}

static void config_errors(struct commands *t)
{
    redisContext *c = t->client;
    const char *prefix = "-ERR CONFIG SET failed (possibly related to argument";
    struct {
        const char *argument, *words, *cause;
    } wrong[] = {
        {"timeout", "CONFIG SET timeout -1", "argument must be between 0 and 2147483647 inclusive"},
        {"timeout", "CONFIG SET timeout 2147483648",
         "argument must be between 0 and 2147483647 inclusive"},
        {"timeout", "CONFIG SET timeout x", "argument couldn't be parsed into an integer"},
        {"maxclients", "CONFIG SET maxclients 0",
         "argument must be between 1 and 4294967295 inclusive"},
        {"protected-mode", "CONFIG SET protected-mode maybe", "argument must be 'yes' or 'no'"},
        {"proto-max-bulk-len", "CONFIG SET proto-max-bulk-len 1",
         "argument must be between 1048576 and 9223372036854775807 inclusive"},
        {"proto-max-bulk-len", "CONFIG SET proto-max-bulk-len 1zb",
         "argument must be a memory value"},
        {"latency-tracking-info-percentiles", "CONFIG SET latency-tracking-info-percentiles 1x",
         "Invalid latency-tracking-info-percentiles parameters"},
        {"latency-tracking-info-percentiles", "CONFIG SET latency-tracking-info-percentiles 100.1",
         "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"},
        {"loglevel", "CONFIG SET loglevel loud",
         "argument(s) must be one of the following: debug, verbose, notice, warning"},
        {"databases", "CONFIG SET databases 3", "can't set immutable config"},
        {"timeout", "CONFIG SET timeout 1 TIMEOUT 2", "duplicate parameter"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        /* The name as the client wrote it, where the error is about the argument's own form. */
        char *text = client_text(c, wrong[i].words);
        char *expected = text_format("%s '%s') - %s", prefix, wrong[i].argument, wrong[i].cause);
        check(!strcasecmp(text, expected), "%s\nexpected %s\n     got %s", wrong[i].words, expected,
              text);
        free(text);
        free(expected);
    }
    client_expect(c, "[$timeout $0]", "CONFIG GET timeout");
    client_expect(c, "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
                  "CONFIG SET nosuch 1");
    client_expect(c, "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'",
                  "CONFIG SET timeout 5 nosuch 1");
    client_expect(c, "[$timeout $0]", "CONFIG GET timeout");
    client_expect(c, "-ERR syntax error", "CONFIG SET timeout 5 tcp-keepalive");
    commands_arity(c, "config|set", "CONFIG SET timeout");
    commands_arity(c, "config|get", "CONFIG GET");
    commands_arity(c, "config", "CONFIG");
    client_expect(c, "-ERR unknown subcommand 'foo'. Try CONFIG HELP.", "CONFIG foo");
}

static void info(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "MSET a 1 b 2");
    client_expect(c, "+OK", "SET c 3 EX 1000");
    redisReply *reply = redisCommand(c, "INFO");
    check(reply && reply->type == REDIS_REPLY_STRING, "INFO is no text");
    const char *const sections[] = {"# Server\r\n",      "# Clients\r\n",    "# Memory\r\n",
                                    "# Stats\r\n",       "# CPU\r\n",        "# Keyspace\r\n",
                                    "# Persistence\r\n", "# Replication\r\n"};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        check(strstr(reply->str, sections[i]), "INFO has no %s", sections[i]);
    check(strstr(reply->str, "\r\ndb0:keys=3,expires=1,avg_ttl="), "%s", reply->str);
    freeReplyObject(reply);

    reply = redisCommand(c, "INFO KEYSPACE");
    check(reply && !strncmp(reply->str, "# Keyspace\r\ndb0:", 16), "INFO keyspace: %s",
          reply ? reply->str : "no reply");
    freeReplyObject(reply);
    client_expect(c, "$", "INFO nosuch");
    reply = redisCommand(c, "INFO server clients");
    check(reply && strstr(reply->str, "# Server") && strstr(reply->str, "# Clients") &&
              !strstr(reply->str, "# Memory"),
          "INFO server clients: %s", reply ? reply->str : "no reply");
    freeReplyObject(reply);
    check(client_info(c, "server", "process_id") == (long long)t->server->process.pid,
          "INFO's process_id is not the server's");
    check(client_info(c, "clients", "connected_clients") == 2, "connected_clients");
    check(client_info(c, "server", "tcp_port") == 0, "tcp_port");
    check(client_info(c, "server", "arch_bits") == 64, "arch_bits");
    check(client_info(c, "server", "uptime_in_seconds") >= 0, "uptime_in_seconds");
    check(client_info(c, "stats", "total_connections_received") >= 2, "connections");
    check(client_info(c, "stats", "total_commands_processed") >= 4, "commands");
    for (const char *const *all = (const char *const[]){"all", "everything", "default", NULL}; *all;
         all++) {
        reply = redisCommand(c, "INFO %s", *all);
        check(reply && strstr(reply->str, "# Server"), "INFO %s has no server section", *all);
        freeReplyObject(reply);
    }
    struct reply *verbatim = raw_command(t->raw, "INFO", "server", NULL);
    check(verbatim && verbatim->type == '=', "INFO is no verbatim string in RESP3");
    check(!strncmp(reply_string(verbatim), "txt:# Server\r\n", 14), "%s", reply_string(verbatim));
    reply_free(verbatim);
}

static void info_anystore(struct commands *t)
{
    redisContext *c = t->client;
    long long generation = client_info(c, "anystore", "generation");
    long long commits = client_info(c, "anystore", "commits");
    long long commands = client_info(c, "anystore", "updates_committed");
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, ":2", "INCR a");
    check(client_info(c, "anystore", "generation") == generation + 2, "generation");
    check(client_info(c, "anystore", "commits") == commits + 2, "commits");
    check(client_info(c, "anystore", "updates_committed") == commands + 2, "updates_committed");
    check(client_info(c, "anystore", "file_size") > 0, "file_size");
    check(client_info(c, "anystore", "catch_ups") >= 0, "catch_ups");
    redisReply *reply = redisCommand(c, "INFO");
    check(reply && strstr(reply->str, "# AnyStore\r\n"), "INFO has no section AnyStore");
    freeReplyObject(reply);
}

static void save_lastsave_time(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "SET a 1");
    client_expect(c, "+OK", "SAVE");
    long long before = wall_ms() / 1000;
    long long saved = client_integer(c, "LASTSAVE");
    check(saved > before - 600 && saved <= wall_ms() / 1000 + 1, "LASTSAVE %lld", saved);
    redisReply *reply = redisCommand(c, "TIME");
    check(reply && reply->elements == 2, "TIME has not two fields");
    long long seconds = strtoll(reply->element[0]->str, NULL, 10);
    long long micros = strtoll(reply->element[1]->str, NULL, 10);
    check(seconds >= before - 1 && seconds <= wall_ms() / 1000 + 1, "TIME %lld", seconds);
    check(micros >= 0 && micros < 1000000, "TIME ... %lld", micros);
    freeReplyObject(reply);
    commands_arity(c, "save", "SAVE x");
    commands_arity(c, "lastsave", "LASTSAVE x");
    commands_arity(c, "time", "TIME x");
}

static void shutdown_errors(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "-ERR syntax error", "SHUTDOWN foo");
    client_expect(c, "-ERR syntax error", "SHUTDOWN SAVE NOSAVE");
    client_expect(c, "-ERR syntax error", "SHUTDOWN ABORT NOW");
    client_expect(c, "-ERR No shutdown in progress.", "SHUTDOWN ABORT");
    client_expect(c, "+PONG", "PING");
}

static void shutdown_closes(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "+OK", "SET a 1");
    redisReply *reply = redisCommand(c, "SHUTDOWN NOSAVE");
    check(!reply, "SHUTDOWN answers");
    check(raw_closes(t->raw), "SHUTDOWN leaves connections open");
    int status = process_wait(&t->server->process);
    check(status == 0, "exit status %d after SHUTDOWN", status);
    if (t->ours) { /* nothing acknowledged is lost, whatever SAVE and NOSAVE say */
        server_restart(t->server);
        redisContext *again = client_connect(t->server);
        client_expect(again, "$1", "GET a");
        redisFree(again);
    }
}

static void config_anystore(struct commands *t)
{
    redisContext *c = t->client;
    client_expect(c, "[$persistence $yes]", "CONFIG GET persistence");
    client_expect(c, "[$fsync $always]", "CONFIG GET fsync");
    client_expect(c, "[$dbfilename $anystore.db]", "CONFIG GET dbfilename");
    client_expect_start(c, "-ERR CONFIG SET failed", "CONFIG SET persistence no");
    client_expect_start(c, "-ERR CONFIG SET failed", "CONFIG SET appendonly yes");
    client_expect_start(c, "-ERR CONFIG SET failed", "CONFIG SET encryption-key-file /x");
}

const struct commands_case commands_server[] = {
    {"unknown_commands", unknown_commands, false},
    {"command_info", command_info, false},
    {"command_docs", command_docs, false},
    {"config_get_set", config_get_set, false},
    {"config_errors", config_errors, false},
    {"config_anystore", config_anystore, true},
    {"info", info, false},
    {"info_anystore", info_anystore, true},
    {"save_lastsave_time", save_lastsave_time, false},
    {"shutdown_errors", shutdown_errors, false},
    {"shutdown_closes", shutdown_closes, false},
    {NULL, NULL, false},
};
