/* SPDX-License-Identifier: MIT */
/* Publish/subscribe: each script of commands must give the same with redis-server and with ours;
 * messages published while a write of the receiver is in flight come behind the confirmation, and
 * none behind that of its end; receivers that leave are forgotten; many clients on several workers
 * get each message, in order; a call that takes long answers as others do and holds up nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"

static struct server *start(struct harness *harness, enum server_kind kind)
{
    struct server_options options = {.kind = kind};
    return server_start(harness, &options);
}

/* One client at the other's messages; `resp` is 2 or 3.  The same for both kinds of servers. */
static void conversation(const struct server *server, int resp)
{
    struct raw *listener = raw_connect(server), *speaker = raw_connect(server);
    check(listener && speaker, "cannot connect");
    const bool three = resp == 3;
    if (three) {
        struct reply *hello = raw_command(listener, "HELLO", "3", NULL);
        check(hello && hello->type == '%', "HELLO 3 failed");
        reply_free(hello);
    }
#define PUSH(text) (three ? ">" text : text)
    raw_expect(listener, PUSH("[$subscribe $news :1]"), "SUBSCRIBE news");
    raw_expect(listener, PUSH("[$subscribe $news :1]"), "SUBSCRIBE news"); /* once is enough */
    raw_expect(listener, PUSH("[$psubscribe $n* :2]"), "PSUBSCRIBE n* sport");
    raw_expect_reply(listener, PUSH("[$psubscribe $sport :3]"));
    raw_expect(speaker, ":2", "PUBLISH news hello");
    raw_expect_reply(listener, PUSH("[$message $news $hello]"));
    raw_expect_reply(listener, PUSH("[$pmessage $n* $news $hello]"));
    raw_expect(speaker, ":0", "PUBLISH weather rain");
    raw_expect(speaker, "[$news]", "PUBSUB CHANNELS");
    raw_expect(speaker, "[]", "PUBSUB CHANNELS x*");
    raw_expect(speaker, "[$news :1 $other :0]", "PUBSUB NUMSUB news other");
    raw_expect(speaker, "[]", "PUBSUB NUMSUB");
    raw_expect(speaker, ":2", "PUBSUB NUMPAT");
    raw_expect(speaker, "[]", "PUBSUB SHARDCHANNELS");
    raw_expect(speaker, "[]", "PUBSUB SHARDCHANNELS n*");
    raw_expect(speaker, "[$news :0 $other :0]", "PUBSUB SHARDNUMSUB news other");
    static const char *const lists[] = {"CHANNELS", "SHARDCHANNELS"};
    for (size_t i = 0; i < 2; i++) {
        char *words = text_format("PUBSUB %s a b", lists[i]);
        char *error = text_format("-ERR unknown subcommand or wrong number of arguments for '%s'. "
                                  "Try PUBSUB HELP.",
                                  lists[i]);
        raw_expect(speaker, error, words);
        free(words);
        free(error);
    }
    raw_expect(speaker, "-ERR wrong number of arguments for 'publish' command", "PUBLISH news");
    raw_expect(speaker, "-ERR unknown subcommand 'FOO'. Try PUBSUB HELP.", "PUBSUB FOO");
    if (three) {
        raw_expect(listener, "+PONG", "PING");
        raw_expect(listener, "_", "GET missing");
    } else {
        raw_expect(listener, "[$pong $]", "PING");
        raw_expect(listener, "[$pong $x]", "PING x");
        raw_expect(
            listener,
            "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
            "RESET are allowed in this context",
            "GET missing");
    }
    raw_expect(listener, PUSH("[$unsubscribe $never :3]"), "UNSUBSCRIBE never");
    raw_expect(listener, PUSH("[$unsubscribe $news :2]"), "UNSUBSCRIBE");
    raw_expect(listener, PUSH("[$unsubscribe _ :2]"), "UNSUBSCRIBE");
    raw_expect(listener, PUSH("[$punsubscribe $sport :1]"), "PUNSUBSCRIBE sport");
    raw_expect(listener, PUSH("[$punsubscribe $n* :0]"), "PUNSUBSCRIBE");
    raw_expect(listener, "_", "GET missing");
    raw_expect(listener, PUSH("[$subscribe $a :1]"), "SUBSCRIBE a");
    raw_expect(listener, "+RESET", "RESET");
    raw_expect(listener, "[$unsubscribe _ :0]", "UNSUBSCRIBE");
    raw_expect(speaker, "+OK", "MULTI");
    raw_expect(speaker, "+QUEUED", "PUBLISH a 1");
    raw_expect(speaker, "[:0]", "EXEC");
    raw_close(listener);
    raw_close(speaker);
}

static void conversation_as_in_redis(struct harness *harness)
{
    for (int resp = 2; resp <= 3; resp++) {
        harness->stage = "redis-server";
        conversation(start(harness, SERVER_REDIS), resp);
        harness->stage = "anystore-server";
        conversation(start(harness, SERVER_ANYSTORE), resp);
    }
}

/* A client that wants no replies is told all the same what it is subscribed to, and gets messages;
 * one that waits for the confirmation would hang without it.  The same for both kinds of
 * servers. */
static void silent_conversation(const struct server *server, int resp, bool off)
{
    struct raw *listener = raw_connect(server), *speaker = raw_connect(server);
    check(listener && speaker, "cannot connect");
    const bool three = resp == 3;
    if (three) {
        struct reply *hello = raw_command(listener, "HELLO", "3", NULL);
        check(hello && hello->type == '%', "HELLO 3 failed");
        reply_free(hello);
    }
    const char *silencer = off ? "CLIENT REPLY OFF\r\n" : "CLIENT REPLY SKIP\r\n";
    const struct {
        bool subscribed; /* in RESP2 such a client cannot ask for silence */
        const char *request, *confirmations[2];
    } rows[] = {
        {false, "SUBSCRIBE a b\r\n", {PUSH("[$subscribe $a :1]"), PUSH("[$subscribe $b :2]")}},
        {true, "PSUBSCRIBE a*\r\n", {PUSH("[$psubscribe $a* :3]")}},
        {true, "UNSUBSCRIBE x\r\n", {PUSH("[$unsubscribe $x :3]")}},
        {true, "UNSUBSCRIBE a\r\n", {PUSH("[$unsubscribe $a :2]")}},
        {true, "UNSUBSCRIBE\r\n", {PUSH("[$unsubscribe $b :1]")}},
        {true, "UNSUBSCRIBE\r\n", {PUSH("[$unsubscribe _ :1]")}},
        {true, "PUNSUBSCRIBE\r\n", {PUSH("[$punsubscribe $a* :0]")}},
        {false,
         "PUNSUBSCRIBE y z\r\n",
         {PUSH("[$punsubscribe $y :0]"), PUSH("[$punsubscribe $z :0]")}},
        {false, "PING\r\n", {NULL}},
        {false, "SUBSCRIBE\r\n", {NULL}}, /* an error */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool silence = i == 0 || (!off && (three || !rows[i].subscribed));
        check((!silence || raw_send_text(listener, silencer)) &&
                  raw_send_text(listener, rows[i].request),
              "lost");
        for (size_t j = 0; j < 2 && rows[i].confirmations[j]; j++)
            raw_expect_reply(listener, rows[i].confirmations[j]);
    }
    /* On the commit thread, and in a transaction. */
    check(raw_send_text(listener, off ? "SET k v\r\nSUBSCRIBE c\r\n"
                                      : "CLIENT REPLY SKIP\r\nSET k v\r\nCLIENT REPLY SKIP\r\n"
                                        "SUBSCRIBE c\r\n"),
          "lost");
    raw_expect_reply(listener, PUSH("[$subscribe $c :1]"));
    check(raw_send_text(listener, "RESET\r\nCLIENT REPLY OFF\r\n"
                                  "MULTI\r\nSUBSCRIBE d\r\nSET k w\r\nEXEC\r\n"),
          "lost");
    raw_expect_reply(listener, "+RESET"); /* to RESP2, and wants replies */
    raw_expect_reply(listener, "[$subscribe $d :1]");
    raw_expect(speaker, ":1", "PUBLISH d news");
    raw_expect_reply(listener, "[$message $d $news]");
    check(raw_send_text(listener, "UNSUBSCRIBE\r\nCLIENT REPLY ON\r\nGET k\r\n"), "lost");
    raw_expect_reply(listener, "[$unsubscribe $d :0]");
    raw_expect_reply(listener, "+OK");
    raw_expect_reply(listener, "$w");
    raw_close(listener);
    raw_close(speaker);
}

static void silent_as_in_redis(struct harness *harness)
{
    static const enum server_kind kinds[] = {SERVER_REDIS, SERVER_ANYSTORE};
    for (size_t i = 0; i < 2; i++) {
        harness->stage = i == 0 ? "redis-server" : "anystore-server";
        const struct server *server = start(harness, kinds[i]);
        for (int resp = 2; resp <= 3; resp++) {
            silent_conversation(server, resp, true);
            silent_conversation(server, resp, false);
        }
    }
}
#undef PUSH

/* SUBSCRIBE behind a SET in a pipeline runs on the commit thread: a message published meanwhile
 * must not overtake its confirmation. */
static void confirmation_comes_first(struct harness *harness)
{
    struct server *server = start(harness, SERVER_ANYSTORE);
    struct raw *speaker = raw_connect(server);
    for (unsigned round = 0; round < harness_scaled(200); round++) {
        struct raw *listener = raw_connect(server);
        check(listener && speaker, "cannot connect");
        check(raw_send_text(listener, "SET k v\r\nSUBSCRIBE c\r\nSUBSCRIBE d\r\n"), "lost");
        /* A client is subscribed as soon as the number of receivers says so. */
        struct patience patience = {0};
        long long receivers = 0;
        while (receivers == 0 && patience_left(&patience)) {
            struct reply *reply = raw_command(speaker, "PUBLISH", "c", "m", NULL);
            check(reply && reply->type == ':', "PUBLISH failed");
            receivers = atoll(reply_string(reply));
            reply_free(reply);
        }
        raw_expect_reply(listener, "+OK");
        raw_expect_reply(listener, "[$subscribe $c :1]");
        raw_expect_reply(listener, "[$subscribe $d :2]");
        raw_expect_reply(listener, "[$message $c $m]");
        raw_close(listener);
        /* The closed client is forgotten. */
        receivers = 1;
        while (receivers != 0 && patience_left(&patience)) {
            struct reply *reply = raw_command(speaker, "PUBLISH", "c", "late", NULL);
            check(reply && reply->type == ':', "PUBLISH failed");
            receivers = atoll(reply_string(reply));
            reply_free(reply);
        }
    }
    raw_close(speaker);
}

/* Somebody publishes all the time, here and at another server. */
static void publish_until_told(struct worker *worker)
{
    struct raw *raw = raw_connect(((struct server **)worker->shared)[worker->index]);
    if (!raw)
        worker_fail(worker, "cannot connect");
    while (raw && !workers_failed()) {
        struct reply *reply = raw_command(raw, "PUBLISH", "c", "m", NULL);
        bool more = reply && reply->type == ':';
        reply_free(reply);
        reply = more ? raw_command(raw, "EXISTS", "enough", NULL) : NULL;
        if (!reply || reply->type != ':') {
            worker_fail(worker, "no reply");
            break;
        }
        more = strcmp(reply_string(reply), "0") == 0;
        reply_free(reply);
        if (!more)
            break;
    }
    raw_close(raw);
}

/* Behind the confirmation of an UNSUBSCRIBE, a RESP2 client would take a message for a reply. */
static void nothing_comes_behind_the_end(struct harness *harness)
{
    static struct server *servers[2];
    servers[0] = start(harness, SERVER_ANYSTORE);
    servers[1] = start(harness, SERVER_ANYSTORE);
    struct raw *listener = raw_connect(servers[0]);
    check(listener, "cannot connect");
    workers_start(2, publish_until_told, servers);
    for (unsigned round = 0; round < harness_scaled(500); round++) {
        raw_expect(listener, "[$subscribe $c :1]", "SUBSCRIBE c");
        raw_expect_reply(listener, "[$message $c $m]");
        check(raw_send_text(listener, "UNSUBSCRIBE\r\nSET k v\r\nGET k\r\n"), "lost");
        /* Messages, until the confirmation. */
        bool confirmed = false;
        while (!confirmed) {
            struct reply *reply = raw_reply(listener);
            char *text = reply_text(reply);
            reply_free(reply);
            confirmed = strcmp(text, "[$unsubscribe $c :0]") == 0;
            check(confirmed || strcmp(text, "[$message $c $m]") == 0, "%s", text);
            free(text);
        }
        raw_expect_reply(listener, "+OK");
        raw_expect_reply(listener, "$v");
    }
    raw_expect(listener, "+OK", "SET enough yes");
    workers_join();
    raw_close(listener);
}

#define LISTENERS 40

/* Every listener, on any worker, gets all messages in order. */
static void messages_keep_their_order(struct harness *harness)
{
    struct server *server = start(harness, SERVER_ANYSTORE);
    struct raw *listeners[LISTENERS], *speaker = raw_connect(server);
    for (unsigned i = 0; i < LISTENERS; i++) {
        listeners[i] = raw_connect(server);
        check(listeners[i], "cannot connect");
        raw_expect(listeners[i], "[$subscribe $c :1]", "SUBSCRIBE c");
    }
    unsigned messages = harness_scaled(500);
    struct bytes out = {0};
    for (unsigned n = 0; n < messages; n++)
        bytes_appendf(&out, "PUBLISH c %u\r\n", n);
    check(raw_send(speaker, out.data, out.size), "lost");
    bytes_free(&out);
    for (unsigned n = 0; n < messages; n++)
        raw_expect_reply(speaker, ":40");
    for (unsigned i = 0; i < LISTENERS; i++) {
        for (unsigned n = 0; n < messages; n++) {
            char expected[64];
            snprintf(expected, sizeof expected, "[$message $c $%u]", n);
            raw_expect_reply(listeners[i], expected);
        }
        raw_close(listeners[i]);
    }
    raw_close(speaker);
}

/* ---- Long calls --------------------------------------------------------------------------- */

enum { CHANNELS = 30000 };

/* A command of the words, which are separated by blanks, and of names that are numbers. */
static void send_names(struct raw *raw, const char *words, unsigned count)
{
    struct bytes out = {0};
    unsigned word_count = strchr(words, ' ') ? 2 : 1;
    bytes_appendf(&out, "*%u\r\n", count + word_count);
    for (const char *word = words; word_count > 0; word_count--, word += strcspn(word, " ") + 1) {
        size_t size = strcspn(word, " ");
        bytes_appendf(&out, "$%zu\r\n%.*s\r\n", size, (int)size, word);
    }
    for (unsigned i = 0; i < count; i++)
        bytes_appendf(&out, "$8\r\n%08u\r\n", i);
    check(raw_send(raw, out.data, out.size), "lost");
    bytes_free(&out);
}

static void expect_subscribed(struct raw *raw)
{
    for (unsigned i = 0; i < CHANNELS; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "[$subscribe $%08u :%u]", i, i + 1);
        raw_expect_reply(raw, expected);
    }
}

/* The channels come in any order. */
static void expect_unsubscribed(struct raw *raw)
{
    for (unsigned i = CHANNELS; i-- > 0;) {
        struct reply *reply = raw_reply(raw);
        check(reply && reply->type == '*' && reply->count == 3, "not confirmed");
        check(strtoul(reply_string(&reply->items[2]), NULL, 10) == i, "not the next one");
        reply_free(reply);
    }
}

static size_t listed(struct raw *raw, const char *pattern)
{
    struct reply *reply = raw_command(raw, "PUBSUB", "CHANNELS", pattern, NULL);
    check(reply && reply->type == '*', "PUBSUB CHANNELS failed");
    size_t count = reply->count;
    reply_free(reply);
    return count;
}

static size_t matching(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < CHANNELS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%08u", i);
        count += i % 10 == 1 && strchr(name, '7');
    }
    return count;
}

static void expect_counted(struct raw *raw)
{
    send_names(raw, "PUBSUB NUMSUB", CHANNELS + 1);
    struct reply *reply = raw_reply(raw);
    check(reply && reply->type == '*' && reply->count == 2 * (CHANNELS + 1), "not all are counted");
    for (unsigned i = 0; i <= CHANNELS; i++) {
        check(strtoul(reply_string(&reply->items[2 * i]), NULL, 10) == i, "another channel");
        check(strcmp(reply_string(&reply->items[2 * i + 1]), i < CHANNELS ? "1" : "0") == 0,
              "miscounted");
    }
    reply_free(reply);
}

/* Calls of many names are made in slices, and answer as others do: each name once, and what is
 * behind them behind them. */
static void many_names(const struct server *server, bool behind_a_write)
{
    struct raw *listener = raw_connect(server), *speaker = raw_connect(server);
    check(listener && speaker, "cannot connect");
    if (behind_a_write)
        check(raw_send_text(listener, "SET k v\r\n"), "lost");
    send_names(listener, "SUBSCRIBE", CHANNELS);
    check(raw_send_text(listener, "PING behind\r\n"), "lost");
    if (behind_a_write)
        raw_expect_reply(listener, "+OK");
    expect_subscribed(listener);
    raw_expect_reply(listener, "[$pong $behind]");
    check(listed(speaker, "*") == CHANNELS, "not all channels");
    check(listed(speaker, "*7*1") == matching(), "not all that match");
    expect_counted(speaker);
    raw_expect(speaker, ":1", "PUBLISH 00029999 last");
    raw_expect_reply(listener, "[$message $00029999 $last]");
    check(raw_send_text(listener, "UNSUBSCRIBE\r\nPING\r\n"), "lost");
    expect_unsubscribed(listener);
    raw_expect_reply(listener, "+PONG");
    check(listed(speaker, "*") == 0, "channels are left");
    send_names(listener, "SUBSCRIBE", CHANNELS);
    check(raw_send_text(listener, "RESET\r\nPING\r\n"), "lost");
    expect_subscribed(listener);
    raw_expect_reply(listener, "+RESET");
    raw_expect_reply(listener, "+PONG");
    check(listed(speaker, "*") == 0, "channels are left");
    raw_close(listener);
    raw_close(speaker);
}

static void many_names_as_in_redis(struct harness *harness)
{
    harness->stage = "redis-server";
    many_names(start(harness, SERVER_REDIS), false);
    harness->stage = "anystore-server";
    const struct server *server = start(harness, SERVER_ANYSTORE);
    many_names(server, false);
    many_names(server, true);
}

/* Each of these patterns takes some tens of milliseconds on a channel of a million letters. */
#define SLOW_PATTERNS 8
#define SLOW_CHANNEL  1000000

static void listen_slowly(struct raw *raw)
{
    raw_expect(raw, "[$psubscribe $*a :1]", "PSUBSCRIBE *a");
    for (int i = 0; i < SLOW_PATTERNS; i++) {
        char *pattern = text_format("*[ab][ab][ab][ab][ab][ab][ab][ab][ab][ab]%d*", i);
        struct reply *reply = raw_command(raw, "PSUBSCRIBE", pattern, NULL);
        check(reply && reply->type == '*', "not confirmed");
        reply_free(reply);
        free(pattern);
    }
}

static void send_slow_publish(struct raw *raw)
{
    struct bytes out = {0};
    bytes_appendf(&out, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n", SLOW_CHANNEL);
    memset(bytes_reserve(&out, SLOW_CHANNEL), 'a', SLOW_CHANNEL);
    out.size += SLOW_CHANNEL;
    bytes_append_text(&out, "\r\n$1\r\nm\r\n");
    check(raw_send(raw, out.data, out.size), "lost");
    bytes_free(&out);
}

static void expect_slow_message(struct raw *raw)
{
    struct reply *reply = raw_reply(raw);
    check(reply && reply->type == '*' && reply->count == 4, "no message");
    check(reply->items[2].size == SLOW_CHANNEL, "another channel");
    reply_free(reply);
}

/* A message to a long channel takes its time where there are many patterns, but not that of others:
 * the only worker answers another client many times before it answers the PUBLISH. */
static void others_are_served(struct harness *harness)
{
    static const char *const args[] = {"--io-threads", "1", NULL};
    struct server_options options = {.kind = SERVER_ANYSTORE, .args = args};
    struct server *server = server_start(harness, &options);
    struct raw *listener = raw_connect(server), *speaker = raw_connect(server);
    struct raw *other = raw_connect(server), *writer = raw_connect(server);
    check(listener && speaker && other && writer, "cannot connect");
    listen_slowly(listener);
    for (int behind_a_write = 0; behind_a_write <= 1; behind_a_write++) {
        if (behind_a_write)
            check(raw_send_text(speaker, "SET k v\r\n"), "lost");
        send_slow_publish(speaker);
        if (behind_a_write)
            raw_expect_reply(speaker, "+OK");
        for (int i = 0; i < 20; i++) {
            raw_expect(other, "+PONG", "PING");
            raw_expect(writer, "+OK", "SET other value");
        }
        check(raw_receive_pending(speaker) && raw_pending(speaker) == 0, "PUBLISH held up others");
        raw_expect_reply(speaker, ":1");
        expect_slow_message(listener);
    }
    /* A client that is killed in between publishes nothing. */
    struct reply *id = raw_command(speaker, "CLIENT", "ID", NULL);
    check(id && id->type == ':', "no id");
    send_slow_publish(speaker);
    raw_expect(other, "+PONG", "PING");
    char *words = text_format("CLIENT KILL ID %s", reply_string(id));
    raw_expect(other, ":1", words);
    check(raw_closes(speaker), "not closed");
    free(words);
    reply_free(id);
    raw_close(speaker);
    raw_expect(other, ":1", "PUBLISH a behind");
    raw_expect_reply(listener, "[$pmessage $*a $a $behind]");
    raw_close(listener);
    raw_close(other);
    raw_close(writer);
}

enum { BURSTS = 20, BURST = 1000 };

/* Many messages are on their way while updates come back to the same worker: none is lost, and the
 * receiver, which takes them at once, stays connected. */
static void bursts_beside_writes(struct harness *harness)
{
    static const char *const args[] = {"--io-threads", "1", NULL};
    struct server_options options = {.kind = SERVER_ANYSTORE, .args = args};
    struct server *server = server_start(harness, &options);
    struct raw *listener = raw_connect(server), *speaker = raw_connect(server);
    struct raw *writer = raw_connect(server);
    struct bytes burst = {0};
    check(listener && speaker && writer, "cannot connect");
    raw_expect(listener, "[$subscribe $c :1]", "SUBSCRIBE c");
    for (int i = 0; i < BURST; i++)
        bytes_append_text(&burst, "PUBLISH c m\r\n");
    for (int round = 0; round < BURSTS; round++) {
        check(raw_send_text(writer, "SET k v\r\n"), "lost");
        check(raw_send(speaker, burst.data, burst.size), "lost");
        raw_expect_reply(writer, "+OK");
        for (int i = 0; i < BURST; i++) {
            if (i % 100 == 0)
                raw_expect(writer, "+OK", "SET k v");
            raw_expect_reply(speaker, ":1");
        }
    }
    for (int i = 0; i < BURSTS * BURST; i++)
        raw_expect_reply(listener, "[$message $c $m]");
    bytes_free(&burst);
    raw_close(listener);
    raw_close(speaker);
    raw_close(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(conversation_as_in_redis),  HARNESS_TEST(silent_as_in_redis),
        HARNESS_TEST(confirmation_comes_first),  HARNESS_TEST(nothing_comes_behind_the_end),
        HARNESS_TEST(messages_keep_their_order), HARNESS_TEST(many_names_as_in_redis),
        HARNESS_TEST(others_are_served),         HARNESS_TEST(bursts_beside_writes),
    };
    return harness_main("pubsub", tests, sizeof tests / sizeof *tests);
}
