/* SPDX-License-Identifier: MIT */
/* A message published at one server reaches the subscribers of all servers on the same file: in
 * order, not before earlier writes, whichever servers start, die, stop or lie meanwhile. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/peers.h"

#define SERVERS 3

struct raw *peers_connect(const struct server *server)
{
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    return raw;
}

struct raw *peers_subscribe(const struct server *server, const char *channel)
{
    struct raw *raw = peers_connect(server);
    char *words = text_format("SUBSCRIBE %s", channel);
    char *expected = text_format("[$subscribe $%s :1]", channel);
    raw_expect(raw, expected, words);
    free(words);
    free(expected);
    return raw;
}

void peers_expect(struct raw *raw, const char *channel, const char *payload)
{
    char *expected = text_format("[$message $%s $%s]", channel, payload);
    raw_expect_reply(raw, expected);
    free(expected);
}

static long long figure(const struct server *server, const char *name)
{
    redisContext *client = client_connect(server);
    long long value = client_info(client, "anystore", name);
    redisFree(client);
    return value;
}

static void wait_for_figure(const struct server *server, const char *name, long long value)
{
    struct patience patience = {0};
    while (figure(server, name) != value && patience_left(&patience))
        ;
    check(figure(server, name) == value, "%s is %lld, not %lld", name, figure(server, name), value);
}

static char *place_of(const struct harness *harness)
{
    return text_format("%s.peers", harness->db);
}

char *peers_socket(const struct harness *harness, const struct server *server)
{
    redisContext *client = client_connect(server);
    char *info = client_text(client, "INFO server"), *path = NULL;
    const char *id = strstr(info, "run_id:");
    check(id, "no run id in INFO");
    path = text_format("%s.peers/%.40s.sock", harness->db, id + strlen("run_id:"));
    free(info);
    redisFree(client);
    return path;
}

static void wait_for_sockets(const struct harness *harness, unsigned count)
{
    struct patience patience = {0};
    unsigned found;
    do {
        char *place = place_of(harness), *names = directory_names(place);
        found = 0;
        for (const char *at = names; (at = strstr(at, ".sock")) != NULL; at++)
            found++;
        free(names);
        free(place);
    } while (found != count && patience_left(&patience));
    check(found == count, "%u sockets, not %u", found, count);
}

/* ---- Messages ----------------------------------------------------------------------------- */

static void all_servers_hear(struct harness *harness)
{
    struct server *servers[SERVERS];
    struct raw *listeners[SERVERS], *speakers[SERVERS];
    for (unsigned i = 0; i < SERVERS; i++) {
        servers[i] = server_start(harness, NULL);
        listeners[i] = peers_connect(servers[i]);
        speakers[i] = peers_connect(servers[i]);
        if (i == 1)
            reply_free(raw_command(listeners[i], "HELLO", "3", NULL));
        raw_expect(listeners[i], i == 1 ? ">[$subscribe $news :1]" : "[$subscribe $news :1]",
                   "SUBSCRIBE news");
        raw_expect(listeners[i], i == 1 ? ">[$psubscribe $n?ws :2]" : "[$psubscribe $n?ws :2]",
                   "PSUBSCRIBE n?ws");
    }
    for (unsigned from = 0; from < SERVERS; from++) {
        /* PUBLISH returns the number of receivers at the same server. */
        raw_expect(speakers[from], ":2", "PUBLISH news hello");
        raw_expect(speakers[from], ":1", "PUBLISH nows x");
        raw_expect(speakers[from], ":0", "PUBLISH weather rain");
        for (unsigned i = 0; i < SERVERS; i++) {
            bool three = i == 1;
            raw_expect_reply(listeners[i],
                             three ? ">[$message $news $hello]" : "[$message $news $hello]");
            raw_expect_reply(listeners[i], three ? ">[$pmessage $n?ws $news $hello]"
                                                 : "[$pmessage $n?ws $news $hello]");
            raw_expect_reply(listeners[i],
                             three ? ">[$pmessage $n?ws $nows $x]" : "[$pmessage $n?ws $nows $x]");
        }
    }
    /* Any bytes, none, and many. */
    struct bytes large = {0};
    for (int i = 0; i < 300000; i++)
        bytes_append_text(&large, "0123456789");
    const struct raw_arg publish[] = {{"PUBLISH", 7}, {"news", 4}, {large.data, large.size}};
    struct bytes out = {0};
    raw_encode_texts(&out, "PUBLISH", "news", "", NULL);
    raw_encode(&out, publish, 3);
    check(raw_send(speakers[0], out.data, out.size), "lost");
    raw_expect_reply(speakers[0], ":2");
    raw_expect_reply(speakers[0], ":2");
    peers_expect(listeners[2], "news", "");
    raw_expect_reply(listeners[2], "[$pmessage $n?ws $news $]");
    peers_expect(listeners[2], "news", (const char *)large.data);
    /* PUBSUB asks about one server. */
    raw_expect(speakers[0], "[$news :1]", "PUBSUB NUMSUB news");
    raw_expect(speakers[0], ":1", "PUBSUB NUMPAT");
    for (unsigned i = 0; i < SERVERS; i++) {
        check(figure(servers[i], "peers") == SERVERS - 1, "not all are linked");
        raw_close(listeners[i]);
        raw_close(speakers[i]);
    }
    bytes_free(&out);
    bytes_free(&large);
}

/* A receiver that reads sees what was written before the message: also if both were sent in one
 * piece, or are one transaction. */
static void what_was_written_is_seen(struct harness *harness)
{
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    struct raw *speaker = peers_connect(one);
    struct raw *near = peers_subscribe(one, "c"), *far = peers_subscribe(other, "c");
    struct raw *readers[] = {peers_connect(one), peers_connect(other)};
    unsigned rounds = harness_scaled(200);
    for (unsigned round = 0; round < rounds; round++) {
        char payload[16], expected[20], text[160];
        snprintf(payload, sizeof payload, "%u", round);
        snprintf(expected, sizeof expected, "$%u", round);
        switch (round % 3) {
        case 0:
            snprintf(text, sizeof text, "SET key %u\r\nPUBLISH c %u\r\n", round, round);
            break;
        case 1:
            snprintf(text, sizeof text, "MULTI\r\nSET key %u\r\nPUBLISH c %u\r\nEXEC\r\n", round,
                     round);
            break;
        default:
            snprintf(text, sizeof text, "MULTI\r\nPUBLISH c %u\r\nSET key %u\r\nEXEC\r\n", round,
                     round);
        }
        check(raw_send_text(speaker, text), "lost");
        peers_expect(far, "c", payload);
        raw_expect(readers[1], expected, "GET key");
        peers_expect(near, "c", payload);
        raw_expect(readers[0], expected, "GET key");
    }
    raw_close(speaker);
    raw_close(near);
    raw_close(far);
    raw_close(readers[0]);
    raw_close(readers[1]);
}

/* A transaction that could not be kept publishes nothing; messages that do not depend on it are
 * published. */
static void failed_commits_say_nothing(struct harness *harness)
{
    const char *mounted = harness_mount(harness, "1m");
    if (!mounted)
        harness_skip(harness, "cannot mount a small file system here");
    struct server_options options = {.data = mounted};
    struct server *one = server_start(harness, &options), *other = server_start(harness, &options);
    struct raw *speaker = peers_connect(one);
    struct raw *near = peers_subscribe(one, "c"), *far = peers_subscribe(other, "c");
    struct bytes out = {0}, value = {0};
    for (int i = 0; i < 200000; i++)
        bytes_append_text(&value, "0123456789");
    raw_encode_texts(&out, "MULTI", NULL);
    raw_encode_texts(&out, "PUBLISH", "c", "lost", NULL);
    raw_encode_texts(&out, "SET", "key", bytes_text(&value), NULL);
    raw_encode_texts(&out, "EXEC", NULL);
    raw_encode_texts(&out, "PUBLISH", "c", "kept", NULL);
    check(raw_send(speaker, out.data, out.size), "lost");
    raw_expect_reply(speaker, "+OK");
    raw_expect_reply(speaker, "+QUEUED");
    raw_expect_reply(speaker, "+QUEUED");
    struct reply *reply = raw_reply(speaker);
    check(reply && reply->type == '-' && strstr(reply_string(reply), "Not persisted"),
          "the transaction did not fail");
    reply_free(reply);
    raw_expect_reply(speaker, ":1");
    peers_expect(near, "c", "kept");
    peers_expect(far, "c", "kept");
    raw_expect(speaker, "_", "GET key");
    raw_close(speaker);
    raw_close(near);
    raw_close(far);
    bytes_free(&out);
    bytes_free(&value);
}

/* The messages of one connection, some of them behind a write on its way to the disk. */
static void order_is_kept(struct harness *harness)
{
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    struct raw *speaker = peers_connect(one), *listener = peers_subscribe(other, "c");
    const unsigned total = harness_scaled(100000), piece = 1000;
    for (unsigned begin = 0; begin < total; begin += piece) {
        struct bytes out = {0};
        unsigned end = begin + piece < total ? begin + piece : total;
        for (unsigned n = begin; n < end; n++) {
            if (n % 700 == 0)
                bytes_append_text(&out, "INCR writes\r\n");
            bytes_appendf(&out, "PUBLISH c %u\r\n", n);
        }
        check(raw_send(speaker, out.data, out.size), "lost");
        bytes_free(&out);
        for (unsigned n = begin; n < end; n++) {
            if (n % 700 == 0)
                reply_free(raw_reply(speaker));
            raw_expect_reply(speaker, ":0");
        }
    }
    for (unsigned n = 0; n < total; n++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%u", n);
        peers_expect(listener, "c", payload);
    }
    check(figure(one, "peer_messages_sent") == total, "not all were sent");
    check(figure(other, "peer_messages_received") == total, "not all were received");
    check(figure(one, "peer_messages_dropped") == 0, "some were dropped");
    raw_close(speaker);
    raw_close(listener);
}

/* Messages that nobody waits for are not sent. */
static void nobody_listens(struct harness *harness)
{
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    wait_for_figure(one, "peers", 1);
    struct raw *speaker = peers_connect(one), *listener = peers_subscribe(other, "a");
    raw_expect(speaker, ":0", "PUBLISH a 1");
    peers_expect(listener, "a", "1");
    wait_for_figure(one, "peer_messages_sent", 1); /* counted behind the call that sends */
    raw_expect(listener, "[$unsubscribe $a :0]", "UNSUBSCRIBE a");
    for (int i = 0; i < 100; i++)
        raw_expect(speaker, ":0", "PUBLISH a 2");
    check(figure(one, "peer_messages_sent") == 1, "messages were sent that nobody waits for");
    raw_expect(listener, "[$psubscribe $* :1]", "PSUBSCRIBE *");
    raw_expect(speaker, ":0", "PUBLISH a 3");
    raw_expect_reply(listener, "[$pmessage $* $a $3]");
    raw_close(speaker);
    raw_close(listener);
}

/* ---- Servers that come and go ------------------------------------------------------------- */

/* From its first answer on, a server gets what others publish, however new it is. */
static void a_new_server_hears(struct harness *harness)
{
    struct server *one = server_start(harness, NULL);
    struct raw *speaker = peers_connect(one);
    unsigned rounds = harness_scaled(20);
    for (unsigned round = 0; round < rounds; round++) {
        struct server *other = server_start(harness, NULL);
        struct raw *listener = peers_subscribe(other, "c");
        raw_expect(speaker, ":0", "PUBLISH c 1");
        peers_expect(listener, "c", "1");
        raw_close(listener);
        check(round % 2 == 0 || server_stop(other) == 0, "it did not stop well");
        if (round % 2 == 0)
            server_kill(other);
    }
    raw_close(speaker);
    wait_for_sockets(harness, 1);
}

static void killed_servers_leave_nothing(struct harness *harness)
{
    struct server *servers[SERVERS];
    for (unsigned i = 0; i < SERVERS; i++)
        servers[i] = server_start(harness, NULL);
    struct raw *speaker = peers_connect(servers[0]), *listener = peers_subscribe(servers[1], "c");
    wait_for_sockets(harness, SERVERS);
    server_kill(servers[2]);
    wait_for_sockets(harness, SERVERS - 1);
    raw_expect(speaker, ":0", "PUBLISH c 1");
    peers_expect(listener, "c", "1");
    raw_close(listener);
    server_kill(servers[1]);
    for (int i = 0; i < 10; i++)
        raw_expect(speaker, ":0", "PUBLISH c 2");
    server_restart(servers[1]);
    listener = peers_subscribe(servers[1], "c");
    raw_expect(speaker, ":0", "PUBLISH c 3");
    peers_expect(listener, "c", "3");
    raw_close(listener);
    raw_close(speaker);
    /* All servers at once: the next one finds only dead ones. */
    server_kill(servers[0]);
    server_kill(servers[1]);
    server_restart(servers[0]);
    wait_for_sockets(harness, 1);
    check(server_stop(servers[0]) == 0, "it did not stop well");
    char *place = place_of(harness);
    check(access(place, F_OK) && errno == ENOENT, "the last one left the directory");
    free(place);
}

/* A message published just before a server was told to end arrives. */
static void last_words(struct harness *harness)
{
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    struct raw *listener = peers_subscribe(other, "c");
    unsigned rounds = harness_scaled(10);
    for (unsigned round = 0; round < rounds; round++) {
        struct raw *speaker = peers_connect(one);
        for (int i = 0; i < 100; i++)
            check(raw_send_text(speaker, "PUBLISH c word\r\n"), "lost");
        for (int i = 0; i < 100; i++)
            raw_expect_reply(speaker, ":0");
        check(server_stop(one) == 0, "it did not stop well");
        for (int i = 0; i < 100; i++)
            peers_expect(listener, "c", "word");
        raw_close(speaker);
        server_restart(one);
    }
    raw_close(listener);
}

/* A server that is stopped for a while delays nobody and costs bounded memory; it gets messages
 * again when it goes on. */
static void a_stopped_server_delays_nobody(struct harness *harness)
{
    const char *const args[] = {"--client-output-buffer-limit", "pubsub 4mb 0 0", NULL};
    struct server_options options = {.args = args};
    struct server *servers[SERVERS];
    struct raw *listeners[SERVERS];
    for (unsigned i = 0; i < SERVERS; i++) {
        servers[i] = server_start(harness, &options);
        listeners[i] = i > 0 ? peers_subscribe(servers[i], "c") : NULL;
    }
    struct raw *speaker = peers_connect(servers[0]);
    process_signal(&servers[2]->process, SIGSTOP);
    char padding[2001];
    memset(padding, 'p', sizeof padding - 1);
    padding[sizeof padding - 1] = '\0';
    /* Twelve megabytes, in pieces that the other server reads in time. */
    unsigned sent = 0;
    for (unsigned piece = 0; piece < 60; piece++) {
        for (unsigned i = 0; i < 100; i++) {
            char *payload = text_format("%u-%s", sent + i, padding);
            struct reply *reply = raw_command(speaker, "PUBLISH", "c", payload, NULL);
            check(reply && reply->type == ':', "PUBLISH failed");
            reply_free(reply);
            free(payload);
        }
        for (unsigned i = 0; i < 100; i++, sent++) {
            char *payload = text_format("%u-%s", sent, padding);
            peers_expect(listeners[1], "c", payload);
            free(payload);
        }
    }
    check(figure(servers[0], "peer_links_cut") > 0, "the link was not cut");
    check(figure(servers[0], "peer_messages_dropped") > 0, "nothing was dropped");
    char *log = server_log(servers[0]);
    check(strstr(log, "cut, as it does not take"), "the log does not say it");
    free(log);
    process_signal(&servers[2]->process, SIGCONT);
    /* It gets messages again once there is a new link, and nothing out of order before. */
    long long last = -1;
    struct patience patience = {0};
    for (bool again = false; !again && patience_left(&patience);) {
        reply_free(raw_command(speaker, "PUBLISH", "c", "again", NULL));
        check(raw_receive_pending(listeners[2]), "lost");
        struct reply *reply;
        while (raw_pending(listeners[2]) > 0 && !again && (reply = raw_reply(listeners[2]))) {
            const char *payload = reply_string(&reply->items[2]);
            again = strcmp(payload, "again") == 0;
            check(again || strtoll(payload, NULL, 10) > last, "%s came after %lld", payload, last);
            if (!again)
                last = strtoll(payload, NULL, 10);
            reply_free(reply);
        }
        check(again || last < (long long)sent, "what was never sent");
        if (!again)
            continue;
        print_message("last of the old ones: %lld of %u\n", last, sent);
        raw_close(listeners[2]);
        raw_close(listeners[1]);
        raw_close(speaker);
        return;
    }
    fail_test("it does not hear again");
}

/* ---- The directory ------------------------------------------------------------------------ */

static void long_paths(struct harness *harness)
{
    char name[101];
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    char *outer = text_format("%s/%s", harness->dir, name);
    char *inner = text_format("%s/%s", outer, name);
    check(!mkdir(outer, 0700) && !mkdir(inner, 0700), "mkdir: %s", strerror(errno));
    struct server_options options = {.data = inner};
    struct server *one = server_start(harness, &options), *other = server_start(harness, &options);
    struct raw *speaker = peers_connect(one), *listener = peers_subscribe(other, "c");
    raw_expect(speaker, ":0", "PUBLISH c far");
    peers_expect(listener, "c", "far");
    raw_close(speaker);
    raw_close(listener);
    free(outer);
    free(inner);
}

/* Also if somebody has opened the directory to all users. */
static void only_the_owner_may_connect(struct harness *harness)
{
    char *place = place_of(harness);
    struct stat st;
    check(!mkdir(place, 0700) && !chmod(place, 0777), "%s: %s", place, strerror(errno));
    struct server *server = server_start(harness, NULL);
    char *path = peers_socket(harness, server);
    check(!stat(place, &st) && (st.st_mode & 07777) == 0700, "the directory's mode");
    check(!stat(path, &st) && S_ISSOCK(st.st_mode) && (st.st_mode & 077) == 0, "the socket's mode");
    check(server_stop(server) == 0, "it did not stop well");
    check(stat(path, &st), "the socket is still there");
    free(place);
    free(path);
}

/* Somebody removes the directory: the sockets come back. */
static void a_removed_directory_comes_back(struct harness *harness)
{
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    struct raw *speaker = peers_connect(one), *listener = peers_subscribe(other, "c");
    char *place = place_of(harness);
    raw_expect(speaker, ":0", "PUBLISH c 1");
    peers_expect(listener, "c", "1");
    remove_tree(place);
    wait_for_sockets(harness, 2);
    struct server *third = server_start(harness, NULL);
    struct raw *newest = peers_subscribe(third, "c");
    raw_expect(speaker, ":0", "PUBLISH c 2");
    peers_expect(listener, "c", "2");
    peers_expect(newest, "c", "2");
    raw_close(speaker);
    raw_close(listener);
    raw_close(newest);
    free(place);
}

static void without_a_file_there_are_no_peers(struct harness *harness)
{
    const char *const args[] = {"--persistence", "no", NULL};
    struct server_options options = {.args = args, .no_key_file = true};
    struct server *one = server_start(harness, &options), *other = server_start(harness, &options);
    struct raw *speaker = peers_connect(one), *near = peers_subscribe(one, "c"),
               *far = peers_subscribe(other, "c");
    raw_expect(speaker, ":1", "PUBLISH c 1");
    raw_expect(speaker, "+OK", "MULTI");
    raw_expect(speaker, "+QUEUED", "SET k v");
    raw_expect(speaker, "+QUEUED", "PUBLISH c 2");
    raw_expect(speaker, "[+OK :1]", "EXEC");
    peers_expect(near, "c", "1");
    peers_expect(near, "c", "2");
    raw_expect(far, "[$unsubscribe $c :0]", "UNSUBSCRIBE");
    check(figure(one, "peers") == 0, "there are peers");
    raw_close(speaker);
    raw_close(near);
    raw_close(far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(all_servers_hear),
        HARNESS_TEST(what_was_written_is_seen),
        HARNESS_TEST(failed_commits_say_nothing),
        HARNESS_TEST(order_is_kept),
        HARNESS_TEST(nobody_listens),
        HARNESS_TEST(a_new_server_hears),
        HARNESS_TEST(killed_servers_leave_nothing),
        HARNESS_TEST(last_words),
        HARNESS_TEST(a_stopped_server_delays_nobody),
        HARNESS_TEST(long_paths),
        HARNESS_TEST(only_the_owner_may_connect),
        HARNESS_TEST(a_removed_directory_comes_back),
        HARNESS_TEST(without_a_file_there_are_no_peers),
        HARNESS_TEST(garbage),
    };
    return harness_main("peers", tests, sizeof tests / sizeof *tests);
}
