/* SPDX-License-Identifier: MIT */
/* The clients of client_linearizable_test: each asks any server, and records its questions and the
 * answers. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/client/storm.h"

#define PIPELINE 5
#define TTL_MS   40 /* some make commits long */

/* Of two keys, which transactions tie together. */
enum {
    GROUP_PLAIN,
    GROUP_ENDING,    /* with times to live */
    GROUP_ELSEWHERE, /* the same, in the other database */
    GROUP_BOTH,      /* one key in each database */
    GROUP_MOVED,     /* the same name in both, each on its own: a MOVE shows in the first one */
    GROUPS,
};

/* ---- Connections --------------------------------------------------------------------------- */

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
        client->database = 0;
        /* Or it may belong to the life after this one. */
        if (client->raw && atomic_load(&storm.lives[index]) != client->life)
            disconnect(client);
        if (!client->raw)
            poll(NULL, 0, 1);
    }
    return client->raw;
}

/* ---- Commands ------------------------------------------------------------------------------ */

static unsigned database_of(unsigned key)
{
    return key / 2 == GROUP_BOTH || key / 2 == GROUP_MOVED ? key % 2 : key / 2 == GROUP_ELSEWHERE;
}

/* The server for a command: what a MOVE brings comes from the other database. */
static unsigned database_for(const struct history_step *step)
{
    return database_of(step->kind == HISTORY_BRING ? step->key ^ 1 : step->key);
}

static void name_of(unsigned key, char *name, size_t size)
{
    snprintf(name, size, "key%u", key / 2 == GROUP_MOVED ? key / 2 * 2 : key);
}

/* Appends SELECT if the connection uses another database; returns whether it did. */
static bool encode_select(struct client *client, struct bytes *out, unsigned database)
{
    char number[16];
    if (client->database == database)
        return false;
    client->database = database;
    snprintf(number, sizeof number, "%u", database);
    raw_encode_texts(out, "SELECT", number, NULL);
    return true;
}

static void encode(struct bytes *out, const struct history_step *step)
{
    static const char *const names[] = {
        [HISTORY_GET] = "GET",         [HISTORY_SET] = "SET",       [HISTORY_SETNX] = "SETNX",
        [HISTORY_GETSET] = "GETSET",   [HISTORY_DEL] = "DEL",       [HISTORY_GETDEL] = "GETDEL",
        [HISTORY_INCR] = "INCR",       [HISTORY_APPEND] = "APPEND", [HISTORY_PTTL] = "PTTL",
        [HISTORY_PERSIST] = "PERSIST", [HISTORY_SWAP] = "SET", /* in a transaction that watches */
    };
    char key[16], argument[32], ttl[32], number[16];
    name_of(step->key, key, sizeof key);
    snprintf(argument, sizeof argument, "%" PRId64, step->argument);
    snprintf(ttl, sizeof ttl, "%" PRId64, step->ttl);
    snprintf(number, sizeof number, "%u", database_of(step->key));
    if (step->kind == HISTORY_EXPIRE)
        raw_encode_texts(out, "PEXPIRE", key, ttl, NULL);
    else if (step->kind == HISTORY_BRING)
        raw_encode_texts(out, "MOVE", key, number, NULL);
    else if (step->kind == HISTORY_SETPX && step->argument % 2)
        raw_encode_texts(out, "PSETEX", key, ttl, argument, NULL);
    else if (step->kind == HISTORY_SETPX)
        raw_encode_texts(out, "SET", key, argument, "PX", ttl, NULL);
    else if (step->kind == HISTORY_SETNX && step->argument % 2)
        raw_encode_texts(out, "SET", key, argument, "NX", NULL);
    else
        raw_encode_texts(out, names[step->kind], key, step->argument ? argument : NULL, NULL);
}

/* Reads the answer; an error, or an answer that the command cannot give, fails the test. */
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

static enum history_kind random_kind(struct random *random, unsigned group)
{
    static const enum history_kind kinds[GROUPS][24] = {
        [GROUP_PLAIN] = {HISTORY_GET, HISTORY_GET, HISTORY_GET, HISTORY_GET, HISTORY_SET,
                         HISTORY_SET, HISTORY_INCR, HISTORY_INCR, HISTORY_SETNX, HISTORY_GETSET,
                         HISTORY_DEL, HISTORY_GETDEL, HISTORY_APPEND, HISTORY_EXPIRE},
        [GROUP_ENDING] = {HISTORY_GET,    HISTORY_GET,    HISTORY_GET,    HISTORY_GET,
                          HISTORY_GET,    HISTORY_GET,    HISTORY_SET,    HISTORY_SETPX,
                          HISTORY_SETPX,  HISTORY_SETPX,  HISTORY_SETPX,  HISTORY_INCR,
                          HISTORY_INCR,   HISTORY_SETNX,  HISTORY_GETSET, HISTORY_DEL,
                          HISTORY_APPEND, HISTORY_EXPIRE, HISTORY_EXPIRE, HISTORY_PERSIST,
                          HISTORY_PTTL,   HISTORY_PTTL},
        [GROUP_MOVED] = {HISTORY_GET, HISTORY_GET, HISTORY_GET, HISTORY_GET, HISTORY_SET,
                         HISTORY_SETNX, HISTORY_SETNX, HISTORY_GETSET, HISTORY_DEL, HISTORY_GETDEL,
                         HISTORY_BRING, HISTORY_BRING, HISTORY_BRING, HISTORY_BRING},
    };
    const enum history_kind *of_group = kinds[group == GROUP_ELSEWHERE ? GROUP_ENDING
                                              : group == GROUP_BOTH    ? GROUP_PLAIN
                                                                       : group];
    unsigned count = 24;
    while (!of_group[count - 1]) /* GET is 0, and not the last of any */
        count--;
    return of_group[random_below(random, count)];
}

static struct history_step random_step(struct client *client, unsigned group, unsigned index)
{
    struct random *random = &client->random;
    struct history_step step = {.kind = random_kind(random, group),
                                .key = group * 2 + (unsigned)random_below(random, 2)};
    if (step.kind == HISTORY_SET || step.kind == HISTORY_SETNX || step.kind == HISTORY_GETSET ||
        step.kind == HISTORY_SETPX)
        step.argument = ++client->serial * CLIENTS + index; /* of no other */
    if (step.kind == HISTORY_APPEND)
        step.argument = 1 + (int64_t)random_below(random, 9);
    if (step.kind == HISTORY_SETPX || step.kind == HISTORY_EXPIRE)
        step.ttl = group == GROUP_PLAIN || group == GROUP_BOTH
                       ? FAR_MS
                       : 1 + (int64_t)random_below(random, TTL_MS);
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

/* The reply to a SELECT that was sent before a command; false if the connection is lost. */
static bool skip_select(struct worker *worker, struct raw *raw)
{
    struct reply *reply = raw_reply(raw);
    bool there = reply;
    if (there && reply->type != '+')
        worker_fail(worker, "SELECT: %s", reply_string(reply));
    reply_free(reply);
    return there;
}

/* One command, or several at once; those without an answer stay so. */
static void ask(struct worker *worker, unsigned count)
{
    struct client *client = &storm.clients[worker->index];
    struct bytes out = {0};
    bool selected[PIPELINE] = {false};
    size_t first = history_count(storm.history, worker->index);
    for (unsigned i = 0; i < count; i++) {
        struct history_op *op = invoke(worker);
        op->steps_count = 1;
        op->steps[0] =
            random_step(client, (unsigned)random_below(&client->random, GROUPS), worker->index);
        selected[i] = encode_select(client, &out, database_for(&op->steps[0]));
        encode(&out, &op->steps[0]);
    }
    bool lost = !raw_send(client->raw, out.data, out.size) && !raw_pending(client->raw);
    for (unsigned i = 0; i < count && !lost; i++) {
        struct history_op *op = history_op(storm.history, worker->index, first + i);
        lost = selected[i] && !skip_select(worker, client->raw);
        struct reply *reply = lost ? NULL : raw_reply(client->raw);
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

/* Sends MULTI, the operation's steps, EXEC: returns EXEC's reply; NULL if the connection is lost.
 * `selected` tells before which steps there is a SELECT. */
static struct reply *exec(struct client *client, const struct history_op *op, bool *selected)
{
    struct bytes out = {0};
    struct reply *reply = NULL;
    unsigned queued = op->steps_count;
    raw_encode_texts(&out, "MULTI", NULL);
    for (unsigned i = 0; i < op->steps_count; i++) {
        selected[i] = encode_select(client, &out, database_for(&op->steps[i]));
        queued += selected[i];
        encode(&out, &op->steps[i]);
    }
    raw_encode_texts(&out, "EXEC", NULL);
    if (raw_send(client->raw, out.data, out.size) || raw_pending(client->raw)) {
        reply = raw_reply(client->raw);
        for (unsigned i = 0; i < queued + 1 && reply; i++) {
            reply_free(reply);
            reply = raw_reply(client->raw);
        }
    }
    bytes_free(&out);
    if (!reply)
        disconnect(client);
    return reply;
}

/* A step of a transaction, which may write in one database only. */
static struct history_step step_in(struct worker *worker, unsigned group, unsigned database)
{
    struct history_step step = random_step(&storm.clients[worker->index], group, worker->index);
    if (group == GROUP_MOVED)
        step.key = group * 2 + database;
    if (step.kind == HISTORY_BRING || database_of(step.key) != database)
        step = (struct history_step){.kind = HISTORY_GET, .key = step.key};
    return step;
}

/* Several steps on a group's keys in MULTI. */
static void transact(struct worker *worker)
{
    struct client *client = &storm.clients[worker->index];
    unsigned group = (unsigned)random_below(&client->random, GROUPS);
    unsigned database = database_of(group * 2 + (unsigned)random_below(&client->random, 2));
    bool selected[HISTORY_STEPS] = {false};
    struct history_op *op = invoke(worker);
    op->steps_count = 2 + (unsigned)random_below(&client->random, HISTORY_STEPS - 1);
    for (unsigned i = 0; i < op->steps_count; i++)
        op->steps[i] = step_in(worker, group, database);
    struct reply *reply = exec(client, op, selected);
    if (!reply)
        return;
    answered(op);
    size_t next = 0;
    for (unsigned i = 0; i < op->steps_count && next < reply->count; i++) {
        next += selected[i];
        if (next < reply->count)
            take_answer(worker, &op->steps[i], &reply->items[next++]);
    }
    if (reply->type != '*' || next != reply->count || next < op->steps_count)
        worker_fail(worker, "EXEC: %s", reply_string(reply));
    reply_free(reply);
}

/* At once; false if the connection is lost. */
static bool select_database(struct worker *worker, unsigned database)
{
    struct client *client = &storm.clients[worker->index];
    struct bytes out = {0};
    bool ok = true;
    if (encode_select(client, &out, database))
        ok = raw_send(client->raw, out.data, out.size) && skip_select(worker, client->raw);
    bytes_free(&out);
    if (!ok)
        disconnect(client);
    return ok;
}

/* WATCH and GET, then SET in MULTI: a compare and swap. */
static void swap(struct worker *worker)
{
    struct client *client = &storm.clients[worker->index];
    unsigned group = (unsigned)random_below(&client->random, GROUP_MOVED); /* not of that */
    struct history_step step = random_step(client, group, worker->index);
    char key[16];
    bool selected[1];
    name_of(step.key, key, sizeof key);
    if (!select_database(worker, database_of(step.key)))
        return;
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
    reply = exec(client, op, selected);
    if (!reply)
        return;
    answered(op);
    if (reply->type == '_')
        op->steps_count = 0; /* another client came between: that says nothing */
    else if (reply->type != '*')
        worker_fail(worker, "EXEC: %s", reply_string(reply));
    reply_free(reply);
}

void storm_run_client(struct worker *worker)
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
