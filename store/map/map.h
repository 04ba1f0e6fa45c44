/* SPDX-License-Identifier: MIT */
/* The map: a hash table of entries, chained, with a SipHash key of its own.
 *
 * It grows and shrinks without a pause: while a new table of buckets is being filled the old one
 * stays, and each change moves a few buckets.  Lookups change nothing, so any number of threads may
 * look up keys at once; changes need exclusion (view_lock.h).
 *
 * Invariants, checked by map_check:
 * M1.  Each entry is in the bucket that the low bits of its hash choose, of one table.
 * M2.  While rehashing, buckets of the old table below `moved` are empty.
 * M3. count, expiring, expiry_s and bytes are the sums over the entries.
 * M4.  No two entries have the same key. */
#ifndef STORE_MAP_MAP_H
#define STORE_MAP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anystore.h"
#include "store/map/siphash.h"

/* What an entry says.  The published map has only ENTRY_PUT; the others are changes that wait for
 * their commit (pending.h) or are being read from the file. */
enum entry_kind {
    ENTRY_PUT,
    ENTRY_DELETE, /* the key is not there */
    ENTRY_EXPIRE  /* the key, which is there and never expires, gets expire_ms */
};

/* A key and its value in one piece of memory.  Once published it never changes, but for expire_ms,
 * under exclusion. */
struct entry {
    struct entry *next; /* in its bucket, or in a list of entries to free */
    int64_t expire_ms;  /* 0: never */
    uint32_t hash;      /* the low half of the key's hash */
    uint32_t key_size;
    uint32_t value_size;
    uint8_t kind; /* enum entry_kind */
    uint8_t type; /* enum anystore_type */
    /* Of a change: the published entry of the key had expired when the change was made. */
    uint8_t replaces_expired;
    uint8_t bytes[]; /* the key, then the value */
};

/* NULL if memory is short.  The caller fills in key and value, and sets the hash. */
struct entry *entry_new(enum entry_kind kind, size_t key_size, size_t value_size);
void entry_free(struct entry *entry);        /* takes NULL */
void entry_free_list(struct entry *entries); /* all that hang on ->next */

static inline const uint8_t *entry_key(const struct entry *entry)
{
    return entry->bytes;
}

static inline const uint8_t *entry_value(const struct entry *entry)
{
    return entry->bytes + entry->key_size;
}

static inline bool entry_expired(const struct entry *entry, int64_t now_ms)
{
    return entry->expire_ms != 0 && entry->expire_ms <= now_ms;
}

struct map_table {
    struct entry **buckets;
    size_t size; /* a power of two, or 0 */
};

struct map {
    struct siphash_key seed;
    struct map_table table[2]; /* [1] only while rehashing: where entries go */
    size_t moved;              /* buckets of table[0] that have been moved */
    uint64_t count;
    uint64_t expiring; /* entries with an expiry */
    uint64_t expiry_s; /* the sum of these, each by map_expiry_s */
    uint64_t bytes;    /* of keys and values */
};

/* An expiry in seconds of Unix time, for the sum: 0 if there is none, and bounded, so that no sum
 * of them overflows. */
static inline uint64_t map_expiry_s(int64_t expire_ms)
{
    return expire_ms <= 0                  ? 0
           : expire_ms / 1000 > UINT32_MAX ? UINT32_MAX
                                           : (uint64_t)expire_ms / 1000;
}

/* An empty map.  Allocates nothing. */
void map_init(struct map *map, const struct siphash_key *seed);

/* Frees all entries and tables; the map is empty and usable afterwards. */
void map_clear(struct map *map);

uint32_t map_hash(const struct map *map, const void *key, size_t key_size);

/* Bytes that the map takes in memory, about.  Beside its own size an entry costs what the allocator
 * keeps in front of it and, half the time, rounding up. */
#define MAP_ENTRY_MEMORY (sizeof(struct entry) + 16)
static inline uint64_t map_memory(const struct map *map)
{
    return map->bytes + map->count * MAP_ENTRY_MEMORY +
           (map->table[0].size + map->table[1].size) * sizeof(struct entry *);
}

/* NULL if there is none. */
struct entry *map_find(const struct map *map, uint32_t hash, const void *key, size_t key_size);

/* Makes sure that a put finds a table; false if memory is short.  Only this first allocation can
 * fail a caller: later growth that fails just leaves longer chains. */
bool map_ready(struct map *map);

/* Makes room for `count` entries at once, before many are put. */
void map_reserve(struct map *map, uint64_t count);

/* Puts in an entry whose hash is set.  Returns the entry of the same key that it replaces, or NULL;
 * the caller owns that.  map_ready must have said yes. */
struct entry *map_put(struct map *map, struct entry *entry);

/* Takes an entry out; NULL if there is none. */
struct entry *map_remove(struct map *map, uint32_t hash, const void *key, size_t key_size);

/* Changes an entry's expiry: not by hand, as the map counts entries with one. */
void map_set_expiry(struct map *map, struct entry *entry, int64_t expire_ms);

/* Calls fn for each entry, in no particular order; stops when it returns false. */
typedef bool map_each_fn(struct entry *entry, void *arg);
bool map_each(const struct map *map, map_each_fn *fn, void *arg);

/* One step of a scan: calls fn for the entries of the buckets that the cursor names, and returns
 * the cursor for the next step, 0 at the end.  The first cursor is 0.  An entry that is in the map
 * from the beginning to the end of a scan is visited, even if the table grows or shrinks in
 * between; some may be visited twice.  Cursors count from the highest bit down (P. Noordhuis's way,
 * as Redis's SCAN), so they fit tables of any size, in any process with the same seed.  *group_mask
 * has the low bits of a hash by which the step chose its entries. */
uint64_t map_scan(const struct map *map, uint64_t cursor, map_each_fn *fn, void *arg,
                  uint64_t *group_mask);

/* Takes out the entries that have expired at now_ms from a number of buckets, starting at *cursor,
 * which is moved on: to 0 at the end of the table, where a call stops.  Returns them as a list;
 * *count grows by their number. */
struct entry *map_take_expired(struct map *map, size_t *cursor, size_t buckets, int64_t now_ms,
                               uint64_t *count);

/* Aborts with a message if an invariant does not hold. */
void map_check(const struct map *map);

/* The same for M1, M2 and M4 in the buckets where keys of that hash may be. */
void map_check_buckets_of(const struct map *map, uint32_t hash);

#endif
