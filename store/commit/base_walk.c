/* SPDX-License-Identifier: MIT */
/* Copying a few keys under the view lock, and writing them without it. */
#include "store/commit/base_walk.h"

#include <stdlib.h>
#include <string.h>

#include "store/common/clock.h"
#include "store/map/record.h"

/* The most that a step looks at.  A publication may have to wait for it: some ten microseconds. */
#define STEP_BUCKETS 64
#define STEP_BYTES   ((size_t)32 << 10)

/* An entry larger than this is copied in several steps. */
#define PIECE_BYTES ((size_t)64 << 10)

struct buffer {
    uint8_t *data;
    size_t size, capacity;
};

struct walk {
    struct published *published;
    struct segment_writer *writer;
    int64_t now_ms;
    struct buffer records; /* of the step */
    struct buffer large;   /* keys of large entries: size, key */
    bool no_memory;
};

static bool buffer_add(struct buffer *buffer, const void *data, size_t size)
{
    if (size > buffer->capacity - buffer->size) {
        size_t capacity = 2 * (buffer->size + size);
        uint8_t *larger = realloc(buffer->data, capacity);
        if (!larger)
            return false;
        buffer->data = larger;
        buffer->capacity = capacity;
    }
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return true;
}

static size_t size_of(const struct entry *entry)
{
    return (size_t)entry->key_size + entry->value_size;
}

/* Copies an entry, or notes the key of a large one. */
static bool take_entry(struct entry *entry, void *arg)
{
    struct walk *walk = arg;
    uint8_t head[RECORD_HEAD_MOST];
    if (entry_expired(entry, walk->now_ms) || walk->no_memory)
        return true;
    if (size_of(entry) > PIECE_BYTES)
        walk->no_memory = !buffer_add(&walk->large, &entry->key_size, sizeof entry->key_size) ||
                          !buffer_add(&walk->large, entry_key(entry), entry->key_size);
    else
        walk->no_memory = !buffer_add(&walk->records, head, record_head(head, entry)) ||
                          !buffer_add(&walk->records, entry->bytes, size_of(entry));
    return true;
}

/* Writes an entry piece by piece.  If a commit changes the entry meanwhile, that commit follows in
 * the base, and any bytes will do here.  If the entry expires and is taken out meanwhile, no commit
 * follows: so a record that deletes it does. */
static void write_large(struct walk *walk, const uint8_t *key, size_t key_size, uint8_t *piece)
{
    const struct map *map = &walk->published->map;
    size_t all = 0, done = 0;
    bool whole = true;
    do {
        uint8_t head[RECORD_HEAD_MOST];
        size_t head_size = 0;
        unsigned slot = view_lock_shared(&walk->published->lock);
        const struct entry *entry = map_find(map, map_hash(map, key, key_size), key, key_size);
        if (done == 0 && entry) {
            head_size = record_head(head, entry);
            all = size_of(entry);
        }
        whole = whole && entry && size_of(entry) == all;
        size_t n = all - done < PIECE_BYTES ? all - done : PIECE_BYTES;
        if (whole)
            memcpy(piece, entry->bytes + done, n);
        else
            memset(piece, 0, n);
        view_unlock_shared(&walk->published->lock, slot);
        segment_write(walk->writer, head, head_size);
        segment_write(walk->writer, piece, n);
        done += n;
    } while (done < all && walk->writer->status == ANYSTORE_OK);
    if (!whole && all > 0)
        record_write_delete(walk->writer, key, key_size);
}

static void write_large_ones(struct walk *walk)
{
    if (walk->large.size == 0)
        return;
    uint8_t *piece = malloc(PIECE_BYTES);
    walk->no_memory = walk->no_memory || !piece;
    for (size_t i = 0; i < walk->large.size && !walk->no_memory;) {
        uint32_t key_size;
        memcpy(&key_size, walk->large.data + i, sizeof key_size);
        i += sizeof key_size;
        write_large(walk, walk->large.data + i, key_size, piece);
        i += key_size;
    }
    free(piece);
    walk->large.size = 0;
}

static uint64_t take_step(struct walk *walk, uint64_t cursor)
{
    uint64_t group = 0;
    unsigned slot = view_lock_shared(&walk->published->lock);
    for (unsigned i = 0; i < STEP_BUCKETS; i++) {
        cursor = map_scan(&walk->published->map, cursor, take_entry, walk, &group);
        if (cursor == 0 || walk->records.size >= STEP_BYTES)
            break;
    }
    view_unlock_shared(&walk->published->lock, slot);
    return cursor;
}

enum anystore_status base_walk(struct published *published, struct segment_writer *writer,
                               base_step_fn *on_step, void *arg)
{
    struct walk walk = {.published = published, .writer = writer, .now_ms = clock_now_ms()};
    uint64_t cursor = 0;
    bool more;
    do {
        cursor = take_step(&walk, cursor);
        if (!walk.no_memory)
            segment_write(walk.writer, walk.records.data, walk.records.size);
        walk.records.size = 0;
        write_large_ones(&walk);
        more = cursor != 0 && !walk.no_memory && walk.writer->status == ANYSTORE_OK;
    } while (on_step(arg) && more);
    free(walk.records.data);
    free(walk.large.data);
    return walk.no_memory ? ANYSTORE_NOMEM : ANYSTORE_OK;
}
