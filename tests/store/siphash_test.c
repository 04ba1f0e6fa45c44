/* SPDX-License-Identifier: MIT */
/* Protects the hash of the map: it is SipHash, in the strength of the paper and in ours. */
#include "store/map/siphash_rounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "store/format/bytes.h"
#include "tests/store/support.h"

/* Key 00 01 .. 0f. */
static const struct siphash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

/* The strength that the paper recommends; the map uses less. */
static uint64_t siphash_2_4(const struct siphash_key *secret, const void *data, size_t size)
{
    return siphash_rounds(secret, data, size, 2, 4);
}

struct vector {
    size_t size; /* of the message 00 01 02 .. */
    uint64_t hash;
};

static void test_vectors_2_4(void **state)
{
    /* From the paper (appendix A: size 15) and its reference implementation. */
    static const struct vector vectors[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {15, UINT64_C(0xa129ca6149be45e5)}, {16, UINT64_C(0x3f2acc7f57c29bdb)},
        {62, UINT64_C(0xe51b38608ef25f57)}, {63, UINT64_C(0x958a324ceb064572)},
    };
    uint8_t message[64];

    (void)state;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        assert_int_equal(siphash_2_4(&key, message, vectors[i].size), vectors[i].hash);
}

static void test_vectors_1_3(void **state)
{
    /* From the reference implementation with cROUNDS=1, dROUNDS=3. */
    static const struct vector vectors[] = {
        {0, UINT64_C(0xabac0158050fc4dc)},  {1, UINT64_C(0xc9f49bf37d57ca93)},
        {7, UINT64_C(0xd3927d989bb11140)},  {8, UINT64_C(0x369095118d299a8e)},
        {15, UINT64_C(0xd320d86d2a519956)}, {60, UINT64_C(0xf6f4e6bcf7a644ee)},
        {62, UINT64_C(0xc3b2f6154b6694e0)}, {63, UINT64_C(0x9d199062b7bbb3a8)},
    };
    uint8_t message[64];

    (void)state;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        assert_int_equal(siphash_1_3(&key, message, vectors[i].size), vectors[i].hash);
}

/* OpenSSL's result. */
static uint64_t oracle(const struct siphash_key *secret, const uint8_t *data, size_t size,
                       unsigned c_rounds, unsigned d_rounds)
{
    uint8_t bytes[16];
    store_le64(bytes, secret->k0);
    store_le64(bytes + 8, secret->k1);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    assert_non_null(mac);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    size_t out_size = 8;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &out_size),
        OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &c_rounds),
        OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &d_rounds),
        OSSL_PARAM_construct_end(),
    };
    uint8_t out[8];
    size_t written = 0;
    assert_int_equal(EVP_MAC_init(ctx, bytes, sizeof bytes, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, data, size), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &written, sizeof out), 1);
    assert_int_equal(written, 8);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return load_le64(out);
}

static void test_random_messages(void **state)
{
    struct support_random random = support_random_new(1);
    uint8_t message[300];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct siphash_key secret = {support_random_next(&random), support_random_next(&random)};
        size_t size = support_random_below(&random, sizeof message - 8);
        size_t start = support_random_below(&random, 8); /* any alignment */
        for (size_t j = 0; j < size; j++)
            message[start + j] = (uint8_t)support_random_next(&random);
        const uint8_t *data = message + start;
        assert_int_equal(siphash_1_3(&secret, data, size), oracle(&secret, data, size, 1, 3));
        assert_int_equal(siphash_2_4(&secret, data, size), oracle(&secret, data, size, 2, 4));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_2_4),
        cmocka_unit_test(test_vectors_1_3),
        cmocka_unit_test(test_random_messages),
    };
    support_seed();
    return cmocka_run_group_tests_name("store_siphash", tests, NULL, NULL);
}
