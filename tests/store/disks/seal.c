/* SPDX-License-Identifier: MIT */
/* Makes data files in memory. */
#include "tests/store/disks/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

static void need(bool holds)
{
    if (!holds) {
        fprintf(stderr, "seal: out of memory, or OpenSSL failed\n");
        abort();
    }
}

void seal_begin(struct seal *seal, uint8_t key, const uint8_t *store_id)
{
    seal_begin_version(seal, FORMAT_VERSION, key, store_id);
}

void seal_begin_version(struct seal *seal, uint32_t version, uint8_t key, const uint8_t *store_id)
{
    uint8_t master[ANYSTORE_KEY_BYTES], file_key[XAES_KEY_BYTES], header[FORMAT_HEADER_BYTES];
    memset(seal, 0, sizeof *seal);
    memset(master, key, sizeof master);
    seal->header.version = version;
    need(format_header_new(&seal->header, master, store_id, file_key));
    seal->xaes = xaes_new(file_key);
    need(seal->xaes != NULL);
    format_header_encode(header, &seal->header);
    seal_raw(seal, header, sizeof header);
}

void seal_free(struct seal *seal)
{
    xaes_free(seal->xaes);
    free(seal->data);
}

static uint8_t *room(struct seal *seal, size_t size)
{
    if (size > seal->capacity - seal->size) {
        seal->capacity = 2 * (seal->size + size);
        seal->data = realloc(seal->data, seal->capacity);
        need(seal->data != NULL);
    }
    seal->size += size;
    return seal->data + seal->size - size;
}

void seal_raw(struct seal *seal, const void *data, size_t size)
{
    if (size > 0)
        memcpy(room(seal, size), data, size);
}

static void number(uint8_t *p, uint64_t x, int bytes)
{
    for (int i = 0; i < bytes; i++, x >>= 8)
        p[i] = (uint8_t)x;
}

void seal_segment(struct seal *seal, enum format_kind kind, const void *text, size_t size)
{
    uint8_t *segment = room(seal, 4 + 24 + size + 16);
    number(segment, size, 4);
    need(RAND_bytes(segment + 4, 24) == 1);
    if (size > 0)
        memcpy(segment + 28, text, size);
    uint8_t aad[4 + 4 + 16 + 8 + 1 + 16];
    number(aad, seal->header.version, 4);
    number(aad + 4, size, 4);
    memcpy(aad + 8, seal->header.file_id, 16);
    number(aad + 24, seal->segment++, 8);
    aad[32] = (uint8_t)kind;
    memcpy(aad + 33, seal->tag, 16);
    need(xaes_seal(seal->xaes, segment + 4, aad, sizeof aad, segment + 28, size,
                   segment + 28 + size));
    memcpy(seal->tag, segment + 28 + size, 16);
}

void seal_commit(struct seal *seal, enum format_kind kind, const void *records, size_t size,
                 uint64_t generation)
{
    const size_t most = (size_t)1 << 20;
    uint8_t *text = malloc(most);
    need(text != NULL);
    const uint8_t *p = records;
    size_t origin = kind == FORMAT_BASE && seal->header.version >= 2 ? 16 : 0;
    while (size + origin + 17 >= most) {
        size_t n = size < most - 1 ? size : most - 1;
        memset(text, 0, most);
        memcpy(text, p, n);
        seal_segment(seal, kind, text, most);
        p += n;
        size -= n;
    }
    if (size > 0)
        memcpy(text, p, size);
    memcpy(text + size, seal->origin, origin);
    size += origin;
    number(text + size, generation, 8);
    number(text + size + 8, 1234567890123, 8);
    text[size + 16] = 1;
    seal_segment(seal, kind, text, size + 17);
    free(text);
}
