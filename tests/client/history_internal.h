/* SPDX-License-Identifier: MIT */
/* What the files of the history's check share. */
#ifndef TEST_HISTORY_INTERNAL_H
#define TEST_HISTORY_INTERNAL_H

#include "history.h"

/* The values of a group's keys.  A key's place in it is told by `places`. */
struct history_state {
    int64_t values[HISTORY_GROUP];
};

/* The operations on one group of keys, by the time of their invocation. */
struct history_group {
    const struct history_op **ops;
    size_t count;
    unsigned keys;
    unsigned places[HISTORY_KEYS]; /* of the group's keys */
};

/* What the operation makes of the state; false if it was answered and the answers do not fit. */
bool history_apply(const struct history_group *group, const struct history_op *op,
                   struct history_state *state);

/* Whether it was answered, and so that it cannot have changed anything, whenever it was done. */
bool history_only_read(const struct history_op *op);

/* Whether one order explains all answers.  `*states` is what was looked at; `*stuck`, if there is
 * none, the operation that no order got beyond. */
enum history_verdict history_search(const struct history_group *group, uint64_t states_max,
                                    uint64_t *states, const struct history_op **stuck);

#endif
