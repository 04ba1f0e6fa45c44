/* SPDX-License-Identifier: MIT */
/* Several servers on one file are one: whatever clients were told, through whichever of them, while
 * servers are killed, stopped and started, is what one server that does one thing at a time could
 * have told them.  Every command is recorded with its times and the history checked (history.h).
 *
 * A command whose server was killed may have been done, but only until its server was dead and
 * another write was acknowledged: nothing shows up later than that.
 *
 * ANYSTORE_SEED repeats the choices (not the moments), ANYSTORE_TEST_SCALE makes it longer. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "harness.h"
#include "history.h"
#include "random.h"
#include "raw.h"
#include "server.h"
#include "workers.h"

#define SERVERS  3
#define CLIENTS  8
#define GROUPS   4 /* of two keys, which transactions tie together */
#define EVENTS   30
#define PIPELINE 5
#define LIVES    (1 << 20) /* of servers, in the longest run */

struct client {
    struct random random;
    struct raw *raw;
    unsigned life; /* of the server it is connected to */
    int64_t serial;
};

/* One run of a server's process. */
struct life {
    int64_t settled; /* dead, and another write was acknowledged; 0: it lives */
};

/* Static, as workers may outlive the test's function. */
static struct {
    struct server *servers[SERVERS];
    unsigned server_count;
    atomic_uint lives[SERVERS]; /* the one that a server is in */
    struct life *ended;         /* by life; only the main thread uses it */
    unsigned lives_count;
    struct client clients[CLIENTS];
    struct history *history;
    atomic_bool stop;
    atomic_uint answered;
    atomic_uint limit; /* the clients stop after so many; 0: when told */
} storm;

/* ---- Clients ------------------------------------------------------------------------------- */

static bool go_on(void)
{
    unsigned limit = atomic_load(&storm.limit);
    return !atomic_load(&storm.stop) && !workers_failed() &&
           (!limit || atomic_load(&storm.answered) < limit);
}

static void disconnect(struct client *client)
{
    raw_close(client->raw);
    client->raw = NULL;
}

/* Connects to any server that answers; false at the end. */
static bool connect_any(struct client *client)
{
    while (!client->raw && go_on()) {
        unsigned index = (unsigned)random_below(&client->random, storm.server_count);
        client->life = atomic_load(&storm.lives[index]);
        client->raw = raw_connect(storm.servers[index]);
        /* Or it may be to the life after this one. */
        if (client->raw && atomic_load(&storm.lives[index]) != client->life)
            disconnect(client);
        if (!client->raw)
            poll(NULL, 0, 1);
    }
    return client->raw;
}

static void encode(struct bytes *out, const struct history_step *step)
{
    static const char *const names[] = {
        [HISTORY_GET] = "GET",       [HISTORY_SET] = "SET",       [HISTORY_SETNX] = "SETNX",
        [HISTORY_GETSET] = "GETSET", [HISTORY_DEL] = "DEL",       [HISTORY_GETDEL] = "GETDEL",
        [HISTORY_INCR] = "INCR",     [HISTORY_APPEND] = "APPEND", [HISTORY_EXPIRE] = "EXPIRE",
        [HISTORY_SWAP] = "SET", /* in a transaction that watches */
    };
    char key[16], argument[32];
    snprintf(key, sizeof key, "key%u", step->key);
    snprintf(argument, sizeof argument, "%" PRId64, step->argument);
    if (step->kind == HISTORY_EXPIRE)
        raw_encode_texts(out, "EXPIRE", key, "100000", NULL);
    else if (step->kind == HISTORY_SETNX && step->argument % 2)
        raw_encode_texts(out, "SET", key, argument, "NX", NULL);
    else
        raw_encode_texts(out, names[step->kind], key, step->argument ? argument : NULL, NULL);
}

/* Takes the answer; an error, or what the command cannot have said, fails the test. */
static void take_answer(struct worker *worker, struct history_step *step, const struct reply *reply)
{
    switch (reply->type) {
    case '_':
        step->result = step->kind == HISTORY_SETNX ? 0 : HISTORY_NIL;
        break;
    case '+':
        step->result = 1;
        break;
    case ':':
    case '$':
        step->result = strtoll(reply_string(reply), NULL, 10);
        break;
    default:
        worker_fail(worker, "a command was refused: %s", reply_string(reply));
    }
}

static struct history_step random_step(struct client *client, unsigned group, unsigned index)
{
    static const enum history_kind kinds[] = {
        HISTORY_GET, HISTORY_GET,    HISTORY_GET,    HISTORY_GET,    HISTORY_SET,
        HISTORY_SET, HISTORY_INCR,   HISTORY_INCR,   HISTORY_SETNX,  HISTORY_GETSET,
        HISTORY_DEL, HISTORY_GETDEL, HISTORY_APPEND, HISTORY_EXPIRE,
    };
    struct random *random = &client->random;
    struct history_step step = {
        .kind = kinds[random_below(random, sizeof kinds / sizeof *kinds)],
        .key = group * 2 + (unsigned)random_below(random, 2),
    };
    if (step.kind == HISTORY_SET || step.kind == HISTORY_SETNX || step.kind == HISTORY_GETSET)
        step.argument = ++client->serial * CLIENTS + index; /* of no other */
    if (step.kind == HISTORY_APPEND)
        step.argument = 1 + (int64_t)random_below(random, 9);
    return step;
}

static struct history_op *invoke(struct worker *worker)
{
    struct history_op *op = history_invoke(storm.history, worker->index);
    op->server = storm.clients[worker->index].life;
    return op;
}

static void answered(struct history_op *op)
{
    history_return(op);
    atomic_fetch_add(&storm.answered, 1);
}

/* One command, or several at once; those that get no answer stay so. */
static void ask(struct worker *worker, unsigned count)
{
    struct client *client = &storm.clients[worker->index];
    struct bytes out = {0};
    size_t first = history_count(storm.history, worker->index);
    for (unsigned i = 0; i < count; i++) {
        struct history_op *op = invoke(worker);
        op->steps_count = 1;
        op->steps[0] =
            random_step(client, (unsigned)random_below(&client->random, GROUPS), worker->index);
        encode(&out, &op->steps[0]);
    }
    bool lost = !raw_send(client->raw, out.data, out.size) && !raw_pending(client->raw);
    for (unsigned i = 0; i < count && !lost; i++) {
        struct history_op *op = history_op(storm.history, worker->index, first + i);
        struct reply *reply = raw_reply(client->raw);
        lost = !reply;
        if (reply) {
            answered(op);
            take_answer(worker, &op->steps[0], reply);
        }
        reply_free(reply);
    }
    bytes_free(&out);
    if (lost)
        disconnect(client);
}

/* Sends MULTI, what stands in the operation, EXEC: EXEC's reply; NULL if the connection is lost. */
static struct reply *exec(struct client *client, const struct history_op *op)
{
    struct bytes out = {0};
    struct reply *reply = NULL;
    raw_encode_texts(&out, "MULTI", NULL);
    for (unsigned i = 0; i < op->steps_count; i++)
        encode(&out, &op->steps[i]);
    raw_encode_texts(&out, "EXEC", NULL);
    if (raw_send(client->raw, out.data, out.size) || raw_pending(client->raw)) {
        reply = raw_reply(client->raw);
        for (unsigned i = 0; i < op->steps_count + 1 && reply; i++) {
            reply_free(reply);
            reply = raw_reply(client->raw);
        }
    }
    bytes_free(&out);
    if (!reply)
        disconnect(client);
    return reply;
}

/* Several steps on a group's keys in MULTI. */
static void transact(struct worker *worker)
{
    struct client *client = &storm.clients[worker->index];
    unsigned group = (unsigned)random_below(&client->random, GROUPS);
    struct history_op *op = invoke(worker);
    op->steps_count = 2 + (unsigned)random_below(&client->random, HISTORY_STEPS - 1);
    for (unsigned i = 0; i < op->steps_count; i++)
        op->steps[i] = random_step(client, group, worker->index);
    struct reply *reply = exec(client, op);
    if (!reply)
        return;
    answered(op);
    if (reply->type != '*' || reply->count != op->steps_count)
        worker_fail(worker, "EXEC: %s", reply_string(reply));
    for (unsigned i = 0; i < op->steps_count && i < reply->count; i++)
        take_answer(worker, &op->steps[i], &reply->items[i]);
    reply_free(reply);
}

/* WATCH and GET, then SET in MULTI: a compare and swap. */
static void swap(struct worker *worker)
{
    struct client *client = &storm.clients[worker->index];
    struct history_step step =
        random_step(client, (unsigned)random_below(&client->random, GROUPS), worker->index);
    char key[16];
    snprintf(key, sizeof key, "key%u", step.key);
    struct reply *reply = raw_command(client->raw, "WATCH", key, NULL);
    reply_free(reply);
    if (!reply) {
        disconnect(client);
        return;
    }
    struct history_op *op = invoke(worker);
    op->steps_count = 1;
    op->steps[0] = (struct history_step){.kind = HISTORY_GET, .key = step.key};
    reply = raw_command(client->raw, "GET", key, NULL);
    if (!reply) {
        disconnect(client);
        return;
    }
    answered(op);
    take_answer(worker, &op->steps[0], reply);
    reply_free(reply);
    int64_t seen = op->steps[0].result;
    op = invoke(worker);
    op->steps_count = 1;
    op->steps[0] = (struct history_step){.kind = HISTORY_SWAP,
                                         .key = step.key,
                                         .expected = seen,
                                         .argument = ++client->serial * CLIENTS + worker->index,
                                         .result = 1};
    reply = exec(client, op);
    if (!reply)
        return;
    answered(op);
    if (reply->type == '_')
        op->steps_count = 0; /* somebody came between, maybe with the same value: it says nothing */
    else if (reply->type != '*')
        worker_fail(worker, "EXEC: %s", reply_string(reply));
    reply_free(reply);
}

static void run_client(struct worker *worker)
{
    struct client *client = &storm.clients[worker->index];
    while (connect_any(client)) {
        uint64_t dice = random_below(&client->random, 100);
        if (dice < 15)
            transact(worker);
        else if (dice < 25)
            swap(worker);
        else if (dice < 35)
            ask(worker, 2 + (unsigned)random_below(&client->random, PIPELINE - 1));
        else
            ask(worker, 1);
        if (random_chance(&client->random, 3))
            disconnect(client); /* moves to another server */
    }
    disconnect(client);
}

/* ---- What happens to the servers ----------------------------------------------------------- */

static void set_up(unsigned servers, uint64_t seed)
{
    history_free(storm.history);
    free(storm.ended);
    memset(&storm, 0, sizeof storm);
    storm.history = history_new(CLIENTS);
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

/* A write that is acknowledged; then nothing of those that were dead before can show up any more. */
static void settle(struct random *random)
{
    struct raw *raw = raw_connect(storm.servers[random_below(random, SERVERS)]);
    struct reply *reply = raw ? raw_command(raw, "INCR", "settle", NULL) : NULL;
    check(reply && reply->type == ':', "no server answers");
    reply_free(reply);
    raw_close(raw);
}

/* Kills so many servers at once, some of which stood still before, and starts them again. */
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
    if (count < SERVERS && random_chance(random, 50)) { /* a write while none of them is back */
        struct raw *raw = raw_connect(storm.servers[(first + count) % SERVERS]);
        reply_free(raw ? raw_command(raw, "INCR", "settle", NULL) : NULL);
        raw_close(raw);
    }
    for (unsigned i = 0; i < count; i++)
        server_restart_pending(storm.servers[(first + i) % SERVERS]);
    for (unsigned i = 0; i < count; i++)
        server_wait_ready(storm.servers[(first + i) % SERVERS]);
    settle(random);
    for (unsigned i = 0; i < count; i++)
        storm.ended[lives[i]].settled = history_now();
}

/* One stands still for a moment, whatever it is at, and goes on. */
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

/* Tells until when the commands of the dead could have been done. */
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

static void expect_verdict(enum history_verdict expected)
{
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
    workers_start(CLIENTS, run_client, NULL);
    unsigned events = harness_scaled(EVENTS), kills = 0, stops = 0, rewrites = 0;
    for (unsigned i = 0; i < events && !workers_failed(); i++) {
        let_work(50 + (unsigned)random_below(&random, 400));
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
    set_limits();
    print_message("%u kills, %u stops, %u new bases\n", kills, stops, rewrites);
    expect_verdict(HISTORY_RIGHT);
}

/* That the test can fail: servers with a file each are not one. */
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
    workers_run(CLIENTS, run_client, NULL);
    expect_verdict(HISTORY_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(kills_and_stops),
        HARNESS_TEST(the_test_itself),
    };
    return harness_main("test_linearizable", tests, sizeof tests / sizeof *tests);
}
