/* SPDX-License-Identifier: MIT */
/* Writes and reads serialised strings.
 *
 *   1 byte      type: 0, a string
 *   length      of the string; its bytes follow
 *     or        0xc0 0xc1 0xc2: a number follows in 1, 2 or 4 bytes, little endian
 *     or        0xc3: two lengths follow, of the LZF bytes and of the expanded ones, then the bytes
 *   2 bytes     version, little endian
 *   8 bytes     CRC-64 of all before, little endian
 *
 * A length is 1, 2, 5 or 9 bytes, told by the first one: 00 and six bits; 01 and, with the next
 * byte, fourteen; 0x80 and four bytes; 0x81 and eight, all big endian. */
#include "command/key/rdb.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/key/crc64.h"
#include "command/key/lzf.h"
#include "text/number.h"

enum {
    RDB_VERSION = 10,
    TYPE_STRING = 0,
    TYPE_GAP = 8,   /* no type has this number */
    TYPE_LAST = 19, /* the last type of Redis 7.0 */
    LENGTH_14 = 0x40,
    LENGTH_32 = 0x80,
    LENGTH_64 = 0x81,
    FORM_INT8 = 0xc0,
    FORM_INT16 = 0xc1,
    FORM_INT32 = 0xc2,
    FORM_LZF = 0xc3,
    CHECKSUM_BYTES = 8,
    FOOTER_BYTES = 2 + CHECKSUM_BYTES,
    MOST_DIGITS = 11,                         /* bytes of the text of an integer of 32 bits */
    MOST_OVERHEAD = 1 + 1 + 8 + FOOTER_BYTES, /* bytes beside those of the string */
    DIGITS_MEMORY = sizeof "-2147483648"
};

/* ---- Writing ------------------------------------------------------------------------------ */

static size_t put_length(uint8_t *to, uint64_t length)
{
    if (length < LENGTH_14) {
        to[0] = (uint8_t)length;
        return 1;
    }
    if (length < 1 << 14) {
        to[0] = (uint8_t)(LENGTH_14 | length >> 8);
        to[1] = (uint8_t)length;
        return 2;
    }
    if (length <= UINT32_MAX) {
        uint32_t big = htobe32((uint32_t)length);
        to[0] = LENGTH_32;
        memcpy(to + 1, &big, sizeof big);
        return 1 + sizeof big;
    }
    uint64_t big = htobe64(length);
    to[0] = LENGTH_64;
    memcpy(to + 1, &big, sizeof big);
    return 1 + sizeof big;
}

/* 0 if the string is no integer of 32 bits. */
static size_t put_integer(uint8_t *to, const void *data, size_t size)
{
    int64_t number;
    if (size > MOST_DIGITS || !number_parse(data, size, &number))
        return 0;
    size_t bytes = number >= INT8_MIN && number <= INT8_MAX     ? 1
                   : number >= INT16_MIN && number <= INT16_MAX ? 2
                   : number >= INT32_MIN && number <= INT32_MAX ? 4
                                                                : 0;
    if (bytes == 0)
        return 0;
    uint64_t little = htole64((uint64_t)number);
    to[0] = (uint8_t)(bytes == 1 ? FORM_INT8 : bytes == 2 ? FORM_INT16 : FORM_INT32);
    memcpy(to + 1, &little, bytes);
    return 1 + bytes;
}

bool rdb_string_dump(const void *data, size_t size, uint8_t **payload, size_t *payload_size)
{
    uint8_t *to = malloc(size + MOST_OVERHEAD);
    *payload = to;
    if (!to)
        return false;
    size_t at = 0;
    to[at++] = TYPE_STRING;
    size_t written = put_integer(to + at, data, size);
    if (written == 0) {
        written = put_length(to + at, size);
        if (size > 0)
            memcpy(to + at + written, data, size);
        written += size;
    }
    at += written;
    to[at++] = RDB_VERSION;
    to[at++] = 0;
    uint64_t checksum = htole64(crc64(to, at));
    memcpy(to + at, &checksum, sizeof checksum);
    *payload_size = at + sizeof checksum;
    return true;
}

/* ---- Reading ------------------------------------------------------------------------------ */

struct reader {
    const uint8_t *at, *end;
};

static const uint8_t *take(struct reader *reader, uint64_t size)
{
    if (size > (uint64_t)(reader->end - reader->at))
        return NULL;
    const uint8_t *taken = reader->at;
    reader->at += size;
    return taken;
}

/* Reads a length, or the first byte of another form.  *form is that byte; 0: a length. */
static bool take_length(struct reader *reader, uint64_t *length, uint8_t *form)
{
    const uint8_t *first = take(reader, 1);
    const uint8_t *rest;
    *form = 0;
    if (!first)
        return false;
    switch (*first & 0xc0) {
    case 0:
        *length = *first;
        return true;
    case LENGTH_14:
        rest = take(reader, 1);
        if (rest)
            *length = (uint64_t)(*first & 0x3f) << 8 | *rest;
        return rest;
    case 0xc0:
        *form = *first;
        *length = *first & 0x3f;
        return true;
    default:
        break;
    }
    uint32_t big_32;
    uint64_t big_64;
    if (*first == LENGTH_32 && (rest = take(reader, sizeof big_32))) {
        memcpy(&big_32, rest, sizeof big_32);
        *length = be32toh(big_32);
        return true;
    }
    if (*first == LENGTH_64 && (rest = take(reader, sizeof big_64))) {
        memcpy(&big_64, rest, sizeof big_64);
        *length = be64toh(big_64);
        return true;
    }
    return false;
}

static enum rdb_status load_integer(struct reader *reader, size_t bytes, struct rdb_string *string)
{
    const uint8_t *from = take(reader, bytes);
    if (!from)
        return RDB_BAD_FORMAT;
    uint32_t little = 0;
    memcpy(&little, from, bytes);
    little = le32toh(little);
    int32_t number = bytes == 1 ? (int8_t)little : bytes == 2 ? (int16_t)little : (int32_t)little;
    string->memory = malloc(DIGITS_MEMORY);
    if (!string->memory)
        return RDB_NOMEM;
    string->size = (size_t)snprintf((char *)string->memory, DIGITS_MEMORY, "%" PRId32, number);
    string->data = string->memory;
    return RDB_OK;
}

static enum rdb_status load_lzf(struct reader *reader, struct rdb_string *string)
{
    uint64_t packed_size, size;
    uint8_t form; /* ignored: Redis takes any first byte of these lengths */
    if (!take_length(reader, &packed_size, &form) || !take_length(reader, &size, &form))
        return RDB_BAD_FORMAT;
    const uint8_t *packed = take(reader, packed_size);
    if (!packed || size / LZF_MOST_RATIO > packed_size)
        return RDB_BAD_FORMAT;
    if (size == 0) /* in Redis any packed bytes are right then */
        return RDB_OK;
    string->memory = malloc(size);
    if (!string->memory)
        return RDB_NOMEM;
    if (!lzf_expand(packed, packed_size, string->memory, size)) {
        rdb_string_free(string);
        return RDB_BAD_FORMAT;
    }
    string->data = string->memory;
    string->size = size;
    return RDB_OK;
}

static enum rdb_status load_string(struct reader *reader, struct rdb_string *string)
{
    uint64_t length;
    uint8_t form;
    if (!take_length(reader, &length, &form))
        return RDB_BAD_FORMAT;
    switch (form) {
    case 0:
        string->data = take(reader, length);
        string->size = length;
        return string->data ? RDB_OK : RDB_BAD_FORMAT;
    case FORM_INT8:
        return load_integer(reader, 1, string);
    case FORM_INT16:
        return load_integer(reader, 2, string);
    case FORM_INT32:
        return load_integer(reader, 4, string);
    case FORM_LZF:
        return load_lzf(reader, string);
    default:
        return RDB_BAD_FORMAT;
    }
}

enum rdb_status rdb_string_load(const uint8_t *payload, size_t size, struct rdb_string *string)
{
    *string = (struct rdb_string){.data = payload};
    if (size < FOOTER_BYTES)
        return RDB_BAD_CHECKSUM;
    const uint8_t *footer = payload + size - FOOTER_BYTES;
    uint64_t checksum;
    memcpy(&checksum, payload + size - CHECKSUM_BYTES, sizeof checksum);
    unsigned version = footer[0] | (unsigned)footer[1] << 8;
    if (version > RDB_VERSION || crc64(payload, size - CHECKSUM_BYTES) != le64toh(checksum))
        return RDB_BAD_CHECKSUM;

    /* As in Redis, the value may extend into the footer, and bytes behind the value are ignored. */
    struct reader reader = {payload + 1, payload + size};
    unsigned type = payload[0];
    if (type == TYPE_STRING)
        return load_string(&reader, string);
    return type == TYPE_GAP || type > TYPE_LAST ? RDB_BAD_FORMAT : RDB_OTHER_TYPE;
}

void rdb_string_free(struct rdb_string *string)
{
    free(string->memory);
    *string = (struct rdb_string){.data = NULL};
}
