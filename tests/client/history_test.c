/* SPDX-License-Identifier: MIT */
/* The checker of histories itself: histories known to be right or wrong (history/examples.c), small
 * random ones against a search that tries every order, and large ones, once as they are and once
 * with one answer changed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/harness.h"
#include "tests/client/harness/random.h"
#include "tests/client/history/examples.h"
#include "tests/client/history/history.h"

#define NIL     HISTORY_NIL
#define NEVER   HISTORY_NEVER
#define CLIENTS 8
#define MS      1000000
#define TICK    (MS / 50)

/* ---- Against all orders -------------------------------------------------------------------- */

#define SMALL     7
#define LAST_MS   8 /* of a small history; what may have been done later was done then */
#define SMALL_TTL 3

/* A key as a server has it. */
struct told {
    int64_t value, end; /* ms; 0: no time to live */
};

/* Sets the value and removes the time to live. */
static int64_t write_value(struct told *key, int64_t value, int64_t result)
{
    *key = (struct told){.value = value};
    return result;
}

/* What there is at this time of the clock. */
static int64_t value_at(const struct told *key, int64_t now)
{
    return key->end && key->end <= now ? NIL : key->value;
}

static int64_t tell_append(struct told *key, int64_t old, int64_t digit)
{
    char text[48];
    snprintf(text, sizeof text, "%.0" PRId64 "%" PRId64, old == NIL ? 0 : old, digit);
    if (old == NIL)
        key->end = 0;
    key->value = strtoll(text, NULL, 10);
    return (int64_t)strlen(text);
}

/* The effect and the answer of a step, by the words of Redis's documentation and not by
 * history/model.c.  The clock may show another time for each key. */
static int64_t tell(const struct history_step *step, struct told *keys, const int64_t *clock)
{
    struct told *key = &keys[step->key];
    int64_t now = clock[step->key], old = value_at(key, now);
    switch (step->kind) {
    case HISTORY_SET:
        return write_value(key, step->argument, 1);
    case HISTORY_SETPX:
        *key = (struct told){.value = step->argument, .end = now + step->ttl};
        return 1;
    case HISTORY_GETSET:
        return write_value(key, step->argument, old);
    case HISTORY_SETNX:
        return old == NIL ? write_value(key, step->argument, 1) : 0;
    case HISTORY_DEL:
        return old == NIL ? 0 : write_value(key, NIL, 1);
    case HISTORY_GETDEL:
        return old == NIL ? NIL : write_value(key, NIL, old);
    case HISTORY_INCR:
        if (old == NIL)
            return write_value(key, 1, 1);
        return key->value = old + 1;
    case HISTORY_APPEND:
        return tell_append(key, old, step->argument);
    case HISTORY_SWAP:
        return old == step->expected ? write_value(key, step->argument, 1) : 0;
    case HISTORY_EXPIRE:
        key->end = old == NIL ? key->end : now + step->ttl;
        return old != NIL;
    case HISTORY_PERSIST:
        return old != NIL && key->end ? write_value(key, old, 1) : 0;
    case HISTORY_PTTL:
        return old == NIL ? -2 : key->end ? key->end - now : -1;
    case HISTORY_BRING: /* not in these histories */
    case HISTORY_GET:
        break;
    }
    return old;
}

static const struct history_op *small_op(const struct history *history, unsigned index)
{
    return history_op((struct history *)(uintptr_t)history, 0, index);
}

static bool some_order(const struct history *history, unsigned left, const struct told *keys);

/* The effect of an operation on the keys at this time of the clock; false if its answers do not
 * fit. */
static bool tell_all(const struct history_op *op, const int64_t *clock, struct told *keys)
{
    for (unsigned k = 0; k < op->steps_count; k++) {
        int64_t result = tell(&op->steps[k], keys, clock);
        if (op->answered && result != op->steps[k].result)
            return false;
    }
    return true;
}

static bool clock_matters(const struct history_op *op, unsigned key, const struct told *keys)
{
    for (unsigned k = 0; k < op->steps_count; k++) {
        const struct history_step *step = &op->steps[k];
        if (step->key == key && (keys[key].end || step->ttl))
            return true;
    }
    return false;
}

/* Whether the rest has an order if this one comes next, at some time between call and return. */
static bool goes_on(const struct history *history, unsigned left, unsigned next,
                    const struct told *keys)
{
    const struct history_op *op = small_op(history, next);
    int64_t from = op->invoked / MS, until = op->returned / MS;
    until = until > LAST_MS ? LAST_MS : until;
    for (unsigned j = 0; j < SMALL; j++) { /* operations that see its effect saw it later */
        const struct history_op *other = small_op(history, j);
        if (left >> j & 1 && other->answered && other->returned / MS < until)
            until = other->returned / MS;
    }
    int64_t ends[2] = {clock_matters(op, 0, keys) ? until : from,
                       clock_matters(op, 1, keys) ? until : from};
    int64_t clock[2];
    struct told tried[2] = {{.end = -1}, {.end = -1}}; /* most times have the same effect */
    for (clock[0] = from; clock[0] <= ends[0]; clock[0]++) {
        for (clock[1] = from; clock[1] <= ends[1]; clock[1]++) {
            struct told after[2] = {keys[0], keys[1]};
            if (!tell_all(op, clock, after) || !memcmp(after, tried, sizeof after))
                continue;
            memcpy(tried, after, sizeof after);
            if (some_order(history, left & ~(1u << next), after))
                return true;
        }
    }
    return false;
}

/* Whether some order of the operations in `left` explains their answers; tries all. */
static bool some_order(const struct history *history, unsigned left, const struct told *keys)
{
    if (!left)
        return true;
    for (unsigned i = 0; i < SMALL; i++) {
        const struct history_op *op = small_op(history, i);
        bool may_be_next = left >> i & 1;
        for (unsigned j = 0; j < SMALL && may_be_next; j++)
            may_be_next = !(left >> j & 1) || small_op(history, j)->returned >= op->invoked;
        if (may_be_next && goes_on(history, left, i, keys))
            return true;
    }
    return false;
}

/* With each choice of the operations that were not answered. */
static bool is_right(const struct history *history)
{
    static const struct told nothing[2] = {{.value = NIL}, {.value = NIL}};
    unsigned answered = 0;
    for (unsigned i = 0; i < SMALL; i++)
        answered |= (unsigned)small_op(history, i)->answered << i;
    for (unsigned chosen = 0; chosen < 1u << SMALL; chosen++) {
        if ((chosen & answered) == answered && some_order(history, chosen, nothing))
            return true;
    }
    return false;
}

/* The measures of a simulated history. */
struct sort {
    size_t count;
    unsigned keys;
    uint64_t values;
    unsigned unanswered; /* percent */
    unsigned ending;     /* percent of the steps that use times to live */
    uint64_t ttl;        /* ms, at most */
};

static struct history_step random_step(struct random *random, const struct sort *sort)
{
    static const enum history_kind ending[] = {HISTORY_SETPX, HISTORY_SETPX, HISTORY_EXPIRE,
                                               HISTORY_PERSIST, HISTORY_PTTL};
    struct history_step step = {
        .kind = (enum history_kind)random_below(random, HISTORY_SWAP + 1),
        .key = (unsigned)random_below(random, sort->keys),
    };
    if (random_chance(random, sort->ending))
        step.kind = ending[random_below(random, sizeof ending / sizeof *ending)];
    if (step.kind == HISTORY_SETPX || step.kind == HISTORY_EXPIRE)
        step.ttl = 1 + (int64_t)random_below(random, sort->ttl);
    if (step.kind == HISTORY_APPEND)
        step.argument = 1 + (int64_t)random_below(random, 9);
    if (step.kind == HISTORY_SET || step.kind == HISTORY_SETNX || step.kind == HISTORY_GETSET ||
        step.kind == HISTORY_SWAP || step.kind == HISTORY_SETPX)
        step.argument = 1 + (int64_t)random_below(random, sort->values);
    if (step.kind == HISTORY_SWAP)
        step.expected =
            random_chance(random, 30) ? NIL : 1 + (int64_t)random_below(random, sort->values);
    return step;
}

/* One or two steps, on different keys. */
static void random_steps(struct random *random, const struct sort *sort, struct history_op *op)
{
    op->steps_count = random_chance(random, 20) ? 2 : 1;
    op->steps[0] = random_step(random, sort);
    op->steps[1] = random_step(random, sort);
    op->steps[1].key = op->steps[0].key ^ 1;
}

/* Of a server that answers correctly, at a moment within each operation's time. */
static struct history *simulate(struct random *random, const struct sort *sort)
{
    struct history *history = history_new(1);
    struct told *keys = malloc(sort->keys * sizeof *keys);
    int64_t *clock = malloc(sort->keys * sizeof *clock);
    check(keys && clock, "out of memory");
    for (unsigned i = 0; i < sort->keys; i++)
        keys[i] = (struct told){.value = NIL};
    for (size_t i = 0; i < sort->count; i++) {
        struct history_op *op = history_invoke(history, 0);
        int64_t moment = (int64_t)(i + 10) * 10 * TICK;
        op->invoked = moment - (int64_t)random_below(random, CLIENTS * 10) * TICK;
        op->returned = moment + (int64_t)random_below(random, CLIENTS * 10) * TICK;
        op->answered = !random_chance(random, sort->unanswered);
        bool done = op->answered || random_chance(random, 50);
        if (!op->answered)
            op->returned = random_chance(random, 50) ? NEVER : op->returned + 200 * TICK;
        random_steps(random, sort, op);
        for (unsigned k = 0; k < sort->keys; k++)
            clock[k] = moment / MS;
        for (unsigned k = 0; k < op->steps_count && done; k++)
            op->steps[k].result = tell(&op->steps[k], keys, clock);
    }
    free(keys);
    free(clock);
    return history;
}

/* Changes one answer to what it might have been at another time. */
static void spoil(struct random *random, struct history *history)
{
    size_t count = history_count(history, 0);
    struct history_op *op = history_op(history, 0, random_below(random, count));
    struct history_step *step = &op->steps[random_below(random, op->steps_count)];
    struct history_op *other = history_op(history, 0, random_below(random, count));
    step->result = random_chance(random, 30) ? NIL : other->steps[0].result;
}

static void small_against_all_orders(struct harness *harness)
{
    (void)harness;
    struct random random;
    random_start(&random, random_run_seed("small histories"), 0);
    unsigned rounds = harness_scaled(20000), right = 0;
    for (unsigned i = 0; i < rounds; i++) {
        const struct sort sort = {.count = SMALL,
                                  .keys = 2,
                                  .values = 3,
                                  .unanswered = 20,
                                  .ending = random_chance(&random, 50) ? 0 : 50,
                                  .ttl = SMALL_TTL};
        struct history *history = simulate(&random, &sort);
        bool spoilt = random_chance(&random, 70);
        if (spoilt)
            spoil(&random, history);
        bool expected = is_right(history);
        check(expected || spoilt, "round %u: the simulation is wrong", i);
        struct history_report report = history_check(history, 0);
        check(report.verdict == (expected ? HISTORY_RIGHT : HISTORY_WRONG),
              "round %u: verdict %d, expected %s:\n%s", i, (int)report.verdict,
              expected ? "right" : "wrong", report.text ? report.text : "");
        right += expected;
        free(report.text);
        history_free(history);
    }
    print_message("%u of %u histories are right\n", right, rounds);
    check(right > rounds / 10 && right < rounds - rounds / 10, "too few of one kind");
}

/* ---- Large --------------------------------------------------------------------------------- */

static void large_histories(struct harness *harness)
{
    (void)harness;
    struct random random;
    random_start(&random, random_run_seed("large histories"), 1);
    size_t count = harness_scaled(100000);
    const struct sort sort = {
        .count = count, .keys = 8, .values = 1000000, .ending = 20, .ttl = 20};
    struct history *history = simulate(&random, &sort);
    int64_t start = clock_ms();
    struct history_report report = history_check(history, 0);
    print_message("%zu operations, %u groups of keys, %" PRIu64 " states, %" PRId64 " ms\n",
                  report.operations, report.groups, report.states, clock_ms() - start);
    check(report.verdict == HISTORY_RIGHT, "%s", report.text ? report.text : "undecided");
    check(report.operations == count && report.groups == 4, "not all was looked at");

    /* An outdated answer, wherever it is. */
    unsigned rounds = harness_scaled(10);
    for (unsigned i = 0; i < rounds; i++) {
        struct history_op *op, *old;
        do {
            op = history_op(history, 0, count / 2 + random_below(&random, count / 2));
            old = history_op(history, 0, random_below(&random, count / 4));
        } while (op->steps[0].kind != HISTORY_GET || old->steps[0].kind != HISTORY_SET);
        int64_t result = op->steps[0].result;
        op->steps[0].result = old->steps[0].argument;
        report = history_check(history, 0);
        check(report.verdict == HISTORY_WRONG, "an old answer is not noticed");
        check(strstr(report.text, "no order"), "not explained: %s", report.text);
        free(report.text);
        op->steps[0].result = result;
    }
    history_free(history);
}

static void add(struct history *history, int64_t from, int64_t to, struct history_step step)
{
    struct history_op *op = history_invoke(history, 0);
    history_return(op);
    op->invoked = from * MS;
    op->returned = to * MS;
    op->steps_count = 1;
    op->steps[0] = step;
}

/* A bound on the states ends a search that takes too long, and says so. */
static void bound_is_kept(struct harness *harness)
{
    (void)harness;
    struct history *history = history_new(1);
    for (unsigned i = 0; i < 40; i++)
        add(history, 1, 9, (struct history_step){.kind = HISTORY_SETNX, .argument = i + 1});
    for (unsigned i = 0; i < 40; i++)
        add(history, 1, 9,
            (struct history_step){.kind = HISTORY_SET, .argument = i + 1, .result = 1});
    add(history, 10, 11, (struct history_step){.kind = HISTORY_GET, .result = 99});
    struct history_report report = history_check(history, 1000);
    check(report.verdict == HISTORY_UNDECIDED, "verdict %d", (int)report.verdict);
    check(report.states < 1100, "%" PRIu64 " states", report.states);
    history_free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(history_examples),
        HARNESS_TEST(small_against_all_orders),
        HARNESS_TEST(large_histories),
        HARNESS_TEST(bound_is_kept),
    };
    return harness_main("client_history_test", tests, sizeof tests / sizeof *tests);
}
