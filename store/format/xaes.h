/* SPDX-License-Identifier: MIT */
/* XAES-256-GCM: AES-256-GCM with a 192-bit nonce.  A nonce of that size may be chosen at random for
 * each message, however many there are.  Source: C2SP, "XAES-256-GCM".  All primitives are
 * OpenSSL's.
 *
 * A struct xaes is used by one thread at a time. */
#ifndef STORE_FORMAT_XAES_H
#define STORE_FORMAT_XAES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XAES_KEY_BYTES   32
#define XAES_NONCE_BYTES 24
#define XAES_TAG_BYTES   16

struct xaes;

/* NULL if memory is short or OpenSSL lacks the algorithms.  xaes_free wipes the key. */
struct xaes *xaes_new(const uint8_t key[XAES_KEY_BYTES]);
void xaes_free(struct xaes *xaes); /* takes NULL */

/* Encrypts `size` bytes in place and writes the tag.  False only if OpenSSL fails. */
bool xaes_seal(struct xaes *xaes, const uint8_t nonce[XAES_NONCE_BYTES], const uint8_t *aad,
               size_t aad_size, uint8_t *data, size_t size, uint8_t tag[XAES_TAG_BYTES]);

/* Decrypts in place.  False if it does not authenticate; the data are wiped then. */
bool xaes_open(struct xaes *xaes, const uint8_t nonce[XAES_NONCE_BYTES], const uint8_t *aad,
               size_t aad_size, uint8_t *data, size_t size, const uint8_t tag[XAES_TAG_BYTES]);

/* The AES-256-GCM key that XAES derives for a nonce; for tests against the specification. */
bool xaes_derive(struct xaes *xaes, const uint8_t nonce[XAES_NONCE_BYTES],
                 uint8_t derived[XAES_KEY_BYTES]);

#endif
