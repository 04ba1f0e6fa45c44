/* SPDX-License-Identifier: MIT */
/* Several servers on one file are one: whatever clients were told, through whichever of them, while
 * servers are killed, stopped and started, is what one server that does one thing at a time could
 * have told them.  Every command is recorded with its times and the history checked (history.h).
 * Keys are in two databases, each a file; some are moved between them, and some have times to live
 * that run out.
 *
 * A command whose server was killed may have been done, but only until its server was dead and
 * another write was acknowledged in each database: nothing shows up later than that.
 *
 * ANYSTORE_SEED repeats the choices (not the moments), ANYSTORE_TEST_SCALE makes it longer. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/storm.h"

#define EVENTS 30
#define LIVES  (1 << 20) /* of servers, in the longest run */

struct storm storm;

/* ---- What happens to the servers ----------------------------------------------------------- */

static void set_up(unsigned servers, uint64_t seed)
{
    history_free(storm.history);
    free(storm.ended);
    memset(&storm, 0, sizeof storm);
    storm.history = history_new(CLIENTS);
    history_note_clock(storm.history);
    storm.ended = calloc(LIVES, sizeof *storm.ended);
    check(storm.ended, "out of memory");
    storm.server_count = servers;
    for (unsigned i = 0; i < servers; i++)
        atomic_store(&storm.lives[i], storm.lives_count++);
    for (unsigned i = 0; i < CLIENTS; i++)
        random_start(&storm.clients[i].random, seed, i);
}

static void let_work(unsigned operations)
{
    unsigned until = atomic_load(&storm.answered) + operations;
    struct patience patience = {0};
    while ((int)(until - atomic_load(&storm.answered)) > 0 && !workers_failed())
        check(patience_left(&patience), "no progress");
}

/* A write in each database; false if one was not acknowledged. */
static bool write_everywhere(unsigned server)
{
    struct raw *raw = raw_connect(storm.servers[server]);
    bool ok = raw;
    for (unsigned i = 0; i < DATABASES && ok; i++) {
        char number[16];
        snprintf(number, sizeof number, "%u", i);
        reply_free(raw_command(raw, "SELECT", number, NULL));
        struct reply *reply = raw_command(raw, "INCR", "settle", NULL);
        ok = reply && reply->type == ':';
        reply_free(reply);
    }
    raw_close(raw);
    return ok;
}

/* Kills so many servers at once, some of them stopped before, and starts them again. */
static void kill_servers(struct random *random, unsigned count)
{
    unsigned first = (unsigned)random_below(random, SERVERS), lives[SERVERS];
    bool stop = random_chance(random, 30);
    for (unsigned i = 0; i < count; i++) {
        struct process *process = &storm.servers[(first + i) % SERVERS]->process;
        check(!process_ended(process), "a server has ended by itself");
        process_signal(process, stop ? SIGSTOP : SIGKILL);
    }
    if (stop)
        poll(NULL, 0, (int)random_below(random, 20));
    for (unsigned i = 0; i < count; i++) {
        unsigned index = (first + i) % SERVERS;
        server_kill(storm.servers[index]);
        lives[i] = atomic_load(&storm.lives[index]);
        check(storm.lives_count < LIVES, "too many kills");
        atomic_store(&storm.lives[index], storm.lives_count++);
    }
    if (count < SERVERS && random_chance(random, 50)) /* while all of them are down */
        (void)write_everywhere((first + count) % SERVERS);
    for (unsigned i = 0; i < count; i++)
        server_restart_pending(storm.servers[(first + i) % SERVERS]);
    for (unsigned i = 0; i < count; i++)
        server_wait_ready(storm.servers[(first + i) % SERVERS]);
    /* From here on, no command of the servers that were dead before can show up. */
    check(write_everywhere((unsigned)random_below(random, SERVERS)), "no server answers");
    for (unsigned i = 0; i < count; i++)
        storm.ended[lives[i]].settled = history_now();
}

/* Stops a server for a moment, at any point of its work, and lets it go on. */
static void hold_server(struct random *random)
{
    struct process *process = &storm.servers[random_below(random, SERVERS)]->process;
    check(!process_ended(process), "a server has ended by itself");
    process_signal(process, SIGSTOP);
    poll(NULL, 0, (int)random_below(random, 60));
    process_signal(process, SIGCONT);
}

static void rewrite_file(struct random *random)
{
    redisContext *client = client_connect(storm.servers[random_below(random, SERVERS)]);
    client_expect(client, "+OK", "SAVE");
    redisFree(client);
}

/* ---- The verdict --------------------------------------------------------------------------- */

/* Tells by when commands of the dead servers must have been done. */
static void set_limits(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        for (size_t j = 0; j < history_count(storm.history, i); j++) {
            struct history_op *op = history_op(storm.history, i, j);
            if (op->answered)
                continue;
            int64_t settled = storm.ended[op->server].settled;
            check(settled, "client %u lost its connection to a server that lived", i);
            op->returned = settled > op->invoked ? settled : op->invoked;
        }
    }
}

/* Records a MOVE by what it brings; it also takes the key out of the other database.  A refused
 * MOVE tells nothing about either. */
static void complete_moves(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        size_t count = history_count(storm.history, i);
        for (size_t j = 0; j < count; j++) {
            struct history_op *op = history_op(storm.history, i, j);
            if (op->steps_count != 1 || op->steps[0].kind != HISTORY_BRING)
                continue;
            if (op->answered && !op->steps[0].result) {
                op->steps_count = 0;
                continue;
            }
            struct history_op taken = *op;
            taken.steps[0].kind = HISTORY_DEL;
            taken.steps[0].key ^= 1;
            *history_invoke(storm.history, i) = taken;
        }
    }
}

/* What the history contains of times to live and of two databases. */
static void print_kinds(void)
{
    unsigned ends = 0, looks = 0, moves = 0, lost_moves = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        for (size_t j = 0; j < history_count(storm.history, i); j++) {
            const struct history_op *op = history_op(storm.history, i, j);
            for (unsigned k = 0; k < op->steps_count; k++) {
                const struct history_step *step = &op->steps[k];
                ends += op->answered && step->ttl && step->ttl < FAR_MS;
                looks += op->answered && step->kind == HISTORY_PTTL && step->result > 0;
                moves += op->answered && step->kind == HISTORY_BRING && step->result;
                lost_moves += !op->answered && step->kind == HISTORY_BRING;
            }
        }
    }
    print_message("%u times to live set, %u told by PTTL; %u keys moved, %u perhaps\n", ends, looks,
                  moves, lost_moves);
}

static void expect_verdict(enum history_verdict expected)
{
    print_kinds();
    complete_moves();
    int64_t begin = clock_ms();
    struct history_report report = history_check(storm.history, 0);
    print_message("%zu operations, %zu without an answer, %u groups of keys, %" PRIu64
                  " states, checked in %" PRId64 " ms\n",
                  report.operations, report.unanswered, report.groups, report.states,
                  clock_ms() - begin);
    check(report.verdict == expected, "%s",
          report.text                           ? report.text
          : report.verdict == HISTORY_UNDECIDED ? "too many states to decide"
                                                : "the checker sees nothing wrong");
    free(report.text);
    history_free(storm.history);
    free(storm.ended);
    storm.history = NULL;
    storm.ended = NULL;
}

static void kills_and_stops(struct harness *harness)
{
    uint64_t seed = random_run_seed("linearizability");
    struct random random;
    random_start(&random, seed, 1000);
    set_up(SERVERS, seed);
    for (unsigned i = 0; i < SERVERS; i++)
        storm.servers[i] = server_start(harness, NULL);
    workers_start(CLIENTS, storm_run_client, NULL);
    unsigned events = harness_scaled(EVENTS), kills = 0, stops = 0, rewrites = 0;
    for (unsigned i = 0; i < events && !workers_failed(); i++) {
        let_work(50 + (unsigned)random_below(&random, 400));
        history_note_clock(storm.history);
        uint64_t dice = random_below(&random, 10);
        unsigned count = dice < 4 ? 1 : dice < 6 ? 2 : dice < 7 ? SERVERS : 0;
        if (count)
            kill_servers(&random, count);
        else if (dice < 9)
            hold_server(&random);
        else
            rewrite_file(&random);
        kills += count;
        stops += !count && dice < 9;
        rewrites += dice == 9;
    }
    let_work(200);
    atomic_store(&storm.stop, true);
    workers_join();
    history_note_clock(storm.history);
    set_limits();
    print_message("%u kills, %u stops, %u new bases\n", kills, stops, rewrites);
    expect_verdict(HISTORY_RIGHT);
}

/* The test can fail: servers with a file each are not one server. */
static void the_test_itself(struct harness *harness)
{
    set_up(2, random_run_seed("servers of different files"));
    for (unsigned i = 0; i < 2; i++) {
        char *data = text_format("%s/own%u", harness->dir, i);
        check(!mkdir(data, 0700), "%s", data);
        storm.servers[i] = server_start(harness, &(struct server_options){.data = data});
        free(data);
    }
    atomic_store(&storm.limit, 2000);
    workers_run(CLIENTS, storm_run_client, NULL);
    history_note_clock(storm.history);
    expect_verdict(HISTORY_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(kills_and_stops),
        HARNESS_TEST(the_test_itself),
    };
    return harness_main("client_linearizable_test", tests, sizeof tests / sizeof *tests);
}
