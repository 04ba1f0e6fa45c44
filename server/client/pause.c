/* SPDX-License-Identifier: MIT */
/* Keeps the kind and the end of a pause in one word. */
#include "server/client/pause.h"

#include <stdbool.h>
#include <stddef.h>

#include "server/observe/clock.h"

enum { KIND_BITS = 2 };

/* Farther ahead than any end that matters, and with room for the kind. */
#define LATEST_MS (INT64_C(1) << 60)

static enum pause_kind kind_of(uint64_t state)
{
    return (enum pause_kind)(state & ((1 << KIND_BITS) - 1));
}

static int64_t end_of(uint64_t state)
{
    return (int64_t)(state >> KIND_BITS);
}

void pause_begin(struct pause *pause, enum pause_kind kind, int64_t end_ms)
{
    int64_t now = wall_ms();
    if (end_ms > LATEST_MS)
        end_ms = LATEST_MS;
    uint_fast64_t old = atomic_load(&pause->state), state;
    do {
        bool on = end_of(old) > now;
        enum pause_kind stronger = on && kind_of(old) > kind ? kind_of(old) : kind;
        int64_t later = on && end_of(old) > end_ms ? end_of(old) : end_ms;
        state = (uint64_t)later << KIND_BITS | (uint64_t)stronger;
    } while (!atomic_compare_exchange_weak(&pause->state, &old, state));
}

void pause_end(struct pause *pause)
{
    atomic_store(&pause->state, 0);
}

enum pause_kind pause_now(struct pause *pause, int64_t *end_ms)
{
    uint64_t state = atomic_load_explicit(&pause->state, memory_order_relaxed);
    if (state == 0 || end_of(state) <= wall_ms())
        return PAUSE_NONE;
    if (end_ms)
        *end_ms = end_of(state);
    return kind_of(state);
}
