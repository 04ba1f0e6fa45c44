/* SPDX-License-Identifier: MIT */
/* Records histories, knows the effect of each command, and splits a history by keys for the
 * search. */
#include "tests/client/history/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/history/internal.h"

#define STATES_MAX  20000000
#define CLOCK_TRIES 10
#define AROUND      12 /* operations printed beside one that does not fit */

struct log {
    struct history_op *ops;
    size_t count, capacity;
};

struct history {
    unsigned clients;
    bool clock_known;
    int64_t clock_low, clock_high; /* how far the servers' clock is ahead of ours, in ns */
    struct log logs[];
};

static void *take(void *memory)
{
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t history_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* The servers' clock is read between two readings of ours. */
void history_note_clock(struct history *history)
{
    int64_t before, wall, after, best = INT64_MAX, low = 0, high = 0;
    for (int i = 0; i < CLOCK_TRIES; i++) {
        before = history_now();
        wall = read_clock(CLOCK_REALTIME);
        after = history_now();
        if (after - before < best) {
            best = after - before;
            low = wall - after;
            high = wall - before;
        }
    }
    history->clock_low =
        history->clock_known && history->clock_low < low ? history->clock_low : low;
    history->clock_high =
        history->clock_known && history->clock_high > high ? history->clock_high : high;
    history->clock_known = true;
}

struct history *history_new(unsigned clients)
{
    struct history *history = take(calloc(1, sizeof *history + clients * sizeof *history->logs));
    history->clients = clients;
    return history;
}

void history_free(struct history *history)
{
    for (unsigned i = 0; history && i < history->clients; i++)
        free(history->logs[i].ops);
    free(history);
}

struct history_op *history_invoke(struct history *history, unsigned client)
{
    struct log *log = &history->logs[client];
    if (log->count == log->capacity) {
        log->capacity = log->capacity ? log->capacity * 2 : 1024;
        log->ops = take(realloc(log->ops, log->capacity * sizeof *log->ops));
    }
    struct history_op *op = &log->ops[log->count++];
    *op =
        (struct history_op){.client = client, .invoked = history_now(), .returned = HISTORY_NEVER};
    return op;
}

void history_return(struct history_op *op)
{
    op->returned = history_now();
    op->answered = true;
}

size_t history_count(const struct history *history, unsigned client)
{
    return history->logs[client].count;
}

struct history_op *history_op(struct history *history, unsigned client, size_t index)
{
    return &history->logs[client].ops[index];
}

/* ---- As text ------------------------------------------------------------------------------- */

static void print_value(struct bytes *text, int64_t value)
{
    if (value == HISTORY_NIL)
        bytes_append_text(text, "nil");
    else if (value == HISTORY_ANY)
        bytes_append_text(text, "any");
    else
        bytes_appendf(text, "%" PRId64, value);
}

static void print_op(struct bytes *text, const struct history_op *op, int64_t zero)
{
    static const char *const names[] = {"GET",     "SET",     "SETNX",  "GETSET", "GETDEL",
                                        "DEL",     "INCR",    "APPEND", "SWAP",   "SETPX",
                                        "PEXPIRE", "PERSIST", "PTTL",   "BRING"};
    bytes_appendf(text, "  %12.6f ms to ", (double)(op->invoked - zero) / 1e6);
    if (op->returned == HISTORY_NEVER)
        bytes_appendf(text, "%15s", "the end");
    else
        bytes_appendf(text, "%12.6f ms", (double)(op->returned - zero) / 1e6);
    bytes_appendf(text, "  client %-2u server %u ", op->client, op->server);
    for (unsigned i = 0; i < op->steps_count; i++) {
        const struct history_step *step = &op->steps[i];
        bytes_appendf(text, " %s %u", names[step->kind], step->key);
        if (step->kind == HISTORY_SWAP) {
            bytes_append_text(text, " ");
            print_value(text, step->expected);
        }
        if (step->argument)
            bytes_appendf(text, " %" PRId64, step->argument);
        if (step->ttl)
            bytes_appendf(text, " for %" PRId64 " ms", step->ttl);
        bytes_append_text(text, " -> ");
        if (op->answered)
            print_value(text, step->result);
        else
            bytes_append_text(text, "?");
    }
    bytes_append_text(text, "\n");
}

static char *explain(const struct history_group *group, const struct history_op *stuck)
{
    struct bytes text = {0};
    int64_t zero = group->ops[0]->invoked;
    size_t place = 0;
    while (group->ops[place] != stuck)
        place++;
    bytes_append_text(&text, "no order of the operations explains this answer:\n");
    print_op(&text, stuck, zero);
    bytes_append_text(&text, "those around it on the same keys, by the time they were sent:\n");
    size_t from = place > AROUND ? place - AROUND : 0;
    for (size_t i = from; i < group->count && i < place + AROUND; i++)
        print_op(&text, group->ops[i], zero);
    return (char *)text.data;
}

/* ---- Groups of keys ------------------------------------------------------------------------ */

struct ties {
    unsigned parents[HISTORY_KEYS];
};

static unsigned find_root(const struct ties *ties, unsigned key)
{
    while (ties->parents[key] != key)
        key = ties->parents[key];
    return key;
}

static void tie(struct ties *ties, unsigned one, unsigned other)
{
    ties->parents[find_root(ties, other)] = find_root(ties, one);
}

static struct ties tie_keys(const struct history *history)
{
    struct ties ties;
    for (unsigned i = 0; i < HISTORY_KEYS; i++)
        ties.parents[i] = i;
    for (unsigned i = 0; i < history->clients; i++) {
        for (size_t j = 0; j < history->logs[i].count; j++) {
            const struct history_op *op = &history->logs[i].ops[j];
            for (unsigned k = 1; k < op->steps_count; k++)
                tie(&ties, op->steps[0].key, op->steps[k].key);
        }
    }
    return ties;
}

static int by_invocation(const void *one, const void *other)
{
    const struct history_op *const *a = one, *const *b = other;
    return ((*a)->invoked > (*b)->invoked) - ((*a)->invoked < (*b)->invoked);
}

/* False if no operation uses these keys. */
static bool collect(const struct history *history, const struct ties *ties, unsigned root,
                    struct history_group *group)
{
    size_t capacity = 0;
    *group =
        (struct history_group){.clock_low = history->clock_low, .clock_high = history->clock_high};
    for (unsigned key = 0; key < HISTORY_KEYS; key++) {
        if (find_root(ties, key) == root)
            group->places[key] = group->keys++;
    }
    if (group->keys > HISTORY_GROUP) {
        fprintf(stderr, "more than %d keys are tied together\n", HISTORY_GROUP);
        abort();
    }
    for (unsigned i = 0; i < history->clients; i++)
        capacity += history->logs[i].count;
    group->ops = take(malloc((capacity + 1) * sizeof *group->ops));
    for (unsigned i = 0; i < history->clients; i++) {
        for (size_t j = 0; j < history->logs[i].count; j++) {
            const struct history_op *op = &history->logs[i].ops[j];
            if (op->steps_count && find_root(ties, op->steps[0].key) == root)
                group->ops[group->count++] = op;
        }
    }
    if (group->count)
        qsort(group->ops, group->count, sizeof *group->ops, by_invocation);
    return group->count > 0;
}

struct history_report history_check(const struct history *history, uint64_t states_max)
{
    struct history_report report = {.verdict = HISTORY_RIGHT};
    struct ties ties = tie_keys(history);
    for (unsigned key = 0; key < HISTORY_KEYS && report.verdict != HISTORY_WRONG; key++) {
        struct history_group group;
        if (find_root(&ties, key) != key)
            continue;
        if (collect(history, &ties, key, &group)) {
            const struct history_op *stuck = NULL;
            uint64_t states = 0;
            enum history_verdict verdict =
                history_search(&group, states_max ? states_max : STATES_MAX, &states, &stuck);
            report.groups++;
            report.states += states;
            if (verdict != HISTORY_RIGHT)
                report.verdict = verdict;
            if (verdict == HISTORY_WRONG)
                report.text = explain(&group, stuck);
        }
        free(group.ops);
    }
    for (unsigned i = 0; i < history->clients; i++) {
        report.operations += history->logs[i].count;
        for (size_t j = 0; j < history->logs[i].count; j++)
            report.unanswered += !history->logs[i].ops[j].answered;
    }
    return report;
}
