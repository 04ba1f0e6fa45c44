/* SPDX-License-Identifier: MIT */
/* What the files of the history's check share. */
#ifndef TESTS_CLIENT_HISTORY_INTERNAL_H
#define TESTS_CLIENT_HISTORY_INTERNAL_H

#include "tests/client/history/history.h"

/* A key: its value, and bounds of the moment (ms of the servers' clock) at which it ends.  Both are
 * HISTORY_NEVER if it has no time to live, 0 if there is no value. */
struct history_value {
    int64_t value, low, high;
};

/* The values of a group's keys. `places` tells a key's place among them. */
struct history_state {
    struct history_value values[HISTORY_GROUP];
};

/* The operations on one group of keys, by the time of their invocation. */
struct history_group {
    const struct history_op **ops;
    size_t count;
    unsigned keys;
    unsigned places[HISTORY_KEYS]; /* of the group's keys */
    int64_t clock_low, clock_high; /* how far the servers' clock is ahead of history_now(), in ns */
};

/* What an operation found, where the state alone does not tell. */
struct history_case {
    unsigned over;   /* one bit for each key whose time was over, by place */
    int64_t done_by; /* the first return of the operations that come after it in the order */
};

/* The bits that are open for an operation in this state; the search tries each subset. */
unsigned history_open(const struct history_group *group, const struct history_op *op,
                      const struct history_state *state);

/* The operation's effect on the state in that case; false if the case is impossible, or if the
 * operation was answered and the answers do not fit. */
bool history_apply(const struct history_group *group, const struct history_op *op,
                   const struct history_case *this_case, struct history_state *state);

/* Whether it was answered in such a way that it cannot have changed anything, whenever it was
 * done. */
bool history_only_read(const struct history_op *op);

/* Forgets what makes no difference to this operation and those invoked later. */
void history_forget(const struct history_group *group, const struct history_op *op,
                    struct history_state *state);

/* Whether one order explains all answers. `*states` is the number of states seen; `*stuck`, if
 * there is no such order, the operation that none got beyond. */
enum history_verdict history_search(const struct history_group *group, uint64_t states_max,
                                    uint64_t *states, const struct history_op **stuck);

#endif
