/* SPDX-License-Identifier: MIT */
/* Histories known to be right and known to be wrong, made by hand. */
#include "tests/client/history/examples.h"

#include <stdlib.h>
#include <string.h>

#include "tests/client/history/history.h"

#define NIL   HISTORY_NIL
#define NEVER HISTORY_NEVER
#define MS    1000000

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

/* Steps, each with its result; steps with B are on another key. */
#define GET(value)         .kind = HISTORY_GET, .result = (value)
#define GET_B(value)       .kind = HISTORY_GET, .key = 1, .result = (value)
#define SET(value)         .kind = HISTORY_SET, .argument = (value), .result = 1
#define SET_B(value)       .kind = HISTORY_SET, .key = 1, .argument = (value), .result = 1
#define SETNX(value, done) .kind = HISTORY_SETNX, .argument = (value), .result = (done)
#define GETSET(value, old) .kind = HISTORY_GETSET, .argument = (value), .result = (old)
#define GETDEL(old)        .kind = HISTORY_GETDEL, .result = (old)
#define DEL(done)          .kind = HISTORY_DEL, .result = (done)
#define INCR(value)        .kind = HISTORY_INCR, .result = (value)
#define APPEND(digit, len) .kind = HISTORY_APPEND, .argument = (digit), .result = (len)
#define SWAP(from, to)     .kind = HISTORY_SWAP, .argument = (to), .expected = (from), .result = 1
#define SETPX(value, ms)   .kind = HISTORY_SETPX, .argument = (value), .ttl = (ms), .result = 1
#define SETPX_B(value, ms)                                                                         \
    .kind = HISTORY_SETPX, .key = 1, .argument = (value), .ttl = (ms), .result = 1
#define EXPIRE(ms, done) .kind = HISTORY_EXPIRE, .ttl = (ms), .result = (done)
#define PERSIST(done)    .kind = HISTORY_PERSIST, .result = (done)
#define PTTL(ms)         .kind = HISTORY_PTTL, .result = (ms)
#define BRING(done)      .kind = HISTORY_BRING, .result = (done)

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
    {"EXPIRE of what is there",
     true,
     {OP(1, 2, EXPIRE(100000, 0)), OP(3, 4, SET(1)), OP(5, 6, EXPIRE(100000, 1))}},
    {"EXPIRE of what is gone",
     false,
     {OP(1, 2, SET(1)), OP(3, 4, DEL(1)), OP(5, 6, EXPIRE(100000, 1))}},
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

    /* Times to live.  Times are ms: one set from 1 to 2 for 10 ends at 11 or 12. */
    {"a value until its time ends",
     true,
     {OP(1, 2, SETPX(7, 10)), OP(11, 11, GET(7)), OP(12, 12, GET(NIL)), OP(50, 51, GET(NIL))}},
    {"a value after its time", false, {OP(1, 2, SETPX(7, 10)), OP(12, 13, GET(7))}},
    {"no value before its time ends", false, {OP(1, 2, SETPX(7, 10)), OP(5, 10, GET(NIL))}},
    {"there and gone, at moments that overlap",
     true,
     {OP(1, 5, SETPX(7, 10)), OP(12, 14, GET(NIL)), OP(12, 13, GET(7))}},
    {"seen long before its call returned, so that its time ends sooner",
     false,
     {OP(1, 20, SETPX(7, 10)), OP(2, 3, GET(7)), OP(14, 15, GET(7))}},
    {"an end that a slow call may have set",
     true,
     {OP(1, 20, SETPX(7, 10)), OP(2, 10, GET(7)), OP(14, 15, GET(7)), OP(16, 20, GET(NIL))}},
    {"gone and there again",
     false,
     {OP(1, 5, SETPX(7, 10)), OP(12, 12, GET(NIL)), OP(13, 14, GET(7))}},
    {"gone in the ms in which it is there for one who came later",
     false,
     {OP(1, 5, SETPX(7, 10)), OP(11, 13, GET(NIL)), OP(13, 14, GET(7))}},
    {"INCR keeps the time",
     true,
     {OP(1, 2, SETPX(7, 10)), OP(3, 4, INCR(8)), OP(11, 11, GET(8)), OP(12, 13, GET(NIL))}},
    {"INCR does not prolong it",
     false,
     {OP(1, 2, SETPX(7, 10)), OP(3, 4, INCR(8)), OP(12, 13, GET(8))}},
    {"INCR of what is over",
     true,
     {OP(1, 2, SETPX(7, 10)), OP(12, 13, INCR(1)), OP(50, 51, GET(1))}},
    {"APPEND goes on from what is over",
     false,
     {OP(1, 2, SETPX(7, 10)), OP(12, 13, APPEND(1, 2)), OP(50, 51, GET(71))}},
    {"SET takes the time away",
     true,
     {OP(1, 2, SETPX(7, 10)), OP(3, 4, SET(8)), OP(50, 51, GET(8))}},
    {"SET leaves the time",
     false,
     {OP(1, 2, SETPX(7, 10)), OP(3, 4, SET(8)), OP(50, 51, GET(NIL))}},
    {"SETNX of what is over",
     true,
     {OP(1, 2, SETPX(7, 10)), OP(11, 12, SETNX(8, 1)), OP(50, 51, GET(8))}},
    {"SETNX before it is over", false, {OP(1, 2, SETPX(7, 10)), OP(5, 10, SETNX(8, 1))}},
    {"a lock that is refused when its time is over",
     false,
     {OP(1, 2, SETPX(7, 10)), OP(12, 13, SETNX(8, 0))}},
    {"EXPIRE shortens",
     true,
     {OP(1, 2, SET(7)), OP(3, 4, EXPIRE(5, 1)), OP(8, 8, GET(7)), OP(9, 9, GET(NIL))}},
    {"EXPIRE that has no effect",
     false,
     {OP(1, 2, SET(7)), OP(3, 4, EXPIRE(5, 1)), OP(9, 9, GET(7))}},
    {"EXPIRE prolongs",
     true,
     {OP(1, 2, SETPX(7, 10)), OP(5, 6, EXPIRE(90, 1)), OP(50, 51, GET(7))}},
    {"EXPIRE of what is over", false, {OP(1, 2, SETPX(7, 10)), OP(12, 13, EXPIRE(90, 1))}},
    {"EXPIRE just before the end, so not later than that",
     false,
     {OP(1, 2, SETPX(7, 10)), OP(5, 40, EXPIRE(90, 1)), OP(101, 102, GET(7))}},
    {"PERSIST", true, {OP(1, 2, SETPX(7, 10)), OP(5, 6, PERSIST(1)), OP(50, 51, GET(7))}},
    {"PERSIST that has no effect",
     false,
     {OP(1, 2, SETPX(7, 10)), OP(5, 6, PERSIST(1)), OP(50, 51, GET(NIL))}},
    {"PERSIST of what is over",
     true,
     {OP(1, 2, SETPX(7, 10)), OP(12, 13, PERSIST(0)), OP(50, 51, GET(NIL))}},
    {"PERSIST finds no time to live", false, {OP(1, 2, SETPX(7, 10)), OP(5, 6, PERSIST(0))}},
    {"PTTL tells the end",
     true,
     {OP(1, 2, SETPX(7, 10)), OP(5, 5, PTTL(7)), OP(11, 11, GET(7)), OP(12, 13, PTTL(-2))}},
    {"PTTL tells another end",
     false,
     {OP(1, 2, SETPX(7, 10)), OP(5, 5, PTTL(6)), OP(11, 11, GET(7))}},
    {"PTTL tells too much", false, {OP(1, 2, SETPX(7, 10)), OP(5, 5, PTTL(8))}},
    {"PTTL finds no time to live", false, {OP(1, 2, SETPX(7, 10)), OP(5, 5, PTTL(-1))}},
    {"PTTL of a value for ever", true, {OP(1, 2, SET(7)), OP(5, 5, PTTL(-1))}},
    {"a write that found it in time and was done late",
     true,
     {OP(1, 1, SETPX(7, 10)), OP(10, 20, GETSET(8, 7)), OP(12, 13, GET(NIL)), OP(21, 22, GET(8))}},
    {"a write that found it late",
     false,
     {OP(1, 1, SETPX(7, 10)), OP(11, 20, GETSET(8, 7)), OP(21, 22, GET(8))}},
    {"an unanswered one with a time",
     true,
     {LOST(1, NEVER, SETPX(7, 10)), OP(2, 3, GET(7)), OP(50, 51, GET(NIL))}},
    {"one that is over too early",
     false,
     {LOST(1, NEVER, SETPX(7, 10)), OP(2, 3, GET(7)), OP(8, 10, GET(NIL))}},
    {"one that is there too long",
     false,
     {LOST(1, 5, SETPX(7, 10)), OP(6, 7, GET(7)), OP(15, 16, GET(7))}},
    {"an unanswered EXPIRE that was done",
     true,
     {OP(1, 2, SET(7)), LOST(3, 4, EXPIRE(5, 1)), OP(50, 51, GET(NIL))}},
    {"one that was not", true, {OP(1, 2, SET(7)), LOST(3, 4, EXPIRE(5, 1)), OP(50, 51, GET(7))}},
    {"one that acts at once",
     false,
     {OP(1, 2, SET(7)), LOST(3, 4, EXPIRE(5, 1)), OP(5, 7, GET(NIL))}},
    {"a transaction with a time",
     true,
     {OP2(1, 2, SETPX(7, 10), SET_B(8)), OP2(3, 4, GET(7), GET_B(8)),
      OP2(12, 13, GET(NIL), GET_B(8))}},
    {"the other key's time",
     false,
     {OP2(1, 2, SETPX(7, 10), SETPX_B(8, 20)), OP2(12, 13, GET(NIL), GET_B(NIL))}},

    /* A value that no reply has told. */
    {"it is what it was seen to be",
     true,
     {OP(1, 2, BRING(1)), OP(3, 4, GET(7)), OP(5, 6, GET(7)), OP(7, 8, GETDEL(7))}},
    {"it is one value", false, {OP(1, 2, BRING(1)), OP(3, 4, GET(7)), OP(5, 6, GET(8))}},
    {"it is there", false, {OP(1, 2, BRING(1)), OP(3, 4, GET(NIL))}},
    {"it replaces nothing", false, {OP(1, 2, SET(7)), OP(3, 4, BRING(1))}},
    {"it stays what it was", false, {OP(1, 2, SET(7)), OP(3, 4, BRING(0)), OP(5, 6, GET(8))}},
    {"it is taken by one", false, {OP(1, 2, BRING(1)), OP(3, 9, GETDEL(7)), OP(3, 9, GETDEL(7))}},
    {"another after it is gone",
     true,
     {OP(1, 2, BRING(1)), OP(3, 4, GETSET(9, 7)), OP(5, 6, DEL(1)), OP(7, 8, BRING(1)),
      OP(9, 10, GET(8))}},
    {"unanswered, and not there", true, {LOST(1, NEVER, BRING(1)), OP(3, 4, GET(NIL))}},
    {"unanswered, and there", true, {LOST(1, NEVER, BRING(1)), OP(3, 4, GET(7))}},
    {"unanswered, and two values",
     false,
     {LOST(1, NEVER, BRING(1)), OP(3, 4, GET(7)), OP(5, 6, GET(8))}},
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

void history_examples(struct harness *harness)
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
