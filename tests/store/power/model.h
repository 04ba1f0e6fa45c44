/* SPDX-License-Identifier: MIT */
/* The contents of the stores of the power tests, and what they may be after a crash.
 *
 * The number "n" counts the updates.  Each also changes one or two of five other keys, so that a
 * state shows which updates made it, and a partial one is none of those that were ever tried. */
#ifndef TESTS_STORE_POWER_MODEL_H
#define TESTS_STORE_POWER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anystore.h"

struct power_state {
    long n; /* -1: the store does not open */
    uint64_t digest;
};

/* For anystore_view: puts the state into the struct power_state `state`. */
bool power_look(struct anystore_txn *txn, void *state);

/* For anystore_update, with a struct power_update: the next state. */
struct power_update {
    unsigned process, operation; /* its owner: no two are the same */
    size_t size;                 /* of the value */
    void (*on_tried)(const struct power_state *state, void *arg); /* it may exist from now on */
    void *arg;
    struct power_state state;
};
bool power_raise(struct anystore_txn *txn, void *update);

/* The states that updates have tried to make. */
struct power_history {
    struct power_state *states;
    size_t count;
};

void power_history_begin(struct power_history *history, const struct power_state *first);
void power_history_add(struct power_history *history, const struct power_state *state);
bool power_history_has(const struct power_history *history, const struct power_state *state);
void power_history_free(struct power_history *history);

#endif
