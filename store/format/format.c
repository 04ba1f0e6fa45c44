/* SPDX-License-Identifier: MIT */
/* Encoding of the file header and of the associated data, and the keys derived from the header. */
#include "store/format/format.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "store/format/bytes.h"

static const uint8_t magic[8] = {'A', 'n', 'y', 'S', 't', 'o', 'r', 'e'};

void format_header_encode(uint8_t out[FORMAT_HEADER_BYTES], const struct format_header *header)
{
    memset(out, 0, FORMAT_HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    store_le32(out + 8, header->version);
    memcpy(out + 16, header->store_id, FORMAT_ID_BYTES);
    memcpy(out + 32, header->file_id, FORMAT_ID_BYTES);
    memcpy(out + 48, header->salt, FORMAT_SALT_BYTES);
    memcpy(out + 80, header->check, FORMAT_CHECK_BYTES);
}

enum anystore_status format_header_decode(const uint8_t in[FORMAT_HEADER_BYTES],
                                          struct format_header *header)
{
    if (memcmp(in, magic, sizeof magic) != 0)
        return ANYSTORE_FOREIGN;
    header->version = load_le32(in + 8);
    if (header->version > FORMAT_VERSION)
        return ANYSTORE_VERSION;
    if (header->version < FORMAT_OLDEST)
        return ANYSTORE_FOREIGN;
    if (load_le32(in + 12) != 0)
        return ANYSTORE_FOREIGN;
    memcpy(header->store_id, in + 16, FORMAT_ID_BYTES);
    memcpy(header->file_id, in + 32, FORMAT_ID_BYTES);
    memcpy(header->salt, in + 48, FORMAT_SALT_BYTES);
    memcpy(header->check, in + 80, FORMAT_CHECK_BYTES);
    return ANYSTORE_OK;
}

/* HKDF-SHA256, extract and expand (RFC 5869). */
static bool hkdf(const uint8_t *key, size_t key_size, const uint8_t *salt, size_t salt_size,
                 const uint8_t *info, size_t info_size, uint8_t *out, size_t out_size)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    EVP_KDF_free(kdf);
    if (!ctx)
        return false;
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, key_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, salt_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, info_size),
        OSSL_PARAM_construct_end(),
    };
    bool ok = EVP_KDF_derive(ctx, out, out_size, params) == 1;
    EVP_KDF_CTX_free(ctx);
    return ok;
}

static bool derive(const struct format_header *header, const uint8_t master[ANYSTORE_KEY_BYTES],
                   uint8_t file_key[XAES_KEY_BYTES], uint8_t check[FORMAT_CHECK_BYTES])
{
    static const char label[] = "AnyStore file";
    uint8_t info[sizeof label - 1 + 4 + FORMAT_ID_BYTES + FORMAT_ID_BYTES];
    uint8_t *p = info;
    memcpy(p, label, sizeof label - 1);
    p += sizeof label - 1;
    store_le32(p, header->version);
    p += 4;
    memcpy(p, header->store_id, FORMAT_ID_BYTES);
    memcpy(p + FORMAT_ID_BYTES, header->file_id, FORMAT_ID_BYTES);
    uint8_t out[XAES_KEY_BYTES + FORMAT_CHECK_BYTES];
    bool ok = hkdf(master, ANYSTORE_KEY_BYTES, header->salt, FORMAT_SALT_BYTES, info, sizeof info,
                   out, sizeof out);
    if (ok) {
        memcpy(file_key, out, XAES_KEY_BYTES);
        memcpy(check, out + XAES_KEY_BYTES, FORMAT_CHECK_BYTES);
    }
    OPENSSL_cleanse(out, sizeof out);
    return ok;
}

bool format_header_new(struct format_header *header, const uint8_t master[ANYSTORE_KEY_BYTES],
                       const uint8_t *store_id, uint8_t file_key[XAES_KEY_BYTES])
{
    if (store_id)
        memcpy(header->store_id, store_id, FORMAT_ID_BYTES);
    else if (RAND_bytes(header->store_id, FORMAT_ID_BYTES) != 1)
        return false;
    return RAND_bytes(header->file_id, FORMAT_ID_BYTES) == 1 &&
           RAND_bytes(header->salt, FORMAT_SALT_BYTES) == 1 &&
           derive(header, master, file_key, header->check);
}

bool format_file_key(const struct format_header *header, const uint8_t master[ANYSTORE_KEY_BYTES],
                     uint8_t file_key[XAES_KEY_BYTES], bool *fits)
{
    uint8_t check[FORMAT_CHECK_BYTES];
    if (!derive(header, master, file_key, check))
        return false;
    *fits = CRYPTO_memcmp(check, header->check, sizeof check) == 0;
    return true;
}

bool format_secrets(const struct format_header *header, const uint8_t master[ANYSTORE_KEY_BYTES],
                    struct format_secrets *secrets)
{
    static const uint8_t label[] = {'A', 'n', 'y', 'S', 't', 'o', 'r', 'e',
                                    ' ', 's', 'e', 'c', 'r', 'e', 't', 's'};
    uint8_t out[24];
    if (!hkdf(master, ANYSTORE_KEY_BYTES, header->store_id, FORMAT_ID_BYTES, label, sizeof label,
              out, sizeof out))
        return false;
    secrets->mark_mask = load_le64(out);
    secrets->map_seed[0] = load_le64(out + 8);
    secrets->map_seed[1] = load_le64(out + 16);
    OPENSSL_cleanse(out, sizeof out);
    return true;
}

void format_aad(uint8_t out[FORMAT_AAD_BYTES], const struct format_header *header, uint32_t size,
                uint64_t segment, enum format_kind kind, const uint8_t previous[XAES_TAG_BYTES])
{
    store_le32(out, header->version);
    store_le32(out + 4, size);
    memcpy(out + 8, header->file_id, FORMAT_ID_BYTES);
    store_le64(out + 24, segment);
    out[32] = (uint8_t)kind;
    memcpy(out + 33, previous, XAES_TAG_BYTES);
}
