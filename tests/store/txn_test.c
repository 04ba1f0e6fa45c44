/* SPDX-License-Identifier: MIT */
/* Protects transactions: one reads its own writes and those before it, an abort undoes all of it,
 * and a process that reads the records of a commit has the same keys as the one that made it, even
 * if its clock is ahead and it has removed expired keys already. */
#include "store/map/txn.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/format/segment.h"
#include "tests/store/disks/memory_disk.h"
#include "tests/store/support.h"

/* ---- The model: one slot per possible key ------------------------------------------------- */

#define KEYS 24

struct model {
    struct slot {
        bool there; /* maybe expired */
        uint32_t value;
        int64_t expire_ms;
    } slots[KEYS];
};

static bool live(const struct slot *slot, int64_t now_ms)
{
    return slot->there && (slot->expire_ms == 0 || slot->expire_ms > now_ms);
}

static uint64_t count_live(const struct model *model, int64_t now_ms)
{
    uint64_t count = 0;
    for (size_t i = 0; i < KEYS; i++)
        count += live(&model->slots[i], now_ms);
    return count;
}

/* Keys of several lengths, the empty one among them. */
static size_t key_of(size_t number, char key[16])
{
    memset(key, 'x', 16);
    key[0] = (char)('a' + number);
    return number == 0 ? 0 : 1 + number % 7;
}

static size_t number_of(const void *key, size_t key_size)
{
    return key_size == 0 ? 0 : (size_t)(*(const char *)key - 'a');
}

/* ---- Comparing ---------------------------------------------------------------------------- */

static void expect_slot(struct anystore_txn *txn, const struct model *model, size_t number)
{
    char key[16];
    size_t size = key_of(number, key);
    const struct slot *slot = &model->slots[number];
    struct anystore_value value;
    bool found = anystore_get(txn, key, size, &value);
    assert_int_equal(found, live(slot, txn->now_ms));
    assert_int_equal(anystore_get(txn, key, size, NULL), found);
    if (found) {
        assert_int_equal(value.type, ANYSTORE_STRING);
        assert_int_equal(value.size, sizeof slot->value);
        assert_memory_equal(value.data, &slot->value, sizeof slot->value);
        assert_int_equal(value.expire_ms, slot->expire_ms);
    }
}

struct visiting {
    const struct model *model;
    int64_t now_ms;
    uint64_t count;
    bool seen[KEYS];
};

static bool visit(const void *key, size_t key_size, const struct anystore_value *value, void *arg)
{
    struct visiting *visiting = arg;
    size_t number = number_of(key, key_size);
    assert_true(number < KEYS);
    const struct slot *slot = &visiting->model->slots[number];
    assert_false(visiting->seen[number]);
    visiting->seen[number] = true;
    assert_true(live(slot, visiting->now_ms));
    assert_memory_equal(value->data, &slot->value, sizeof slot->value);
    assert_int_equal(value->expire_ms, slot->expire_ms);
    visiting->count++;
    return true;
}

static bool stop(const void *key, size_t key_size, const struct anystore_value *value, void *arg)
{
    unsigned *calls = arg;
    (void)key;
    (void)key_size;
    (void)value;
    ++*calls;
    return false;
}

static void expect_all(struct anystore_txn *txn, const struct model *model)
{
    struct visiting visiting = {.model = model, .now_ms = txn->now_ms};
    uint64_t there = count_live(model, txn->now_ms);
    for (size_t i = 0; i < KEYS; i++)
        expect_slot(txn, model, i);
    anystore_each(txn, visit, &visiting);
    assert_int_equal(visiting.count, there);
    assert_true(anystore_count(txn) >= there);
    unsigned calls = 0;
    anystore_each(txn, stop, &calls);
    assert_int_equal(calls, there > 0);
    /* The same step by step, each key once, as nothing changes in between. */
    uint64_t cursor = 0;
    visiting = (struct visiting){.model = model, .now_ms = txn->now_ms};
    do
        cursor = anystore_scan(txn, cursor, visit, &visiting);
    while (cursor != 0);
    assert_int_equal(visiting.count, there);
    assert_int_equal(anystore_now(txn), txn->now_ms);
}

/* ---- Random operations, on the transaction and on the model ------------------------------- */

static int64_t random_expiry(struct support_random *random, int64_t now_ms)
{
    switch (support_random_below(random, 4)) {
    case 0:
        return now_ms - (int64_t)support_random_below(random, 10) - 1; /* gone at once */
    case 1:
        return now_ms + 1 + (int64_t)support_random_below(random, 40);
    case 2:
        return now_ms + 1000000;
    default:
        return 0;
    }
}

static void operate(struct anystore_txn *txn, struct model *model, struct support_random *random)
{
    size_t number = support_random_below(random, KEYS);
    char key[16];
    size_t size = key_of(number, key);
    struct slot *slot = &model->slots[number];
    bool was = live(slot, txn->now_ms), existed = !was;
    switch (support_random_below(random, 24)) {
    default: {
        struct slot next = {true, (uint32_t)support_random_next(random),
                            random_expiry(random, txn->now_ms)};
        struct anystore_value value = {
            .data = &next.value, .size = sizeof next.value, .expire_ms = next.expire_ms};
        assert_int_equal(anystore_put(txn, key, size, &value), ANYSTORE_OK);
        *slot = next;
        break;
    }
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        assert_int_equal(anystore_delete(txn, key, size, &existed), ANYSTORE_OK);
        assert_int_equal(existed, was);
        if (was)
            slot->there = false;
        break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11: {
        int64_t expire_ms = random_expiry(random, txn->now_ms);
        assert_int_equal(anystore_set_expiry(txn, key, size, expire_ms, &existed), ANYSTORE_OK);
        assert_int_equal(existed, was);
        if (was)
            slot->expire_ms = expire_ms;
        break;
    }
    case 12:
        if (support_random_below(random, 4) == 0) {
            assert_int_equal(anystore_clear(txn), ANYSTORE_OK);
            assert_int_equal(anystore_count(txn), 0);
            memset(model, 0, sizeof *model);
        }
        break;
    case 13: {
        /* A value that is a part of the store itself. */
        struct anystore_value value;
        if (anystore_get(txn, key, size, &value)) {
            size_t other = support_random_below(random, KEYS);
            struct slot copy = *slot;
            size = key_of(other, key);
            assert_int_equal(anystore_put(txn, key, size, &value), ANYSTORE_OK);
            model->slots[other] = copy;
        }
        break;
    }
    }
    expect_slot(txn, model, number);
}

/* Some transactions, each of which may be aborted. */
static void transact(struct anystore_txn *txn, struct model *model, struct support_random *random,
                     int64_t *now_ms)
{
    for (size_t count = support_random_below(random, 4); count > 0; count--) {
        struct model trial = *model;
        txn->now_ms = *now_ms;
        for (size_t i = support_random_below(random, 12); i > 0; i--)
            operate(txn, &trial, random);
        if (support_random_below(random, 4) == 0) {
            struct model saved = trial;
            size_t savepoint = anystore_savepoint(txn);
            for (size_t i = support_random_below(random, 12); i > 0; i--)
                operate(txn, &trial, random);
            anystore_rollback(txn, savepoint);
            anystore_rollback(txn, savepoint); /* nothing more */
            assert_int_equal(anystore_savepoint(txn), savepoint);
            trial = saved;
            expect_all(txn, &trial);
            for (size_t i = support_random_below(random, 6); i > 0; i--)
                operate(txn, &trial, random);
        }
        if (support_random_below(random, 4) == 0)
            expect_all(txn, &trial);
        if (support_random_below(random, 3) == 0)
            anystore_rollback(txn, 0);
        else
            *model = trial;
        txn_end(txn);
        expect_all(txn, model);
        *now_ms += (int64_t)support_random_below(random, 5);
    }
}

static void take_expired(struct map *map, int64_t now_ms)
{
    size_t cursor = 0;
    uint64_t count = 0;
    entry_free_list(map_take_expired(map, &cursor, SIZE_MAX, now_ms, &count));
}

static void expect_view(struct map *map, const struct model *model, int64_t now_ms)
{
    struct anystore_txn txn;
    txn_begin(&txn, TXN_VIEW, map, NULL);
    txn.now_ms = now_ms;
    expect_all(&txn, model);
    map_check(map);
}

/* ---- A store without a file --------------------------------------------------------------- */

static void test_direct(void **state)
{
    struct support_random random = support_random_new(1);
    const struct siphash_key seed = {1, 2};
    struct model model = {0};
    struct map map;
    int64_t now_ms = 1000;

    (void)state;
    map_init(&map, &seed);
    assert_true(map_ready(&map));
    for (int i = 0; i < 6000; i++) {
        struct anystore_txn txn;
        txn_begin(&txn, TXN_DIRECT, &map, NULL);
        transact(&txn, &model, &random, &now_ms);
        txn_free(&txn);
        expect_view(&map, &model, now_ms);
        if (i % 7 == 0)
            take_expired(&map, now_ms);
    }
    map_clear(&map);
}

/* ---- A store with a file, and another process that reads it ------------------------------- */

/* Through the file from one process to another. */
static void replicate(const struct pending *pending, const struct chain *start, struct map *other)
{
    struct memory_disk *memory = memory_disk_new(&(struct memory_disk_abilities){true, true, true});
    const struct disk *disk = memory_disk_table(memory);
    struct anystore_error error;
    struct segment_writer writer;
    struct segment_reader reader;
    int fd = disk->open(disk, "/data", O_RDWR | O_CREAT, 0600);
    const struct byte_file file = disk_file(disk, fd, "/data");
    segment_writer_begin(&writer, &file, start, FORMAT_DELTA, &error);
    pending_write(pending, &writer);
    assert_int_equal(segment_writer_finish(&writer, start->generation + 1, 1), ANYSTORE_OK);
    assert_int_equal(segment_reader_begin(&reader, &file, writer.chain.end, start, &error),
                     ANYSTORE_OK);
    segment_writer_free(&writer);

    struct pending copy;
    struct entry *garbage = NULL;
    struct map old;
    bool more = false, end = false;
    pending_init(&copy, other);
    assert_int_equal(segment_reader_next_commit(&reader, &more), ANYSTORE_OK);
    for (;;) {
        struct record record;
        assert_int_equal(segment_reader_at_end(&reader, &end), ANYSTORE_OK);
        if (end)
            break;
        assert_int_equal(record_read(&reader, &record), ANYSTORE_OK);
        if (record.kind == RECORD_CLEAR)
            pending_clear(&copy);
        else if (record.entry)
            assert_true(pending_add(&copy, other, record.entry));
    }
    pending_check(&copy, other);
    assert_true(map_ready(copy.cleared ? &copy.map : other));
    pending_apply(&copy, other, &garbage, &old);
    entry_free_list(garbage);
    map_clear(&old);
    pending_free(&copy);
    segment_reader_free(&reader);
    disk->close(disk, fd);
    memory_disk_free(memory);
}

static void test_pending(void **state)
{
    struct support_random random = support_random_new(2);
    const struct siphash_key seed = {1, 2}, other_seed = {3, 4};
    struct format_header header = {.version = FORMAT_VERSION};
    uint8_t file_key[XAES_KEY_BYTES] = {1};
    struct model model = {0};
    struct map map, ahead, behind;
    int64_t now_ms = 1000;

    (void)state;
    struct chain start;
    chain_start(&start, &header, file_key);
    start.base_end = start.end;
    map_init(&map, &seed);
    map_init(&ahead, &other_seed);
    map_init(&behind, &other_seed);
    assert_true(map_ready(&map) && map_ready(&ahead) && map_ready(&behind));
    for (int i = 0; i < 6000; i++) {
        struct pending pending;
        struct anystore_txn txn;
        struct model trial = model;
        pending_init(&pending, &map);
        txn_begin(&txn, TXN_PENDING, &map, &pending);
        transact(&txn, &trial, &random, &now_ms);
        txn_free(&txn);
        pending_check(&pending, &map);
        expect_view(&map, &model, now_ms); /* nothing shows yet */
        if (support_random_below(&random, 4) > 0 && !pending_empty(&pending)) {
            struct entry *garbage = NULL;
            struct map old;
            replicate(&pending, &start, &ahead);
            replicate(&pending, &start, &behind);
            assert_true(map_ready(pending.cleared ? &pending.map : &map));
            pending_apply(&pending, &map, &garbage, &old);
            entry_free_list(garbage);
            map_clear(&old);
            assert_true(pending_empty(&pending));
            model = trial;
        }
        pending_free(&pending);
        expect_view(&map, &model, now_ms);
        expect_view(&behind, &model, now_ms);
        if (i % 5 == 0)
            take_expired(&map, now_ms);
        if (i % 3 == 0)
            take_expired(&ahead, now_ms + 20);
        expect_view(&ahead, &model, now_ms + 20);
    }
    map_clear(&map);
    map_clear(&ahead);
    map_clear(&behind);
}

static void test_nothing_changed_is_nothing_pending(void **state)
{
    const struct siphash_key seed = {1, 2};
    struct map map;
    struct pending pending;
    struct anystore_txn txn;
    struct anystore_value value = {.data = "v", .size = 1};
    bool existed = true;

    (void)state;
    map_init(&map, &seed);
    assert_true(map_ready(&map));
    pending_init(&pending, &map);
    txn_begin(&txn, TXN_PENDING, &map, &pending);
    assert_int_equal(anystore_clear(&txn), ANYSTORE_OK);
    assert_int_equal(anystore_delete(&txn, "a", 1, &existed), ANYSTORE_OK);
    assert_false(existed);
    assert_int_equal(anystore_set_expiry(&txn, "a", 1, 5, &existed), ANYSTORE_OK);
    assert_false(existed);
    assert_int_equal(anystore_put(&txn, "a", 1, &value), ANYSTORE_OK);
    assert_int_equal(anystore_delete(&txn, "a", 1, &existed), ANYSTORE_OK);
    assert_true(existed);
    txn_end(&txn);
    assert_int_equal(anystore_put(&txn, "a", 1, &value), ANYSTORE_OK);
    assert_int_equal(anystore_clear(&txn), ANYSTORE_OK);
    anystore_rollback(&txn, 0);
    txn_end(&txn);
    assert_true(pending_empty(&pending));
    txn_free(&txn);
    pending_free(&pending);
    map_clear(&map);
}

static void test_too_large(void **state)
{
    const struct siphash_key seed = {1, 2};
    struct map map;
    struct anystore_txn txn;
    struct anystore_value value = {.data = "v", .size = ANYSTORE_MAX_BYTES + 1};

    (void)state;
    map_init(&map, &seed);
    assert_true(map_ready(&map));
    txn_begin(&txn, TXN_DIRECT, &map, NULL);
    assert_int_equal(anystore_put(&txn, "a", 1, &value), ANYSTORE_TOO_LARGE);
    value.size = 1;
    assert_int_equal(anystore_put(&txn, "a", ANYSTORE_MAX_BYTES + 1, &value), ANYSTORE_TOO_LARGE);
    assert_int_equal(anystore_count(&txn), 0);
    txn_free(&txn);
    map_clear(&map);
}

/* Records that no writer writes: an expiry for a key that does not exist, or already has one. */
static void test_records_that_do_not_fit(void **state)
{
    const struct siphash_key seed = {1, 2};
    struct map map;
    struct pending pending;

    (void)state;
    map_init(&map, &seed);
    assert_true(map_ready(&map));
    struct entry *there = entry_new(ENTRY_PUT, 1, 0);
    there->bytes[0] = 'a';
    there->expire_ms = 1;
    there->hash = map_hash(&map, "a", 1);
    map_put(&map, there);
    pending_init(&pending, &map);
    for (const char *key = "abc"; *key; key++) {
        struct entry *entry = entry_new(ENTRY_EXPIRE, 1, 0);
        entry->bytes[0] = (uint8_t)*key;
        entry->expire_ms = 2;
        assert_false(pending_add(&pending, &map, entry));
    }
    for (int i = 0; i < 2; i++) {
        struct entry *entry = entry_new(ENTRY_DELETE, 1, 0);
        entry->bytes[0] = 'a';
        assert_true(pending_add(&pending, &map, entry)); /* twice is once */
    }
    struct entry *entry = entry_new(ENTRY_EXPIRE, 1, 0);
    entry->bytes[0] = 'a';
    assert_false(pending_add(&pending, &map, entry));
    pending_clear(&pending);
    entry = entry_new(ENTRY_DELETE, 1, 0);
    entry->bytes[0] = 'a';
    assert_true(pending_add(&pending, &map, entry));
    assert_int_equal(pending.map.count, 0); /* P3 */
    entry = entry_new(ENTRY_EXPIRE, 1, 0);
    entry->bytes[0] = 'a';
    assert_false(pending_add(&pending, &map, entry));
    /* A key that got an expiry by these changes. */
    struct entry *put = entry_new(ENTRY_PUT, 1, 0);
    put->bytes[0] = 'd';
    assert_true(pending_add(&pending, &map, put));
    for (int i = 0; i < 3; i++) {
        entry = entry_new(ENTRY_EXPIRE, 1, 0);
        entry->bytes[0] = 'd';
        entry->expire_ms = i;
        assert_int_equal(pending_add(&pending, &map, entry), i < 2);
    }
    pending_check(&pending, &map);
    pending_free(&pending);
    map_clear(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_nothing_changed_is_nothing_pending),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_records_that_do_not_fit),
    };
    support_seed();
    return cmocka_run_group_tests_name("store_txn", tests, NULL, NULL);
}
