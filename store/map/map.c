/* SPDX-License-Identifier: MIT */
/* The hash table, with incremental rehashing. */
#include "store/map/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAP_LEAST 16 /* buckets of the smallest table */

/* Buckets that one change moves.  To grow to double size, one would be enough.  A table of S
 * buckets starts to shrink when S / 8 entries are left, and must be done before they are gone. */
#define MAP_STEP 16

struct entry *entry_new(enum entry_kind kind, size_t key_size, size_t value_size)
{
    struct entry *entry = malloc(sizeof *entry + key_size + value_size);
    if (!entry)
        return NULL;
    entry->next = NULL;
    entry->expire_ms = 0;
    entry->hash = 0;
    entry->key_size = (uint32_t)key_size;
    entry->value_size = (uint32_t)value_size;
    entry->kind = (uint8_t)kind;
    entry->type = ANYSTORE_STRING;
    entry->replaces_expired = false;
    return entry;
}

void entry_free(struct entry *entry)
{
    free(entry);
}

void entry_free_list(struct entry *entries)
{
    while (entries) {
        struct entry *next = entries->next;
        entry_free(entries);
        entries = next;
    }
}

void map_init(struct map *map, const struct siphash_key *seed)
{
    *map = (struct map){.seed = *seed};
}

void map_clear(struct map *map)
{
    for (int t = 0; t < 2; t++) {
        for (size_t i = 0; i < map->table[t].size; i++)
            entry_free_list(map->table[t].buckets[i]);
        free(map->table[t].buckets);
    }
    struct siphash_key seed = map->seed;
    map_init(map, &seed);
}

uint32_t map_hash(const struct map *map, const void *key, size_t key_size)
{
    return (uint32_t)siphash_1_3(&map->seed, key, key_size);
}

static bool rehashing(const struct map *map)
{
    return map->table[1].size != 0;
}

/* Where an entry of this hash is, or goes if it is new. */
static struct entry **bucket_of(const struct map *map, uint32_t hash)
{
    const struct map_table *table = &map->table[0];
    size_t i = hash & (table->size - 1);
    if (i < map->moved) {
        table = &map->table[1];
        i = hash & (table->size - 1);
    }
    return &table->buckets[i];
}

static void move_bucket(struct map *map)
{
    struct map_table *to = &map->table[1];
    struct entry *entry = map->table[0].buckets[map->moved];
    map->table[0].buckets[map->moved++] = NULL;
    while (entry) {
        struct entry *next = entry->next;
        struct entry **bucket = &to->buckets[entry->hash & (to->size - 1)];
        entry->next = *bucket;
        *bucket = entry;
        entry = next;
    }
    if (map->moved == map->table[0].size) {
        free(map->table[0].buckets);
        map->table[0] = map->table[1];
        map->table[1] = (struct map_table){0};
        map->moved = 0;
    }
}

static void rehash_some(struct map *map, size_t buckets)
{
    for (size_t i = 0; i < buckets && rehashing(map); i++)
        move_bucket(map);
}

static void start_rehash(struct map *map, size_t size)
{
    struct entry **buckets = calloc(size, sizeof *buckets);
    if (!buckets)
        return; /* chains get longer, until there is memory */
    if (map->table[0].size == 0) {
        map->table[0] = (struct map_table){buckets, size};
    } else {
        map->table[1] = (struct map_table){buckets, size};
        map->moved = 0;
    }
    /* cppcheck-suppress memleak ; the structure keeps them, which it does not see */
}

/* The size of a table for `count` entries: at most one entry per bucket on average, as long as
 * hashes have bits for that. */
static size_t size_for(uint64_t count)
{
    size_t size = MAP_LEAST;
    while (size < count && size < (size_t)1 << 31)
        size *= 2;
    return size;
}

/* One step of growing or shrinking, called by every change.  Only removals start to shrink: a
 * reserved table is emptier than that until its entries come. */
static void adapt(struct map *map, bool removal)
{
    if (rehashing(map)) {
        rehash_some(map, MAP_STEP);
        return;
    }
    size_t size = map->table[0].size;
    if (removal ? size > MAP_LEAST && map->count < size / 8 : map->count > size) {
        size_t wanted = size_for(map->count + map->count / 2);
        if (wanted != size)
            start_rehash(map, wanted);
    }
}

bool map_ready(struct map *map)
{
    if (map->table[0].size == 0)
        start_rehash(map, MAP_LEAST);
    return map->table[0].size != 0;
}

void map_reserve(struct map *map, uint64_t count)
{
    size_t wanted = size_for(count);
    if (wanted <= map->table[0].size || wanted <= map->table[1].size)
        return;
    rehash_some(map, SIZE_MAX);
    start_rehash(map, wanted);
    rehash_some(map, SIZE_MAX);
}

static bool is_key(const struct entry *entry, uint32_t hash, const void *key, size_t key_size)
{
    return entry->hash == hash && entry->key_size == key_size &&
           memcmp(entry_key(entry), key, key_size) == 0;
}

/* The link that points at the entry of this key; to NULL at the chain's end if there is none. */
static struct entry **link_of(const struct map *map, uint32_t hash, const void *key,
                              size_t key_size)
{
    struct entry **link = bucket_of(map, hash);
    while (*link && !is_key(*link, hash, key, key_size))
        link = &(*link)->next;
    return link;
}

struct entry *map_find(const struct map *map, uint32_t hash, const void *key, size_t key_size)
{
    return map->table[0].size == 0 ? NULL : *link_of(map, hash, key, key_size);
}

static void count_entry(struct map *map, const struct entry *entry)
{
    map->count++;
    map->bytes += (uint64_t)entry->key_size + entry->value_size;
    map->expiring += entry->expire_ms != 0;
    map->expiry_s += map_expiry_s(entry->expire_ms);
}

static void discount_entry(struct map *map, const struct entry *entry)
{
    map->count--;
    map->bytes -= (uint64_t)entry->key_size + entry->value_size;
    map->expiring -= entry->expire_ms != 0;
    map->expiry_s -= map_expiry_s(entry->expire_ms);
}

struct entry *map_put(struct map *map, struct entry *entry)
{
    adapt(map, false);
    struct entry **link = link_of(map, entry->hash, entry_key(entry), entry->key_size);
    struct entry *old = *link;
    entry->next = old ? old->next : NULL;
    *link = entry;
    count_entry(map, entry);
    if (old) {
        discount_entry(map, old);
        old->next = NULL;
    }
    return old;
}

static struct entry *unlink_entry(struct map *map, struct entry **link)
{
    struct entry *entry = *link;
    *link = entry->next;
    entry->next = NULL;
    discount_entry(map, entry);
    return entry;
}

struct entry *map_remove(struct map *map, uint32_t hash, const void *key, size_t key_size)
{
    if (map->table[0].size == 0)
        return NULL;
    adapt(map, true);
    struct entry **link = link_of(map, hash, key, key_size);
    return *link ? unlink_entry(map, link) : NULL;
}

void map_set_expiry(struct map *map, struct entry *entry, int64_t expire_ms)
{
    map->expiring -= entry->expire_ms != 0;
    map->expiring += expire_ms != 0;
    map->expiry_s += map_expiry_s(expire_ms) - map_expiry_s(entry->expire_ms);
    entry->expire_ms = expire_ms;
}

bool map_each(const struct map *map, map_each_fn *fn, void *arg)
{
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < map->table[t].size; i++)
            for (struct entry *entry = map->table[t].buckets[i]; entry; entry = entry->next)
                if (!fn(entry, arg))
                    return false;
    return true;
}

/* Adds one at the highest bit of the mask; the carry goes down. */
static uint64_t next_cursor(uint64_t cursor, uint64_t mask)
{
    uint64_t bit = (mask >> 1) + 1; /* the highest bit of the mask, or 1 if there is none */
    cursor &= mask;
    while (bit & cursor & mask) {
        cursor ^= bit;
        bit >>= 1;
    }
    return mask == 0 ? 0 : cursor | (bit & mask);
}

static void scan_bucket(const struct map_table *table, uint64_t cursor, map_each_fn *fn, void *arg)
{
    struct entry *entry = table->buckets[cursor & (table->size - 1)];
    for (struct entry *next; entry; entry = next) {
        next = entry->next;
        if (!fn(entry, arg))
            return;
    }
}

uint64_t map_scan(const struct map *map, uint64_t cursor, map_each_fn *fn, void *arg,
                  uint64_t *group_mask)
{
    const struct map_table *small = &map->table[0], *large = &map->table[1];
    *group_mask = 0;
    if (small->size == 0)
        return 0;
    if (!rehashing(map)) {
        *group_mask = small->size - 1;
        scan_bucket(small, cursor, fn, arg);
        return next_cursor(cursor, *group_mask);
    }
    if (small->size > large->size) {
        small = &map->table[1];
        large = &map->table[0];
    }
    *group_mask = small->size - 1;
    scan_bucket(small, cursor, fn, arg);
    /* All buckets of the larger table that this one is split into. */
    uint64_t low = cursor & (small->size - 1);
    for (uint64_t i = low; i < large->size; i += small->size)
        scan_bucket(large, i, fn, arg);
    return next_cursor(cursor, *group_mask);
}

struct entry *map_take_expired(struct map *map, size_t *cursor, size_t buckets, int64_t now_ms,
                               uint64_t *count)
{
    struct entry *taken = NULL;
    size_t all = map->table[0].size + map->table[1].size;
    size_t i = *cursor < all ? *cursor : 0;
    size_t end = buckets < all - i ? i + buckets : all;
    *cursor = end < all ? end : 0;
    for (; i < end; i++) {
        struct entry **link = i < map->table[0].size
                                  ? &map->table[0].buckets[i]
                                  : &map->table[1].buckets[i - map->table[0].size];
        while (*link) {
            if (!entry_expired(*link, now_ms)) {
                link = &(*link)->next;
                continue;
            }
            struct entry *entry = unlink_entry(map, link);
            entry->next = taken;
            taken = entry;
            (*count)++;
        }
    }
    return taken;
}

static void require(bool holds, const char *invariant)
{
    if (!holds) {
        fprintf(stderr, "map: invariant violated: %s\n", invariant);
        abort();
    }
}

/* What the entries of some buckets add up to. */
struct sums {
    uint64_t count, expiring, expiry_s, bytes;
};

static void check_bucket(const struct map *map, unsigned t, size_t i, struct sums *sums)
{
    const struct map_table *table = &map->table[t];
    require(t == 1 || i >= map->moved || !table->buckets[i], "M2: moved buckets are empty");
    for (const struct entry *e = table->buckets[i]; e; e = e->next) {
        require((e->hash & (table->size - 1)) == i, "M1: entries are in their bucket");
        require(e->hash == map_hash(map, entry_key(e), e->key_size), "M1: hashes fit");
        require(map_find(map, e->hash, entry_key(e), e->key_size) == e,
                "M4: an entry is found by its key");
        sums->count++;
        sums->expiring += e->expire_ms != 0;
        sums->expiry_s += map_expiry_s(e->expire_ms);
        sums->bytes += (uint64_t)e->key_size + e->value_size;
    }
}

static void check_tables(const struct map *map)
{
    for (unsigned t = 0; t < 2; t++)
        require((map->table[t].size & (map->table[t].size - 1)) == 0,
                "M1: sizes are powers of two");
    require(rehashing(map) || map->moved == 0, "M2: moved only while rehashing");
}

void map_check(const struct map *map)
{
    struct sums sums = {.count = 0};
    check_tables(map);
    for (unsigned t = 0; t < 2; t++)
        for (size_t i = 0; i < map->table[t].size; i++)
            check_bucket(map, t, i, &sums);
    require(sums.count == map->count && sums.expiring == map->expiring &&
                sums.expiry_s == map->expiry_s && sums.bytes == map->bytes,
            "M3: sums");
}

void map_check_buckets_of(const struct map *map, uint32_t hash)
{
    struct sums sums = {.count = 0};
    check_tables(map);
    for (unsigned t = 0; t < 2; t++)
        if (map->table[t].size != 0)
            check_bucket(map, t, hash & (map->table[t].size - 1), &sums);
    require(sums.count <= map->count && sums.expiring <= map->expiring &&
                sums.expiry_s <= map->expiry_s && sums.bytes <= map->bytes,
            "M3: sums");
}
