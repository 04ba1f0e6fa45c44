/* SPDX-License-Identifier: MIT */
/* MONITOR: what is shown, to whom, and what a monitoring client may do, written down as a
 * transcript that must be the same with redis-server and with ours; monitors that do not read are
 * let go; with many clients on several workers each command is shown once, and writes in the order
 * they happened. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"

/* ---- Transcripts -------------------------------------------------------------------------- */

struct talk {
    struct server *server;
    struct raw *monitor, *speaker;
    char *monitor_id;
    struct bytes transcript;
};

/* Notes a reply; from a line of MONITOR it leaves out what differs between runs, time and
 * address. */
static void note(struct talk *talk, const char *who, struct raw *raw)
{
    struct reply *reply = raw_reply(raw);
    check(reply, "%s: connection lost after\n%s", who, bytes_text(&talk->transcript));
    char *text = reply_text(reply);
    long long seconds;
    int microseconds, database, at = 0;
    if (sscanf(text, "+%lld.%6d [%d %n", &seconds, &microseconds, &database, &at) == 3 && at > 0) {
        char *point = strchr(text, '.'), *end = strchr(text + at, ']');
        check(strspn(point + 1, "0123456789") == 6 && end, "not MONITOR's form: %s", text);
        check(llabs(seconds - wall_ms() / 1000) < 3600, "not the time: %s", text);
        size_t path = strlen(talk->server->socket);
        bool by_path = strncmp(text + at, "unix:", 5) == 0 &&
                       strncmp(text + at + 5, talk->server->socket, path) == 0 &&
                       text[(size_t)at + 5 + path] == ']';
        bool by_port = strncmp(text + at, "127.0.0.1:", 10) == 0 &&
                       text + at + 10 + strspn(text + at + 10, "0123456789") == end;
        check(by_path || by_port, "not the client's address: %s", text);
        bytes_appendf(&talk->transcript, "%s: [%d %s%s\n", who, database, by_path ? "unix" : "tcp",
                      end);
    } else {
        bytes_appendf(&talk->transcript, "%s: %s\n", who, text);
    }
    free(text);
    reply_free(reply);
}

/* A line as a person types it, with quotes, and its reply. */
static void say(struct talk *talk, struct raw *raw, const char *line)
{
    bytes_appendf(&talk->transcript, "> %s\n", line);
    check(raw_send_text(raw, line) && raw_send_text(raw, "\r\n"), "lost: %s", line);
    note(talk, raw == talk->monitor ? "monitor" : "speaker", raw);
}

/* Everything that the monitor shows up to a command that nothing else sends. */
static void see(struct talk *talk)
{
    size_t before;
    say(talk, talk->speaker, "ECHO seen");
    do {
        before = talk->transcript.size;
        note(talk, "monitor", talk->monitor);
    } while (!strstr(bytes_text(&talk->transcript) + before, "\"ECHO\" \"seen\""));
}

typedef void talk_fn(struct talk *talk);

static char *talk_to(struct harness *harness, enum server_kind kind, talk_fn *fn)
{
    struct server_options options = {.kind = kind, .tcp = true};
    struct talk talk = {.server = server_start(harness, &options)};
    harness->stage = kind == SERVER_REDIS ? "redis-server" : "anystore-server";
    talk.monitor = raw_connect(talk.server);
    talk.speaker = raw_connect(talk.server);
    check(talk.monitor && talk.speaker, "cannot connect");
    struct reply *id = raw_command(talk.monitor, "CLIENT", "ID", NULL);
    check(id, "lost");
    talk.monitor_id = strdup(reply_string(id));
    reply_free(id);
    fn(&talk);
    free(talk.monitor_id);
    raw_close(talk.monitor);
    raw_close(talk.speaker);
    char *text = strdup(bytes_text(&talk.transcript));
    bytes_free(&talk.transcript);
    return text;
}

static void same_as_redis(struct harness *harness, talk_fn *fn)
{
    char *expected = talk_to(harness, SERVER_REDIS, fn);
    char *got = talk_to(harness, SERVER_ANYSTORE, fn);
    if (strcmp(expected, got) != 0)
        fprintf(stderr, "---- redis-server\n%s---- anystore-server\n%s", expected, got);
    assert_true(strcmp(expected, got) == 0);
    free(expected);
    free(got);
}

/* ---- What is shown ------------------------------------------------------------------------ */

static void talk_of_commands(struct talk *talk)
{
    static const char *const lines[] = {
        "PING",
        "ping PONG",
        "set k v",
        "SET k \"a b\\n\\r\\t\\a\\b\\\\\\\"\\x00\\x1f\\x7f\\xff'~\"",
        "SET \"\" \"\"",
        "GET k",
        "SET n 0012",
        "INCRBYFLOAT n 1",
        "SETEX k 100 v",
        "GETEX k PERSIST",
        "INCR k",              /* fails, but runs */
        "GET",                 /* refused */
        "NOSUCH command",      /* refused */
        "AUTH secret",         /* fails */
        "AUTH default secret", /* secrets are not shown */
        "HELLO 2 AUTH default secret NONSENSE",
        "HELLO 3 AUTH nobody secret",
        "CLIENT GETNAME",
        "CLIENT LIST TYPE master", /* administration is not shown */
        "CONFIG GET maxclients",
        "CONFIG SET slowlog-max-len 128",
        "DEBUG JMAP",
        "COMMAND COUNT X",
        "OBJECT ENCODING k",
        "PUBLISH c m",
        "SUBSCRIBE c",
        "UNSUBSCRIBE c",
        "WATCH k",
        "UNWATCH",
        "SELECT 0",
        "SELECT 12345",
    };
    say(talk, talk->monitor, "MONITOR");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        say(talk, talk->speaker, lines[i]);
    see(talk);
    say(talk, talk->speaker, "QUIT");
    note(talk, "monitor", talk->monitor);
}

static void commands_are_shown(struct harness *harness)
{
    same_as_redis(harness, talk_of_commands);
}

/* Redis shows the passwords of an AUTH or HELLO with a wrong number of arguments or a wrong
 * form. */
static void secrets_are_never_shown(struct harness *harness)
{
    struct server_options options = {.kind = SERVER_ANYSTORE};
    struct server *server = server_start(harness, &options);
    struct raw *monitor = raw_connect(server), *speaker = raw_connect(server);
    check(monitor && speaker, "cannot connect");
    raw_expect(monitor, "+OK", "MONITOR");
    raw_expect(speaker, "-ERR syntax error", "AUTH default secret secret");
    raw_expect(speaker, "-NOPROTO unsupported protocol version", "HELLO 9 AUTH default secret");
    raw_expect(speaker, "+PONG", "PING");
    struct bytes lines = {0};
    while (!strstr(bytes_text(&lines), "PING")) {
        struct reply *reply = raw_reply(monitor);
        check(reply, "lost");
        bytes_append_text(&lines, reply_string(reply));
        reply_free(reply);
    }
    check(strstr(bytes_text(&lines), "\"AUTH\" \"(redacted)\"") &&
              strstr(bytes_text(&lines), "\"HELLO\"") && !strstr(bytes_text(&lines), "secret"),
          "%s", bytes_text(&lines));
    bytes_free(&lines);
    raw_close(monitor);
    raw_close(speaker);
}

static void talk_of_transactions(struct talk *talk)
{
    static const char *const lines[] = {
        "MULTI",    "SET a 1", "INCR a",   "CONFIG GET maxclients",
        "GET a",    "EXEC", /* all, then EXEC */
        "MULTI",    "SET a 1", "DISCARD",  "MULTI",
        "NOSUCH",   "GET a",   "EXEC",             /* refused: one command could not be queued */
        "MULTI",    "GET a",   "EXEC now", "EXEC", /* aborted for another reason */
        "MULTI",    "MULTI",   "EXEC",     "MULTI",
        "EXEC",     "EXEC",    "MULTI",    "MONITOR",
        "SELECT 0", "EXEC",
    };
    say(talk, talk->monitor, "MONITOR");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        say(talk, talk->speaker, lines[i]);
    say(talk, talk->speaker, "WATCH a");
    struct raw *other = raw_connect(talk->server);
    check(other, "cannot connect");
    say(talk, other, "SET a 2");
    raw_close(other);
    say(talk, talk->speaker, "MULTI");
    say(talk, talk->speaker, "GET a");
    say(talk, talk->speaker, "EXEC"); /* a watched key changed */
    see(talk);
}

static void transactions_are_shown_as_they_run(struct harness *harness)
{
    same_as_redis(harness, talk_of_transactions);
}

/* ---- Who monitors ------------------------------------------------------------------------- */

static void flags_of_monitor(struct talk *talk)
{
    struct reply *reply =
        raw_command(talk->speaker, "CLIENT", "LIST", "ID", talk->monitor_id, NULL);
    check(reply, "lost");
    const char *flags = strstr(reply_string(reply), " flags=");
    check(flags, "no flags");
    bytes_appendf(&talk->transcript, "flags %.3s\n", flags + strlen(" flags="));
    reply_free(reply);
}

static void talk_as_monitor(struct talk *talk)
{
    /* Each command that the client itself is shown: the reply, then the line. */
    static const char *const shown[] = {"PING", "ECHO x", "SELECT 0", "MULTI", "TIME X"};
    static const char *const refused[] = {"GET a", "SET a 1", "DBSIZE", "PUBLISH c m", "KEYS *"};
    say(talk, talk->monitor, "MONITOR");
    flags_of_monitor(talk);
    say(talk, talk->monitor, "MONITOR\r\nPING"); /* only the first one is answered */
    note(talk, "monitor", talk->monitor);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        say(talk, talk->monitor, refused[i]);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        say(talk, talk->monitor, shown[i]);
        if (strcmp(shown[i], "TIME X") != 0)
            note(talk, "monitor", talk->monitor);
    }
    say(talk, talk->monitor, "EXEC"); /* aborted by TIME's arguments */
    note(talk, "monitor", talk->monitor);
    say(talk, talk->monitor, "CLIENT REPLY OFF\r\nECHO unseen\r\nCLIENT REPLY ON");
    see(talk);
    say(talk, talk->monitor, "SUBSCRIBE c");
    note(talk, "monitor", talk->monitor);
    flags_of_monitor(talk);
    say(talk, talk->speaker, "PUBLISH c m");
    note(talk, "monitor", talk->monitor);
    note(talk, "monitor", talk->monitor);
    say(talk, talk->monitor, "RESET");
    say(talk, talk->speaker, "ECHO unseen");
    flags_of_monitor(talk);
    say(talk, talk->monitor, "GET a");
    say(talk, talk->monitor, "MONITOR");
    see(talk);
    say(talk, talk->monitor, "QUIT");
    /* Redis may or may not send the line of QUIT itself: it depends on timing. */
    struct bytes rest = {0};
    check(raw_read_to_end(talk->monitor, &rest), "not closed");
    bytes_free(&rest);
    say(talk, talk->speaker, "PING");
}

static void monitors_may_do_little(struct harness *harness)
{
    same_as_redis(harness, talk_as_monitor);
}

static void talk_in_resp3(struct talk *talk)
{
    struct reply *hello = raw_command(talk->monitor, "HELLO", "3", NULL);
    check(hello && hello->type == '%', "HELLO 3 failed");
    reply_free(hello);
    say(talk, talk->monitor, "MONITOR");
    say(talk, talk->speaker, "SET a \"\\xc3\\xa4\"");
    see(talk);
    struct raw *tcp = raw_connect_tcp("127.0.0.1", talk->server->port);
    check(tcp, "cannot connect");
    say(talk, tcp, "GET a");
    raw_close(tcp);
    see(talk);
    /* In front of a write, which ours runs on another thread. */
    struct raw *late = raw_connect(talk->server);
    check(late && raw_send_text(late, "SET b 1\r\nMONITOR\r\nPING\r\n"), "lost");
    for (unsigned i = 0; i < 4; i++)
        note(talk, "late", late);
    see(talk);
    raw_close(late);
}

static void lines_are_no_pushes(struct harness *harness)
{
    same_as_redis(harness, talk_in_resp3);
}

static long long blocked_clients(redisContext *client)
{
    return client_info(client, "clients", "blocked_clients");
}

/* A monitoring client goes on during a pause; a publishing client waits with those that write. */
static void talk_in_pause(struct talk *talk)
{
    struct patience patience = {0};
    redisContext *watcher = client_connect(talk->server);
    say(talk, talk->monitor, "MONITOR");
    say(talk, talk->speaker, "CLIENT PAUSE 600000 WRITE");
    check(raw_send_text(talk->speaker, "PUBLISH c m\r\n"), "lost");
    while (blocked_clients(watcher) == 0 && patience_left(&patience))
        ;
    check(blocked_clients(watcher) == 1, "PUBLISH does not wait");
    say(talk, talk->monitor, "CLIENT PAUSE 600000 ALL");
    say(talk, talk->monitor, "CLIENT UNPAUSE");
    note(talk, "speaker", talk->speaker);
    redisFree(watcher);
}

static void monitors_are_not_paused(struct harness *harness)
{
    same_as_redis(harness, talk_in_pause);
}

/* A subscriber may be silent for longer than `timeout`. */
static void talk_in_silence(struct talk *talk)
{
    struct raw *listener = raw_connect(talk->server), *idle;
    check(listener, "cannot connect");
    raw_expect(listener, "[$subscribe $c :1]", "SUBSCRIBE c");
    say(talk, talk->monitor, "MONITOR");
    say(talk, talk->speaker, "CONFIG SET timeout 1");
    idle = raw_connect(talk->server);
    check(idle && raw_closes(idle), "not closed");
    raw_close(idle);
    raw_expect(listener, "[$pong $]", "PING");
    raw_close(listener);
    note(talk, "monitor", talk->monitor); /* the PING above */
    say(talk, talk->monitor, "PING");
}

static void listeners_may_be_silent(struct harness *harness)
{
    same_as_redis(harness, talk_in_silence);
}

/* ---- Slow monitors ------------------------------------------------------------------------ */

/* The limit of normal clients, or that of subscribers if there is none. */
static void slow_monitor_is_closed(struct harness *harness)
{
    static const char *const limits[] = {"normal 1mb 0 0 pubsub 0 0 0",
                                         "normal 0 0 0 pubsub 1mb 0 0"};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct server_options options = {
            .args = (const char *const[]){"--client-output-buffer-limit", limits[i],
                                          "--persistence", "no", NULL}};
        struct server *server = server_start(harness, &options);
        struct raw *monitor = raw_connect(server);
        redisContext *speaker = client_connect(server);
        struct patience patience = {0};
        char *words = calloc(1, 50001);
        check(monitor && words, "cannot connect");
        memset(words, 'x', 50000);
        raw_expect(monitor, "+OK", "MONITOR");
        while (client_info(speaker, "stats", "client_output_buffer_limit_disconnections") == 0 &&
               patience_left(&patience)) {
            char *text = client_text(speaker, "ECHO %s", words);
            check(strlen(text) == 50001, "ECHO failed");
            free(text);
        }
        check(client_info(speaker, "stats", "client_output_buffer_limit_disconnections") == 1,
              "still there");
        struct bytes rest = {0};
        check(raw_read_to_end(monitor, &rest), "not closed");
        bytes_free(&rest);
        free(words);
        raw_close(monitor);
        redisFree(speaker);
        server_stop(server);
    }
}

/* ---- Many --------------------------------------------------------------------------------- */

#define WRITERS 8

struct load {
    struct server *server;
    unsigned rounds;
};

static void run_writer(struct worker *worker)
{
    const struct load *load = worker->shared;
    struct raw *raw = raw_connect(load->server);
    struct bytes out = {0};
    if (!raw) {
        worker_fail(worker, "cannot connect");
        return;
    }
    for (unsigned i = 0; i < load->rounds && !workers_failed(); i++) {
        bytes_appendf(&out, "GET log\r\nAPPEND log %c\r\nECHO %u:%u\r\n", 'a' + worker->index,
                      worker->index, i);
        if (i % 10 != 9 && i + 1 < load->rounds)
            continue;
        bool sent = raw_send(raw, out.data, out.size);
        bytes_clear(&out);
        for (unsigned n = 0; sent && n <= i % 10; n++) {
            const uint8_t *data;
            size_t size;
            for (unsigned k = 0; sent && k < 3; k++)
                sent = raw_read(raw, &data, &size);
        }
        if (!sent) {
            worker_fail(worker, "lost");
            break;
        }
    }
    bytes_free(&out);
    raw_close(raw);
}

/* Reads the lines of one monitor: those of each writer are in order; the appended letters go to
 * *log. */
static void read_all(struct raw *monitor, unsigned rounds, struct bytes *log)
{
    unsigned seen[WRITERS] = {0}, reads = 0;
    for (unsigned n = 0; n < 3 * WRITERS * rounds; n++) {
        struct reply *reply = raw_reply(monitor);
        check(reply && reply->type == '+', "monitor lost");
        const char *text = strstr(reply_string(reply), "] ");
        unsigned writer, round;
        char letter;
        check(text, "no line: %s", reply_string(reply));
        if (sscanf(text, "] \"APPEND\" \"log\" \"%c\"", &letter) == 1) {
            bytes_append(log, &letter, 1);
        } else if (sscanf(text, "] \"ECHO\" \"%u:%u\"", &writer, &round) == 2) {
            check(writer < WRITERS && seen[writer] == round, "out of order: %s", text);
            seen[writer]++;
        } else {
            check(strcmp(text, "] \"GET\" \"log\"") == 0, "what is this: %s", text);
            reads++;
        }
        reply_free(reply);
    }
    check(reads == WRITERS * rounds && log->size == WRITERS * rounds, "not each command once");
}

static void many_clients(struct harness *harness, const char *persistence)
{
    struct server_options options = {
        .args = (const char *const[]){"--io-threads", "4", "--persistence", persistence,
                                      "--client-output-buffer-limit", "pubsub 0 0 0", NULL}};
    struct load load = {server_start(harness, &options), harness_scaled(400)};
    struct raw *monitors[3];
    struct bytes logs[3] = {{0}};
    for (unsigned i = 0; i < 3; i++) {
        monitors[i] = raw_connect(load.server);
        check(monitors[i], "cannot connect");
        raw_expect(monitors[i], "+OK", "MONITOR");
    }
    workers_start(WRITERS, run_writer, &load);
    for (unsigned i = 0; i < 3; i++)
        read_all(monitors[i], load.rounds, &logs[i]);
    workers_join();
    redisContext *client = client_connect(load.server);
    char *value = client_text(client, "GET log");
    for (unsigned i = 0; i < 3; i++) {
        check(strcmp(value + 1, bytes_text(&logs[i])) == 0, "writes were not shown in their order");
        bytes_free(&logs[i]);
        raw_close(monitors[i]);
    }
    free(value);
    redisFree(client);
    server_stop(load.server);
}

static void each_command_is_shown_once(struct harness *harness)
{
    many_clients(harness, "yes");
    many_clients(harness, "no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(commands_are_shown),
        HARNESS_TEST(secrets_are_never_shown),
        HARNESS_TEST(transactions_are_shown_as_they_run),
        HARNESS_TEST(monitors_may_do_little),
        HARNESS_TEST(lines_are_no_pushes),
        HARNESS_TEST(monitors_are_not_paused),
        HARNESS_TEST(listeners_may_be_silent),
        HARNESS_TEST(slow_monitor_is_closed),
        HARNESS_TEST(each_command_is_shown_once),
    };
    return harness_main("monitor", tests, sizeof tests / sizeof *tests);
}
