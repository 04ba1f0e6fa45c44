/* SPDX-License-Identifier: MIT */
/* Keyspace events: for each command the events that redis-server sends, in their order, in RESP2
 * and RESP3; events of changes by other servers, as each server's own flags ask for them; none for
 * a commit that failed; one for each expired key at every server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

#define OPTION "notify-keyspace-events"

static struct raw *connect_to(const struct server *server)
{
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    return raw;
}

static void set_flags(struct raw *raw, const char *flags)
{
    struct reply *reply = raw_command(raw, "CONFIG", "SET", OPTION, flags, NULL);
    check(reply && reply->type == '+', "CONFIG SET %s failed", flags);
    reply_free(reply);
}

/* Subscribes to all events, and to "mark", which comes behind the events of a connection that
 * publishes it. */
static struct raw *listen_to(const struct server *server, int resp)
{
    struct raw *raw = connect_to(server);
    if (resp == 3)
        reply_free(raw_command(raw, "HELLO", "3", NULL));
    raw_expect(raw, resp == 3 ? ">[$psubscribe $__key*__:* :1]" : "[$psubscribe $__key*__:* :1]",
               "PSUBSCRIBE __key*__:*");
    raw_expect(raw, resp == 3 ? ">[$subscribe $mark :2]" : "[$subscribe $mark :2]",
               "SUBSCRIBE mark");
    return raw;
}

/* Appends the messages up to the mark or, if `last` is not NULL, to that event of any key. */
static void hear(struct raw *listener, const char *last, struct bytes *heard)
{
    for (;;) {
        struct reply *reply = raw_reply(listener);
        check(reply, "the connection is lost");
        bool end = reply->count == 3;
        if (last && reply->count == 4)
            end = strncmp(reply_string(&reply->items[2]), "__keyevent", 10) == 0 &&
                  strcmp(strstr(reply_string(&reply->items[2]), "__:") + 3, last) == 0;
        if (reply->count == 4) {
            char *text = reply_text(reply);
            bytes_appendf(heard, "  %s\n", text);
            free(text);
        }
        reply_free(reply);
        if (end)
            return;
    }
}

/* ---- As in Redis -------------------------------------------------------------------------- */

/* Commands, with "; " between them. "~": waits for the next events up to one of an expired key; %D:
 * DUMP's answer for a string; '' is empty. */
static const char *const scripts[] = {
    "SET a 1; SET a 2; SET a 3 EX 100; SET a 4 KEEPTTL; SET a 5 XX; SET a 6 NX",
    "SET b 1 NX; SET c 1 XX; SET c 1 GET; SET c 2 GET; SET c 3 GET NX; SET d 1 PX 90000",
    "SET d; SET d 1 EX nonsense; SET d 1 EX 0; SETNX a 1; SETNX e 1; SETEX e 100 1",
    "PSETEX f 100000 1; SETEX f 0 1; GETSET a 1; GETSET g 1; GET a; GET missing",
    "MGET a missing b missing2; MSET a 1 h 2 a 3; MSETNX a 1 i 2; MSETNX i 1 j 2; MSET a",
    "GETDEL a; GETDEL a; GETEX b; GETEX b EX 100; GETEX b PERSIST; GETEX b PERSIST",
    "GETEX b PXAT 1; GETEX b PX 100000; STRLEN missing; STRLEN c; INCR n; INCR n; INCRBY n 5",
    "DECR n; DECRBY n 3; INCR c ; INCRBYFLOAT n 1.5; INCRBYFLOAT m 1; INCR n",
    "APPEND s abc; APPEND s def; APPEND s ''; APPEND s2 ''; SETRANGE s 2 xyz",
    "SETRANGE s 2 ''; SETRANGE s3 2 ''; SETRANGE s3 2 x; SETRANGE s -1 x; GETRANGE s 0 1",
    "GETRANGE missing 0 1; SUBSTR missing 0 1; SETBIT bits 7 1; SETBIT bits 7 1",
    "SETBIT bits 7 0; SETBIT bits 100 0; SETBIT new0 0 0; SETBIT bits 7 2; GETBIT bits 7",
    "GETBIT missing 7; BITCOUNT bits; BITCOUNT missing; BITPOS missing 1; BITPOS bits 1",
    "BITOP AND dst bits s; BITOP OR dst bits missing; BITOP NOT dst missing",
    "BITOP NOT dst missing; BITOP XOR dst2 missing missing2; BITFIELD fields GET u8 0",
    "BITFIELD fields SET u8 0 200; BITFIELD fields SET u8 0 200",
    "BITFIELD fields INCRBY u8 0 1; BITFIELD fields OVERFLOW FAIL INCRBY u8 0 100",
    "BITFIELD fields OVERFLOW FAIL INCRBY u8 80 300",
    "BITFIELD fails OVERFLOW FAIL SET u8 0 300; BITFIELD grown SET u8 80 0",
    "BITFIELD grown SET u8 80 0 SET u8 160 0; BITFIELD_RO fields GET u8 0",
    "BITFIELD_RO missing GET u8 0; EXPIRE s 100; EXPIRE s 50 GT; EXPIRE s 200 NX",
    "EXPIRE missing 100; PEXPIRE s 100000; EXPIREAT s 99999999999",
    "PEXPIREAT s 99999999999999; PERSIST s; PERSIST s; PERSIST missing; EXPIRE s -1",
    "SET s 1; PEXPIREAT s 1; SET s 1; EXPIRE s 0; TTL missing; PTTL missing",
    "EXPIRETIME missing; PEXPIRETIME missing; TTL c; DEL missing; SET x 1; SET y 2",
    "DEL x missing y x; SET x 1; UNLINK x missing; EXISTS missing c missing",
    "TOUCH missing c; TYPE missing; TYPE c; RENAME missing x; SET x 1; RENAME x y",
    "SET x 2 EX 100; RENAME x y; RENAME y y; SET z 1; RENAMENX y z; RENAMENX y w",
    "RENAMENX missing w; COPY w w2; COPY w w2; COPY w w2 REPLACE; COPY missing w3",
    "COPY w w; COPY w w4 DB 2; COPY w w4 DB 2 REPLACE; COPY w w4 DB 99; MOVE w 2",
    "MOVE w 2; MOVE missing 2; SELECT 2; GET w; SET in2 1; GET missing; MOVE in2 0",
    "DEL w4; SELECT 0; DEL in2; OBJECT ENCODING missing; OBJECT FREQ missing",
    "DUMP missing; DUMP c; RESTORE r 0 %D; RESTORE r 0 %D; RESTORE r 0 %D REPLACE",
    "RESTORE r 100000 %D REPLACE; RESTORE r 1 %D REPLACE ABSTTL",
    "RESTORE r 1 %D REPLACE ABSTTL; RESTORE r 0 broken; LCS missing c; LCS c missing2",
    "SORT missing; SORT missing STORE c; SORT missing STORE c; SORT_RO missing; SORT z",
    "MEMORY USAGE missing; RANDOMKEY; SCAN 0; KEYS missing; MULTI; SET t 1; INCR t",
    "GET missing; DEL t; SELECT 3; GET t; SELECT 0; EXEC; MULTI; SET t 1; DISCARD",
    "WATCH t; MULTI; GET t; EXEC; SWAPDB 0 3; GET t; SWAPDB 0 3; MULTI; INCR z2",
    "EXPIRE z2 100; APPEND z2 x; INCR z2; RENAME z2 z3; EXEC; ~SET e1 1 PX 5",
    "~SET e2 1 PXAT 1; ~SET e2 1 EXAT 1; SET e3 1 EX 100; ~PEXPIRE e3 5; SET e4 1",
    "~GETEX e4 PX 5; ~RESTORE e5 5 %D; SELECT 5; ~PSETEX e6 5 1; SELECT 0",
    "DEBUG POPULATE 3 pop; DEBUG POPULATE 4 pop; FLUSHDB; GET z; FLUSHALL; SET a 1",
};

static void encode_command(struct bytes *out, const char *words, const struct reply *dump)
{
    struct raw_arg args[32];
    size_t count = 0;
    while (*(words += strspn(words, " "))) {
        size_t size = strcspn(words, " ");
        args[count] = (struct raw_arg){words, size};
        if (size == 2 && memcmp(words, "%D", 2) == 0)
            args[count] = (struct raw_arg){dump->data, dump->size};
        if (size == 2 && memcmp(words, "''", 2) == 0)
            args[count].size = 0;
        words += size;
        count++;
    }
    raw_encode(out, args, count);
}

/* Runs one command; appends it with all its events. */
static void run_command(struct raw *speaker, struct raw *listener, const char *command, bool waits,
                        const struct reply *dump, struct bytes *heard)
{
    struct bytes out = {0};
    bool expires = command[0] == '~';
    encode_command(&out, command + expires, dump);
    check(raw_send(speaker, out.data, out.size), "lost");
    bytes_free(&out);
    struct reply *reply = raw_reply(speaker);
    check(reply, "%s: the connection is lost", command);
    bool queued = strcmp(reply_string(reply), "QUEUED") == 0;
    reply_free(reply);
    bytes_appendf(heard, "%s\n", command);
    if (queued || strcmp(command, "MULTI") == 0)
        return;
    if (expires && waits)
        hear(listener, "expired", heard);
    reply_free(raw_command(speaker, "PUBLISH", "mark", "x", NULL));
    hear(listener, NULL, heard);
}

/* All events of the commands, with the commands between them. */
static char *events_of(const struct server *server, const char *flags, int resp,
                       const struct reply *dump)
{
    struct raw *listener = listen_to(server, resp), *speaker = connect_to(server);
    struct bytes heard = {0};
    if (resp == 3)
        reply_free(raw_command(speaker, "HELLO", "3", NULL));
    set_flags(speaker, flags);
    /* Without the event of an expired key there is nothing to wait for. */
    bool waits = strpbrk(flags, "Ax") && strchr(flags, 'E');
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        char *copy = text_format("%s", scripts[i]), *rest = NULL;
        for (char *at = strtok_r(copy, ";", &rest); at; at = strtok_r(NULL, ";", &rest))
            run_command(speaker, listener, at + strspn(at, " "), waits, dump, &heard);
        free(copy);
    }
    raw_close(listener);
    raw_close(speaker);
    char *text = text_format("%s", bytes_text(&heard));
    bytes_free(&heard);
    return text;
}

static void check_equal(const char *redis, const char *ours, const char *flags)
{
    if (strcmp(redis, ours) == 0)
        return;
    size_t same = 0, line = 0;
    while (redis[same] == ours[same]) {
        if (redis[same] != ' ' && (same == 0 || redis[same - 1] == '\n'))
            line = same;
        same++;
    }
    fail_test("flags %s: redis-server says\n%.300s\nours\n%.300s", flags, redis + line,
              ours + line);
}

static void events_as_in_redis(struct harness *harness)
{
    static const char *const args[] = {"--enable-debug-command", "yes", NULL};
    static const char *const flags[] = {"KEAmn", "KEA", "E$",   "Kg",  "KEm",
                                        "Kn",    "A",   "KEls", "KExg"};
    struct server_options redis_options = {.kind = SERVER_REDIS, .args = args};
    struct server_options our_options = {.args = args};
    struct server *redis = server_start(harness, &redis_options);
    struct server *ours = server_start(harness, &our_options);
    struct raw *raw = connect_to(redis);
    raw_expect(raw, "+OK", "SET string content");
    struct reply *dump = raw_command(raw, "DUMP", "string", NULL);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        for (int resp = 2; resp <= 3; resp++) {
            char *expected, *heard;
            raw_expect(raw, "+OK", "FLUSHALL");
            expected = events_of(redis, flags[i], resp, dump);
            struct raw *cleaner = connect_to(ours);
            raw_expect(cleaner, "+OK", "FLUSHALL");
            raw_close(cleaner);
            heard = events_of(ours, flags[i], resp, dump);
            check_equal(expected, heard, flags[i]);
            check(strstr(expected, "message") || strcmp(flags[i], "A") == 0 ||
                      strcmp(flags[i], "KEls") == 0,
                  "nothing was heard with the flags %s", flags[i]);
            free(expected);
            free(heard);
        }
    }
    reply_free(dump);
    raw_close(raw);
}

/* Also without a data file. */
static void in_memory(struct harness *harness)
{
    static const char *const args[] = {"--enable-debug-command", "yes", "--persistence", "no",
                                       NULL};
    struct server_options redis_options = {.kind = SERVER_REDIS};
    redis_options.args = (const char *const[]){"--enable-debug-command", "yes", NULL};
    struct server_options our_options = {.args = args, .no_data = true, .no_key_file = true};
    struct server *redis = server_start(harness, &redis_options);
    struct server *ours = server_start(harness, &our_options);
    struct raw *raw = connect_to(redis);
    raw_expect(raw, "+OK", "SET string content");
    struct reply *dump = raw_command(raw, "DUMP", "string", NULL);
    raw_expect(raw, "+OK", "FLUSHALL");
    char *expected = events_of(redis, "KEAmn", 2, dump);
    char *heard = events_of(ours, "KEAmn", 2, dump);
    check_equal(expected, heard, "KEAmn");
    free(expected);
    free(heard);
    reply_free(dump);
    raw_close(raw);
}

/* ---- The option --------------------------------------------------------------------------- */

static void option_script(struct harness *harness, enum server_kind kind)
{
    char *path = text_format("%s/notify-%d.conf", harness->dir, (int)kind);
    const char *text = "# events\n" OPTION " Elg\n";
    check(bytes_write_file(path, text, strlen(text), 0600), "cannot write %s", path);
    struct server_options options = {.kind = kind, .config = path};
    struct server *server = server_start(harness, &options);
    redisContext *c = client_connect(server);
    client_expect(c, "[$" OPTION " $glE]", "CONFIG GET " OPTION);
    client_expect(c, "+OK", "CONFIG SET " OPTION " KEA");
    client_expect(c, "[$" OPTION " $AKE]", "CONFIG GET " OPTION);
    client_expect(c,
                  "-ERR CONFIG SET failed (possibly related to argument '" OPTION
                  "') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
                  "CONFIG SET " OPTION " KEq");
    client_expect(c, "[$" OPTION " $AKE]", "CONFIG GET " OPTION);
    client_expect(c, "+OK", "CONFIG SET " OPTION " mnKE");
    client_expect(c, "+OK", "CONFIG REWRITE");
    struct bytes file = {0};
    check(bytes_read_file(&file, path), "cannot read %s", path);
    check(strstr(bytes_text(&file), "# events\n" OPTION " \"nKEm\"\n"), "the file is now\n%s",
          bytes_text(&file));
    client_expect(c, "+OK", "CONFIG SET " OPTION " %s", "");
    client_expect(c, "[$" OPTION " $]", "CONFIG GET " OPTION);
    client_expect(c, "+OK", "CONFIG REWRITE");
    bytes_clear(&file);
    check(bytes_read_file(&file, path), "cannot read %s", path);
    check(strstr(bytes_text(&file), "# events\n" OPTION " \"\"\n"), "the file is now\n%s",
          bytes_text(&file));
    bytes_free(&file);
    redisFree(c);
    free(path);
}

static void option_as_in_redis(struct harness *harness)
{
    harness->stage = "redis-server";
    option_script(harness, SERVER_REDIS);
    harness->stage = "anystore-server";
    option_script(harness, SERVER_ANYSTORE);
}

/* ---- Among servers ------------------------------------------------------------------------ */

#define EVENT(channel, payload) "[$pmessage $__key*__:* $" channel " $" payload "]"

/* Each server sends what its own flags ask for, whichever server made the change. */
static void own_flags_count(struct harness *harness)
{
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    struct raw *speakers[] = {connect_to(one), connect_to(other)};
    struct raw *listeners[] = {listen_to(one, 2), listen_to(other, 2)};
    set_flags(speakers[1], "E$");
    raw_expect(speakers[0], "+OK", "SET k 1");
    raw_expect_reply(listeners[1], EVENT("__keyevent@0__:set", "k"));
    raw_expect(speakers[0], ":1", "DEL k");
    raw_expect(speakers[0], "+OK", "MSET a 1 b 2");
    raw_expect_reply(listeners[1], EVENT("__keyevent@0__:set", "a"));
    raw_expect_reply(listeners[1], EVENT("__keyevent@0__:set", "b"));
    set_flags(speakers[0], "Kgm");
    raw_expect(speakers[1], ":2", "DEL a b");
    raw_expect_reply(listeners[0], EVENT("__keyspace@0__:a", "del"));
    raw_expect_reply(listeners[0], EVENT("__keyspace@0__:b", "del"));
    raw_expect(speakers[1], "_", "GET missing"); /* of a read at another server, too */
    raw_expect_reply(listeners[0], EVENT("__keyspace@0__:missing", "keymiss"));
    raw_expect(speakers[0], "+OK", "SELECT 7");
    raw_expect(speakers[0], "+OK", "MULTI");
    raw_expect(speakers[0], "+QUEUED", "SET k 1");
    raw_expect(speakers[0], "+QUEUED", "INCR k");
    raw_expect(speakers[0], "+QUEUED", "EXPIRE k 100");
    raw_expect(speakers[0], "+QUEUED", "RENAME k l");
    raw_expect(speakers[0], "+QUEUED", "PUBLISH mark x");
    raw_expect(speakers[0], "[+OK :2 :1 +OK :1]", "EXEC");
    raw_expect_reply(listeners[1], EVENT("__keyevent@7__:set", "k"));
    raw_expect_reply(listeners[1], EVENT("__keyevent@7__:incrby", "k"));
    raw_expect_reply(listeners[1], "[$message $mark $x]");
    raw_expect_reply(listeners[0], EVENT("__keyspace@7__:k", "expire"));
    raw_expect_reply(listeners[0], EVENT("__keyspace@7__:k", "rename_from"));
    raw_expect_reply(listeners[0], EVENT("__keyspace@7__:l", "rename_to"));
    raw_expect_reply(listeners[0], "[$message $mark $x]");
    raw_expect(speakers[0], ":1", "MOVE l 3");
    raw_expect(speakers[1], "+OK", "SELECT 3");
    raw_expect(speakers[1], ":1", "COPY l m DB 4");
    raw_expect_reply(listeners[0], EVENT("__keyspace@7__:l", "move_from"));
    raw_expect_reply(listeners[0], EVENT("__keyspace@3__:l", "move_to"));
    raw_expect_reply(listeners[0], EVENT("__keyspace@4__:m", "copy_to"));
    for (int i = 0; i < 2; i++) {
        raw_close(speakers[i]);
        raw_close(listeners[i]);
    }
}

/* Events come from the moment at which CONFIG SET is confirmed, and a receiver that looks sees the
 * change; while nobody wants events, none is sent. */
static void flags_hold_at_once(struct harness *harness)
{
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    struct raw *speaker = connect_to(one), *far = connect_to(other),
               *listener = listen_to(other, 2);
    unsigned rounds = harness_scaled(200);
    for (unsigned round = 0; round < rounds; round++) {
        char words[64], expected[32];
        raw_expect(speaker, "+OK", "SET k before");
        set_flags(far, "K$");
        snprintf(words, sizeof words, "SET k %u", round);
        snprintf(expected, sizeof expected, "$%u", round);
        raw_expect(speaker, "+OK", words);
        raw_expect_reply(listener, EVENT("__keyspace@0__:k", "set"));
        raw_expect(far, expected, "GET k");
        set_flags(far, "");
    }
    redisContext *client = client_connect(one);
    long long sent = client_info(client, "anystore", "peer_messages_sent");
    for (int i = 0; i < 100; i++)
        raw_expect(speaker, "+OK", "SET k after");
    check(client_info(client, "anystore", "peer_messages_sent") == sent,
          "events were sent that nobody wants");
    redisFree(client);
    raw_close(speaker);
    raw_close(far);
    raw_close(listener);
}

/* A server with the option in its configuration gets the events of everything after its first
 * answer, however new it is; one that dies leaves nothing behind that matters. */
static void a_new_server_hears(struct harness *harness)
{
    static const char *const args[] = {"--" OPTION, "E$", NULL};
    struct server_options options = {.args = args};
    struct server *one = server_start(harness, NULL);
    struct raw *speaker = connect_to(one);
    unsigned rounds = harness_scaled(20);
    for (unsigned round = 0; round < rounds; round++) {
        struct server *other = server_start(harness, &options);
        struct raw *listener = listen_to(other, 2);
        raw_expect(speaker, "+OK", "SET k v");
        raw_expect_reply(listener, EVENT("__keyevent@0__:set", "k"));
        raw_close(listener);
        check(round % 2 == 0 || server_stop(other) == 0, "it did not stop well");
        if (round % 2 == 0)
            server_kill(other);
    }
    raw_close(speaker);
}

/* A change that could not be kept has not happened. */
static void failed_commits_say_nothing(struct harness *harness)
{
    const char *mounted = harness_mount(harness, "1m");
    if (!mounted)
        harness_skip(harness, "cannot mount a small file system here");
    struct server_options options = {.data = mounted};
    struct server *one = server_start(harness, &options), *other = server_start(harness, &options);
    struct raw *speaker = connect_to(one), *far = connect_to(other);
    set_flags(speaker, "KA");
    set_flags(far, "KA");
    struct raw *listeners[] = {listen_to(one, 2), listen_to(other, 2)};
    struct bytes out = {0}, value = {0};
    for (int i = 0; i < 200000; i++)
        bytes_append_text(&value, "0123456789");
    raw_encode_texts(&out, "MULTI", NULL);
    raw_encode_texts(&out, "INCR", "counter", NULL);
    raw_encode_texts(&out, "SET", "key", bytes_text(&value), NULL);
    raw_encode_texts(&out, "EXEC", NULL);
    raw_encode_texts(&out, "SET", "key", bytes_text(&value), NULL);
    raw_encode_texts(&out, "PUBLISH", "mark", "x", NULL);
    check(raw_send(speaker, out.data, out.size), "lost");
    raw_expect_reply(speaker, "+OK");
    raw_expect_reply(speaker, "+QUEUED");
    raw_expect_reply(speaker, "+QUEUED");
    for (int i = 0; i < 2; i++) {
        struct reply *reply = raw_reply(speaker);
        check(reply && reply->type == '-' && strstr(reply_string(reply), "Not persisted"),
              "the commit did not fail");
        reply_free(reply);
    }
    raw_expect_reply(speaker, ":1");
    raw_expect(speaker, "+OK", "SET small 1");
    for (int i = 0; i < 2; i++) {
        raw_expect_reply(listeners[i], "[$message $mark $x]");
        raw_expect_reply(listeners[i], EVENT("__keyspace@0__:small", "set"));
        raw_close(listeners[i]);
    }
    raw_close(speaker);
    raw_close(far);
    bytes_free(&out);
    bytes_free(&value);
}

/* ---- Expiry ------------------------------------------------------------------------------- */

#define EXPIRING 200

/* Some keys are written again as soon as they are gone, at either server; one is extended at one
 * server while the other does nothing. */
static void expired_once(struct harness *harness)
{
    struct server *servers[] = {server_start(harness, NULL), server_start(harness, NULL)};
    struct raw *speakers[2], *listeners[2];
    for (int i = 0; i < 2; i++) {
        speakers[i] = connect_to(servers[i]);
        set_flags(speakers[i], "Ex");
        listeners[i] = listen_to(servers[i], 2);
    }
    raw_expect(speakers[0], "+OK", "SET prolonged 1 PX 500");
    raw_expect(speakers[0], "+OK", "SET removed 1 PX 500");
    raw_expect(speakers[0], "+OK", "SET kept 1 PX 500");
    raw_expect(speakers[0], ":1", "PEXPIRE prolonged 5000000");
    raw_expect(speakers[0], ":1", "DEL removed");
    raw_expect(speakers[0], ":1", "PERSIST kept");
    for (unsigned n = 0; n < EXPIRING; n++) {
        char words[64];
        snprintf(words, sizeof words, "SET %u 1 PX %u", n, 1 + n % 20);
        raw_expect(speakers[n % 2], "+OK", words);
    }
    for (unsigned n = 0; n < EXPIRING; n += 3) {
        char words[64], read[64];
        snprintf(read, sizeof read, "EXISTS %u", n);
        snprintf(words, sizeof words, "SET %u 2", n);
        struct patience patience = {0};
        bool there = true;
        while (there && patience_left(&patience)) {
            check(raw_send_text(speakers[0], read) && raw_send_text(speakers[0], "\r\n"), "lost");
            struct reply *reply = raw_reply(speakers[0]);
            there = reply && strcmp(reply_string(reply), "0") != 0;
            reply_free(reply);
        }
        raw_expect(speakers[n / 3 % 2], "+OK", words);
    }
    raw_expect(speakers[1], "+OK", "SET last 1 PX 1000");
    for (int i = 0; i < 2; i++) {
        bool seen[EXPIRING] = {false};
        unsigned count = 0;
        for (;;) {
            struct reply *reply = raw_reply(listeners[i]);
            check(reply && reply->count == 4, "the connection is lost");
            check(strcmp(reply_string(&reply->items[2]), "__keyevent@0__:expired") == 0, "a %s",
                  reply_string(&reply->items[2]));
            const char *key = reply_string(&reply->items[3]);
            bool last = strcmp(key, "last") == 0;
            unsigned n = last ? 0 : (unsigned)atoi(key);
            check(last || (key[0] >= '0' && key[0] <= '9' && n < EXPIRING && !seen[n]),
                  "server %d: %s expired, unexpected", i, key);
            if (!last) {
                seen[n] = true;
                count++;
            }
            reply_free(reply);
            if (last)
                break;
        }
        check(count == EXPIRING, "server %d: %u keys expired, not %u", i, count, EXPIRING);
        raw_close(listeners[i]);
        raw_close(speakers[i]);
    }
}

/* In the database of the change, even if this server has not used it. */
static void expired_in_databases(struct harness *harness)
{
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    struct raw *speaker = connect_to(one), *far = connect_to(other);
    set_flags(far, "KEx");
    struct raw *listener = listen_to(other, 2);
    raw_expect(speaker, "+OK", "SELECT 9");
    raw_expect(speaker, "+OK", "SET k 1 PX 3000");
    raw_expect_reply(listener, EVENT("__keyspace@9__:k", "expired"));
    raw_expect_reply(listener, EVENT("__keyevent@9__:expired", "k"));
    /* A time in the past: nobody ever has the key in memory. */
    raw_expect(speaker, "+OK", "SET k 1 PXAT 1");
    raw_expect_reply(listener, EVENT("__keyspace@9__:k", "expired"));
    raw_expect_reply(listener, EVENT("__keyevent@9__:expired", "k"));
    raw_close(speaker);
    raw_close(far);
    raw_close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(events_as_in_redis),         HARNESS_TEST(in_memory),
        HARNESS_TEST(option_as_in_redis),         HARNESS_TEST(own_flags_count),
        HARNESS_TEST(flags_hold_at_once),         HARNESS_TEST(a_new_server_hears),
        HARNESS_TEST(failed_commits_say_nothing), HARNESS_TEST(expired_once),
        HARNESS_TEST(expired_in_databases),
    };
    return harness_main("notify", tests, sizeof tests / sizeof *tests);
}
