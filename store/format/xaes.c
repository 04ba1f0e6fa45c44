/* SPDX-License-Identifier: MIT */
/* XAES-256-GCM out of OpenSSL's AES-256-ECB (two blocks derive the message's key, as CMAC would)
 * and AES-256-GCM. */
#include "store/format/xaes.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define BLOCK 16

struct xaes {
    EVP_CIPHER *gcm;
    EVP_CIPHER_CTX *block;   /* AES-256-ECB under the long-lived key */
    EVP_CIPHER_CTX *message; /* AES-256-GCM, keyed anew for each message */
    uint8_t k1[BLOCK];       /* CMAC's first subkey (NIST SP 800-38B, 6.1) */
};

static bool encrypt_blocks(struct xaes *xaes, uint8_t *out, const uint8_t *in, int size)
{
    int done = 0;
    return EVP_EncryptUpdate(xaes->block, out, &done, in, size) == 1 && done == size;
}

struct xaes *xaes_new(const uint8_t key[XAES_KEY_BYTES])
{
    struct xaes *xaes = calloc(1, sizeof *xaes);
    if (!xaes)
        return NULL;
    EVP_CIPHER *ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
    xaes->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    xaes->block = EVP_CIPHER_CTX_new();
    xaes->message = EVP_CIPHER_CTX_new();
    bool ok = ecb && xaes->gcm && xaes->block && xaes->message &&
              EVP_EncryptInit_ex2(xaes->block, ecb, key, NULL, NULL) == 1 &&
              EVP_CIPHER_CTX_set_padding(xaes->block, 0) == 1;
    EVP_CIPHER_free(ecb);
    uint8_t l[BLOCK] = {0};
    if (!ok || !encrypt_blocks(xaes, l, l, BLOCK)) {
        xaes_free(xaes);
        return NULL;
    }
    /* K1 = L doubled in GF(2^128). */
    uint8_t carry = (uint8_t)(l[0] >> 7);
    for (int i = 0; i < BLOCK; i++)
        xaes->k1[i] = (uint8_t)((l[i] << 1) | (i + 1 < BLOCK ? l[i + 1] >> 7 : 0));
    xaes->k1[BLOCK - 1] ^= (uint8_t)(carry * 0x87);
    OPENSSL_cleanse(l, sizeof l);
    return xaes;
}

void xaes_free(struct xaes *xaes)
{
    if (!xaes)
        return;
    EVP_CIPHER_CTX_free(xaes->block); /* wipes its key schedule */
    EVP_CIPHER_CTX_free(xaes->message);
    EVP_CIPHER_free(xaes->gcm);
    OPENSSL_cleanse(xaes, sizeof *xaes);
    free(xaes);
}

bool xaes_derive(struct xaes *xaes, const uint8_t nonce[XAES_NONCE_BYTES],
                 uint8_t derived[XAES_KEY_BYTES])
{
    /* M1 and M2: counter, label, nonce's first half (C2SP XAES-256-GCM). */
    uint8_t in[2 * BLOCK] = {0x00, 0x01, 'X', 0x00};
    memcpy(in + 4, nonce, 12);
    in[BLOCK + 1] = 0x02;
    in[BLOCK + 2] = 'X';
    memcpy(in + BLOCK + 4, nonce, 12);
    for (int i = 0; i < 2 * BLOCK; i++)
        in[i] ^= xaes->k1[i % BLOCK];
    return encrypt_blocks(xaes, derived, in, sizeof in);
}

/* How much of a long message one call of OpenSSL takes, which counts in int. */
static int piece(size_t left)
{
    const size_t most = (size_t)1 << 30;
    return (int)(left < most ? left : most);
}

bool xaes_seal(struct xaes *xaes, const uint8_t nonce[XAES_NONCE_BYTES], const uint8_t *aad,
               size_t aad_size, uint8_t *data, size_t size, uint8_t tag[XAES_TAG_BYTES])
{
    uint8_t key[XAES_KEY_BYTES];
    int n = 0;
    bool ok = aad_size <= INT_MAX && xaes_derive(xaes, nonce, key) &&
              EVP_EncryptInit_ex2(xaes->message, xaes->gcm, key, nonce + 12, NULL) == 1 &&
              EVP_EncryptUpdate(xaes->message, NULL, &n, aad, (int)aad_size) == 1;
    for (size_t done = 0; ok && done < size; done += (size_t)n)
        ok =
            EVP_EncryptUpdate(xaes->message, data + done, &n, data + done, piece(size - done)) == 1;
    uint8_t none[BLOCK];
    ok = ok && EVP_EncryptFinal_ex(xaes->message, none, &n) == 1 &&
         EVP_CIPHER_CTX_ctrl(xaes->message, EVP_CTRL_AEAD_GET_TAG, XAES_TAG_BYTES, tag) == 1;
    OPENSSL_cleanse(key, sizeof key);
    return ok;
}

bool xaes_open(struct xaes *xaes, const uint8_t nonce[XAES_NONCE_BYTES], const uint8_t *aad,
               size_t aad_size, uint8_t *data, size_t size, const uint8_t tag[XAES_TAG_BYTES])
{
    uint8_t key[XAES_KEY_BYTES];
    uint8_t expected[XAES_TAG_BYTES];
    memcpy(expected, tag, sizeof expected);
    int n = 0;
    bool ok = aad_size <= INT_MAX && xaes_derive(xaes, nonce, key) &&
              EVP_DecryptInit_ex2(xaes->message, xaes->gcm, key, nonce + 12, NULL) == 1 &&
              EVP_DecryptUpdate(xaes->message, NULL, &n, aad, (int)aad_size) == 1;
    for (size_t done = 0; ok && done < size; done += (size_t)n)
        ok =
            EVP_DecryptUpdate(xaes->message, data + done, &n, data + done, piece(size - done)) == 1;
    uint8_t none[BLOCK];
    ok = ok &&
         EVP_CIPHER_CTX_ctrl(xaes->message, EVP_CTRL_AEAD_SET_TAG, XAES_TAG_BYTES, expected) == 1 &&
         EVP_DecryptFinal_ex(xaes->message, none, &n) == 1; /* compares in constant time */
    OPENSSL_cleanse(key, sizeof key);
    if (!ok)
        OPENSSL_cleanse(data, size);
    return ok;
}
