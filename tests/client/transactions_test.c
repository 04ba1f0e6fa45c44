/* SPDX-License-Identifier: MIT */
/* MULTI, EXEC and DISCARD through real servers: as atomic across several on one file as on one. */
#include <errno.h>
#include <poll.h>
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

#define ABORTED "-EXECABORT Transaction discarded because of previous errors."

/* ---- One connection ----------------------------------------------------------------------- */

static void queued_and_run(struct harness *harness)
{
    redisContext *client = client_connect(server_start(harness, NULL));
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "SET a 1");
    client_expect(client, "+QUEUED", "INCR a");
    client_expect(client, "+QUEUED", "GET a");
    client_expect(client, "+QUEUED", "PING");
    client_expect(client, "+QUEUED", "GET missing");
    client_expect(client, "+QUEUED", "MGET a missing");
    client_expect(client, "[+OK :2 $2 +PONG _ [$2 _]]", "EXEC");
    client_expect(client, "-ERR EXEC without MULTI", "EXEC");
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "[]", "EXEC");

    /* Nothing runs before EXEC, and nothing at all after DISCARD. */
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "SET a 5");
    client_expect(client, "+OK", "DISCARD");
    client_expect(client, "$2", "GET a");
    client_expect(client, "-ERR DISCARD without MULTI", "DISCARD");

    /* An error of one command neither stops the others nor undoes anything. */
    client_expect(client, "+OK", "SET text x");
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "INCR a");
    client_expect(client, "+QUEUED", "INCR text");
    client_expect(client, "+QUEUED", "SET a 1 EX 0");
    client_expect(client, "+QUEUED", "INCR a");
    client_expect(client,
                  "[:3 -ERR value is not an integer or out of range "
                  "-ERR invalid expire time in 'set' command :4]",
                  "EXEC");
    client_expect(client, "$4", "GET a");

    /* The protocol may change in between. */
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "CLIENT SETNAME me");
    client_expect(client, "+QUEUED", "CLIENT GETNAME");
    client_expect(client, "[+OK $me]", "EXEC");
    redisFree(client);
}

static void what_aborts(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    static const struct {
        const char *words, *reply;
    } errors[] = {
        {"nosuch", "-ERR unknown command 'nosuch', with args beginning with: "},
        {"GET", "-ERR wrong number of arguments for 'get' command"},
        {"CLIENT nosuch", "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP."},
        {"MULTI x", "-ERR wrong number of arguments for 'multi' command"},
        {"WATCH", "-ERR wrong number of arguments for 'watch' command"},
        {"DISCARD x", "-ERR wrong number of arguments for 'discard' command"},
        {"SAVE", "-ERR Command not allowed inside a transaction"},
        {"SHUTDOWN", "-ERR Command not allowed inside a transaction"},
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        raw_expect(raw, "+OK", "MULTI");
        raw_expect(raw, "+QUEUED", "SET a 1");
        raw_expect(raw, errors[i].reply, errors[i].words);
        raw_expect(raw, "+QUEUED", "SET b 1"); /* still in the transaction */
        raw_expect(raw, ABORTED, "EXEC");
        raw_expect(raw, "-ERR EXEC without MULTI", "EXEC");
        raw_expect(raw, ":0", "EXISTS a b");
        /* DISCARD forgets the error. */
        raw_expect(raw, "+OK", "MULTI");
        raw_expect(raw, errors[i].reply, errors[i].words);
        raw_expect(raw, "+OK", "DISCARD");
        raw_expect(raw, "+OK", "MULTI");
        raw_expect(raw, "+QUEUED", "PING");
        raw_expect(raw, "[+PONG]", "EXEC");
    }
    /* An EXEC that is itself wrong ends the transaction. */
    raw_expect(raw, "+OK", "MULTI");
    raw_expect(raw, "+QUEUED", "SET a 1");
    raw_expect(raw,
               "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
               "command",
               "EXEC x");
    raw_expect(raw, "-ERR EXEC without MULTI", "EXEC");
    /* These are errors, too, but the transaction goes on. */
    raw_expect(raw, "+OK", "MULTI");
    raw_expect(raw, "-ERR MULTI calls can not be nested", "MULTI");
    raw_expect(raw, "-ERR WATCH inside MULTI is not allowed", "WATCH a");
    raw_expect(raw, "+QUEUED", "UNWATCH");
    raw_expect(raw, "+QUEUED", "EXISTS a b");
    raw_expect(raw, "[+OK :0]", "EXEC");
    /* The error counts before the watched keys. */
    raw_expect(raw, "+OK", "WATCH a");
    raw_expect(raw, "+OK", "SET a 1");
    raw_expect(raw, "+OK", "MULTI");
    raw_expect(raw, "-ERR wrong number of arguments for 'get' command", "GET");
    raw_expect(raw, ABORTED, "EXEC");
    raw_expect(raw, "+OK", "MULTI");
    raw_expect(raw, "[]", "EXEC");
    raw_close(raw);
}

static void in_a_pipeline(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    struct bytes out = {0};
    unsigned rounds = 200;
    for (unsigned i = 0; i < rounds; i++) {
        raw_encode_texts(&out, "SET", "a", "1", NULL);
        raw_encode_texts(&out, "WATCH", "a", "b", NULL);
        raw_encode_texts(&out, "MULTI", NULL);
        raw_encode_texts(&out, "INCR", "a", NULL);
        raw_encode_texts(&out, "GET", "a", NULL);
        raw_encode_texts(&out, "EXEC", NULL);
        raw_encode_texts(&out, "WATCH", "a", NULL);
        raw_encode_texts(&out, "SET", "a", "2", NULL); /* the same value */
        raw_encode_texts(&out, "MULTI", NULL);
        raw_encode_texts(&out, "SET", "a", "9", NULL);
        raw_encode_texts(&out, "EXEC", NULL);
        raw_encode_texts(&out, "GET", "a", NULL);
        raw_encode_texts(&out, "DEL", "a", NULL);
    }
    check(raw_send(raw, out.data, out.size), "the connection is lost");
    bytes_free(&out);
    static const char *const replies[] = {"+OK",     "+OK", "+OK", "+QUEUED", "+QUEUED",
                                          "[:2 $2]", "+OK", "+OK", "+OK",     "+QUEUED",
                                          "_",       "$2",  ":1"};
    for (unsigned i = 0; i < rounds; i++)
        for (size_t j = 0; j < sizeof replies / sizeof *replies; j++)
            raw_expect_reply(raw, replies[j]);
    raw_close(raw);
}

static void one_commit(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server), *observer = client_connect(server);
    client_expect(client, "+OK", "SET a 1");
    long long commits = client_info(observer, "anystore", "commits");
    client_expect(client, "+OK", "MULTI");
    for (int i = 0; i < 200; i++)
        client_expect(client, "+QUEUED", "SET key:%d %d", i, i);
    check(client_info(observer, "anystore", "commits") == commits, "a commit before EXEC");
    client_expect(observer, ":1", "DBSIZE");
    redisFree(observer);
    observer = client_connect(server);
    client_expect_start(client, "[+OK +OK +OK", "EXEC");
    check(client_info(observer, "anystore", "commits") == commits + 1, "EXEC is not one commit");
    client_expect(observer, ":201", "DBSIZE");

    /* A transaction that reads or changes nothing makes no commit. */
    client_expect(client, "+OK", "WATCH a key:1");
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "GET a");
    client_expect(client, "+QUEUED", "MGET key:1 key:2");
    client_expect(client, "[$1 [$1 $2]]", "EXEC");
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "DEL missing");
    client_expect(client, "+QUEUED", "SET a 2 NX");
    client_expect(client, "+QUEUED", "SET passing 2");
    client_expect(client, "+QUEUED", "DEL passing");
    client_expect(client, "[:0 _ +OK :1]", "EXEC");
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "SET a 2");
    client_expect(client, "+OK", "DISCARD");
    client_expect(client, "+OK", "WATCH a");
    client_expect(client, "+OK", "UNWATCH");
    check(client_info(observer, "anystore", "commits") == commits + 1, "a commit for nothing");
    redisFree(client);
    redisFree(observer);
}

static void in_resp3(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    reply_free(raw_command(raw, "HELLO", "3", NULL));
    raw_expect(raw, "+OK", "WATCH a");
    raw_expect(raw, "+OK", "SET a 1");
    raw_expect(raw, "+OK", "MULTI");
    check(raw_send_text(raw, "EXEC\r\n"), "the connection is lost");
    const uint8_t *data;
    size_t size;
    check(raw_read(raw, &data, &size) && size == 3 && !memcmp(data, "_\r\n", 3), "no RESP3 null");
    raw_expect(raw, "+OK", "MULTI");
    raw_expect(raw, "+QUEUED", "CONFIG GET databases");
    raw_expect(raw, "+QUEUED", "GET none");
    struct reply *reply = raw_command(raw, "EXEC", NULL);
    check(reply && reply->count == 2 && reply->items[0].type == '%' && reply->items[1].type == '_',
          "EXEC's replies are not in RESP3");
    reply_free(reply);
    raw_close(raw);
}

/* ---- Failure ------------------------------------------------------------------------------ */

/* EXEC's reply is one error, and nothing of it is done, whether the commit fails at its beginning
 * or when everything has run. */
static void failing_commit(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    char *away = text_format("%s.away", harness->db);
    char *spare = text_format("%s.spare", harness->db);
    client_expect(client, "+OK", "SET a 1");
    for (int late = 0; late < 2; late++) {
        client_expect(client, "+OK", "WATCH a");
        client_expect(client, "+OK", "MULTI");
        client_expect(client, "+QUEUED", "SET a 2");
        client_expect(client, "+QUEUED", "SET b 2");
        client_expect(client, "+QUEUED", "PING");
        if (late) {
            check(!unlink(spare) && !mkdir(spare, 0700), "cannot make %s", spare);
        } else {
            check(!rename(harness->db, away) && !mkdir(harness->db, 0700), "cannot move the file");
        }
        client_expect_start(client,
                            "-EXECABORT Transaction discarded because of: MISCONF Not persisted, "
                            "nothing was changed: ",
                            "EXEC");
        client_expect(client, "-ERR EXEC without MULTI", "EXEC");
        client_expect(client, "[$1 _]", "MGET a b");
        /* In one pipeline with other commands, each has its own reply. */
        struct bytes out = {0};
        raw_encode_texts(&out, "SET", "c", "1", NULL);
        raw_encode_texts(&out, "WATCH", "c", NULL);
        raw_encode_texts(&out, "MULTI", NULL);
        raw_encode_texts(&out, "SET", "d", "1", NULL);
        raw_encode_texts(&out, "EXEC", NULL);
        raw_encode_texts(&out, "ECHO", "here", NULL);
        check(raw_send(raw, out.data, out.size), "the connection is lost");
        bytes_free(&out);
        static const char *const starts[] = {"-MISCONF", "",           "+OK",
                                             "+QUEUED",  "-EXECABORT", "$here"};
        for (size_t i = 0; i < 6; i++) {
            struct reply *reply = raw_reply(raw);
            char *text = reply_text(reply);
            bool right = !strncmp(text, starts[i], strlen(starts[i]));
            check(right, "reply %zu is %s", i, text);
            free(text);
            reply_free(reply);
        }
        if (late)
            check(!rmdir(spare), "cannot remove %s", spare);
        else
            check(!rmdir(harness->db) && !rename(away, harness->db), "cannot move the file back");
        client_expect(client, "[$1 _ _ _]", "MGET a b c d");
        client_expect(client, "+OK", "MULTI");
        client_expect(client, "+QUEUED", "SET a 1");
        client_expect(client, "+QUEUED", "DEL b");
        client_expect(client, "[+OK :0]", "EXEC");
    }
    server_kill(server);
    server_restart(server);
    redisFree(client);
    client = client_connect(server);
    client_expect(client, "[$1 _ _ _]", "MGET a b c d");
    redisFree(client);
    raw_close(raw);
    free(away);
    free(spare);
}

/* ---- Many at once ------------------------------------------------------------------------- */
#define SERVERS_MAX 4

static struct {
    struct server *servers[SERVERS_MAX];
    unsigned server_count;
    unsigned rounds;
    unsigned writers;
    atomic_uint writers_left;
    atomic_uint succeeded, failed, reads;
} shared;

static void start_servers(struct harness *harness, unsigned count)
{
    memset(&shared, 0, sizeof shared);
    shared.server_count = count;
    for (unsigned i = 0; i < count; i++)
        shared.servers[i] = server_start(harness, NULL);
}

static struct raw *connect_worker(struct worker *worker)
{
    struct raw *raw = raw_connect(shared.servers[worker->index % shared.server_count]);
    if (!raw)
        worker_fail(worker, "cannot connect");
    return raw;
}

/* Runs a command and expects that reply; records an error and returns false if it is another. */
static bool wants(struct worker *worker, struct reply *reply, const char *expected)
{
    char *text = reply_text(reply);
    bool right = !strcmp(text, expected);
    if (!right)
        worker_fail(worker, "expected %s, got %s", expected, text);
    free(text);
    reply_free(reply);
    return right;
}

/* WATCH, GET, MULTI, SET, EXEC; half of the connections send the last three together. */
static bool try_increment(struct worker *worker, struct raw *raw)
{
    if (!wants(worker, raw_command(raw, "WATCH", "counter", NULL), "+OK"))
        return false;
    struct reply *reply = raw_command(raw, "GET", "counter", NULL);
    char next[24];
    snprintf(next, sizeof next, "%lld", strtoll(reply_string(reply), NULL, 10) + 1);
    reply_free(reply);
    struct bytes out = {0};
    raw_encode_texts(&out, "MULTI", NULL);
    raw_encode_texts(&out, "SET", "counter", next, NULL);
    raw_encode_texts(&out, "EXEC", NULL);
    bool right = true;
    if (worker->index / shared.server_count % 2) {
        right = raw_send(raw, out.data, out.size) && wants(worker, raw_reply(raw), "+OK") &&
                wants(worker, raw_reply(raw), "+QUEUED");
        reply = right ? raw_reply(raw) : NULL;
    } else {
        right = wants(worker, raw_command(raw, "MULTI", NULL), "+OK") &&
                wants(worker, raw_command(raw, "SET", "counter", next, NULL), "+QUEUED");
        reply = right ? raw_command(raw, "EXEC", NULL) : NULL;
    }
    bytes_free(&out);
    if (!right)
        return false;
    if (reply && reply->type == '_') {
        atomic_fetch_add(&shared.failed, 1);
        reply_free(reply);
        return true;
    }
    atomic_fetch_add(&shared.succeeded, 1);
    return wants(worker, reply, "[+OK]");
}

static void count_optimistically(struct worker *worker)
{
    struct raw *raw = connect_worker(worker);
    for (unsigned i = 0; raw && i < shared.rounds && !workers_failed(); i++)
        if (!try_increment(worker, raw))
            break;
    raw_close(raw);
}

static void expect_counter(long long expected)
{
    for (unsigned i = 0; i < shared.server_count; i++) {
        redisContext *client = client_connect(shared.servers[i]);
        long long value = client_integer(client, "GET counter");
        check(value == expected, "the counter is %lld, not %lld", value, expected);
        redisFree(client);
    }
}

static void optimistic_increments(struct harness *harness)
{
    enum { CONNECTIONS = 4 };
    start_servers(harness, 2);
    shared.rounds = harness_scaled(10000 / CONNECTIONS);
    workers_run(2 * CONNECTIONS, count_optimistically, NULL);
    expect_counter(atomic_load(&shared.succeeded));
    print_message("%u of %u increments succeeded\n", atomic_load(&shared.succeeded),
                  atomic_load(&shared.succeeded) + atomic_load(&shared.failed));
    check(atomic_load(&shared.succeeded) > 0, "none succeeded");
}

static void count_plainly(struct worker *worker)
{
    struct raw *raw = connect_worker(worker);
    for (unsigned i = 0; raw && i < shared.rounds && !workers_failed(); i++) {
        struct reply *reply = raw_command(raw, "INCR", "counter", NULL);
        if (!reply || reply->type != ':')
            worker_fail(worker, "INCR gives no number");
        reply_free(reply);
    }
    raw_close(raw);
}

static void plain_increments(struct harness *harness)
{
    enum { CONNECTIONS = 4 };
    start_servers(harness, 4);
    shared.rounds = harness_scaled(2500 / CONNECTIONS);
    workers_run(4 * CONNECTIONS, count_plainly, NULL);
    expect_counter((long long)shared.rounds * 4 * CONNECTIONS);
}

/* Two keys that every EXEC sets to one value: reading both in an EXEC shows one value. */
static void set_or_get_both(struct worker *worker)
{
    unsigned reads = 0;
    struct raw *raw = connect_worker(worker);
    if (worker->index < shared.writers) {
        for (unsigned i = 0; raw && i < shared.rounds && !workers_failed(); i++) {
            char value[32];
            snprintf(value, sizeof value, "%u:%u", worker->index, i);
            struct bytes out = {0};
            raw_encode_texts(&out, "MULTI", NULL);
            raw_encode_texts(&out, "SET", "x", value, NULL);
            raw_encode_texts(&out, "SET", "y", value, NULL);
            raw_encode_texts(&out, "EXEC", NULL);
            bool right = raw_send(raw, out.data, out.size) &&
                         wants(worker, raw_reply(raw), "+OK") &&
                         wants(worker, raw_reply(raw), "+QUEUED") &&
                         wants(worker, raw_reply(raw), "+QUEUED") &&
                         wants(worker, raw_reply(raw), "[+OK +OK]");
            bytes_free(&out);
            if (!right)
                break;
        }
        atomic_fetch_sub(&shared.writers_left, 1);
    } else {
        while (raw && atomic_load(&shared.writers_left) && !workers_failed()) {
            if (!wants(worker, raw_command(raw, "MULTI", NULL), "+OK") ||
                !wants(worker, raw_command(raw, "MGET", "x", "y", NULL), "+QUEUED") ||
                !wants(worker, raw_command(raw, "GET", "y", NULL), "+QUEUED") ||
                !wants(worker, raw_command(raw, "GET", "x", NULL), "+QUEUED"))
                break;
            struct reply *reply = raw_command(raw, "EXEC", NULL);
            if (!reply || reply->count != 3 || reply->items[0].count != 2) {
                worker_fail(worker, "EXEC is not answered");
            } else {
                const char *x = reply_string(&reply->items[0].items[0]);
                if (strcmp(x, reply_string(&reply->items[0].items[1])) != 0 ||
                    strcmp(x, reply_string(&reply->items[1])) != 0 ||
                    strcmp(x, reply_string(&reply->items[2])) != 0)
                    worker_fail(worker, "x is %s, y is not", x);
            }
            reply_free(reply);
            atomic_fetch_add(&shared.reads, 1);
            if (++reads % 20 == 0)
                poll(NULL, 0, 1); /* leaves the writers some processor time */
        }
    }
    raw_close(raw);
}

static void transactions_are_isolated(struct harness *harness)
{
    start_servers(harness, 3);
    shared.rounds = harness_scaled(500);
    shared.writers = 3;
    atomic_store(&shared.writers_left, shared.writers);
    workers_run(6, set_or_get_both, NULL);
    print_message("%u EXEC that write, %u that read\n", shared.rounds * shared.writers,
                  atomic_load(&shared.reads));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(queued_and_run),
        HARNESS_TEST(what_aborts),
        HARNESS_TEST(in_a_pipeline),
        HARNESS_TEST(one_commit),
        HARNESS_TEST(in_resp3),
        HARNESS_TEST(failing_commit),
        HARNESS_TEST(optimistic_increments),
        HARNESS_TEST(plain_increments),
        HARNESS_TEST(transactions_are_isolated),
    };
    return harness_main("client_transactions_test", tests, sizeof tests / sizeof *tests);
}
