/* SPDX-License-Identifier: MIT */
/* Client processes that compete for the same keys over several servers of one file: optimistic
 * increments, INCR, MSETNX.  The contenders are this program again, started with arguments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/process.h"
#include "tests/client/harness/server.h"

#define CONTENDERS_MAX 4

/* ---- A contender: a process of its own, without cmocka ------------------------------------- */

struct contender {
    redisContext *client;
    const char *name;
    unsigned rounds;
    unsigned won;
};

/* Expects a reply of that type; ends the process if it is another. */
static redisReply *ask(struct contender *contender, int type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(contender->client, format, args);
    va_end(args);
    if (!reply || reply->type != type) {
        fprintf(stderr, "contender %s: %s: %s\n", contender->name, format,
                reply && reply->str ? reply->str : contender->client->errstr);
        exit(1);
    }
    return reply;
}

static void ask_only(struct contender *contender, int type, const char *command)
{
    freeReplyObject(ask(contender, type, command));
}

/* WATCH, GET, MULTI, SET, EXEC: wins if no other contender came between. */
static void contend_watch(struct contender *contender)
{
    for (unsigned i = 0; i < contender->rounds; i++) {
        ask_only(contender, REDIS_REPLY_STATUS, "WATCH counter");
        redisReply *reply = ask(contender, REDIS_REPLY_STRING, "GET counter");
        long long next = strtoll(reply->str, NULL, 10) + 1;
        freeReplyObject(reply);
        ask_only(contender, REDIS_REPLY_STATUS, "MULTI");
        freeReplyObject(ask(contender, REDIS_REPLY_STATUS, "SET counter %lld", next));
        reply = redisCommand(contender->client, "EXEC");
        if (!reply || (reply->type != REDIS_REPLY_NIL && reply->type != REDIS_REPLY_ARRAY)) {
            fprintf(stderr, "contender %s: EXEC is not answered\n", contender->name);
            exit(1);
        }
        contender->won += reply->type == REDIS_REPLY_ARRAY;
        freeReplyObject(reply);
    }
}

/* INCR: each number is higher than the contender's last one. */
static void contend_incr(struct contender *contender)
{
    long long last = 0;
    for (unsigned i = 0; i < contender->rounds; i++) {
        redisReply *reply = ask(contender, REDIS_REPLY_INTEGER, "INCR counter");
        if (reply->integer <= last) {
            fprintf(stderr, "contender %s: %lld after %lld\n", contender->name, reply->integer,
                    last);
            exit(1);
        }
        last = reply->integer;
        contender->won++;
        freeReplyObject(reply);
    }
}

/* MSETNX of three keys in each round.  A loser reads at once: all three keys are the winner's. */
static void contend_msetnx(struct contender *contender)
{
    const char *name = contender->name;
    for (unsigned i = 0; i < contender->rounds; i++) {
        redisReply *reply = ask(contender, REDIS_REPLY_INTEGER, "MSETNX x:%u %s y:%u %s z:%u %s", i,
                                name, i, name, i, name);
        bool won = reply->integer;
        freeReplyObject(reply);
        reply = ask(contender, REDIS_REPLY_ARRAY, "MGET z:%u x:%u y:%u", i, i, i);
        for (size_t j = 0; j < 3; j++) {
            const char *owner = reply->element[j]->str;
            if (!owner || strcmp(owner, reply->element[0]->str) != 0 ||
                won != !strcmp(owner, name)) {
                fprintf(stderr, "contender %s: round %u: one key is of %s\n", name, i,
                        owner ? owner : "nobody");
                exit(1);
            }
        }
        contender->won += won;
        freeReplyObject(reply);
    }
}

/* contend KIND SOCKET NAME ROUNDS: waits until all contenders are there, then prints how often it
 * won. */
static int contend(char **words)
{
    static const struct {
        const char *name;
        void (*run)(struct contender *contender);
    } kinds[] = {
        {"watch", contend_watch},
        {"incr", contend_incr},
        {"msetnx", contend_msetnx},
    };
    struct contender contender = {
        .client = redisConnectUnix(words[1]),
        .name = words[2],
        .rounds = (unsigned)strtoul(words[3], NULL, 10),
    };
    if (!contender.client || contender.client->err)
        return 1;
    ask_only(&contender, REDIS_REPLY_INTEGER, "INCR ready");
    struct patience patience = {0};
    bool started = false;
    while (!started && patience_left(&patience)) {
        redisReply *reply = ask(&contender, REDIS_REPLY_INTEGER, "EXISTS start");
        started = reply->integer;
        freeReplyObject(reply);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strcmp(kinds[i].name, words[0]))
            kinds[i].run(&contender);
    }
    printf("%u\n", contender.won);
    redisFree(contender.client);
    return started ? 0 : 1;
}

/* ---- The tests ----------------------------------------------------------------------------- */

struct contest {
    const char *kind;
    unsigned contenders, servers, rounds;
    unsigned won[CONTENDERS_MAX]; /* by each contender */
    unsigned total;
    redisContext *clients[CONTENDERS_MAX]; /* one of each server */
};

/* Waits for its end as long as there are commits: how long everything takes depends on the disk. */
static int wait_contender(struct process *process, redisContext *client)
{
    long long commits = 0;
    struct patience patience = {0};
    while (!process_ended(process) && patience_left(&patience)) {
        long long now = client_info(client, "anystore", "commits");
        if (now != commits)
            patience = (struct patience){0};
        commits = now;
    }
    return process_wait(process);
}

/* Runs the contenders to their ends, each at a server, and reads what they won. */
static void hold(struct contest *contest, struct harness *harness)
{
    struct server *servers[CONTENDERS_MAX] = {NULL};
    for (unsigned i = 0; i < contest->servers; i++) {
        servers[i] = server_start(harness, NULL);
        contest->clients[i] = client_connect(servers[i]);
    }
    redisContext *client = contest->clients[0];
    client_expect(client, "+OK", "SET counter 0");
    struct process processes[CONTENDERS_MAX];
    char *rounds = text_format("%u", contest->rounds);
    for (unsigned i = 0; i < contest->contenders; i++) {
        char *output = text_format("%s/contender%u", harness->dir, i);
        char name[] = {(char)('A' + i), 0};
        const char *args[] = {"contend", contest->kind, servers[i % contest->servers]->socket,
                              name,      rounds,        NULL};
        struct process_options options = {
            .program = "/proc/self/exe", .args = args, .output = output};
        check(process_start(&processes[i], &options), "cannot start a contender");
        free(output);
    }
    struct patience patience = {0};
    while (client_integer(client, "EXISTS ready") == 0 ||
           client_integer(client, "GET ready") < (long long)contest->contenders)
        check(patience_left(&patience), "not all contenders are ready");
    client_expect(client, "+OK", "SET start 1");
    for (unsigned i = 0; i < contest->contenders; i++) {
        int status = wait_contender(&processes[i], client);
        char *path = text_format("%s/contender%u", harness->dir, i);
        struct bytes output = {0};
        check(bytes_read_file(&output, path), "%s: cannot read", path);
        check(status == 0, "contender %u: status %d: %s", i, status, bytes_text(&output));
        contest->won[i] = (unsigned)strtoul(bytes_text(&output), NULL, 10);
        contest->total += contest->won[i];
        bytes_free(&output);
        free(path);
    }
    free(rounds);
}

static void expect_counter(struct contest *contest, long long expected)
{
    for (unsigned i = 0; i < contest->servers; i++) {
        long long value = client_integer(contest->clients[i], "GET counter");
        check(value == expected, "the counter is %lld, not %lld", value, expected);
        redisFree(contest->clients[i]);
    }
}

static void watch_contest(struct harness *harness, unsigned contenders, unsigned servers,
                          unsigned rounds)
{
    struct contest contest = {.kind = "watch",
                              .contenders = contenders,
                              .servers = servers,
                              .rounds = harness_scaled(rounds)};
    hold(&contest, harness);
    print_message("%u of %u EXEC succeeded\n", contest.total, contenders * contest.rounds);
    check(contest.total > 0, "no EXEC succeeded");
    expect_counter(&contest, contest.total);
}

static void watch_two_processes(struct harness *harness)
{
    watch_contest(harness, 2, 2, 10000);
}

static void watch_four_processes(struct harness *harness)
{
    watch_contest(harness, 4, 2, 1000);
}

static void incr_four_processes(struct harness *harness)
{
    struct contest contest = {
        .kind = "incr", .contenders = 4, .servers = 4, .rounds = harness_scaled(1500)};
    hold(&contest, harness);
    expect_counter(&contest, 4LL * contest.rounds);
}

/* In each round exactly one contender wins, and all keys are its own: at every server, to the
 * end. */
static void msetnx_four_processes(struct harness *harness)
{
    struct contest contest = {
        .kind = "msetnx", .contenders = 4, .servers = 2, .rounds = harness_scaled(1500)};
    hold(&contest, harness);
    print_message("%u rounds, won: %u %u %u %u\n", contest.rounds, contest.won[0], contest.won[1],
                  contest.won[2], contest.won[3]);
    check(contest.total == contest.rounds, "%u of %u rounds were won", contest.total,
          contest.rounds);
    for (unsigned s = 0; s < contest.servers; s++) {
        unsigned owned[CONTENDERS_MAX] = {0};
        for (unsigned i = 0; i < contest.rounds; i++) {
            char *text = client_text(contest.clients[s], "MGET x:%u y:%u z:%u", i, i, i);
            char expected[] = "[$? $? $?]";
            unsigned owner = (unsigned)(unsigned char)text[2] - 'A';
            expected[2] = expected[5] = expected[8] = text[2];
            check(owner < CONTENDERS_MAX && !strcmp(text, expected), "round %u: %s", i, text);
            owned[owner]++;
            free(text);
        }
        check(!memcmp(owned, contest.won, sizeof owned), "the keys are not the winners'");
        redisFree(contest.clients[s]);
    }
}

int main(int argc, char **argv)
{
    if (argc == 6 && !strcmp(argv[1], "contend"))
        return contend(argv + 2);
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(watch_two_processes),
        HARNESS_TEST(watch_four_processes),
        HARNESS_TEST(incr_four_processes),
        HARNESS_TEST(msetnx_four_processes),
    };
    return harness_main("client_contention_test", tests, sizeof tests / sizeof *tests);
}
