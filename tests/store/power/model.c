/* SPDX-License-Identifier: MIT */
/* The states of the stores of the power tests. */
#include "tests/store/power/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 5

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return (hash ^ size) * UINT64_C(0x9fb21c651e98df25);
}

bool power_look(struct anystore_txn *txn, void *arg)
{
    struct power_state *state = arg;
    struct anystore_value value;
    char text[24] = "", key[] = "k0";
    uint64_t there = 0;
    *state = (struct power_state){0, 1};
    if (anystore_get(txn, "n", 1, &value)) {
        memcpy(text, value.data, value.size < sizeof text ? value.size : sizeof text - 1);
        state->n = strtol(text, NULL, 10);
        there++;
    }
    state->digest = mix(state->digest, text, strlen(text));
    for (int i = 0; i < KEYS; i++) {
        key[1] = (char)('0' + i);
        if (!anystore_get(txn, key, 2, &value))
            continue;
        state->digest = mix(mix(state->digest, key, 2), value.data, value.size);
        there++;
    }
    if (anystore_count(txn) != there)
        state->digest = 0; /* something that nobody wrote */
    return true;
}

static bool put(struct anystore_txn *txn, const char *key, const char *text, size_t size)
{
    static _Thread_local char data[16384];
    assert_true(size <= sizeof data);
    memset(data, 'v', size);
    memcpy(data, text, strlen(text));
    size = size < strlen(text) ? strlen(text) : size;
    struct anystore_value value = {.data = data, .size = size};
    return anystore_put(txn, key, strlen(key), &value) == ANYSTORE_OK;
}

bool power_raise(struct anystore_txn *txn, void *arg)
{
    struct power_update *update = arg;
    char text[32], key[] = "k0";
    power_look(txn, &update->state);
    long n = update->state.n + 1;
    sprintf(text, "%ld", n);
    if (!put(txn, "n", text, 0))
        return false;
    key[1] = (char)('0' + n % KEYS);
    sprintf(text, "%u.%u", update->process, update->operation);
    if (!put(txn, key, text, update->size))
        return false;
    key[1] = (char)('0' + (n + 2) % KEYS);
    if (n % 3 == 0 && anystore_delete(txn, key, 2, NULL) != ANYSTORE_OK)
        return false;
    power_look(txn, &update->state);
    if (update->on_tried)
        update->on_tried(&update->state, update->arg);
    return true;
}

void power_history_begin(struct power_history *history, const struct power_state *first)
{
    history->count = 0;
    power_history_add(history, first);
}

void power_history_add(struct power_history *history, const struct power_state *state)
{
    history->states = realloc(history->states, (history->count + 1) * sizeof *history->states);
    assert_non_null(history->states);
    history->states[history->count++] = *state;
}

bool power_history_has(const struct power_history *history, const struct power_state *state)
{
    for (size_t i = history->count; i > 0; i--)
        if (history->states[i - 1].n == state->n && history->states[i - 1].digest == state->digest)
            return true;
    return false;
}

void power_history_free(struct power_history *history)
{
    free(history->states);
    *history = (struct power_history){NULL, 0};
}
