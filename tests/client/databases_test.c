/* SPDX-License-Identifier: MIT */
/* Several databases: each is a file of its own, made at its first write and shared by all servers.
 * Also the commands that concern two of them: MOVE, COPY, SWAPDB, FLUSHALL and transactions. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"

/* Whether directory/data/name exists. */
static bool has_file(const struct harness *harness, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", harness->data, name);
    return access(path, F_OK) == 0;
}

static void apart(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *c = client_connect(server);
    client_expect(c, "+OK", "SET k zero");
    client_expect(c, "+OK", "SELECT 3");
    client_expect(c, "_", "GET k");
    client_expect(c, ":0", "DBSIZE");
    client_expect(c, "[$0 []]", "SCAN 0");
    check(!has_file(harness, "anystore.3.db"), "a read has made the file of database 3");
    client_expect(c, "+OK", "SET k three");
    check(has_file(harness, "anystore.3.db"), "database 3 has no file");
    client_expect(c, "$three", "GET k");
    client_expect_start(c, "$id=", "CLIENT INFO");
    char *info = client_text(c, "CLIENT INFO");
    check(strstr(info, " db=3 "), "CLIENT INFO: %s", info);
    free(info);
    client_expect(c, "+OK", "SELECT 0");
    client_expect(c, "$zero", "GET k");
    info = client_text(c, "INFO keyspace");
    check(strstr(info, "db0:keys=1,") && strstr(info, "db3:keys=1,"), "INFO keyspace: %s", info);
    free(info);
    server_stop(server);
    redisFree(c);
    server_restart(server);
    c = client_connect(server);
    client_expect(c, "+OK", "SELECT 3");
    client_expect(c, "$three", "GET k");
    client_expect(c, "+RESET", "RESET");
    client_expect(c, "$zero", "GET k");
    redisFree(c);
}

/* A pipeline over several databases, sent in one piece. */
static void pipelined(struct harness *harness)
{
    struct raw *raw = raw_connect(server_start(harness, NULL));
    check(raw && raw_send_text(raw, "SET a 0\r\nSELECT 1\r\nGET a\r\nSET a 1\r\nSELECT 2\r\n"
                                    "GET a\r\nINCR a\r\nMOVE a 1\r\nMOVE a 3\r\nSELECT 3\r\n"
                                    "GET a\r\nSELECT 0\r\nGET a\r\nDBSIZE\r\n"),
          "cannot send");
    static const char *const expected[] = {
        "+OK\r\n", "+OK\r\n", "$-1\r\n", "+OK\r\n",     "+OK\r\n", "$-1\r\n",     ":1\r\n",
        ":0\r\n",  ":1\r\n",  "+OK\r\n", "$1\r\n1\r\n", "+OK\r\n", "$1\r\n0\r\n", ":1\r\n"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const uint8_t *data;
        size_t size;
        check(raw_read(raw, &data, &size), "the connection is lost");
        check(size == strlen(expected[i]) && !memcmp(data, expected[i], size),
              "reply %zu is not %s", i, expected[i]);
    }
    raw_close(raw);
}

/* Each server sees the other's changes at once, whichever of them had opened the database. */
static void shared_by_servers(struct harness *harness)
{
    struct server *servers[] = {server_start(harness, NULL), server_start(harness, NULL)};
    redisContext *one = client_connect(servers[0]), *two = client_connect(servers[1]);
    for (int database = 1; database < 16; database++) {
        client_expect(one, "+OK", "SELECT %d", database);
        client_expect(two, "+OK", "SELECT %d", database);
        client_expect(two, "_", "GET k");
        client_expect(one, "+OK", "SET k %d", database);
        client_expect(two, "[$k]", "KEYS *");
        client_expect(two, ":1", "DEL k");
        client_expect(one, "_", "GET k");
        client_expect(two, ":1", "INCR k");
        char *info = client_text(one, "INFO keyspace");
        char line[32];
        snprintf(line, sizeof line, "db%d:keys=1,", database);
        check(strstr(info, line), "no %s in INFO: %s", line, info);
        free(info);
    }
    client_expect(one, "+OK", "SELECT 0");
    client_expect(one, "+OK", "SET a zero");
    client_expect(two, "+OK", "SELECT 7");
    client_expect(one, "+OK", "SWAPDB 0 7");
    client_expect(two, "$zero", "GET a");
    client_expect(one, "$1", "GET k");
    client_expect(two, ":1", "MOVE a 0");
    client_expect(one, "$zero", "GET a");
    client_expect(two, "+OK", "FLUSHALL");
    client_expect(one, ":0", "DBSIZE");
    char *info = client_text(one, "INFO keyspace");
    check(!strstr(info, "keys="), "INFO after FLUSHALL: %s", info);
    free(info);
    redisFree(one);
    redisFree(two);
}

static void transactions(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *c = client_connect(server), *other = client_connect(server);
    static const char refused[] =
        "-EXECABORT Transaction discarded because of: it writes in several databases, each of "
        "which has a commit of its own";
    static const char *const writers[][3] = {
        {"SET a 1", "SELECT 1", "SET a 1"},
        {"GET a", "MOVE a 1", "GET a"},
        {"PING", "SWAPDB 0 1", "PING"},
        {"SELECT 2", "SET a 1", "COPY a b DB 3"},
    };
    client_expect(c, "+OK", "SET a 0");
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        client_expect(c, "+OK", "MULTI");
        for (int j = 0; j < 3; j++)
            client_expect(c, "+QUEUED", writers[i][j]);
        client_expect(c, refused, "EXEC");
        client_expect(c, "$0", "GET a");
        client_expect(c, ":1", "DBSIZE");
    }
    /* Writing in one database and reading in others is allowed. */
    client_expect(c, "+OK", "MULTI");
    client_expect(c, "+QUEUED", "GET a");
    client_expect(c, "+QUEUED", "SELECT 1");
    client_expect(c, "+QUEUED", "INCR b");
    client_expect(c, "+QUEUED", "SELECT 2");
    client_expect(c, "+QUEUED", "DBSIZE");
    client_expect(c, "[$0 +OK :1 +OK :0]", "EXEC");
    client_expect(c, "+OK", "SELECT 1");
    client_expect(c, "$1", "GET b");
    /* Watched in one database, written in another. */
    client_expect(c, "+OK", "WATCH b");
    client_expect(c, "+OK", "SELECT 0");
    client_expect(c, "+OK", "MULTI");
    client_expect(c, "+QUEUED", "SET a 2");
    client_expect(other, "+OK", "SELECT 1");
    client_expect(other, ":2", "INCR b");
    client_expect(c, "_", "EXEC");
    client_expect(c, "$0", "GET a");
    /* A key can be watched in a database that does not exist yet. */
    client_expect(c, "+OK", "SELECT 9");
    client_expect(c, "+OK", "WATCH new");
    client_expect(c, "+OK", "MULTI");
    client_expect(c, "+QUEUED", "SET seen 1");
    client_expect(other, "+OK", "SELECT 9");
    client_expect(other, "+OK", "SET new 1");
    client_expect(c, "_", "EXEC");
    redisFree(c);
    redisFree(other);
}

/* Lines that a redis.conf may have. */
static void configured(struct harness *harness)
{
    static const char *const two[] = {"--databases", "2", "--dbfilename", "data", NULL};
    struct server *server = server_start(harness, &(struct server_options){.args = two});
    redisContext *c = client_connect(server);
    client_expect(c, "-ERR DB index is out of range", "SELECT 2");
    client_expect(c, "+OK", "SELECT 1");
    client_expect(c, "+OK", "SET a 1");
    check(has_file(harness, "data.1"), "no file data.1");
    redisFree(c);
}

static void in_memory(struct harness *harness)
{
    static const char *const args[] = {"--persistence", "no", NULL};
    struct server *server = server_start(harness, &(struct server_options){.args = args});
    redisContext *c = client_connect(server);
    client_expect(c, "+OK", "SET a 0");
    client_expect(c, ":1", "MOVE a 5");
    client_expect(c, "+OK", "SELECT 5");
    client_expect(c, ":1", "COPY a b DB 0");
    client_expect(c, "+OK", "SWAPDB 0 5");
    client_expect(c, "$0", "GET b");
    client_expect(c, "+OK", "FLUSHALL");
    client_expect(c, ":0", "DBSIZE");
    redisFree(c);
}

/* A foreign file beside the data: the error names it, and nothing else suffers. */
static void foreign_file(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *c = client_connect(server);
    char path[512];
    client_expect(c, "+OK", "SET a 0");
    snprintf(path, sizeof path, "%s/anystore.4.db", harness->data);
    FILE *file = fopen(path, "w");
    check(file &&
              fputs("not a data file, but as long as one would be: more than its header has, "
                    "which is ninety-six bytes",
                    file) >= 0 &&
              fclose(file) == 0,
          "cannot write %s", path);
    client_expect(c, "+OK", "SELECT 4");
    char *text = client_text(c, "SET a 4");
    check(!strncmp(text, "-MISCONF ", 9) && strstr(text, "anystore.4.db is not an AnyStore file"),
          "SET: %s", text);
    free(text);
    text = client_text(c, "GET a");
    check(!strncmp(text, "-MISCONF ", 9), "GET: %s", text);
    free(text);
    client_expect_start(c, "$# Keyspace", "INFO keyspace");
    client_expect(c, "+OK", "SELECT 0");
    client_expect(c, "$0", "GET a");
    check(unlink(path) == 0, "cannot remove %s", path);
    client_expect(c, "+OK", "SELECT 4");
    client_expect(c, "+OK", "SET a 4");
    redisFree(c);
}

/* ---- All at once -------------------------------------------------------------------------- */

#define MOVERS 4

static struct {
    struct server *servers[2];
    unsigned rounds;
    atomic_uint working;
} shared;

/* MOVE, and SWAPDB now and then. */
static void move_about(struct worker *worker, struct raw *raw)
{
    for (unsigned i = 0; i < shared.rounds && !workers_failed(); i++) {
        char from[8], to[8];
        unsigned start = (worker->index + i) % 3;
        snprintf(from, sizeof from, "%u", start);
        snprintf(to, sizeof to, "%u", (start + 1 + i / 3 % 2) % 3);
        reply_free(raw_command(raw, "SELECT", from, NULL));
        struct reply *reply = i % 10 == 9 ? raw_command(raw, "SWAPDB", from, to, NULL)
                                          : raw_command(raw, "MOVE", "ball", to, NULL);
        if (!reply || reply->type == '-') {
            char *text = reply_text(reply);
            worker_fail(worker, "MOVE or SWAPDB: %s", text);
            free(text);
        }
        reply_free(reply);
    }
}

static void run_mover(struct worker *worker)
{
    struct raw *raw = raw_connect(shared.servers[worker->index % 2]);
    if (raw)
        move_about(worker, raw);
    else
        worker_fail(worker, "cannot connect");
    raw_close(raw);
    atomic_fetch_sub(&shared.working, 1);
}

/* How often the key exists, seen in one transaction over the three databases. */
static int count_balls(redisContext *c)
{
    client_expect(c, "+OK", "MULTI");
    for (int i = 0; i < 3; i++) {
        client_expect(c, "+QUEUED", "SELECT %d", i);
        client_expect(c, "+QUEUED", "EXISTS ball");
    }
    char *text = client_text(c, "EXEC");
    int there = 0;
    for (const char *p = text; (p = strstr(p, ":1")); p++)
        there++;
    free(text);
    return there;
}

/* Clients of two servers move one key about: it is always in exactly one database. */
static void one_ball(struct harness *harness)
{
    memset(&shared, 0, sizeof shared);
    for (int i = 0; i < 2; i++)
        shared.servers[i] = server_start(harness, NULL);
    shared.rounds = harness_scaled(100);
    atomic_store(&shared.working, MOVERS);
    redisContext *c = client_connect(shared.servers[0]);
    client_expect(c, "+OK", "SET ball 1");
    workers_start(MOVERS, run_mover, NULL);
    while (atomic_load(&shared.working) > 0) {
        int there = count_balls(c);
        check(there == 1, "the ball is %d times there", there);
    }
    workers_join();
    int there = count_balls(c);
    check(there == 1, "in the end the ball is %d times there", there);
    redisFree(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(apart),        HARNESS_TEST(pipelined),  HARNESS_TEST(shared_by_servers),
        HARNESS_TEST(transactions), HARNESS_TEST(configured), HARNESS_TEST(in_memory),
        HARNESS_TEST(foreign_file), HARNESS_TEST(one_ball),
    };
    return harness_main("databases", tests, sizeof tests / sizeof *tests);
}
