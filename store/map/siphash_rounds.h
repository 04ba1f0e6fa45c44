/* SPDX-License-Identifier: MIT */
/* SipHash with any numbers of rounds: the function that siphash.c makes SipHash-1-3 of, and the
 * tests SipHash-2-4, which has published test vectors. */
#ifndef STORE_MAP_SIPHASH_ROUNDS_H
#define STORE_MAP_SIPHASH_ROUNDS_H

#include "store/format/bytes.h"
#include "store/map/siphash.h"

struct sip_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(struct sip_state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate_left(s->v1, 13) ^ s->v0;
    s->v0 = rotate_left(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate_left(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate_left(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate_left(s->v1, 17) ^ s->v2;
    s->v2 = rotate_left(s->v2, 32);
}

/* c_rounds for each word, d_rounds at the end: constants, so that the compiler unrolls the
 * loops. */
static inline __attribute__((always_inline)) uint64_t siphash_rounds(const struct siphash_key *key,
                                                                     const uint8_t *data,
                                                                     size_t size, int c_rounds,
                                                                     int d_rounds)
{
    struct sip_state s = {
        .v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->k1 ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *tail = data + (size & ~(size_t)7);
    for (const uint8_t *p = data; p != tail; p += 8) {
        uint64_t m = load_le64(p);
        s.v3 ^= m;
        for (int i = 0; i < c_rounds; i++)
            sip_round(&s);
        s.v0 ^= m;
    }
    uint64_t last = (uint64_t)size << 56;
    for (size_t i = 0; i < (size & 7); i++)
        last |= (uint64_t)tail[i] << (8 * i);
    s.v3 ^= last;
    for (int i = 0; i < c_rounds; i++)
        sip_round(&s);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    for (int i = 0; i < d_rounds; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif
