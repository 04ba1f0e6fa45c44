/* SPDX-License-Identifier: MIT */
/* A history: the commands and replies of several clients, with times; and a check whether it is
 * linearizable: whether a single copy of the data, which does one thing at a time, could have given
 * the same replies.
 *
 * Each client records its operations in the order in which it starts them, on its own thread;
 * several may be under way at once (a pipeline).  An operation is one step on a key, or several
 * that happen at once (MULTI/EXEC).  Values are positive numbers, in Redis written as decimals.
 * Keys of different databases are keys with different numbers here.
 *
 * A key's time to live ends at one moment, which nobody has recorded: a server computes it from its
 * clock at some moment between call and return.  So the checker keeps bounds of it, and each answer
 * that depends on it narrows them: a value that is there after an operation was called ends later;
 * one that is gone before it has returned ended earlier; a write whose effect was seen had computed
 * its moment before.  If no moment is left between the bounds, the history is wrong.  The checker
 * accepts a write that finds a key just before its end, and reads that find it gone while that
 * write is on its way to the disk (see docs/reliability.md).  An operation of several steps may
 * look at each key at another moment.
 *
 * The check is the search of Wing and Gong (1993) with the memory of Lowe (2017), separately for
 * each group of keys that operations tie together: a history is linearizable exactly if each of
 * these is (Herlihy and Wing 1990). */
#ifndef TESTS_CLIENT_HISTORY_HISTORY_H
#define TESTS_CLIENT_HISTORY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_STEPS 4  /* of an operation, at most */
#define HISTORY_KEYS  64 /* numbers of keys are below this */
#define HISTORY_GROUP 8  /* keys tied together, at most */

#define HISTORY_NIL   INT64_MIN /* no value: the state of a key, or a result */
#define HISTORY_ANY   (INT64_MIN + 1)
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
    HISTORY_SWAP,   /* if the value is `expected` it becomes the argument; result: 1 done, 0 not */
    /* SET, GETSET, SETNX and SWAP leave no time to live; INCR and APPEND keep it. */
    HISTORY_SETPX,   /* SET with `ttl` */
    HISTORY_EXPIRE,  /* `ttl` from now; result as of DEL */
    HISTORY_PERSIST, /* no time to live; result: 1 there was one, 0 not */
    HISTORY_PTTL,    /* result: ms left; -1 no time to live, -2 no value */
    /* SETNX of a value that nobody knows, HISTORY_ANY, until somebody reads it: this is how a MOVE
     * arrives.  A key with this one has no INCR, APPEND, SWAP. */
    HISTORY_BRING,
};

struct history_step {
    enum history_kind kind;
    unsigned key;
    int64_t argument;
    int64_t expected;
    int64_t result; /* of an operation that was answered */
    int64_t ttl;    /* ms, above 0 */
};

struct history_op {
    unsigned client;
    unsigned steps_count;
    struct history_step steps[HISTORY_STEPS];
    int64_t invoked;  /* ns, monotonic; before the first byte was sent */
    int64_t returned; /* after the reply; without an answer: the latest time at which it is final */
    bool answered;    /* false: it happened between these two times or never; no results */
    unsigned server;  /* for those who record; the check ignores it */
};

struct history;

struct history *history_new(unsigned clients);
void history_free(struct history *history); /* takes NULL */

/* A new operation of that client: invoked now, not answered, never final.  The pointer is valid
 * until the client's next operation. */
struct history_op *history_invoke(struct history *history, unsigned client);
/* The operation was answered now; the caller sets its results. */
void history_return(struct history_op *op);

/* The operations of a client so far; they may be changed before the check. */
size_t history_count(const struct history *history, unsigned client);
struct history_op *history_op(struct history *history, unsigned client, size_t index);

int64_t history_now(void);

/* Notes how much the clock of the servers differs from history_now(); for histories with times to
 * live before the first operation, after the last one, and now and then between.  The checker takes
 * the bounds of all notes; without any, the clocks are the same.  On one thread at a time. */
void history_note_clock(struct history *history);

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
    uint64_t states; /* distinct states that the search has seen */
    char *text;      /* the reason if it is wrong; the caller frees; else NULL */
};

/* Checks a history that nobody records in any more. `states_max` bounds the search in each group,
 * 0: 20 million. */
struct history_report history_check(const struct history *history, uint64_t states_max);

#endif
