/* SPDX-License-Identifier: MIT */
/* The number that processes share: its place is in the lock file (lockfile.h). */
#include <stdatomic.h>

#include "anystore.h"

/* The public type has no members, so that the header needs no atomic types.  It stands for this
 * one. */
static _Atomic uint64_t *number_of(const struct anystore_shared *number)
{
    return (_Atomic uint64_t *)(uintptr_t)(const void *)number;
}

uint64_t anystore_shared_load(const struct anystore_shared *number)
{
    return atomic_load(number_of(number));
}

void anystore_shared_store(struct anystore_shared *number, uint64_t value)
{
    atomic_store(number_of(number), value);
}

bool anystore_shared_replace(struct anystore_shared *number, uint64_t *seen, uint64_t value)
{
    return atomic_compare_exchange_strong(number_of(number), seen, value);
}
