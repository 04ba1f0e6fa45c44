/* SPDX-License-Identifier: MIT */
/* Protects the seal: it is XAES-256-GCM as C2SP specifies it, and nothing that was changed
 * opens. */
#include "store/format/xaes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "tests/store/support.h"

static const char nonce_text[] = "ABCDEFGHIJKLMNOPQRSTUVWX";

static const uint8_t *bytes(const char *text)
{
    return (const uint8_t *)text;
}

static void expect_hex(const uint8_t *data, size_t size, const char *hex)
{
    char text[200];
    assert_true(2 * size < sizeof text);
    for (size_t i = 0; i < size; i++)
        sprintf(text + 2 * i, "%02x", data[i]);
    assert_string_equal(text, hex);
}

static struct xaes *keyed(uint8_t byte)
{
    uint8_t key[XAES_KEY_BYTES];
    memset(key, byte, sizeof key);
    struct xaes *xaes = xaes_new(key);
    assert_non_null(xaes);
    return xaes;
}

static void expect_sealed(uint8_t key, const char *aad, const char *hex)
{
    struct xaes *xaes = keyed(key);
    uint8_t text[12 + XAES_TAG_BYTES] = "XAES-256-GCM";
    assert_true(xaes_seal(xaes, bytes(nonce_text), bytes(aad), strlen(aad), text, 12, text + 12));
    expect_hex(text, sizeof text, hex);
    assert_true(xaes_open(xaes, bytes(nonce_text), bytes(aad), strlen(aad), text, 12, text + 12));
    assert_memory_equal(text, "XAES-256-GCM", 12);
    xaes_free(xaes);
}

static void test_vectors(void **state)
{
    (void)state;
    expect_sealed(1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
    expect_sealed(3, "c2sp.org/XAES-256-GCM",
                  "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
}

static void test_derived_keys(void **state)
{
    uint8_t derived[XAES_KEY_BYTES];

    (void)state;
    struct xaes *xaes = keyed(1);
    assert_true(xaes_derive(xaes, bytes(nonce_text), derived));
    expect_hex(derived, sizeof derived,
               "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b");
    xaes_free(xaes);
    /* The most significant bit of AES(0) is set under this key: doubling has to reduce. */
    xaes = keyed(3);
    assert_true(xaes_derive(xaes, bytes(nonce_text), derived));
    expect_hex(derived, sizeof derived,
               "e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8");
    xaes_free(xaes);
}

/* C2SP's accumulated test: keys, nonces, texts and associated data come from SHAKE128 of an empty
 * input; the SHAKE128 of all ciphertexts is known. */
static void test_accumulated(void **state)
{
    enum { ROUNDS = 10000, MOST = ROUNDS * (32 + 24 + 1 + 255 + 1 + 255) };
    uint8_t *stream = malloc(MOST);
    uint8_t text[255 + XAES_TAG_BYTES], opened[255];
    uint8_t digest[32];

    (void)state;
    assert_non_null(stream);
    EVP_MD_CTX *source = EVP_MD_CTX_new();
    EVP_MD_CTX *sum = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestInit_ex(source, EVP_shake128(), NULL), 1);
    assert_int_equal(EVP_DigestFinalXOF(source, stream, MOST), 1);
    assert_int_equal(EVP_DigestInit_ex(sum, EVP_shake128(), NULL), 1);
    const uint8_t *p = stream;
    for (int i = 0; i < ROUNDS; i++) {
        const uint8_t *key = p, *nonce = p + 32;
        size_t size = p[56];
        const uint8_t *plain = p + 57;
        size_t aad_size = plain[size];
        const uint8_t *aad = plain + size + 1;
        p = aad + aad_size;
        struct xaes *xaes = xaes_new(key);
        assert_non_null(xaes);
        memcpy(text, plain, size);
        assert_true(xaes_seal(xaes, nonce, aad, aad_size, text, size, text + size));
        assert_int_equal(EVP_DigestUpdate(sum, text, size + XAES_TAG_BYTES), 1);
        memcpy(opened, text, size);
        assert_true(xaes_open(xaes, nonce, aad, aad_size, opened, size, text + size));
        assert_memory_equal(opened, plain, size);
        xaes_free(xaes);
    }
    assert_int_equal(EVP_DigestFinalXOF(sum, digest, sizeof digest), 1);
    expect_hex(digest, sizeof digest,
               "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
    EVP_MD_CTX_free(source);
    EVP_MD_CTX_free(sum);
    free(stream);
}

/* Each bit of nonce, associated data, ciphertext and tag, flipped alone. */
static void test_tampering(void **state)
{
    enum { SIZE = 40, AAD = 21, ALL = XAES_NONCE_BYTES + AAD + SIZE + XAES_TAG_BYTES };
    static const uint8_t zeros[SIZE];
    uint8_t sealed[ALL];
    uint8_t *aad = sealed + XAES_NONCE_BYTES, *text = aad + AAD, *tag = text + SIZE;

    (void)state;
    struct xaes *xaes = keyed(7);
    for (size_t i = 0; i < sizeof sealed; i++)
        sealed[i] = (uint8_t)(3 * i + 1);
    assert_true(xaes_seal(xaes, sealed, aad, AAD, text, SIZE, tag));
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        uint8_t copy[ALL];
        memcpy(copy, sealed, sizeof copy);
        copy[bit / 8] ^= (uint8_t)(1U << bit % 8);
        uint8_t *copied = copy + XAES_NONCE_BYTES;
        assert_false(xaes_open(xaes, copy, copied, AAD, copied + AAD, SIZE, copied + AAD + SIZE));
        assert_memory_equal(copied + AAD, zeros, SIZE); /* nothing of it is left to use */
    }
    assert_false(xaes_open(xaes, sealed, aad, AAD - 1, text, SIZE, tag));
    struct xaes *other = keyed(8);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (uint8_t)i;
    assert_true(xaes_seal(xaes, sealed, aad, AAD, text, SIZE, tag));
    assert_false(xaes_open(other, sealed, aad, AAD, text, SIZE, tag));
    xaes_free(other);
    xaes_free(xaes);
}

static void test_sizes(void **state)
{
    enum { MOST = 70 };
    uint8_t text[MOST], tag[XAES_TAG_BYTES];

    (void)state;
    struct xaes *xaes = keyed(9);
    for (size_t size = 0; size <= MOST; size++) {
        memset(text, 0x5a, sizeof text);
        assert_true(xaes_seal(xaes, bytes(nonce_text), NULL, 0, text, size, tag));
        for (size_t i = size; i < MOST; i++)
            assert_int_equal(text[i], 0x5a);
        assert_true(xaes_open(xaes, bytes(nonce_text), NULL, 0, text, size, tag));
        for (size_t i = 0; i < MOST; i++)
            assert_int_equal(text[i], 0x5a);
    }
    xaes_free(xaes);
    xaes_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),     cmocka_unit_test(test_derived_keys),
        cmocka_unit_test(test_accumulated), cmocka_unit_test(test_tampering),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests_name("store_xaes", tests, NULL, NULL);
}
