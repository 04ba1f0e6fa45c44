/* SPDX-License-Identifier: MIT */
/* What clients asked and were told, and when; and whether one copy of the data, which does one
 * thing at a time, could have told them the same: whether the history is linearizable.
 *
 * Each client records its operations in the order in which it starts them, on its own thread;
 * several may be under way at once (a pipeline).  An operation is one step on a key, or several
 * that happen at once (MULTI/EXEC).  Values are positive numbers, in Redis written as decimals.
 *
 * The check is the search of Wing and Gong (1993) with the memory of Lowe (2017), for each group of
 * keys that operations tie together on its own: a history is linearizable exactly if it is so for
 * each of them (Herlihy and Wing 1990). */
#ifndef TEST_HISTORY_H
#define TEST_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_STEPS 4  /* of an operation, at most */
#define HISTORY_KEYS  64 /* numbers of keys are below this */
#define HISTORY_GROUP 8  /* keys tied together, at most */

#define HISTORY_NIL   INT64_MIN /* no value: the state of a key, or a result */
#define HISTORY_NEVER INT64_MAX /* a time */

enum history_kind {
    HISTORY_GET,    /* result: the value */
    HISTORY_SET,    /* argument: the value; result: 1 */
    HISTORY_SETNX,  /* the same, only if there is none; result: 1 done, 0 not */
    HISTORY_GETSET, /* result: the value before */
    HISTORY_GETDEL, /* result: the value before */
    HISTORY_DEL,    /* result: 1 there was one, 0 not */
    HISTORY_INCR,   /* no value counts as 0; result: the value after */
    HISTORY_APPEND, /* argument: a digit, 1 to 9; result: the number of digits after */
    HISTORY_EXPIRE, /* far away: changes nothing that is seen; result as of DEL */
    HISTORY_SWAP,   /* if the value is `expected` it becomes the argument; result: 1 done, 0 not */
};

struct history_step {
    enum history_kind kind;
    unsigned key;
    int64_t argument;
    int64_t expected;
    int64_t result; /* of an operation that was answered */
};

struct history_op {
    unsigned client;
    unsigned steps_count;
    struct history_step steps[HISTORY_STEPS];
    int64_t invoked;  /* ns, monotonic; before the first byte was sent */
    int64_t returned; /* after the reply; without an answer: when it is final at the latest */
    bool answered;    /* false: it happened between these two times or never; no results */
    unsigned server;  /* for those who record; the check does not look at it */
};

struct history;

struct history *history_new(unsigned clients);
void history_free(struct history *history); /* takes NULL */

/* A new operation of that client, invoked now, not answered, final never.  The pointer is valid
 * until the client's next one. */
struct history_op *history_invoke(struct history *history, unsigned client);
/* It has been answered, now; its results are set by the caller. */
void history_return(struct history_op *op);

/* The operations of a client so far; they may be changed before the check. */
size_t history_count(const struct history *history, unsigned client);
struct history_op *history_op(struct history *history, unsigned client, size_t index);

int64_t history_now(void);

enum history_verdict {
    HISTORY_RIGHT,
    HISTORY_WRONG,
    HISTORY_UNDECIDED, /* more states than allowed */
};

struct history_report {
    enum history_verdict verdict;
    size_t operations;
    size_t unanswered;
    unsigned groups; /* of keys */
    uint64_t states; /* distinct ones that were looked at */
    char *text;      /* if it is wrong, why; the caller frees; NULL otherwise */
};

/* Checks a history that nobody records in any more.  `states_max` bounds the search in each group,
 * 0: 20 million. */
struct history_report history_check(const struct history *history, uint64_t states_max);

#endif
