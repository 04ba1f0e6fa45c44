/* SPDX-License-Identifier: MIT */
/* The checker of histories, on its own: histories that are known to be right and known to be wrong,
 * small random ones against a search that tries every order, large ones, whole and with one answer
 * changed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "history.h"
#include "random.h"

#define NIL     HISTORY_NIL
#define NEVER   HISTORY_NEVER
#define CLIENTS 8
#define MS      1000000

/* ---- By hand ------------------------------------------------------------------------------- */

#define ROWS_MAX 8

/* An operation of one or two steps. */
struct row {
    int64_t invoked, returned;
    struct history_step steps[2];
    bool unanswered;
};

struct example {
    const char *what;
    bool right;
    struct row rows[ROWS_MAX]; /* up to the first that takes no time */
};

/* Steps, each with its result; the ones with B are on another key. */
#define GET(value)         HISTORY_GET, 0, 0, 0, (value)
#define GET_B(value)       HISTORY_GET, 1, 0, 0, (value)
#define SET(value)         HISTORY_SET, 0, (value), 0, 1
#define SET_B(value)       HISTORY_SET, 1, (value), 0, 1
#define SETNX(value, done) HISTORY_SETNX, 0, (value), 0, (done)
#define GETSET(value, old) HISTORY_GETSET, 0, (value), 0, (old)
#define GETDEL(old)        HISTORY_GETDEL, 0, 0, 0, (old)
#define DEL(done)          HISTORY_DEL, 0, 0, 0, (done)
#define INCR(value)        HISTORY_INCR, 0, 0, 0, (value)
#define APPEND(digit, len) HISTORY_APPEND, 0, (digit), 0, (len)
#define EXPIRE(done)       HISTORY_EXPIRE, 0, 0, 0, (done)
#define SWAP(from, to)     HISTORY_SWAP, 0, (to), (from), 1

/* Operations: answered, of two steps, not answered. */
#define OP(from, to, step)                                                                         \
    {                                                                                              \
        .invoked = (from), .returned = (to), .steps = { {step} }                                   \
    }
#define OP2(from, to, step, other)                                                                 \
    {                                                                                              \
        .invoked = (from), .returned = (to), .steps = { {step}, {other} }                          \
    }
#define LOST(from, to, step)                                                                       \
    {                                                                                              \
        .invoked = (from), .returned = (to), .steps = {{step}}, .unanswered = true                 \
    }
#define LOST2(from, to, step, other)                                                               \
    {                                                                                              \
        .invoked = (from), .returned = (to), .steps = {{step}, {other}}, .unanswered = true        \
    }

static const struct example examples[] = {
    {"one after the other",
     true,
     {OP(1, 2, SET(1)), OP(3, 4, GET(1)), OP(5, 6, DEL(1)), OP(7, 8, GET(NIL))}},
    {"an old value after a newer one",
     false,
     {OP(1, 2, SET(1)), OP(3, 4, SET(2)), OP(5, 6, GET(1))}},
    {"a value that nobody wrote", false, {OP(1, 2, SET(1)), OP(3, 4, GET(2))}},
    {"no value after a write", false, {OP(1, 2, SET(1)), OP(3, 4, GET(NIL))}},
    {"old or new while it is written",
     true,
     {OP(1, 2, SET(1)), OP(3, 9, SET(2)), OP(4, 5, GET(1)), OP(6, 7, GET(2))}},
    {"new, then old while it is written",
     false,
     {OP(1, 2, SET(1)), OP(3, 9, SET(2)), OP(4, 5, GET(2)), OP(6, 7, GET(1))}},
    {"two that overlap, in either order",
     true,
     {OP(1, 5, SET(1)), OP(1, 5, SET(2)), OP(6, 7, GET(1))}},
    {"in both orders",
     false,
     {OP(1, 5, SET(1)), OP(1, 5, SET(2)), OP(6, 7, GET(1)), OP(8, 9, GET(2))}},
    {"times that touch overlap", true, {OP(1, 2, SET(1)), OP(2, 3, GET(NIL))}},
    {"two INCR", true, {OP(1, 5, INCR(2)), OP(1, 5, INCR(1)), OP(6, 7, GET(2))}},
    {"one number twice", false, {OP(1, 5, INCR(1)), OP(1, 5, INCR(1))}},
    {"a lost INCR", false, {OP(1, 2, INCR(1)), OP(3, 4, INCR(2)), OP(5, 6, GET(1))}},
    {"one of two SETNX", true, {OP(1, 5, SETNX(1, 0)), OP(1, 5, SETNX(2, 1)), OP(6, 7, GET(2))}},
    {"both of two SETNX", false, {OP(1, 5, SETNX(1, 1)), OP(1, 5, SETNX(2, 1))}},
    {"a lock that two hold",
     false,
     {OP(1, 2, SETNX(1, 1)), OP(3, 4, SETNX(2, 1)), OP(5, 6, DEL(1))}},
    {"a value that is written once more",
     true,
     {OP(1, 2, SET(2)), OP(3, 9, SET(2)), OP(3, 4, GETSET(1, 2)), OP(5, 6, GET(2))}},
    {"a queue of GETSET",
     true,
     {OP(1, 9, GETSET(1, NIL)), OP(1, 9, GETSET(2, 1)), OP(1, 9, GETSET(3, 2)),
      OP(10, 11, GET(3))}},
    {"two GETSET take the same",
     false,
     {OP(1, 2, SET(7)), OP(3, 9, GETSET(1, 7)), OP(3, 9, GETSET(2, 7))}},
    {"GETDEL by one", true, {OP(1, 2, SET(7)), OP(3, 9, GETDEL(7)), OP(3, 9, GETDEL(NIL))}},
    {"GETDEL by two", false, {OP(1, 2, SET(7)), OP(3, 9, GETDEL(7)), OP(3, 9, GETDEL(7))}},
    {"APPEND",
     true,
     {OP(1, 2, SET(7)), OP(3, 9, APPEND(1, 3)), OP(3, 9, APPEND(2, 2)), OP(10, 11, GET(721))}},
    {"APPEND at two places",
     false,
     {OP(1, 2, SET(7)), OP(3, 9, APPEND(1, 3)), OP(3, 9, APPEND(2, 2)), OP(10, 11, GET(712))}},
    {"a compare and swap",
     true,
     {OP(1, 2, SET(7)), OP(3, 9, SWAP(7, 8)), OP(3, 9, SWAP(8, 9)), OP(10, 11, GET(9))}},
    {"two from the same value",
     false,
     {OP(1, 2, SET(7)), OP(3, 9, SWAP(7, 8)), OP(3, 9, SWAP(7, 9))}},
    {"EXPIRE of what is there", true, {OP(1, 2, EXPIRE(0)), OP(3, 4, SET(1)), OP(5, 6, EXPIRE(1))}},
    {"EXPIRE of what is gone", false, {OP(1, 2, SET(1)), OP(3, 4, DEL(1)), OP(5, 6, EXPIRE(1))}},
    {"an unanswered write that was done",
     true,
     {LOST(1, NEVER, SET(1)), OP(2, 3, GET(NIL)), OP(4, 5, GET(1))}},
    {"one that was not", true, {LOST(1, NEVER, SET(1)), OP(2, 3, GET(NIL)), OP(4, 5, GET(NIL))}},
    {"one that was done and undone",
     false,
     {LOST(1, NEVER, SET(1)), OP(2, 3, GET(1)), OP(4, 5, GET(NIL))}},
    {"one that was done twice",
     false,
     {LOST(1, NEVER, INCR(0)), OP(2, 3, GET(1)), OP(4, 5, GET(2))}},
    {"one before it was sent", false, {LOST(5, NEVER, SET(1)), OP(2, 3, GET(1))}},
    {"one that shows late, in time",
     true,
     {LOST(1, 6, SET(1)), OP(2, 3, GET(NIL)), OP(5, 8, GET(1))}},
    {"one that shows when it was final",
     false,
     {LOST(1, 4, SET(1)), OP(5, 6, GET(NIL)), OP(7, 8, GET(1))}},
    {"the second of two unanswered ones",
     true,
     {LOST(1, NEVER, SET(1)), LOST(2, NEVER, SET(2)), OP(3, 4, GET(2)), OP(5, 6, GET(1))}},
    {"one that is needed between two",
     true,
     {LOST(1, NEVER, SET(1)), OP(2, 3, SET(2)), OP(4, 5, GET(1)), OP(6, 7, SET(3)),
      OP(8, 9, GET(3))}},
    {"a swap that was not possible",
     false,
     {OP(1, 2, SET(3)), LOST(1, NEVER, SWAP(1, 2)), OP(4, 5, GET(2))}},
    {"a transaction",
     true,
     {OP2(1, 2, SET(1), SET_B(2)), OP2(3, 9, SET(3), SET_B(4)), OP2(4, 5, GET(1), GET_B(2)),
      OP2(6, 7, GET(3), GET_B(4))}},
    {"half a transaction",
     false,
     {OP2(1, 2, SET(1), SET_B(2)), OP2(3, 9, SET(3), SET_B(4)), OP2(4, 5, GET(1), GET_B(4))}},
    {"half an unanswered transaction",
     false,
     {OP2(1, 2, SET(1), SET_B(2)), LOST2(3, NEVER, SET(3), SET_B(4)), OP2(4, 5, GET(3), GET_B(2))}},
    {"two in different orders on two keys",
     false,
     {OP2(1, 9, SET(1), SET_B(2)), OP2(1, 9, SET(3), SET_B(4)), OP2(10, 11, GET(1), GET_B(4))}},
};
static void add(struct history *history, const struct row *row)
{
    struct history_op *op = history_invoke(history, 0);
    op->invoked = row->invoked * MS;
    op->returned = row->returned == NEVER ? NEVER : row->returned * MS;
    op->answered = !row->unanswered;
    op->steps_count = row->steps[1].result ? 2 : 1;
    memcpy(op->steps, row->steps, sizeof row->steps);
}

static void known_histories(struct harness *harness)
{
    (void)harness;
    unsigned count = sizeof examples / sizeof *examples, right = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct example *example = &examples[i];
        struct history *history = history_new(1);
        for (unsigned j = 0; j < ROWS_MAX && example->rows[j].returned; j++)
            add(history, &example->rows[j]);
        struct history_report report = history_check(history, 0);
        check(report.verdict == (example->right ? HISTORY_RIGHT : HISTORY_WRONG), "%s: verdict %d",
              example->what, (int)report.verdict);
        check(!report.text == example->right, "%s: explained, or not", example->what);
        right += example->right;
        free(report.text);
        history_free(history);
    }
    print_message("%u histories that are right, %u that are wrong\n", right, count - right);
}

/* ---- Against all orders -------------------------------------------------------------------- */

#define SMALL 7

/* What a key was told to be, by the words of Redis's documentation rather than by history.c. */
static int64_t tell(const struct history_step *step, int64_t *value)
{
    int64_t old = *value;
    char text[48];
    switch (step->kind) {
    case HISTORY_SET:
    case HISTORY_GETSET:
        *value = step->argument;
        return step->kind == HISTORY_SET ? 1 : old;
    case HISTORY_SETNX:
        if (old != NIL)
            return 0;
        *value = step->argument;
        return 1;
    case HISTORY_DEL:
    case HISTORY_GETDEL:
        *value = NIL;
        return step->kind == HISTORY_DEL ? old != NIL : old;
    case HISTORY_INCR:
        return *value = (old == NIL ? 0 : old) + 1;
    case HISTORY_APPEND:
        snprintf(text, sizeof text, "%.0" PRId64 "%" PRId64, old == NIL ? 0 : old, step->argument);
        *value = strtoll(text, NULL, 10);
        return (int64_t)strlen(text);
    case HISTORY_SWAP:
        if (old != step->expected)
            return 0;
        *value = step->argument;
        return 1;
    case HISTORY_EXPIRE:
        return old != NIL;
    case HISTORY_GET:
        break;
    }
    return old;
}

/* Whether some order of those in `left` explains their answers, by trying all. */
static bool some_order(const struct history *history, unsigned left, const int64_t *values)
{
    if (!left)
        return true;
    for (unsigned i = 0; i < SMALL; i++) {
        const struct history_op *op = history_op((struct history *)(uintptr_t)history, 0, i);
        bool may_be_next = left >> i & 1;
        for (unsigned j = 0; j < SMALL && may_be_next; j++) {
            const struct history_op *other = history_op((struct history *)(uintptr_t)history, 0, j);
            may_be_next = !(left >> j & 1) || other->returned >= op->invoked;
        }
        int64_t next[2] = {values[0], values[1]};
        for (unsigned k = 0; k < op->steps_count && may_be_next; k++) {
            int64_t result = tell(&op->steps[k], &next[op->steps[k].key]);
            may_be_next = !op->answered || result == op->steps[k].result;
        }
        if (may_be_next && some_order(history, left & ~(1u << i), next))
            return true;
    }
    return false;
}

/* With each choice of those that were not answered. */
static bool is_right(const struct history *history)
{
    static const int64_t nothing[2] = {NIL, NIL};
    unsigned answered = 0;
    for (unsigned i = 0; i < SMALL; i++)
        answered |= (unsigned)history_op((struct history *)(uintptr_t)history, 0, i)->answered << i;
    for (unsigned chosen = 0; chosen < 1u << SMALL; chosen++) {
        if ((chosen & answered) == answered && some_order(history, chosen, nothing))
            return true;
    }
    return false;
}

static struct history_step random_step(struct random *random, unsigned keys, unsigned values)
{
    struct history_step step = {
        .kind = (enum history_kind)random_below(random, HISTORY_SWAP + 1),
        .key = (unsigned)random_below(random, keys),
    };
    bool reads = step.kind == HISTORY_GET || step.kind == HISTORY_DEL ||
                 step.kind == HISTORY_GETDEL || step.kind == HISTORY_INCR ||
                 step.kind == HISTORY_EXPIRE;
    if (!reads)
        step.argument = 1 + (int64_t)random_below(random, step.kind == HISTORY_APPEND ? 9 : values);
    if (step.kind == HISTORY_SWAP)
        step.expected = random_chance(random, 30) ? NIL : 1 + (int64_t)random_below(random, values);
    return step;
}

/* Of a server that answers right, at a moment within each operation's time. */
static struct history *simulate(struct random *random, size_t count, unsigned keys, unsigned values,
                                unsigned unanswered)
{
    struct history *history = history_new(1);
    int64_t *now = malloc(keys * sizeof *now);
    check(now, "out of memory");
    for (unsigned i = 0; i < keys; i++)
        now[i] = NIL;
    for (size_t i = 0; i < count; i++) {
        struct history_op *op = history_invoke(history, 0);
        int64_t moment = (int64_t)(i + 10) * 10;
        op->invoked = moment - (int64_t)random_below(random, CLIENTS * 10);
        op->returned = moment + (int64_t)random_below(random, CLIENTS * 10);
        op->answered = !random_chance(random, unanswered);
        bool done = op->answered || random_chance(random, 50);
        if (!op->answered)
            op->returned = random_chance(random, 50) ? NEVER : op->returned + 1000;
        op->steps_count = random_chance(random, 20) ? 2 : 1;
        for (unsigned k = 0; k < op->steps_count; k++) {
            op->steps[k] = random_step(random, keys, values);
            op->steps[k].key = k ? op->steps[0].key ^ 1 : op->steps[k].key;
            if (done)
                op->steps[k].result = tell(&op->steps[k], &now[op->steps[k].key]);
        }
    }
    free(now);
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
        struct history *history = simulate(&random, SMALL, 2, 3, 30);
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
    struct history *history = simulate(&random, count, 8, 1000000, 0);
    int64_t start = clock_ms();
    struct history_report report = history_check(history, 0);
    print_message("%zu operations, %u groups of keys, %" PRIu64 " states, %" PRId64 " ms\n",
                  report.operations, report.groups, report.states, clock_ms() - start);
    check(report.verdict == HISTORY_RIGHT, "%s", report.text ? report.text : "undecided");
    check(report.operations == count && report.groups == 4, "not all was looked at");

    /* An answer of long ago, wherever it is. */
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

/* A bound on the states ends a search that takes too long, and says so. */
static void bound_is_kept(struct harness *harness)
{
    (void)harness;
    struct history *history = history_new(1);
    for (unsigned i = 0; i < 40; i++)
        add(history, &(struct row)OP(1, 9, SETNX(i + 1, 0)));
    for (unsigned i = 0; i < 40; i++)
        add(history, &(struct row)OP(1, 9, SET(i + 1)));
    add(history, &(struct row)OP(10, 11, GET(99)));
    struct history_report report = history_check(history, 1000);
    check(report.verdict == HISTORY_UNDECIDED, "verdict %d", (int)report.verdict);
    check(report.states < 1100, "%" PRIu64 " states", report.states);
    history_free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(known_histories),
        HARNESS_TEST(small_against_all_orders),
        HARNESS_TEST(large_histories),
        HARNESS_TEST(bound_is_kept),
    };
    return harness_main("test_history", tests, sizeof tests / sizeof *tests);
}
