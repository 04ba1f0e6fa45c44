/* SPDX-License-Identifier: MIT */
/* Keeps the kind and the end of a pause in one word. */
#include "server/client/pause.h"

#include <stdbool.h>
#include <stddef.h>

#include "server/observe/clock.h"

enum { KIND_BITS = 2 };

static enum pause_kind kind_of(uint64_t state)
{
    return (enum pause_kind)(state & ((1 << KIND_BITS) - 1));
}

static int64_t end_of(uint64_t state)
{
    return (int64_t)(state >> KIND_BITS);
}

bool pause_begin(struct pause *pause, enum pause_kind kind, int64_t ms)
{
    if (ms > PAUSE_MOST_MS)
        return false;
    int64_t now = steady_ms(), end_ms = now + ms;
    uint_fast64_t old = atomic_load(&pause->state), state;
    do {
        bool on = end_of(old) > now;
        enum pause_kind stronger = on && kind_of(old) > kind ? kind_of(old) : kind;
        int64_t later = on && end_of(old) > end_ms ? end_of(old) : end_ms;
        state = (uint64_t)later << KIND_BITS | (uint64_t)stronger;
    } while (!atomic_compare_exchange_weak(&pause->state, &old, state));
    return true;
}

void pause_end(struct pause *pause)
{
    atomic_store(&pause->state, 0);
}

enum pause_kind pause_now(struct pause *pause, int64_t *left_ms)
{
    uint64_t state = atomic_load_explicit(&pause->state, memory_order_relaxed);
    int64_t left = state == 0 ? 0 : end_of(state) - steady_ms();
    if (left_ms)
        *left_ms = left > 0 ? left : 0;
    return left > 0 ? kind_of(state) : PAUSE_NONE;
}
