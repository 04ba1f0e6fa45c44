/* SPDX-License-Identifier: MIT */
/* Encoding and decoding of records. */
#include "store/map/record.h"

#include "store/common/error.h"
#include "store/format/bytes.h"

#define VARINT_MOST 10

static size_t put_varint(uint8_t *p, uint64_t x)
{
    size_t n = 0;
    while (x >= 0x80) {
        p[n++] = (uint8_t)(x | 0x80);
        x >>= 7;
    }
    p[n++] = (uint8_t)x;
    return n;
}

size_t record_head(uint8_t head[RECORD_HEAD_MOST], const struct entry *entry)
{
    bool put = entry->kind == ENTRY_PUT;
    size_t n = 0;
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_PUT:
        head[n++] = entry->expire_ms ? RECORD_PUT_EXPIRING : RECORD_PUT;
        head[n++] = entry->type;
        break;
    case ENTRY_DELETE:
        head[n++] = RECORD_DELETE;
        break;
    case ENTRY_EXPIRE:
        head[n++] = RECORD_EXPIRE;
        break;
    }
    if (put ? entry->expire_ms != 0 : entry->kind == ENTRY_EXPIRE) {
        store_le64(head + n, (uint64_t)entry->expire_ms);
        n += 8;
    }
    n += put_varint(head + n, entry->key_size);
    if (put)
        n += put_varint(head + n, entry->value_size);
    return n;
}

void record_write_entry(struct segment_writer *writer, const struct entry *entry)
{
    uint8_t head[RECORD_HEAD_MOST];
    segment_write(writer, head, record_head(head, entry));
    size_t value_size = entry->kind == ENTRY_PUT ? entry->value_size : 0;
    segment_write(writer, entry->bytes, entry->key_size + value_size);
}

void record_write_delete(struct segment_writer *writer, const void *key, size_t key_size)
{
    uint8_t head[1 + VARINT_MOST] = {RECORD_DELETE};
    segment_write(writer, head, 1 + put_varint(head + 1, key_size));
    segment_write(writer, key, key_size);
}

void record_write_clear(struct segment_writer *writer)
{
    uint8_t kind = RECORD_CLEAR;
    segment_write(writer, &kind, 1);
}

void record_write_count(struct segment_writer *writer, uint64_t count)
{
    uint8_t head[1 + VARINT_MOST] = {RECORD_COUNT};
    segment_write(writer, head, 1 + put_varint(head + 1, count));
}

static enum anystore_status malformed(struct segment_reader *reader, const char *what)
{
    return error_set(reader->error, ANYSTORE_DAMAGED, "%s is damaged: before offset %llu, %s",
                     reader->file.path, (unsigned long long)reader->chain.end, what);
}

static enum anystore_status get_varint(struct segment_reader *reader, uint64_t *x)
{
    *x = 0;
    for (unsigned i = 0; i < VARINT_MOST; i++) {
        uint8_t byte = 0;
        enum anystore_status status = segment_read(reader, &byte, 1);
        if (status != ANYSTORE_OK)
            return status;
        *x |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80))
            return ANYSTORE_OK;
    }
    return malformed(reader, "a number does not end");
}

static enum anystore_status get_size(struct segment_reader *reader, uint64_t *size)
{
    enum anystore_status status = get_varint(reader, size);
    /* Checked before memory is allocated for it. */
    if (status == ANYSTORE_OK &&
        (*size > ANYSTORE_MAX_BYTES || *size > segment_reader_bound(reader)))
        status = malformed(reader, "a key or value is larger than its commit");
    return status;
}

static enum anystore_status get_expiry(struct segment_reader *reader, int64_t *expire_ms)
{
    uint8_t bytes[8];
    enum anystore_status status = segment_read(reader, bytes, sizeof bytes);
    if (status != ANYSTORE_OK)
        return status;
    *expire_ms = (int64_t)load_le64(bytes);
    return ANYSTORE_OK;
}

/* Reads what follows the kind of a record with a key. */
static enum anystore_status read_entry(struct segment_reader *reader, enum record_kind kind,
                                       struct entry **out)
{
    uint8_t type = ANYSTORE_STRING;
    int64_t expire_ms = 0;
    uint64_t key_size = 0, value_size = 0;
    bool put = kind == RECORD_PUT || kind == RECORD_PUT_EXPIRING;
    enum anystore_status status = put ? segment_read(reader, &type, 1) : ANYSTORE_OK;
    if (status == ANYSTORE_OK && type != ANYSTORE_STRING)
        status = error_set(reader->error, ANYSTORE_VERSION,
                           "%s holds a type of value (%u) that only a newer version knows",
                           reader->file.path, type);
    if (status == ANYSTORE_OK && (kind == RECORD_PUT_EXPIRING || kind == RECORD_EXPIRE))
        status = get_expiry(reader, &expire_ms);
    if (status == ANYSTORE_OK)
        status = get_size(reader, &key_size);
    if (status == ANYSTORE_OK && put)
        status = get_size(reader, &value_size);
    if (status != ANYSTORE_OK)
        return status;
    enum entry_kind entry_kind = put                     ? ENTRY_PUT
                                 : kind == RECORD_EXPIRE ? ENTRY_EXPIRE
                                                         : ENTRY_DELETE;
    struct entry *entry = entry_new(entry_kind, key_size, value_size);
    if (!entry)
        return error_nomem(reader->error);
    entry->type = type;
    entry->expire_ms = expire_ms;
    status = segment_read(reader, entry->bytes, key_size + value_size);
    if (status != ANYSTORE_OK) {
        entry_free(entry);
        return status;
    }
    *out = entry;
    return ANYSTORE_OK;
}

enum anystore_status record_read(struct segment_reader *reader, struct record *record)
{
    uint8_t kind = 0;
    *record = (struct record){.kind = RECORD_NOTHING};
    enum anystore_status status = segment_read(reader, &kind, 1);
    if (status != ANYSTORE_OK)
        return status;
    switch (kind) {
    case RECORD_NOTHING:
    case RECORD_CLEAR:
        record->kind = (enum record_kind)kind;
        return ANYSTORE_OK;
    case RECORD_COUNT:
        record->kind = RECORD_COUNT;
        return get_varint(reader, &record->count);
    case RECORD_PUT:
    case RECORD_PUT_EXPIRING:
    case RECORD_DELETE:
    case RECORD_EXPIRE:
        record->kind = (enum record_kind)kind;
        return read_entry(reader, record->kind, &record->entry);
    default:
        return error_set(reader->error, ANYSTORE_VERSION,
                         "%s holds a kind of record (%u) that only a newer version knows",
                         reader->file.path, kind);
    }
}
