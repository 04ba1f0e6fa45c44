/* SPDX-License-Identifier: MIT */
/* The session of DESIGN.md through hiredis: connections, transactions, messages; runs all steps. */
#include "tests/client/sessions/session_hiredis.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/reply.h"

static jmp_buf step_end; /* where a step ends that fails */
static char *step_message;

enum { STEP_FAILED = 1, STEP_SKIPPED };

void session_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (vasprintf(&step_message, format, args) < 0)
        abort();
    va_end(args);
    longjmp(step_end, STEP_FAILED);
}

void session_skip(const char *reason)
{
    step_message = text_format("%s", reason);
    longjmp(step_end, STEP_SKIPPED);
}

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    if (!value) {
        fprintf(stderr, "%s is not set: this program is run by session_runner\n", name);
        exit(64);
    }
    return value;
}

static const char *password(void)
{
    return setting("SESSION_PASSWORD");
}

/* ---- Expectations ------------------------------------------------------------------------- */

static redisReply *run(redisContext *client, const char *format, va_list args)
{
    redisReply *reply = redisvCommand(client, format, args);
    if (!reply)
        session_fail("%s: connection lost: %s", format, client->errstr);
    return reply;
}

redisReply *command(redisContext *client, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = run(client, format, args);
    va_end(args);
    return reply;
}

void expect(redisContext *client, const char *expected, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = run(client, format, args);
    va_end(args);
    char *text = reply_text_hiredis(reply);
    if (strcmp(text, expected) != 0)
        session_fail("%s: %.200s instead of %s", format, text, expected);
    free(text);
    freeReplyObject(reply);
}

void expect_part(redisContext *client, const char *part, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = run(client, format, args);
    va_end(args);
    char *text = reply_text_hiredis(reply);
    if (!strstr(text, part))
        session_fail("%s: %.200s, not %s", format, text, part);
    free(text);
    freeReplyObject(reply);
}

void expect_within(redisContext *client, long long least, long long most, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = run(client, format, args);
    va_end(args);
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < least || reply->integer > most)
        session_fail("%s: %lld is not from %lld to %lld", format, reply->integer, least, most);
    freeReplyObject(reply);
}

void expect_bytes(redisContext *client, const void *data, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = run(client, format, args);
    va_end(args);
    if (reply->type != REDIS_REPLY_STRING || reply->len != size || memcmp(reply->str, data, size))
        session_fail("%s: other bytes than those %zu", format, size);
    freeReplyObject(reply);
}

void expect_next(redisContext *client, const char *expected)
{
    void *reply = NULL;
    if (redisGetReply(client, &reply) != REDIS_OK)
        session_fail("connection lost: %s", client->errstr);
    char *text = reply_text_hiredis(reply);
    if (strcmp(text, expected) != 0)
        session_fail("next reply: %.200s instead of %s", text, expected);
    free(text);
    freeReplyObject(reply);
}

void wait_until(bool (*condition)(void *argument), void *argument, const char *what)
{
    struct patience patience = {0};
    while (!condition(argument)) {
        if (!patience_left(&patience))
            session_fail("waited in vain: %s", what);
    }
}

/* ---- Connections -------------------------------------------------------------------------- */

static void limit_waiting(redisContext *client)
{
    if (!client || client->err)
        session_fail("cannot connect: %s", client ? client->errstr : "out of memory");
    struct timeval net = {.tv_sec = 180}; /* a safety net, not an assertion */
    redisSetTimeout(client, net);
}

static redisContext *open_tcp(char name)
{
    char variable[] = "SESSION_?_PORT";
    variable[8] = name;
    redisContext *client = redisConnect("127.0.0.1", atoi(setting(variable)));
    limit_waiting(client);
    return client;
}

static redisContext *over_tcp(char name)
{
    redisContext *client = open_tcp(name);
    expect(client, "+OK", "AUTH %s", password());
    return client;
}

static redisContext *over_unix(char name)
{
    char variable[] = "SESSION_?_SOCKET";
    variable[8] = name;
    redisContext *client = redisConnectUnix(setting(variable));
    limit_waiting(client);
    expect(client, "+OK", "AUTH %s", password());
    return client;
}

static void step_connect_tcp(struct clients *clients)
{
    clients->a = over_tcp('A');
    expect(clients->a, "+PONG", "PING");
}

static void step_connect_unix(struct clients *clients)
{
    clients->b = over_unix('B');
    expect(clients->b, "+PONG", "PING");
}

static void step_connect_url(struct clients *clients)
{
    (void)clients;
    session_skip("hiredis knows no URLs");
}

static void step_password(struct clients *clients)
{
    (void)clients;
    redisContext *client = open_tcp('A');
    expect(client, "-NOAUTH Authentication required.", "GET password:key");
    expect_part(client, "-WRONGPASS ", "AUTH wrong");
    expect(client, "+OK", "AUTH default %s", password());
    expect(client, "_", "GET password:key");
    redisFree(client);
    client = open_tcp('A');
    expect(client, "+OK", "AUTH %s", password());
    expect(client, "_", "GET password:key");
    redisFree(client);
}

static void step_resp3(struct clients *clients)
{
    (void)clients;
    session_skip("hiredis 0.14 speaks RESP2 only");
}

static void step_introduce(struct clients *clients)
{
    (void)clients;
    redisContext *client = open_tcp('A');
    redisReply *hello = command(client, "HELLO 2 AUTH default %s SETNAME greeter", password());
    char *text = reply_text_hiredis(hello);
    if (!strstr(text, "$proto :2") || !strstr(text, "$role $master"))
        session_fail("HELLO: %.200s", text);
    free(text);
    freeReplyObject(hello);
    expect(client, "$greeter", "CLIENT GETNAME");
    expect(client, "+OK", "CLIENT SETNAME another");
    expect(client, "+OK", "CLIENT SETINFO LIB-NAME hiredis");
    expect(client, "+OK", "CLIENT SETINFO LIB-VER 0.14.1");
    expect_part(client, " name=another ", "CLIENT INFO");
    expect_part(client, " lib-name=hiredis lib-ver=0.14.1", "CLIENT INFO");
    expect_part(client, " name=another ", "CLIENT LIST");
    redisFree(client);
}

/* ---- Between two servers ------------------------------------------------------------------ */

static void step_seen_at_once(struct clients *clients)
{
    for (int i = 0; i < 200; i++) {
        char value[16], wanted[17];
        redisContext *writer = i % 2 ? clients->b : clients->a;
        redisContext *reader = i % 2 ? clients->a : clients->b;
        for (int j = 0; j < 2; j++) {
            snprintf(value, sizeof value, "%d:%d", i, j);
            snprintf(wanted, sizeof wanted, "$%s", value);
            expect(writer, "+OK", "SET seen_at_once:key %s", value);
            expect(reader, wanted, "GET seen_at_once:key");
        }
    }
}

static void step_counters(struct clients *clients)
{
    for (int i = 0; i < 400; i++)
        expect_within(i % 2 ? clients->b : clients->a, i + 1, i + 1, "INCR counters:n");
    expect(clients->a, ":300", "DECRBY counters:n 100");
    expect(clients->b, "$300.5", "INCRBYFLOAT counters:n 0.5");
    expect(clients->a, "$300.5", "GET counters:n");
    expect(clients->b, "$300.5", "GET counters:n");
}

static void step_pipeline(struct clients *clients)
{
    redisContext *a = clients->a;
    for (int i = 0; i < 1000; i++)
        redisAppendCommand(a, "SET pipeline:%d %d", i, i);
    for (int i = 0; i < 1000; i++)
        redisAppendCommand(a, "GET pipeline:%d", i);
    for (int i = 0; i < 1000; i++)
        expect_next(a, "+OK");
    for (int i = 0; i < 1000; i++) {
        char wanted[16];
        snprintf(wanted, sizeof wanted, "$%d", i);
        expect_next(a, wanted);
    }
    redisAppendCommand(a, "SET pipeline:text x");
    redisAppendCommand(a, "INCR pipeline:text");
    redisAppendCommand(a, "SET pipeline:after y");
    expect_next(a, "+OK");
    expect_next(a, "-ERR value is not an integer or out of range");
    expect_next(a, "+OK");
    expect(clients->b, "[$x $y]", "MGET pipeline:text pipeline:after");
}

static void step_transaction(struct clients *clients)
{
    redisContext *a = clients->a;
    expect(a, "+OK", "MULTI");
    expect(a, "+QUEUED", "SET transaction:text one");
    expect(a, "+QUEUED", "INCR transaction:n");
    expect(a, "+QUEUED", "GET transaction:text");
    expect(a, "[+OK :1 $one]", "EXEC");
    expect(clients->b, "[$one $1]", "MGET transaction:text transaction:n");
    expect(a, "+OK", "MULTI");
    expect(a, "+QUEUED", "SET transaction:text two");
    expect(a, "+OK", "DISCARD");
    expect(clients->b, "$one", "GET transaction:text");
    redisAppendCommand(a, "MULTI");
    redisAppendCommand(a, "INCR transaction:n");
    redisAppendCommand(a, "INCR transaction:text");
    redisAppendCommand(a, "INCR transaction:n");
    redisAppendCommand(a, "EXEC");
    expect_next(a, "+OK");
    for (int i = 0; i < 3; i++)
        expect_next(a, "+QUEUED");
    expect_next(a, "[:2 -ERR value is not an integer or out of range :3]");
    expect(clients->b, "$3", "GET transaction:n");
}

static void step_watch(struct clients *clients)
{
    redisContext *a = clients->a, *b = clients->b;
    expect(a, "+OK", "SET watch:key 1");
    expect(a, "+OK", "WATCH watch:key");
    expect(a, "$1", "GET watch:key");
    expect(a, "+OK", "MULTI");
    expect(a, "+QUEUED", "SET watch:key 2");
    expect(a, "[+OK]", "EXEC");
    expect(b, "$2", "GET watch:key");

    expect(a, "+OK", "WATCH watch:key");
    expect(b, "+OK", "SET watch:key other");
    expect(a, "+OK", "MULTI");
    expect(a, "+QUEUED", "SET watch:key lost");
    expect(a, "_", "EXEC");
    expect(a, "$other", "GET watch:key");

    expect(a, "+OK", "WATCH watch:key");
    expect(b, "+OK", "SET watch:key again");
    expect(a, "+OK", "UNWATCH");
    expect(a, "+OK", "MULTI");
    expect(a, "+QUEUED", "SET watch:key won");
    expect(a, "[+OK]", "EXEC");
    expect(b, "$won", "GET watch:key");
}

static void step_errors(struct clients *clients)
{
    (void)clients;
    static const char *const cases[][2] = {
        {"AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled."},
        {"NOSUCH 1", "-ERR unknown command 'NOSUCH', with args beginning with: '1' "},
        {"INCR errors:text", "-ERR value is not an integer or out of range"},
        {"GET", "-ERR wrong number of arguments for 'get' command"},
        {"EXEC", "-ERR EXEC without MULTI"},
        {"SET errors:text 1 NOSUCH", "-ERR syntax error"},
    };
    redisContext *client = over_tcp('A');
    expect(client, "+OK", "SET errors:text x");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect(client, cases[i][1], cases[i][0]);
        expect(client, "$x", "GET errors:text");
    }
    redisFree(client);
}

static void messages(redisContext *publisher, bool counted)
{
    redisContext *listener = over_tcp('A');
    expect(listener, "[$subscribe $publish:news :1]", "SUBSCRIBE publish:news");
    expect(listener, "[$psubscribe $publish:n?ws :2]", "PSUBSCRIBE publish:n?ws");
    struct bytes name = {0}, pattern = {0};
    bytes_append_text(&name, "[$message $publish:news $");
    bytes_append_text(&pattern, "[$pmessage $publish:n?ws $publish:news $");
    bytes_append_escaped(&name, all_bytes, sizeof all_bytes);
    bytes_append_escaped(&pattern, all_bytes, sizeof all_bytes);
    bytes_append_text(&name, "]");
    bytes_append_text(&pattern, "]");
    expect_within(publisher, counted ? 2 : 0, 2, "PUBLISH publish:news %b", all_bytes,
                  sizeof all_bytes);
    expect_next(listener, bytes_text(&name));
    expect_next(listener, bytes_text(&pattern));
    expect(listener, "[$unsubscribe $publish:news :1]", "UNSUBSCRIBE");
    expect(listener, "[$punsubscribe $publish:n?ws :0]", "PUNSUBSCRIBE");
    expect(listener, "+PONG", "PING");
    if (counted)
        expect(publisher, ":0", "PUBLISH publish:news nobody");
    redisFree(listener);
    bytes_free(&name);
    bytes_free(&pattern);
}

static void step_publish(struct clients *clients)
{
    (void)clients;
    redisContext *publisher = over_unix('A');
    messages(publisher, true);
    redisFree(publisher);
}

static void step_publish_across(struct clients *clients)
{
    messages(clients->b, false);
}

static void step_databases(struct clients *clients)
{
    redisContext *third = over_tcp('A');
    expect(third, "+OK", "SELECT 3");
    expect(clients->a, "+OK", "SET databases:key 0");
    expect(third, "_", "GET databases:key");
    expect(third, "+OK", "SET databases:key 3");
    expect(third, ":1", "DBSIZE");
    expect(third, "$3", "GET databases:key");
    expect(clients->b, "$0", "GET databases:key");
    expect(third, ":1", "DEL databases:key");
    expect(clients->b, "$0", "GET databases:key");
    redisFree(third);
}

/* As a program does: a context with an error connects again and authenticates. */
static bool works_again(void *argument)
{
    redisContext *client = argument;
    if (client->err && redisReconnect(client) != REDIS_OK)
        return false;
    redisReply *reply = redisCommand(client, "AUTH %s", password());
    bool good = reply && reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    return good;
}

static void step_reconnect(struct clients *clients)
{
    redisContext *a = clients->a, *b = clients->b;
    for (int i = 0; i < 10; i++)
        expect_within(a, i + 1, i + 1, "INCR reconnect:n");
    redisReply *info = command(a, "INFO server");
    const char *found = strstr(info->str, "process_id:");
    pid_t pid = found ? (pid_t)atoi(found + 11) : 0;
    freeReplyObject(info);
    if (pid <= 1 || kill(pid, SIGKILL))
        session_fail("cannot kill process %d", (int)pid);
    long long wanted = 10;
    if (strcmp(setting("SESSION_A_PORT"), setting("SESSION_B_PORT")) != 0) {
        expect(b, "$10", "GET reconnect:n");
        expect(b, ":11", "INCR reconnect:n");
        wanted = 11;
    }
    redisReply *lost = redisCommand(a, "PING");
    if (lost || (a->err != REDIS_ERR_EOF && a->err != REDIS_ERR_IO))
        session_fail("the connection to a killed server is as before");
    wait_until(works_again, a, "A is back");
    wait_until(works_again, b, "B is back");
    expect_within(a, wanted + 1, wanted + 1, "INCR reconnect:n");
    expect(b, wanted == 10 ? "$11" : "$12", "GET reconnect:n");
}

static void step_flush(struct clients *clients)
{
    expect(clients->a, "+OK", "FLUSHALL");
    expect(clients->b, ":0", "DBSIZE");
    expect(clients->a, "+OK", "QUIT");
    redisFree(clients->a);
    redisFree(clients->b);
}

static const struct step {
    const char *name;
    void (*run)(struct clients *clients);
} steps[] = {
    {"connect_tcp", step_connect_tcp},
    {"connect_unix", step_connect_unix},
    {"connect_url", step_connect_url},
    {"password", step_password},
    {"resp3", step_resp3},
    {"introduce", step_introduce},
    {"seen_at_once", step_seen_at_once},
    {"counters", step_counters},
    {"pipeline", step_pipeline},
    {"transaction", step_transaction},
    {"watch", step_watch},
    {"binary", step_binary},
    {"large", step_large},
    {"expiry", step_expiry},
    {"scan", step_scan},
    {"strings", step_strings},
    {"bits", step_bits},
    {"errors", step_errors},
    {"publish", step_publish},
    {"publish_across", step_publish_across},
    {"databases", step_databases},
    {"reconnect", step_reconnect},
    {"flush", step_flush},
};

/* 0 if the step passed. */
static int run_step(const struct step *step, struct clients *clients)
{
    int end = setjmp(step_end);
    if (end)
        return end;
    step->run(clients);
    return 0;
}

int main(void)
{
    static struct clients clients; /* keeps its values over longjmp */
    unsigned counts[3] = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN); /* a write to a killed server */
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int end = run_step(&steps[i], &clients);
        counts[end]++;
        if (end == 0)
            printf("ok %s\n", steps[i].name);
        else
            printf("%s %s: %s\n", end == STEP_SKIPPED ? "skip" : "FAILED", steps[i].name,
                   step_message);
        free(step_message);
        step_message = NULL;
    }
    printf("%u passed, %u failed, %u skipped\n", counts[0], counts[STEP_FAILED],
           counts[STEP_SKIPPED]);
    fflush(stdout);
    if (counts[STEP_FAILED])
        _exit(1); /* failed steps have freed nothing: a leak checker should not report that */
    return 0;
}
