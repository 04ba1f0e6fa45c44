/* SPDX-License-Identifier: MIT */
/* SipHash-1-3, the keyed hash of the map's table: a client that does not know the key cannot choose
 * keys that collide.  It is a table hash, not a seal: xaes.h protects the data.  Source: Aumasson
 * and Bernstein, "SipHash: a fast short-input PRF", 2012. */
#ifndef STORE_MAP_SIPHASH_H
#define STORE_MAP_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
    uint64_t k0, k1;
};

uint64_t siphash_1_3(const struct siphash_key *key, const void *data, size_t size);

#endif
