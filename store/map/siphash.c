/* SPDX-License-Identifier: MIT */
/* SipHash-1-3. */
#include "store/map/siphash.h"

#include "store/map/siphash_rounds.h"

uint64_t siphash_1_3(const struct siphash_key *key, const void *data, size_t size)
{
    return siphash_rounds(key, data, size, 1, 3);
}
