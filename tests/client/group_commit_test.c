/* SPDX-License-Identifier: MIT */
/* How many commits writes take: those that come together share one, a pipeline takes few, and
 * writes that change nothing take none. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

#define CLIENTS 50

static struct stat status_of(const char *path)
{
    struct stat status;
    check(!stat(path, &status), "%s is not there", path);
    return status;
}

/* Sends the next SET on a connection. */
static void send_set(struct raw *raw, unsigned client, unsigned serial)
{
    char key[32], value[32];
    snprintf(key, sizeof key, "key:%u", client);
    snprintf(value, sizeof value, "%u", serial);
    struct bytes out = {0};
    raw_encode_texts(&out, "SET", key, value, NULL);
    check(raw_send(raw, out.data, out.size), "a connection is lost");
    bytes_free(&out);
}

/* As redis-benchmark -c 50: each connection sends its next SET when it has the reply. */
static void connections_share_commits(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    struct raw *raws[CLIENTS];
    struct pollfd polls[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        raws[i] = raw_connect(server);
        check(raws[i], "cannot connect");
        polls[i] = (struct pollfd){.fd = raws[i]->fd, .events = POLLIN};
    }
    long long commits = client_info(client, "anystore", "commits");
    unsigned total = harness_scaled(10000);
    unsigned sent = 0, done = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        send_set(raws[i], i, ++sent);
    while (done < sent) {
        check(poll(polls, CLIENTS, 180000) > 0, "no reply");
        for (unsigned i = 0; i < CLIENTS; i++) {
            if (!polls[i].revents)
                continue;
            raw_expect_reply(raws[i], "+OK");
            done++;
            if (sent < total)
                send_set(raws[i], i, ++sent);
        }
    }
    commits = client_info(client, "anystore", "commits") - commits;
    print_message("%u SET from %u connections: %lld commits\n", done, CLIENTS, commits);
    check(commits >= 1 && commits <= (long long)done / 10, "more than a tenth as many commits");
    for (unsigned i = 0; i < CLIENTS; i++)
        raw_close(raws[i]);
    redisFree(client);
}

static void pipeline_takes_few_commits(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    for (unsigned round = 0; round < 5; round++) {
        long long commits = client_info(client, "anystore", "commits");
        struct bytes out = {0};
        for (unsigned i = 0; i < 1000; i++) {
            char key[32];
            snprintf(key, sizeof key, "key:%u", i);
            raw_encode_texts(&out, "SET", key, "value", NULL);
        }
        check(raw_send(raw, out.data, out.size), "the connection is lost");
        bytes_free(&out);
        for (unsigned i = 0; i < 1000; i++)
            raw_expect_reply(raw, "+OK");
        commits = client_info(client, "anystore", "commits") - commits;
        print_message("1000 SET in one pipeline: %lld commits\n", commits);
        check(commits >= 1 && commits <= 5, "more than a few commits");
    }
    client_expect(client, ":1000", "DBSIZE");
    raw_close(raw);
    redisFree(client);
}

/* Reads in a pipeline see the writes before them, and replies stay in order. */
static void pipeline_reads_its_writes(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    struct bytes out = {0};
    unsigned rounds = 300;
    for (unsigned i = 0; i < rounds; i++) {
        char value[16];
        snprintf(value, sizeof value, "%u", i);
        raw_encode_texts(&out, "SET", "a", value, NULL);
        raw_encode_texts(&out, "GET", "a", NULL);
        raw_encode_texts(&out, "INCR", "a", NULL);
        raw_encode_texts(&out, "MGET", "a", "b", NULL);
        raw_encode_texts(&out, "PING", value, NULL);
        raw_encode_texts(&out, "nosuch", NULL);
        raw_encode_texts(&out, "DEL", "a", NULL);
        raw_encode_texts(&out, "EXISTS", "a", NULL);
        raw_encode_texts(&out, "DBSIZE", NULL);
    }
    check(raw_send(raw, out.data, out.size), "the connection is lost");
    bytes_free(&out);
    for (unsigned i = 0; i < rounds; i++) {
        char text[32];
        raw_expect_reply(raw, "+OK");
        snprintf(text, sizeof text, "$%u", i);
        raw_expect_reply(raw, text);
        snprintf(text, sizeof text, ":%u", i + 1);
        raw_expect_reply(raw, text);
        snprintf(text, sizeof text, "[$%u _]", i + 1);
        raw_expect_reply(raw, text);
        snprintf(text, sizeof text, "$%u", i);
        raw_expect_reply(raw, text);
        raw_expect_reply(raw, "-ERR unknown command 'nosuch', with args beginning with: ");
        raw_expect_reply(raw, ":1");
        raw_expect_reply(raw, ":0");
        raw_expect_reply(raw, ":0");
    }
    raw_close(raw);
}

/* Writes that change nothing leave the file alone: no commit, the same inode, the same times. */
static void nothing_changed_nothing_written(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "SET a 1");
    client_expect(client, "+OK", "SET t 1 EX 100000");
    long long commits = client_info(client, "anystore", "commits");
    struct stat before = status_of(harness->db);
    for (int i = 0; i < 20; i++) {
        client_expect(client, ":0", "DEL missing other");
        client_expect(client, ":0", "UNLINK missing");
        client_expect(client, "_", "SET a 2 NX");
        client_expect(client, "_", "SET missing 2 XX");
        client_expect(client, "$1", "SET a 2 NX GET");
        client_expect(client, ":0", "EXPIRE missing 10");
        client_expect(client, ":0", "EXPIRE a 10 XX");
        client_expect(client, ":0", "PERSIST a");
        client_expect(client, ":0", "EXPIRE t 100 GT");
        client_expect(client, "-ERR value is not an integer or out of range", "INCRBY a x");
        client_expect(client, "-ERR syntax error", "SET a 2 foo");
        client_expect(client, "$1", "GET a");
        client_expect(client, ":2", "EXISTS a t");
    }
    struct stat after = status_of(harness->db);
    check(client_info(client, "anystore", "commits") == commits, "commits were made");
    check(before.st_ino == after.st_ino && before.st_size == after.st_size &&
              before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
              before.st_mtim.tv_nsec == after.st_mtim.tv_nsec,
          "the file was written");
    /* Among writes that change something, each reply is still its own. */
    for (int i = 0; i < 10; i++) {
        redisAppendCommand(client, "DEL missing");
        redisAppendCommand(client, "SET a %d", i);
        redisAppendCommand(client, "SET a x NX");
    }
    static const char *const expected[] = {":0", "+OK", "_"};
    for (int i = 0; i < 30; i++) {
        redisReply *reply = NULL;
        check(redisGetReply(client, (void **)&reply) == REDIS_OK, "%s", client->errstr);
        char *text = reply_text_hiredis(reply);
        check(!strcmp(text, expected[i % 3]), "expected %s, got %s", expected[i % 3], text);
        free(text);
        freeReplyObject(reply);
    }
    check(client_info(client, "anystore", "commits") > commits, "no commit for a change");
    client_expect(client, "$9", "GET a");
    redisFree(client);
}

/* A commit waits, here for the file's lock, which the test holds.  Reads on other connections go on
 * and see the old value; later commands on the write's own connection wait for it. */
static void reads_do_not_wait(struct harness *harness)
{
    struct server *servers[2];
    redisContext *clients[2];
    for (int i = 0; i < 2; i++) {
        servers[i] = server_start(harness, NULL);
        clients[i] = client_connect(servers[i]);
    }
    client_expect(clients[0], "+OK", "SET a before");
    char *lock = text_format("%s.lock", harness->db);
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    free(lock);
    check(fd >= 0 && !flock(fd, LOCK_EX), "cannot lock: %s", strerror(errno));
    struct raw *writers[2];
    for (int i = 0; i < 2; i++) {
        writers[i] = raw_connect(servers[i]);
        check(writers[i], "cannot connect");
        struct bytes out = {0};
        raw_encode_texts(&out, "APPEND", "a", "+", NULL);
        raw_encode_texts(&out, "GET", "a", NULL);
        check(raw_send(writers[i], out.data, out.size), "the connection is lost");
        bytes_free(&out);
    }
    for (int round = 0; round < 500; round++) {
        client_expect(clients[round % 2], "$before", "GET a");
        client_expect(clients[round % 2], ":1", "DBSIZE");
        check(raw_receive_pending(writers[round % 2]), "the connection is lost");
        check(!raw_pending(writers[round % 2]), "a write was answered before its commit");
    }
    /* More clients connect and read, too. */
    redisContext *late = client_connect(servers[0]);
    client_expect(late, "$before", "GET a");
    redisFree(late);
    close(fd); /* gives the lock back */
    for (int i = 0; i < 2; i++) {
        struct reply *appended = raw_reply(writers[i]), *value = raw_reply(writers[i]);
        check(appended && appended->type == ':' && value && value->type == '$', "no replies");
        check(strtoull(reply_string(appended), NULL, 10) <= value->size, "an older value");
        reply_free(appended);
        reply_free(value);
        raw_close(writers[i]);
    }
    for (int i = 0; i < 2; i++) {
        client_expect(clients[i], "$before++", "GET a");
        redisFree(clients[i]);
    }
}

/* A commit costs as much as its change: with much data in the file, a small write adds little. */
static void small_write_adds_little(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    size_t size = 1u << 20;
    char *value = malloc(size);
    check(value, "out of memory");
    memset(value, 'x', size);
    for (int i = 0; i < 8; i++)
        client_expect(client, "+OK", "SET big:%d %b", i, value, size);
    free(value);
    long long before = client_info(client, "anystore", "file_size");
    check(before < (long long)status_of(harness->db).st_size, "there is no room behind the chain");
    for (int i = 0; i < 20; i++)
        client_expect(client, "+OK", "SET small %d", i);
    long long after = client_info(client, "anystore", "file_size");
    print_message("20 small SET: %lld bytes more\n", after - before);
    check(after - before < 20 * 4096, "20 small SET added %lld bytes", after - before);
    redisFree(client);
}

/* A slow command holds up only the clients of its worker: not the commits, of which at least one
 * comes from another worker.  A pipeline stays in order. */
static void sleeping_delays_no_commit(struct harness *harness)
{
    struct server_options options = {
        .args = (const char *const[]){"--enable-debug-command", "yes", "--io-threads", "2", NULL}};
    struct server *server = server_start(harness, &options);
    struct raw *sleeper = raw_connect(server), *one = raw_connect(server),
               *other = raw_connect(server);
    struct patience patience = {0};
    check(sleeper && one && other, "cannot connect");
    raw_expect(sleeper, "+OK", "SET a 0");
    check(raw_send_text(sleeper, "DEBUG SLEEP 3600\r\n"), "lost");
    check(raw_send_text(one, "SET a 1\r\n") && raw_send_text(other, "SET a 2\r\n"), "lost");
    while (raw_pending(one) == 0 && raw_pending(other) == 0 && patience_left(&patience))
        check(raw_receive_pending(one) && raw_receive_pending(other), "lost");
    struct raw *awake = raw_pending(one) > 0 ? one : other;
    raw_expect_reply(awake, "+OK");
    check(raw_send_text(awake,
                        "SET b 1\r\nDEBUG SLEEP 0\r\nGET b\r\nCONFIG REWRITE\r\nINCR b\r\n"
                        "DEBUG SLEEP 0\r\nDEBUG SLEEP 0\r\nMULTI\r\nDEBUG SLEEP 0\r\nGET b\r\n"
                        "EXEC\r\n"),
          "lost");
    static const char *const replies[] = {
        "+OK",     "+OK",     "$1",      "-ERR The server is running without a config file",
        ":2",      "+OK",     "+OK",     "+OK",
        "+QUEUED", "+QUEUED", "[+OK $2]"};
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        raw_expect_reply(awake, replies[i]);
    server_kill(server); /* it would sleep for an hour */
    raw_close(sleeper);
    raw_close(one);
    raw_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(connections_share_commits), HARNESS_TEST(pipeline_takes_few_commits),
        HARNESS_TEST(pipeline_reads_its_writes), HARNESS_TEST(nothing_changed_nothing_written),
        HARNESS_TEST(reads_do_not_wait),         HARNESS_TEST(small_write_adds_little),
        HARNESS_TEST(sleeping_delays_no_commit),
    };
    return harness_main("client_group_commit_test", tests, sizeof tests / sizeof *tests);
}
