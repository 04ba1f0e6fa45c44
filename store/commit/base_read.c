/* SPDX-License-Identifier: MIT */
/* Putting what the records of a base say into a map, in their order. */
#include "store/commit/base_read.h"

#include "store/common/error.h"
#include "store/map/record.h"

/* Whether a record says what became of keys.  A base of version 1 has no such record. */
static bool is_change(enum record_kind kind)
{
    return kind == RECORD_DELETE || kind == RECORD_EXPIRE || kind == RECORD_CLEAR;
}

/* Applies a change.  The walk that wrote the base may have met the key before or after the change,
 * or not at all, so the key may be there or not. */
static void put_change(struct map *map, enum record_kind kind, struct entry *entry)
{
    if (kind == RECORD_DELETE) {
        entry_free(map_remove(map, entry->hash, entry_key(entry), entry->key_size));
    } else {
        struct entry *old = map_find(map, entry->hash, entry_key(entry), entry->key_size);
        if (old)
            map_set_expiry(map, old, entry->expire_ms);
    }
    entry_free(entry);
}

/* Puts a record that has an entry; takes the entry over. */
static enum anystore_status put_entry(struct segment_reader *reader, struct map *map,
                                      const struct record *record)
{
    struct entry *entry = record->entry;
    if (!map_ready(map)) {
        entry_free(entry);
        return error_nomem(reader->error);
    }
    entry->hash = map_hash(map, entry_key(entry), entry->key_size);
    if (is_change(record->kind))
        put_change(map, record->kind, entry);
    else
        entry_free(map_put(map, entry));
    return ANYSTORE_OK;
}

static enum anystore_status put_record(struct segment_reader *reader, struct map *map,
                                       const struct record *record)
{
    uint64_t most;
    if (is_change(record->kind) && reader->chain.header.version == 1) {
        entry_free(record->entry);
        return error_set(reader->error, ANYSTORE_DAMAGED, "%s is damaged: its base holds a change",
                         reader->file.path);
    }
    switch (record->kind) {
    case RECORD_NOTHING:
        return ANYSTORE_OK;
    case RECORD_COUNT:
        /* Room is made for no more than can be in the file. */
        most = segment_reader_bound(reader) / 4;
        map_reserve(map, record->count < most ? record->count : most);
        return ANYSTORE_OK;
    case RECORD_CLEAR:
        map_clear(map);
        return ANYSTORE_OK;
    case RECORD_PUT:
    case RECORD_PUT_EXPIRING:
    case RECORD_DELETE:
    case RECORD_EXPIRE:
        return put_entry(reader, map, record);
    }
    return ANYSTORE_OK;
}

enum anystore_status base_read(struct segment_reader *reader, struct map *map)
{
    bool more = false;
    enum anystore_status status = segment_reader_next_commit(reader, &more);
    if (status == ANYSTORE_OK && !more)
        status = error_set(reader->error, ANYSTORE_DAMAGED,
                           "%s is damaged: it ends behind its header", reader->file.path);
    while (status == ANYSTORE_OK) {
        bool end = false;
        struct record record;
        status = segment_reader_at_end(reader, &end);
        if (status != ANYSTORE_OK || end)
            break;
        status = record_read(reader, &record);
        if (status == ANYSTORE_OK)
            status = put_record(reader, map, &record);
    }
    return status;
}
