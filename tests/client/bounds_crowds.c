/* SPDX-License-Identifier: MIT */
/* Thousands of clients come and go, with a close or a reset, before their commands are whole or
 * answered. */
#include "tests/client/bounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/random.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct server *start_tcp(struct harness *harness, const char *const *args)
{
    struct server_options options = {.tcp = true, .args = args};
    return server_start(harness, &options);
}

/* Over TCP the end may be a reset. */
static struct raw *connect_either(const struct server *server, bool tcp)
{
    struct raw *raw = tcp ? raw_connect_tcp("127.0.0.1", server->port) : raw_connect(server);
    check(raw, "cannot connect");
    return raw;
}

void come_and_go(struct harness *harness)
{
    static const char *const requests[] = {
        "",
        "PING\r\n",
        "*2\r\n$3\r\nGET\r\n$1",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n",
        "INCR n\r\nINCR n\r\nGET n\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$500000000\r\nabc",
        "MULTI\r\nINCR n\r\nINCR n\r\n",
        "WATCH a\r\nMULTI\r\nINCR n\r\nEXEC\r\n",
        "SUBSCRIBE a b c\r\nPSUBSCRIBE *\r\n",
        "MONITOR\r\n",
        "CLIENT PAUSE 1 ALL\r\nINCR n\r\n",
        "*x\r\n",
    };
    struct server *server = start_tcp(harness, NULL);
    bounds_serve(server, 100);
    const unsigned count = harness_scaled(10000);
    size_t descriptors = bounds_descriptors(server);
    size_t before = bounds_begin(server);
    for (unsigned i = 0; i < count; i++) {
        bool tcp = i % 2, reset = i % 4 == 1;
        struct raw *raw = connect_either(server, tcp);
        (void)raw_send_text(raw, requests[i / 4 % COUNT(requests)]);
        if (reset)
            bounds_reset(raw);
        else
            raw_close(raw);
        if (i % 1000 == 0)
            bounds_serve(server, 10);
    }
    bounds_wait_clients(server, 1);
    bounds_serve(server, 100);
    bounds_check(server, before, 64 * MIB, "thousands that come and go");
    struct patience patience = {0};
    while (bounds_descriptors(server) > descriptors && patience_left(&patience))
        ;
    check(bounds_descriptors(server) <= descriptors, "descriptors are left open");
    redisContext *client = client_connect(server);
    client_expect(client, "[]", "PUBSUB CHANNELS");
    client_expect(client, ":0", "PUBSUB NUMPAT");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
}

/* maxclients is reached: clients that are connected are served, and one that leaves makes room for
 * another. */
void too_many(struct harness *harness)
{
    const unsigned limit = bounds_allow_descriptors(harness_scaled(2000));
    char text[16];
    snprintf(text, sizeof text, "%u", limit);
    struct server *server = start_tcp(harness, (const char *const[]){"--maxclients", text, NULL});
    bounds_wait_clients(server, 1);
    struct raw **raws = calloc(limit, sizeof(struct raw *));
    check(raws, "out of memory");
    size_t before = bounds_begin(server);
    for (unsigned i = 0; i < limit; i++) {
        struct patience patience = {0};
        do { /* the client that asked before may still count */
            raw_close(raws[i]);
            raws[i] = connect_either(server, i % 2);
            (void)raw_send_text(raws[i], "PING\r\n");
            struct reply *reply = raw_reply(raws[i]);
            bool welcome = reply && reply->type == '+';
            reply_free(reply);
            if (welcome)
                break;
        } while (patience_left(&patience));
    }
    for (unsigned i = 0; i < 500; i++) {
        struct bytes answer = {0};
        struct raw *more = connect_either(server, i % 2);
        check(raw_read_to_end(more, &answer), "one more than maxclients stays connected");
        check(!strcmp(bytes_text(&answer), "-ERR max number of clients reached\r\n"),
              "one more than maxclients is told: %s", bytes_text(&answer));
        bytes_free(&answer);
        raw_close(more);
    }
    for (unsigned i = 0; i < limit; i += 7)
        raw_expect(raws[i], "+OK", "SET k 1");
    raw_expect(raws[0], "+OK", "CONFIG RESETSTAT");
    bounds_check(server, before, limit * 40000 + 16 * MIB, "maxclients clients");
    for (unsigned i = 1; i < limit; i += 2) {
        bounds_reset(raws[i]);
        raws[i] = NULL;
    }
    struct patience patience = {0};
    struct reply *reply = NULL;
    do {
        reply_free(reply);
        raw_close(raws[1]);
        raws[1] = connect_either(server, true);
        reply = raw_command(raws[1], "PING", NULL);
    } while ((!reply || reply->type != '+') && patience_left(&patience));
    check(reply && reply->type == '+', "no client is served after others have left");
    reply_free(reply);
    raw_close(raws[1]);
    for (unsigned i = 0; i < limit; i += 2)
        raw_close(raws[i]);
    free(raws);
}

/* No descriptor is left: new clients wait, connected ones do not; the server neither spins nor
 * fills its log. */
void no_descriptors(struct harness *harness)
{
    enum { MORE = 40 };
    struct server *server = start_tcp(harness, NULL);
    redisContext *client = client_connect(server);
    struct raw *raws[MORE] = {NULL};
    struct rlimit few = {0};
    check(prlimit(server->process.pid, RLIMIT_NOFILE, NULL, &few) == 0, "prlimit");
    few.rlim_cur = few.rlim_max = bounds_descriptors(server) + MORE / 2;
    check(prlimit(server->process.pid, RLIMIT_NOFILE, &few, NULL) == 0, "prlimit");
    for (size_t i = 0; i < MORE; i++) {
        raws[i] = connect_either(server, true);
        check(raw_send_text(raws[i], "PING\r\n"), "cannot send");
    }
    char *log = NULL;
    struct patience patience = {0};
    do {
        free(log);
        log = server_log(server);
    } while (!strstr(log, "Too many open files") && patience_left(&patience));
    check(strstr(log, "Too many open files"), "the log says nothing");
    for (unsigned i = 0; i < 2000; i++)
        client_expect(client, "+PONG", "PING");
    free(log);
    log = server_log(server);
    unsigned lines = 0;
    for (const char *at = log; (at = strstr(at, "Too many open files")); at++)
        lines++;
    check(lines < 10, "%u lines in the log", lines);
    free(log);
    client_expect_start(client, "-ERR CONFIG SET failed", "CONFIG SET maxclients 100000");
    /* They leave, and the others get in. */
    for (size_t i = 0; i < MORE; i++) {
        raw_expect_reply(raws[i], "+PONG");
        raw_close(raws[i]);
    }
    redisFree(client);
}

/* ---- What was sent by those that left ----------------------------------------------------- */

/* Sends the front of a pipeline in random pieces, reads some replies or none, and leaves. */
static size_t send_and_leave(struct random *random, const struct server *server,
                             const struct bytes *pipeline, size_t cut)
{
    bool tcp = random_chance(random, 70);
    struct raw *raw = connect_either(server, tcp);
    size_t replies = 0;
    for (size_t at = 0, piece; at < cut; at += piece) {
        piece = 1 + random_below(random, cut);
        piece = piece < cut - at ? piece : cut - at;
        if (!raw_send(raw, pipeline->data + at, piece))
            break;
        if (random_chance(random, 10))
            bounds_serve(server, 1); /* time for the server */
    }
    if (random_chance(random, 30)) {
        struct bytes answers = {0};
        raw_shutdown(raw); /* a proper close: everything that is whole is answered */
        check(raw_read_to_end(raw, &answers), "the server does not close");
        for (size_t i = 0; i < answers.size; i++)
            replies += answers.data[i] == '\n';
        bytes_free(&answers);
        raw_close(raw);
    } else if (random_chance(random, 50)) {
        bounds_reset(raw);
    } else {
        raw_close(raw);
    }
    return replies;
}

/* Many APPENDs: what is there in the end is the front of them, command by command, with all that
 * were answered. */
void cut_off(struct harness *harness)
{
    struct random random;
    random_start(&random, random_run_seed("cut_off"), 0);
    struct server *server = start_tcp(harness, NULL);
    redisContext *client = client_connect(server);
    const unsigned rounds = harness_scaled(300);
    size_t sent = 0, done = 0;
    for (unsigned i = 0; i < rounds; i++) {
        struct bytes pipeline = {0}, log = {0};
        size_t commands = 1 + random_below(&random, random_chance(&random, 20) ? 5000 : 50);
        size_t *ends = calloc(commands + 1, sizeof *ends),
               *marks = calloc(commands + 1, sizeof *marks);
        check(ends && marks, "out of memory");
        for (size_t j = 0; j < commands; j++) {
            char piece[32];
            snprintf(piece, sizeof piece, "%zu,", j);
            raw_encode_texts(&pipeline, "APPEND", "log", piece, NULL);
            bytes_append_text(&log, piece);
            ends[j + 1] = pipeline.size;
            marks[j + 1] = log.size;
        }
        size_t cut = random_below(&random, pipeline.size + 1), whole = 0;
        while (whole < commands && ends[whole + 1] <= cut)
            whole++;
        size_t replies = send_and_leave(&random, server, &pipeline, cut);
        check(replies == 0 || replies == whole, "%zu replies for %zu commands", replies, whole);
        bounds_wait_clients(server, 2);
        long long size = client_integer(client, "STRLEN log");
        size_t ran = 0;
        while (ran < whole && marks[ran] < (size_t)size)
            ran++;
        check(marks[ran] == (size_t)size, "a command was done in part: %lld bytes", size);
        check(ran >= replies, "%zu were answered, %zu are done", replies, ran);
        char *text = client_text(client, "GETDEL log");
        check(ran == 0 ? !strcmp(text, "_") : !memcmp(text + 1, log.data, (size_t)size),
              "another order");
        free(text);
        sent += whole;
        done += ran;
        free(ends);
        free(marks);
        bytes_free(&pipeline);
        bytes_free(&log);
    }
    print_message("%u pipelines: %zu commands sent, %zu done\n", rounds, sent, done);
    redisFree(client);
}

/* Transactions: each is done whole or not at all, one after the other. */
void cut_off_transactions(struct harness *harness)
{
    struct random random;
    random_start(&random, random_run_seed("cut_off_transactions"), 0);
    struct server *server = start_tcp(harness, NULL);
    redisContext *client = client_connect(server);
    const unsigned rounds = harness_scaled(300);
    size_t done = 0;
    for (unsigned i = 0; i < rounds; i++) {
        struct bytes pipeline = {0};
        size_t count = 1 + random_below(&random, 20);
        for (size_t j = 0; j < count; j++) {
            char value[40];
            snprintf(value, sizeof value, "%u.%zu", i, j);
            raw_encode_texts(&pipeline, "MULTI", NULL);
            raw_encode_texts(&pipeline, "SET", "a", value, NULL);
            raw_encode_texts(&pipeline, "INCR", "n", NULL);
            raw_encode_texts(&pipeline, "SET", "b", value, NULL);
            raw_encode_texts(&pipeline, "EXEC", NULL);
        }
        client_expect(client, "+OK", "MSET a none b none n 0");
        (void)send_and_leave(&random, server, &pipeline, random_below(&random, pipeline.size + 1));
        bounds_wait_clients(server, 2);
        long long ran = client_integer(client, "GET n");
        char *expected = ran ? text_format("$%u.%lld", i, ran - 1) : text_format("$none");
        client_expect(client, expected, "GET a");
        client_expect(client, expected, "GET b");
        check(ran <= (long long)count, "more than were sent");
        done += (size_t)ran;
        free(expected);
        bytes_free(&pipeline);
    }
    print_message("%u pipelines of transactions: %zu done\n", rounds, done);
    redisFree(client);
}
