/* SPDX-License-Identifier: MIT */
/* Protects the map: it has the same contents as a naive list, whatever operations it gets and
 * however it grows and shrinks meanwhile. */
#include "store/map/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/store/support.h"

static const struct siphash_key seed = {11, 22};

/* The naive list: one slot per possible key. */
#define KEYS 3000

struct model {
    bool there[KEYS];
    uint32_t value[KEYS];
    int64_t expire_ms[KEYS];
    uint64_t count, expiring, expiry_s, bytes;
};

/* Keys of several lengths, the empty one and some with zero bytes among them. */
static size_t key_of(uint32_t number, uint8_t key[16])
{
    memset(key, 0, 16);
    if (number == 0)
        return 0;
    memcpy(key, &number, sizeof number);
    return 4 + number % 13;
}

static uint32_t value_of(const struct entry *entry)
{
    uint32_t value;
    assert_int_equal(entry->value_size, sizeof value);
    memcpy(&value, entry_value(entry), sizeof value);
    return value;
}

static struct entry *new_entry(const struct map *map, uint32_t number, uint32_t value,
                               int64_t expire_ms)
{
    uint8_t key[16];
    size_t size = key_of(number, key);
    struct entry *entry = entry_new(ENTRY_PUT, size, sizeof value);
    assert_non_null(entry);
    memcpy(entry->bytes, key, size);
    memcpy(entry->bytes + size, &value, sizeof value);
    entry->hash = map_hash(map, key, size);
    entry->expire_ms = expire_ms;
    return entry;
}

static struct entry *find(const struct map *map, uint32_t number)
{
    uint8_t key[16];
    size_t size = key_of(number, key);
    return map_find(map, map_hash(map, key, size), key, size);
}

static struct entry *take(struct map *map, uint32_t number)
{
    uint8_t key[16];
    size_t size = key_of(number, key);
    return map_remove(map, map_hash(map, key, size), key, size);
}

static void model_take(struct model *model, uint32_t number)
{
    uint8_t key[16];
    assert_true(model->there[number]);
    model->there[number] = false;
    model->count--;
    model->expiring -= model->expire_ms[number] != 0;
    model->expiry_s -= (uint64_t)model->expire_ms[number] / 1000;
    model->bytes -= key_of(number, key) + sizeof(uint32_t);
}

static void model_put(struct model *model, uint32_t number, uint32_t value, int64_t expire_ms)
{
    uint8_t key[16];
    if (model->there[number])
        model_take(model, number);
    model->there[number] = true;
    model->value[number] = value;
    model->expire_ms[number] = expire_ms;
    model->count++;
    model->expiring += expire_ms != 0;
    model->expiry_s += (uint64_t)expire_ms / 1000;
    model->bytes += key_of(number, key) + sizeof(uint32_t);
}

struct visiting {
    const struct map *map;
    const struct model *model;
    uint64_t count;
    bool *seen;
};

static bool visit(struct entry *entry, void *arg)
{
    struct visiting *visiting = arg;
    uint32_t number = 0;
    if (entry->key_size > 0)
        memcpy(&number, entry_key(entry), sizeof number);
    assert_true(number < KEYS && visiting->model->there[number]);
    assert_false(visiting->seen[number]); /* once */
    visiting->seen[number] = true;
    visiting->count++;
    return true;
}

static void compare(const struct map *map, const struct model *model)
{
    map_check(map);
    assert_int_equal(map->count, model->count);
    assert_int_equal(map->expiring, model->expiring);
    assert_int_equal(map->expiry_s, model->expiry_s);
    assert_int_equal(map->bytes, model->bytes);
    for (uint32_t i = 0; i < KEYS; i++) {
        const struct entry *entry = find(map, i);
        assert_int_equal(entry != NULL, model->there[i]);
        if (entry) {
            assert_int_equal(value_of(entry), model->value[i]);
            assert_int_equal(entry->expire_ms, model->expire_ms[i]);
        }
    }
    bool *seen = calloc(KEYS, sizeof *seen);
    struct visiting visiting = {map, model, 0, seen};
    assert_true(map_each(map, visit, &visiting));
    assert_int_equal(visiting.count, model->count);
    free(seen);
}

static void take_expired(struct map *map, struct model *model, size_t *cursor, int64_t now_ms,
                         size_t buckets)
{
    uint64_t count = 0, listed = 0;
    struct entry *taken = map_take_expired(map, cursor, buckets, now_ms, &count);
    for (const struct entry *entry = taken; entry; entry = entry->next) {
        uint32_t number = 0;
        if (entry->key_size > 0)
            memcpy(&number, entry_key(entry), sizeof number);
        assert_true(entry->expire_ms != 0 && entry->expire_ms <= now_ms);
        model_take(model, number);
        listed++;
    }
    assert_int_equal(count, listed);
    entry_free_list(taken);
}

/* `bias` of 100 changes are puts. */
static void change(struct map *map, struct model *model, struct support_random *random,
                   unsigned bias, size_t *cursor)
{
    uint32_t number = (uint32_t)support_random_below(random, KEYS);
    size_t kind = support_random_below(random, 100);
    if (kind < bias) {
        uint32_t value = (uint32_t)support_random_next(random);
        int64_t expire_ms = (int64_t)support_random_below(random, 4) * 1000;
        struct entry *old = map_put(map, new_entry(map, number, value, expire_ms));
        assert_int_equal(old != NULL, model->there[number]);
        if (old)
            assert_int_equal(value_of(old), model->value[number]);
        entry_free(old);
        model_put(model, number, value, expire_ms);
    } else if (kind < 95) {
        struct entry *old = take(map, number);
        assert_int_equal(old != NULL, model->there[number]);
        if (old)
            model_take(model, number);
        entry_free(old);
    } else if (kind < 98) {
        struct entry *entry = find(map, number);
        assert_int_equal(entry != NULL, model->there[number]);
        if (entry) {
            int64_t expire_ms = (int64_t)support_random_below(random, 4) * 1000;
            map_set_expiry(map, entry, expire_ms);
            model_put(model, number, model->value[number], expire_ms);
        }
    } else {
        take_expired(map, model, cursor, 1000, 1 + support_random_below(random, 50));
    }
}

static void test_random_changes(void **state)
{
    /* Growing and shrinking by turns. */
    static const unsigned bias[] = {80, 10, 50, 90, 5, 60, 2};
    struct support_random random = support_random_new(1);
    struct model *model = calloc(1, sizeof *model);
    struct map map;
    size_t cursor = 0;

    (void)state;
    map_init(&map, &seed);
    map_check(&map);
    assert_null(find(&map, 1));
    assert_null(take(&map, 1));
    assert_true(map_ready(&map));
    for (unsigned phase = 0; phase < sizeof bias / sizeof *bias; phase++)
        for (unsigned i = 0; i < 12000; i++) {
            change(&map, model, &random, bias[phase], &cursor);
            if (i % 499 == 0)
                compare(&map, model);
        }
    compare(&map, model);
    map_clear(&map);
    assert_int_equal(map.count, 0);
    map_check(&map);
    assert_true(map_ready(&map));
    assert_null(find(&map, 1));
    assert_null(map_put(&map, new_entry(&map, 1, 2, 3)));
    assert_int_equal(value_of(find(&map, 1)), 2);
    map_clear(&map);
    free(model);
}

static void test_same_hash_is_not_same_key(void **state)
{
    struct map map;
    const uint8_t other[16] = "another key";

    (void)state;
    map_init(&map, &seed);
    assert_true(map_ready(&map));
    struct entry *entry = new_entry(&map, 5, 1, 0);
    map_put(&map, entry);
    assert_null(map_find(&map, entry->hash, other, entry->key_size));
    assert_null(map_find(&map, entry->hash, entry_key(entry), entry->key_size - 1U));
    assert_null(map_remove(&map, entry->hash, other, entry->key_size));
    assert_ptr_equal(map_find(&map, entry->hash, entry_key(entry), entry->key_size), entry);
    map_clear(&map);
}

static size_t longest_chain(const struct map *map)
{
    size_t longest = 0;
    for (unsigned t = 0; t < 2; t++)
        for (size_t i = 0; i < map->table[t].size; i++) {
            size_t length = 0;
            for (const struct entry *e = map->table[t].buckets[i]; e; e = e->next)
                length++;
            longest = length > longest ? length : longest;
        }
    return longest;
}

/* Lookups stay fast at every size: on the way up, with room made before, and on the way down, where
 * memory is given back. */
static void test_growth_and_shrinking(void **state)
{
    enum { MANY = 100000 };

    (void)state;
    for (unsigned reserved = 0; reserved < 2; reserved++) {
        struct map map;
        map_init(&map, &seed);
        assert_true(map_ready(&map));
        if (reserved) {
            map_reserve(&map, MANY);
            assert_true(map.table[0].size >= MANY);
        }
        for (uint32_t i = 0; i < MANY; i++) {
            assert_null(map_put(&map, new_entry(&map, i, i, 0)));
            if (reserved) {
                assert_true(map.table[0].size >= MANY); /* no work is done twice */
                assert_int_equal(map.table[1].size, 0);
            }
            if (i % 9973 == 0)
                assert_true(longest_chain(&map) < 40);
        }
        map_check(&map);
        assert_true(map.table[0].size + map.table[1].size < 8 * MANY);
        for (uint32_t i = 0; i < MANY; i++) {
            entry_free(take(&map, i));
            if (i % 9973 == 0)
                assert_true(longest_chain(&map) < 40);
        }
        assert_int_equal(map.count, 0);
        map_check(&map);
        assert_true(map.table[0].size + map.table[1].size < 1024);
        map_clear(&map);
    }
}

static void test_reserve(void **state)
{
    struct map map;

    (void)state;
    map_init(&map, &seed);
    map_reserve(&map, 0);
    map_check(&map);
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(map_ready(&map));
        entry_free(map_put(&map, new_entry(&map, i, i, 0)));
        map_reserve(&map, 40 * i); /* in the middle of a rehash, too */
        map_check(&map);
    }
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(value_of(find(&map, i)), i);
    map_clear(&map);
}

/* A pass over all buckets ends at cursor 0 and has seen each of them. */
static void test_take_expired_in_passes(void **state)
{
    enum { MANY = 5000 };
    struct map map;
    size_t cursor = 0;
    uint64_t count = 0;

    (void)state;
    map_init(&map, &seed);
    assert_null(map_take_expired(&map, &cursor, 10, 1, &count)); /* no table */
    assert_int_equal(cursor, 0);
    assert_true(map_ready(&map));
    for (uint32_t i = 0; i < MANY; i++)
        entry_free(map_put(&map, new_entry(&map, i, i, i % 3 == 0 ? 10 : i % 3 == 1 ? 20 : 0)));
    size_t steps = 0;
    do {
        entry_free_list(map_take_expired(&map, &cursor, 256, 10, &count));
        map_check(&map);
        steps++;
        assert_true(steps < 1000);
    } while (cursor != 0);
    assert_true(steps > 1);
    assert_int_equal(count, (MANY + 2) / 3);
    assert_int_equal(map.count, MANY - count);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(find(&map, i) != NULL, i % 3 != 0);
    /* Two passes at once are one. */
    entry_free_list(map_take_expired(&map, &cursor, SIZE_MAX, 20, &count));
    assert_int_equal(cursor, 0);
    assert_int_equal(map.expiring, 0);
    map_check(&map);
    map_clear(&map);
}

/* ---- Scans -------------------------------------------------------------------------------- */

/* The keys below this number exist all the time. */
#define LASTING 300

static bool mark_seen(struct entry *entry, void *arg)
{
    bool *seen = arg;
    uint32_t number = 0;
    if (entry->key_size > 0)
        memcpy(&number, entry_key(entry), sizeof number);
    if (number < LASTING)
        seen[number] = true;
    return true;
}

/* Makes the map larger or smaller, by turns, with keys that come and go. */
static void unsettle(struct map *map, struct support_random *random, bool *growing)
{
    for (size_t i = support_random_below(random, 400); i > 0; i--) {
        uint32_t number = LASTING + (uint32_t)support_random_below(random, 6000);
        if (*growing)
            entry_free(map_put(map, new_entry(map, number, 1, 0)));
        else
            entry_free(take(map, number));
    }
    if (support_random_below(random, 12) == 0)
        *growing = !*growing;
}

static void test_scan(void **state)
{
    struct support_random random = support_random_new(3);
    struct map maps[2]; /* the same lasting keys in tables of other sizes, as in two processes */

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        map_init(&maps[i], &seed);
        uint64_t mask = 1;
        assert_int_equal(map_scan(&maps[i], 0, mark_seen, NULL, &mask), 0); /* no table */
        assert_int_equal(mask, 0);
        if (i == 1)
            map_reserve(&maps[i], 5000);
        assert_true(map_ready(&maps[i]));
        for (uint32_t number = 0; number < LASTING; number++)
            map_put(&maps[i], new_entry(&maps[i], number, number, 0));
    }
    bool growing[2] = {true, false};
    for (unsigned scan = 0; scan < (SUPPORT_SLOW ? 40 : 200); scan++) {
        bool seen[LASTING] = {false};
        uint64_t cursor = 0;
        unsigned steps = 0;
        do {
            unsigned i = scan % 3 == 2 ? (unsigned)support_random_below(&random, 2) : scan % 3;
            uint64_t mask = 0;
            cursor = map_scan(&maps[i], cursor, mark_seen, seen, &mask);
            assert_int_equal(mask & (mask + 1), 0);
            if (scan > 10 && support_random_below(&random, 16) == 0)
                unsettle(&maps[i], &random, &growing[i]);
            assert_true(++steps < 1000000);
        } while (cursor != 0);
        for (uint32_t number = 0; number < LASTING; number++)
            assert_true(seen[number]);
    }
    map_check(&maps[0]);
    map_check(&maps[1]);
    map_clear(&maps[0]);
    map_clear(&maps[1]);
}

static bool stop(struct entry *entry, void *arg)
{
    unsigned *left = arg;
    (void)entry;
    return --*left > 0;
}

static void test_each_stops(void **state)
{
    struct map map;
    unsigned left = 7;

    (void)state;
    map_init(&map, &seed);
    assert_true(map_each(&map, stop, &left));
    assert_true(map_ready(&map));
    for (uint32_t i = 0; i < 20; i++)
        map_put(&map, new_entry(&map, i, i, 0));
    assert_false(map_each(&map, stop, &left));
    assert_int_equal(left, 0);
    map_clear(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes),
        cmocka_unit_test(test_same_hash_is_not_same_key),
        cmocka_unit_test(test_growth_and_shrinking),
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_take_expired_in_passes),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_each_stops),
    };
    support_seed();
    return cmocka_run_group_tests_name("store_map", tests, NULL, NULL);
}
