/* SPDX-License-Identifier: MIT */
/* Records: the changes of state that a commit consists of, inside the seal.  Each says what holds
 * afterwards, not what was done, so that replaying one twice changes nothing.
 *
 *     kind (1)  what follows
 *     0         nothing: fills up a segment
 *     1 put     type (1), key size (v), value size (v), key, value
 *     2 put     type (1), expiry (8), key size (v), value size (v), key, value
 *     3 delete  key size (v), key
 *     4 expire  expiry (8), key size (v), key: the key is there, without an expiry, and gets one
 *     5 clear   no key is there
 *     6 count   number (v): so many keys follow at most; a hint at the start of a base
 *
 * (v): a number of variable length, 7 bits a byte, lowest first; the top bit says that more follow.
 * At most 10 bytes.  Expiries are Unix time in milliseconds, little-endian.
 *
 * A put over a key that had an expiry is always a whole put, never "expire": a process whose clock
 * is ahead may have taken the key out already. */
#ifndef STORE_MAP_RECORD_H
#define STORE_MAP_RECORD_H

#include "store/format/segment.h"
#include "store/map/map.h"

enum record_kind {
    RECORD_NOTHING = 0,
    RECORD_PUT = 1,
    RECORD_PUT_EXPIRING = 2,
    RECORD_DELETE = 3,
    RECORD_EXPIRE = 4,
    RECORD_CLEAR = 5,
    RECORD_COUNT = 6
};

#define RECORD_HEAD_MOST (1 + 1 + 8 + 10 + 10)

/* Makes the bytes of an entry's record that stand before its key; returns how many.  The key
 * follows, and in a put the value. */
size_t record_head(uint8_t head[RECORD_HEAD_MOST], const struct entry *entry);

/* Appends a record to the commit; failures stay in the writer. */
void record_write_entry(struct segment_writer *writer, const struct entry *entry);
void record_write_delete(struct segment_writer *writer, const void *key, size_t key_size);
void record_write_clear(struct segment_writer *writer);
void record_write_count(struct segment_writer *writer, uint64_t count);

/* A record that was read.  The caller owns the entry, whose hash is not set; NULL if the kind has
 * none. */
struct record {
    enum record_kind kind;
    struct entry *entry;
    uint64_t count;
};

/* Reads the next record of the commit, of which there must be one.  DAMAGED, VERSION (a kind or
 * type that this version does not know), NOMEM or an error of reading. */
enum anystore_status record_read(struct segment_reader *reader, struct record *record);

#endif
