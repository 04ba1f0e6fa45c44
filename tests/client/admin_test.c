/* SPDX-License-Identifier: MIT */
/* The commands with which an operator watches a server and acts on its clients.  Their answers are
 * compared with redis-server's.  CLIENT KILL, PAUSE and REPLY work on clients of other threads,
 * too, and in the middle of a write.  Counts are right, and CONFIG RESETSTAT ends them. */
#include <stdlib.h>
#include <string.h>

#include "tests/client/admin.h"
#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/random.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const arguments[] = {"--enable-debug-command", "yes", NULL};

void admin_with_both(struct harness *harness,
                     void (*test)(struct server *server, redisContext *client, struct raw *raw))
{
    for (int ours = 0; ours < 2; ours++) {
        harness->stage = ours ? "against anystore-server" : "against redis-server";
        struct server *server = server_start(
            harness, &(struct server_options){.kind = ours ? SERVER_ANYSTORE : SERVER_REDIS,
                                              .args = arguments});
        redisContext *client = client_connect(server);
        struct raw *raw = raw_connect(server);
        check(raw, "cannot connect");
        reply_free(raw_command(raw, "HELLO", "3", NULL));
        test(server, client, raw);
        raw_close(raw);
        redisFree(client);
    }
}

/* ---- Answers ------------------------------------------------------------------------------ */

/* Commands whose answers depend on nothing else, in both protocols. */
static const struct {
    const char *words, *reply; /* of RESP2 */
    const char *reply3;        /* of RESP3; NULL: the same */
} answers[] = {
    {"ROLE", "[$master :0 []]", NULL},
    {"WAIT 0 0", ":0", NULL},
    {"WAIT 1 10", ":0", NULL},
    {"WAIT x 0", "-ERR value is not an integer or out of range", NULL},
    {"WAIT 1 -1", "-ERR timeout is negative", NULL},
    {"WAIT 1 x", "-ERR timeout is not an integer or out of range", NULL},
    {"REPLICAOF NO ONE", "+OK", NULL},
    {"SLAVEOF no one", "+OK", NULL},
    {"REPLICAOF host 65536", "-ERR Invalid master port", NULL},
    {"SLAVEOF host x", "-ERR Invalid master port", NULL},
    {"FAILOVER", "-ERR FAILOVER requires connected replicas.", NULL},
    {"FAILOVER ABORT", "-ERR No failover in progress.", NULL},
    {"FAILOVER TIMEOUT 0", "-ERR FAILOVER timeout must be greater than 0", NULL},
    {"FAILOVER TO host", "-ERR syntax error", NULL},
    {"FAILOVER FORCE FORCE", "-ERR syntax error", NULL},
    {"READONLY", "-ERR This instance has cluster support disabled", NULL},
    {"READWRITE", "-ERR This instance has cluster support disabled", NULL},
    {"ASKING", "-ERR This instance has cluster support disabled", NULL},
    {"MODULE LIST", "[]", NULL},
    {"LOLWUT", "$Redis ver. 7.0.15\\n", "=txt:Redis ver. 7.0.15\\n"},
    {"LOLWUT VERSION x", "-ERR value is not an integer or out of range", NULL},
    {"SWAPDB 0 0", "+OK", NULL},
    {"SWAPDB x 0", "-ERR invalid first DB index", NULL},
    {"SWAPDB 0 9999999999", "-ERR invalid second DB index", NULL},
    {"SWAPDB 0 -1", "-ERR DB index is out of range", NULL},
    {"SWAPDB 0 999", "-ERR DB index is out of range", NULL},
    {"BGSAVE x", "-ERR syntax error", NULL},
    {"BGSAVE SCHEDULE x", "-ERR syntax error", NULL},
    {"ACL WHOAMI", "$default", NULL},
    {"ACL USERS", "[$default]", NULL},
    {"ACL LIST", "[$user default on nopass ~* &* +@all]", NULL},
    {"ACL CAT",
     "[$keyspace $read $write $set $sortedset $list $hash $string $bitmap $hyperloglog $geo "
     "$stream $pubsub $admin $fast $slow $blocking $dangerous $connection $transaction $scripting]",
     NULL},
    {"ACL CAT nosuch", "-ERR Unknown category 'nosuch'", NULL},
    {"ACL GETUSER nosuch", "_", NULL},
    {"ACL GETUSER default",
     "[$flags [$on $nopass] $passwords [] $commands $+@all $keys $~* $channels $&* $selectors []]",
     "{$flags ~[$on $nopass] $passwords [] $commands $+@all $keys $~* $channels $&* $selectors "
     "[]}"},
    {"ACL DELUSER default", "-ERR The 'default' user cannot be removed", NULL},
    {"ACL DELUSER nosuch", ":0", NULL},
    {"ACL LOG", "[]", NULL},
    {"ACL LOG RESET", "+OK", NULL},
    {"ACL LOG x", "-ERR value is not an integer or out of range", NULL},
    {"ACL DRYRUN default GET x", "+OK", NULL},
    {"ACL DRYRUN default GET", "-ERR wrong number of arguments for 'get' command", NULL},
    {"ACL DRYRUN default nosuch", "-ERR Command 'nosuch' not found", NULL},
    {"ACL DRYRUN nobody GET x", "-ERR User 'nobody' not found", NULL},
    {"ACL GENPASS 0",
     "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
     "number up to 4096",
     NULL},
    {"ACL nosuch", "-ERR unknown subcommand 'nosuch'. Try ACL HELP.", NULL},
    {"SLOWLOG LEN", ":0", NULL},
    {"SLOWLOG GET", "[]", NULL},
    {"SLOWLOG GET -2", "-ERR count should be greater than or equal to -1", NULL},
    {"SLOWLOG GET x", "-ERR count should be greater than or equal to -1", NULL},
    {"SLOWLOG GET 1 2",
     "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.", NULL},
    {"SLOWLOG RESET", "+OK", NULL},
    {"LATENCY LATEST", "[]", NULL},
    {"LATENCY HISTORY command", "[]", NULL},
    {"LATENCY GRAPH command", "-ERR No samples available for event 'command'", NULL},
    {"LATENCY RESET", ":0", NULL},
    {"LATENCY HISTOGRAM nosuch", "[]", "{}"},
    {"MEMORY USAGE nosuch", "_", NULL},
    {"MEMORY USAGE nosuch SAMPLES -1", "-ERR syntax error", NULL},
    {"MEMORY USAGE nosuch SAMPLES x", "-ERR value is not an integer or out of range", NULL},
    {"MEMORY USAGE nosuch FOO", "-ERR syntax error", NULL},
    {"MEMORY PURGE", "+OK", NULL},
    {"CONFIG REWRITE", "-ERR The server is running without a config file", NULL},
    {"CLIENT GETREDIR", ":-1", NULL},
    {"CLIENT TRACKINGINFO", "[$flags [$off] $redirect :-1 $prefixes []]",
     "{$flags ~[$off] $redirect :-1 $prefixes []}"},
    {"CLIENT TRACKING OFF", "+OK", NULL},
    {"CLIENT TRACKING x", "-ERR syntax error", NULL},
    {"CLIENT TRACKING ON x", "-ERR syntax error", NULL},
    {"CLIENT TRACKING ON PREFIX a", "-ERR PREFIX option requires BCAST mode to be enabled", NULL},
    {"CLIENT TRACKING ON BCAST OPTIN", "-ERR OPTIN and OPTOUT are not compatible with BCAST", NULL},
    {"CLIENT TRACKING ON OPTIN OPTOUT", "-ERR You can't specify both OPTIN mode and OPTOUT mode",
     NULL},
    {"CLIENT TRACKING ON REDIRECT 999999", "-ERR The client ID you want redirect to does not exist",
     NULL},
    {"CLIENT CACHING YES",
     "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
     "OPTOUT mode enabled",
     NULL},
    {"CLIENT NO-EVICT ON", "+OK", NULL},
    {"CLIENT NO-EVICT off", "+OK", NULL},
    {"CLIENT NO-EVICT x", "-ERR syntax error", NULL},
    {"CLIENT REPLY x", "-ERR syntax error", NULL},
    {"CLIENT REPLY ON", "+OK", NULL},
    {"CLIENT UNBLOCK 999999", ":0", NULL},
    {"CLIENT UNBLOCK x", "-ERR value is not an integer or out of range", NULL},
    {"CLIENT UNBLOCK 1 x", "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR", NULL},
    {"CLIENT UNBLOCK 1 ERROR x",
     "-ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.", NULL},
    {"CLIENT PAUSE x", "-ERR timeout is not an integer or out of range", NULL},
    {"CLIENT PAUSE -1", "-ERR timeout is negative", NULL},
    {"CLIENT PAUSE 1 x", "-ERR CLIENT PAUSE mode must be WRITE or ALL", NULL},
    {"CLIENT PAUSE 1 ALL x",
     "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.", NULL},
    {"CLIENT PAUSE 0", "+OK", NULL},
    {"CLIENT UNPAUSE", "+OK", NULL},
    {"CLIENT KILL nosuch", "-ERR No such client", NULL},
    {"CLIENT KILL ID 0", "-ERR client-id should be greater than 0", NULL},
    {"CLIENT KILL ID x", "-ERR client-id should be greater than 0", NULL},
    {"CLIENT KILL ID 999999", ":0", NULL},
    {"CLIENT KILL ID 1 x", "-ERR syntax error", NULL},
    {"CLIENT KILL TYPE x", "-ERR Unknown client type 'x'", NULL},
    {"CLIENT KILL TYPE replica", ":0", NULL},
    {"CLIENT KILL TYPE pubsub", ":0", NULL},
    {"CLIENT KILL USER x", "-ERR No such user 'x'", NULL},
    {"CLIENT KILL SKIPME x", "-ERR syntax error", NULL},
    {"CLIENT KILL ADDR a LADDR b", ":0", NULL},
    {"CLIENT KILL x y", "-ERR syntax error", NULL},
    {"DEBUG SLEEP 0", "+OK", NULL},
    {"DEBUG SET-ACTIVE-EXPIRE 1", "+OK", NULL},
    {"DEBUG CHANGE-REPL-ID", "+OK", NULL},
    {"DEBUG RELOAD", "+OK", NULL},
    {"DEBUG RELOAD x", "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
     NULL},
    {"DEBUG POPULATE x", "-ERR value is out of range, must be positive", NULL},
    {"DEBUG POPULATE -1", "-ERR value is out of range, must be positive", NULL},
    {"DEBUG POPULATE 1 a x", "-ERR value is out of range, must be positive", NULL},
    {"DEBUG REPLYBUFFER RESIZING 1", "+OK", NULL},
    {"DEBUG REPLYBUFFER PEAK-RESET-TIME reset", "+OK", NULL},
    {"DEBUG REPLYBUFFER PEAK-RESET-TIME x", "-ERR value is not an integer or out of range", NULL},
    {"DEBUG REPLYBUFFER x 1",
     "-ERR unknown subcommand or wrong number of arguments for 'REPLYBUFFER'. Try DEBUG HELP.",
     NULL},
    {"DEBUG OBJECT nosuch", "-ERR no such key", NULL},
    {"DEBUG DIGEST", "+0000000000000000000000000000000000000000", NULL},
    {"DEBUG JMAP",
     "-ERR unknown subcommand or wrong number of arguments for 'JMAP'. Try DEBUG HELP.", NULL},
    {"DEBUG PROTOCOL double", "$3.141", ",3.141"},
    {"DEBUG PROTOCOL null", "_", NULL},
    {"DEBUG PROTOCOL set", "[:0 :1 :2]", "~[:0 :1 :2]"},
    {"DEBUG PROTOCOL map", "[:0 :0 :1 :1 :2 :0]", "{:0 #f :1 #t :2 #f}"},
    {"DEBUG PROTOCOL true", ":1", "#t"},
    {"DEBUG PROTOCOL bignum", "$1234567999999999999999999999999999999",
     "(1234567999999999999999999999999999999"},
    {"DEBUG PROTOCOL verbatim", "$This is a verbatim\\nstring", "=txt:This is a verbatim\\nstring"},
    {"DEBUG ERROR x", "-x", NULL},
};

static void answer(struct server *server, redisContext *client, struct raw *raw)
{
    (void)server;
    for (size_t i = 0; i < COUNT(answers); i++) {
        client_expect(client, answers[i].reply, answers[i].words);
        raw_expect(raw, answers[i].reply3 ? answers[i].reply3 : answers[i].reply, answers[i].words);
    }
}

static void answers_are_redis_s(struct harness *harness)
{
    admin_with_both(harness, answer);
}

/* Only for ours: Redis 7.0 lacks these, or answers differently. */
static void own_answers(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    client_expect_start(client, "-ERR DEBUG command not allowed. If the enable-debug-command",
                        "DEBUG SLEEP 0");
    client_expect(client, "+OK", "CLIENT NO-TOUCH ON");
    client_expect(client, "[:1 :0]", "WAITAOF 1 0 0");
    client_expect(client, "-ERR value is out of range, must be between 0 and 1", "WAITAOF 2 0 0");
    client_expect(client, "-ERR value is out of range, must be positive", "WAITAOF 1 -1 0");
    client_expect_start(client, "-ERR REPLICAOF is not supported", "REPLICAOF host 6379");
    client_expect_start(client, "-ERR This server feeds no replicas", "REPLCONF capa eof");
    client_expect_start(client, "-ERR This server feeds no replicas", "PSYNC ? -1");
    client_expect_start(client, "-ERR This server feeds no replicas", "SYNC");
    client_expect_start(client, "-ERR AnyStore has only the user", "ACL SETUSER x");
    client_expect_start(client, "-ERR AnyStore does not support client side", "CLIENT TRACKING ON");
    client_expect(client, "+OK", "SET k v");
    check(client_integer(client, "MEMORY USAGE k") > 2, "MEMORY USAGE");
    long long bases = client_info(client, "anystore", "bases_written");
    client_expect(client, "+Background saving started", "BGSAVE");
    client_expect(client, "+Background append only file rewriting started", "BGREWRITEAOF");
    client_expect(client, "-ERR syntax error", "BGSAVE x");
    check(client_info(client, "anystore", "bases_written") == bases + 2, "bases written");
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "SET k w");
    client_expect(client, "+QUEUED", "BGSAVE");
    client_expect(client, "[+OK +Background saving scheduled]", "EXEC");
    check(client_info(client, "anystore", "bases_written") == bases + 3, "no base by EXEC");
    client_expect(client, "$w", "GET k");
    redisFree(client);
}

/* What MEMORY reports of this server with little data, with some, and after most of it is gone. */
static void memory_reports(struct harness *harness)
{
    static const char small[] = "$There is so little data";
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    client_expect_start(client, small, "MEMORY DOCTOR");
    size_t size = 1u << 20;
    char *value = malloc(size);
    check(value, "out of memory");
    memset(value, 'v', size);
    for (int i = 0; i < 12; i++)
        client_expect(client, "+OK", "SET large:%d %b", i, value, size);
    client_expect(client, "+OK", "SELECT 3");
    client_expect(client, "+OK", "SET k v");
    char *text = client_text(client, "MEMORY DOCTOR");
    check(strncmp(text, small, strlen(small)) != 0, "12 MB are little: %s", text);
    free(text);
    text = client_text(client, "MEMORY STATS");
    check(strstr(text, "$db.0 [") && strstr(text, "$db.3 [") && !strstr(text, "$db.1 ["), "%s",
          text);
    check(strstr(text, "$keys.count :13 "), "%s", text);
    free(text);
    check(client_integer(client, "MEMORY USAGE k SAMPLES 5") < 200, "MEMORY USAGE");
    client_expect_start(client, "$<malloc", "MEMORY MALLOC-STATS");
    client_expect(client, "+OK", "FLUSHALL");
    client_expect(client, "+OK", "MEMORY PURGE");
    client_expect_start(client, small, "MEMORY DOCTOR");
    redisFree(client);
    free(value);
}

/* ---- CLIENT KILL -------------------------------------------------------------------------- */

static long long id_of(struct raw *raw)
{
    struct reply *reply = raw_command(raw, "CLIENT", "ID", NULL);
    check(reply && reply->type == ':', "CLIENT ID");
    long long id = strtoll(reply_string(reply), NULL, 10);
    reply_free(reply);
    return id;
}

static void kill_clients(struct server *server, redisContext *client, struct raw *own)
{
    struct raw *others[8];
    for (size_t i = 0; i < COUNT(others); i++) {
        others[i] = raw_connect(server);
        check(others[i], "cannot connect");
        raw_expect(others[i], "+PONG", "PING");
    }
    client_expect(client, ":1", "CLIENT KILL ID %lld", id_of(others[0]));
    check(raw_closes(others[0]), "a killed client is still there");
    char *list = client_text(client, "CLIENT LIST");
    check(strstr(list, " cmd=ping "), "%s", list);
    free(list);
    client_expect(client, ":0", "CLIENT KILL ID %lld SKIPME YES",
                  client_integer(client, "CLIENT ID"));
    raw_expect(others[1], "+OK", "MULTI");
    client_expect(client, ":1", "CLIENT KILL ID %lld TYPE normal USER default", id_of(others[2]));
    check(raw_closes(others[2]), "a killed client is still there");
    /* Kills all clients but itself: six others and the one that speaks RESP3. */
    client_expect(client, ":7", "CLIENT KILL TYPE NORMAL");
    for (size_t i = 1; i < COUNT(others); i++)
        check(raw_closes(others[i]), "client %zu is still there", i);
    check(raw_closes(own), "the client of RESP3 is still there");
    for (size_t i = 0; i < COUNT(others); i++)
        raw_close(others[i]);
    struct raw *itself = raw_connect(server);
    raw_expect(itself, ":2", "CLIENT KILL TYPE normal SKIPME no");
    check(raw_closes(itself), "a client that killed itself goes on");
    raw_close(itself);
}

static void clients_are_killed(struct harness *harness)
{
    admin_with_both(harness, kill_clients);
}

/* Kills by address: over TCP each client has an address of its own. */
static void clients_are_killed_by_address(struct harness *harness)
{
    for (int ours = 0; ours < 2; ours++) {
        struct server *server = server_start(
            harness,
            &(struct server_options){.kind = ours ? SERVER_ANYSTORE : SERVER_REDIS, .tcp = true});
        struct raw *one = raw_connect_tcp("127.0.0.1", server->port);
        struct raw *other = raw_connect_tcp("127.0.0.1", server->port);
        redisContext *client = client_connect(server);
        check(one && other, "cannot connect");
        raw_expect(other, "+PONG", "PING"); /* its worker has this client */
        struct reply *info = raw_command(one, "CLIENT", "INFO", NULL);
        const char *at = strstr(reply_string(info), " addr=") + strlen(" addr=");
        char *address = text_format("%.*s", (int)strcspn(at, " "), at);
        client_expect(client, "+OK", "CLIENT KILL %s", address);
        client_expect(client, "-ERR No such client", "CLIENT KILL %s", address);
        check(raw_closes(one), "still there");
        client_expect(client, ":1", "CLIENT KILL LADDR 127.0.0.1:%d", server->port);
        check(raw_closes(other), "still there");
        free(address);
        reply_free(info);
        raw_close(one);
        raw_close(other);
        redisFree(client);
    }
}

/* ---- CLIENT PAUSE and REPLY --------------------------------------------------------------- */

static void wait_for_blocked(redisContext *client, long long count)
{
    struct patience patience = {0};
    while (client_info(client, "clients", "blocked_clients") != count)
        check(patience_left(&patience), "never %lld blocked clients", count);
}

static void pause_clients(struct server *server, redisContext *client, struct raw *raw)
{
    struct raw *second = raw_connect(server);
    check(second, "cannot connect");
    client_expect(client, "+OK", "SET k v");
    client_expect(client, "+OK", "CLIENT PAUSE 1000000 WRITE");
    raw_expect(raw, "$v", "GET k");
    check(raw_send_text(raw, "GET k\r\nSET k w\r\nGET k\r\n"), "lost");
    check(raw_send_text(second, "MULTI\r\nINCR n\r\n"), "lost");
    raw_expect_reply(raw, "$v");
    raw_expect_reply(second, "+OK");
    wait_for_blocked(client, 2);
    client_expect(client, "$v", "GET k");
    char *list = client_text(client, "CLIENT LIST");
    check(strstr(list, "flags=bU"), "%s", list);
    free(list);
    client_expect(client, "+OK", "CLIENT UNPAUSE");
    raw_expect_reply(raw, "+OK");
    raw_expect_reply(raw, "$w");
    raw_expect_reply(second, "+QUEUED");
    raw_expect(second, "[:1]", "EXEC");
    wait_for_blocked(client, 0);

    /* ALL holds up the client itself until the pause ends; a shorter pause does not end it
     * earlier. */
    int64_t began = clock_ms();
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "CLIENT PAUSE 300 ALL");
    client_expect(client, "+QUEUED", "CLIENT PAUSE 1 WRITE");
    client_expect(client, "[+OK +OK]", "EXEC");
    client_expect(client, "+PONG", "PING");
    check(clock_ms() - began >= 299, "a pause of 300 ms took %lld",
          (long long)(clock_ms() - began));
    /* A paused client can be killed. */
    client_expect(client, "+OK", "CLIENT PAUSE 1000000 WRITE");
    check(raw_send_text(raw, "SET k x\r\n"), "lost");
    wait_for_blocked(client, 1);
    client_expect(client, ":2", "CLIENT KILL TYPE normal");
    check(raw_closes(raw) && raw_closes(second), "still there");
    client_expect(client, "+OK", "CLIENT UNPAUSE");
    client_expect(client, "$w", "GET k");
    raw_close(second);
}

static void clients_are_paused(struct harness *harness)
{
    admin_with_both(harness, pause_clients);
}

/* Only for ours: Redis makes these wait as well, and in Redis a time whose end overflows pauses
 * nothing. */
static void a_pause_can_be_ended(struct harness *harness)
{
    static const char *const args[] = {"--requirepass", "secret", NULL};
    struct server *server = server_start(harness, &(struct server_options){.args = args});
    struct raw *raw = raw_connect(server), *waiting = raw_connect(server);
    check(raw && waiting, "cannot connect");
    raw_expect(raw, "+OK", "AUTH secret");
    raw_expect(waiting, "+OK", "AUTH secret");
    static const char *const too_long[] = {"9223372036854775807", "9000000000000000000",
                                           "1125899906842625"};
    for (size_t i = 0; i < COUNT(too_long); i++) {
        char *command = text_format("CLIENT PAUSE %s ALL", too_long[i]);
        raw_expect(raw, "-ERR timeout is out of range", command);
        raw_expect(raw, "+PONG", "PING");
        free(command);
    }
    raw_expect(raw, "+OK", "CLIENT PAUSE 1125899906842624 ALL");
    raw_expect(raw, "+OK", "CLIENT UNPAUSE");
    raw_expect(raw, "+PONG", "PING");
    raw_expect(raw, "+OK", "CLIENT PAUSE 1125899906842624 ALL");
    check(raw_send_text(waiting, "PING\r\n") && raw_send_text(raw, "PING\r\n"), "lost");
    for (int i = 0; i < 2; i++) { /* by a client that has just connected */
        struct raw *other = raw_connect(server);
        check(other, "cannot connect");
        raw_expect(other, "-NOAUTH Authentication required.", "CLIENT UNPAUSE");
        raw_expect(other, "-NOAUTH Authentication required.", "SHUTDOWN");
        if (i == 0) {
            raw_expect(other, "+OK", "AUTH secret");
            raw_expect(other, "+OK", "CLIENT UNPAUSE");
            raw_expect_reply(raw, "+PONG");
            raw_expect_reply(waiting, "+PONG");
            raw_expect(raw, "+OK", "CLIENT PAUSE 1125899906842624 ALL");
            check(raw_send_text(waiting, "PING\r\n"), "lost");
        } else {
            reply_free(raw_command(other, "HELLO", "3", "AUTH", "default", "secret", NULL));
            check(raw_send_text(other, "SHUTDOWN\r\n") && raw_closes(other), "no SHUTDOWN");
            check(process_wait(&server->process) == 0, "the server does not end");
        }
        raw_close(other);
    }
    raw_close(raw);
    raw_close(waiting);
    server_restart(server);
}

static void silence(struct server *server, redisContext *client, struct raw *raw)
{
    (void)server;
    (void)client;
    check(raw_send_text(raw, "CLIENT REPLY SKIP\r\nPING\r\nECHO 1\r\n"), "lost");
    raw_expect_reply(raw, "$1");
    check(raw_send_text(raw, "CLIENT REPLY OFF\r\nPING\r\nSET k v\r\nnosuch\r\nINCR k\r\n"
                             "CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nGET k\r\n"),
          "lost");
    raw_expect_reply(raw, "+OK");
    raw_expect_reply(raw, "$v");
    check(raw_send_text(raw, "MULTI\r\nCLIENT REPLY SKIP\r\nSET k w\r\nPING\r\nDISCARD\r\n"),
          "lost");
    raw_expect_reply(raw, "+OK");
    raw_expect_reply(raw, "+QUEUED");
    raw_expect_reply(raw, "+QUEUED");
    raw_expect_reply(raw, "+QUEUED");
    raw_expect_reply(raw, "+OK");
    check(raw_send_text(raw, "CLIENT REPLY OFF\r\nGET k\r\nRESET\r\nPING\r\n"), "lost");
    raw_expect_reply(raw, "+RESET");
    raw_expect_reply(raw, "+PONG");
    check(raw_send_text(raw, "CLIENT REPLY SKIP\r\nRESET\r\nECHO 2\r\n"), "lost");
    raw_expect_reply(raw, "$2");
}

static void replies_are_left_out(struct harness *harness)
{
    admin_with_both(harness, silence);
}

/* One side kills and pauses while clients of all threads write: nothing hangs, and nothing that was
 * acknowledged is lost.  This is mainly for the sanitizers. */
static void write_and_reconnect(struct worker *worker)
{
    struct server *server = worker->shared;
    char key[32];
    snprintf(key, sizeof key, "n%u", worker->index);
    unsigned long long answered = 0;
    for (unsigned i = 0; i < harness_scaled(1000) && !workers_failed();) {
        struct raw *raw = raw_connect(server);
        if (!raw) {
            worker_fail(worker, "cannot connect");
            return;
        }
        for (struct reply *reply; i < harness_scaled(1000); i++) {
            reply = raw_command(raw, i % 2 ? "INCR" : "GET", key, NULL);
            if (!reply)
                break;
            if (i % 2 && reply->type == ':') {
                unsigned long long now = strtoull(reply_string(reply), NULL, 10);
                if (now <= answered)
                    worker_fail(worker, "%s is %llu after %llu", key, now, answered);
                answered = now;
            }
            reply_free(reply);
        }
        raw_close(raw);
    }
}

static void clients_write_while_killed(struct harness *harness)
{
    static const char *const threads[] = {"--io-threads", "4", NULL};
    struct server *server = server_start(harness, &(struct server_options){.args = threads});
    redisContext *client = client_connect(server);
    struct random random;
    random_start(&random, random_run_seed("kills and pauses"), 0);
    workers_start(6, write_and_reconnect, server);
    for (unsigned i = 0; i < harness_scaled(200); i++) {
        if (random_chance(&random, 30))
            client_integer(client, "CLIENT KILL TYPE normal");
        else if (random_chance(&random, 50))
            client_expect(client, "+OK", "CLIENT PAUSE %d WRITE", (int)random_below(&random, 20));
        else
            client_expect(client, "+OK", "CLIENT UNPAUSE");
        char *list = client_text(client, "CLIENT LIST");
        free(list);
        free(client_text(client, "INFO everything"));
    }
    client_expect(client, "+OK", "CLIENT UNPAUSE");
    workers_join();
    redisFree(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(answers_are_redis_s),
        HARNESS_TEST(own_answers),
        HARNESS_TEST(memory_reports),
        HARNESS_TEST(clients_are_killed),
        HARNESS_TEST(clients_are_killed_by_address),
        HARNESS_TEST(clients_are_paused),
        HARNESS_TEST(a_pause_can_be_ended),
        HARNESS_TEST(replies_are_left_out),
        HARNESS_TEST(clients_write_while_killed),
        HARNESS_TEST(calls_are_counted),
        HARNESS_TEST(slow_commands_are_noted),
        HARNESS_TEST(latency_is_noted),
    };
    return harness_main("client_admin_test", tests, sizeof tests / sizeof *tests);
}
