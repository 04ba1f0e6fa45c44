/* SPDX-License-Identifier: MIT */
/* A sequence lock over the output limits.
 *
 * The numbers are written with release and read with acquire, which orders them against the
 * version: a reader that sees a new number also sees the odd version that was stored before it. */
#include "server/config/output_limits.h"

#include <assert.h>
#include <sched.h>

static struct config_output_limit read_cell(const struct output_limit_cell *cell)
{
    return (struct config_output_limit){
        .hard_bytes = atomic_load_explicit(&cell->hard_bytes, memory_order_acquire),
        .soft_bytes = atomic_load_explicit(&cell->soft_bytes, memory_order_acquire),
        .soft_seconds = atomic_load_explicit(&cell->soft_seconds, memory_order_acquire),
    };
}

struct config_output_limit output_limits_get(const struct output_limits *limits,
                                             enum config_client_class class)
{
    assert(class < CONFIG_CLASS_COUNT);
    for (;;) {
        unsigned before = atomic_load_explicit(&limits->version, memory_order_acquire);
        struct config_output_limit limit = read_cell(&limits->cells[class]);
        unsigned after = atomic_load_explicit(&limits->version, memory_order_relaxed);
        if (before == after && before % 2 == 0)
            return limit;
        sched_yield();
    }
}

void output_limits_set(struct output_limits *limits,
                       const struct config_output_limit values[CONFIG_CLASS_COUNT])
{
    unsigned version = atomic_load_explicit(&limits->version, memory_order_relaxed);
    atomic_store_explicit(&limits->version, version + 1, memory_order_relaxed);
    for (size_t i = 0; i < CONFIG_CLASS_COUNT; i++) {
        struct output_limit_cell *cell = &limits->cells[i];
        atomic_store_explicit(&cell->hard_bytes, values[i].hard_bytes, memory_order_release);
        atomic_store_explicit(&cell->soft_bytes, values[i].soft_bytes, memory_order_release);
        atomic_store_explicit(&cell->soft_seconds, values[i].soft_seconds, memory_order_release);
    }
    atomic_store_explicit(&limits->version, version + 2, memory_order_release);
}
