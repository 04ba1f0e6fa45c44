/* SPDX-License-Identifier: MIT */
/* Protects the memory of an update: repeated changes of one key take no more than their final
 * result, once they are settled; and the store's own figure is near the truth. */
#include "anystore.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/store/support.h"

#define MIB ((size_t)1 << 20)

/* glibc's own count; sanitizers bring another allocator, which counts elsewhere. */
static size_t allocated(void)
{
    struct mallinfo2 heap = mallinfo2();
    return heap.uordblks + heap.hblkhd;
}

static bool can_count(void)
{
    size_t before = allocated();
    void *volatile block = malloc(MIB);
    assert_non_null(block);
    bool counts = allocated() >= before + MIB;
    free(block);
    return counts;
}

static void put(struct anystore_txn *txn, const char *key, const void *data, size_t size)
{
    struct anystore_value value = {.data = data, .size = size};
    assert_int_equal(anystore_put(txn, key, strlen(key), &value), ANYSTORE_OK);
}

static void expect_size(struct anystore_txn *txn, const char *key, size_t size)
{
    struct anystore_value value;
    assert_true(anystore_get(txn, key, strlen(key), &value));
    assert_int_equal(value.size, size);
}

struct rounds {
    const void *large;
    size_t most; /* allocated in the update, at most */
};

static bool change_again_and_again(struct anystore_txn *txn, void *arg)
{
    struct rounds *rounds = arg;
    for (int i = 0; i < 200; i++) {
        put(txn, "k", rounds->large, MIB - (size_t)i);
        if (i % 10 == 9) {
            assert_int_equal(anystore_delete(txn, "k", 1, NULL), ANYSTORE_OK);
            put(txn, "k", rounds->large, MIB);
        }
        if (i == 100) {
            assert_int_equal(anystore_clear(txn), ANYSTORE_OK);
            put(txn, "k", rounds->large, MIB);
        }
        anystore_settle(txn);
        size_t now = allocated();
        rounds->most = now > rounds->most ? now : rounds->most;
    }
    /* Later savepoints work as before. */
    size_t savepoint = anystore_savepoint(txn);
    put(txn, "k", "short", 5);
    put(txn, "other", "x", 1);
    anystore_rollback(txn, savepoint);
    expect_size(txn, "k", MIB);
    assert_false(anystore_get(txn, "other", 5, NULL));
    put(txn, "small", "value", 5);
    anystore_settle(txn);
    expect_size(txn, "k", MIB);
    return true;
}

static void settle(struct anystore *store)
{
    struct rounds rounds = {.large = calloc(1, MIB)};
    assert_non_null(rounds.large);
    support_put(store, "k", "first");
    size_t before = allocated();
    assert_int_equal(anystore_update(store, change_again_and_again, &rounds, NULL), ANYSTORE_OK);
    if (can_count())
        assert_in_range(rounds.most, 0, before + 8 * MIB);
    support_expect(store, "small", "value");
    anystore_check(store);
    free((void *)(uintptr_t)rounds.large);
}

static void test_settle(void **state)
{
    (void)state;
    char *directory = support_directory_new();
    struct anystore *store = support_open(support_path(directory, "db"));
    settle(store);
    anystore_close(store);
    store = support_open(support_path(directory, "db"));
    support_expect(store, "small", "value");
    anystore_close(store);
    support_directory_free(directory);
}

static void test_settle_in_memory(void **state)
{
    (void)state;
    struct anystore *store = support_open(NULL);
    settle(store);
    anystore_close(store);
}

static bool look_at_figures(struct anystore_txn *txn, void *arg)
{
    struct anystore *store = arg;
    static const uint8_t value[1000];
    uint64_t published = anystore_memory(store);
    assert_int_equal(anystore_update_memory(txn), 0);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%03d", i);
        put(txn, key, value, sizeof value);
    }
    assert_in_range(anystore_update_memory(txn), 100 * 1006, 100 * 1200);
    put(txn, "key000", value, 0); /* smaller */
    assert_in_range(anystore_update_memory(txn), 99 * 1006, 100 * 1200);
    assert_int_equal(anystore_memory(store), published);
    return true;
}

static bool look_at_view(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    assert_int_equal(anystore_update_memory(txn), 0);
    return true;
}

static void figures(struct anystore *store)
{
    uint64_t before = anystore_memory(store);
    assert_int_equal(anystore_update(store, look_at_figures, store, NULL), ANYSTORE_OK);
    assert_in_range(anystore_memory(store), before + 99 * 1006, before + 100 * 1200);
    assert_int_equal(anystore_view(store, look_at_view, NULL, NULL), ANYSTORE_OK);
    support_clear(store);
    assert_in_range(anystore_memory(store), 0, 4096);
}

static void test_figures(void **state)
{
    (void)state;
    char *directory = support_directory_new();
    struct anystore *store = support_open(support_path(directory, "db"));
    figures(store);
    anystore_close(store);
    store = support_open(NULL);
    figures(store);
    anystore_close(store);
    support_directory_free(directory);
}

struct filling {
    size_t count, value_size;
};

static bool fill(struct anystore_txn *txn, void *arg)
{
    const struct filling *filling = arg;
    void *value = calloc(1, filling->value_size + 1);
    assert_non_null(value);
    for (size_t i = 0; i < filling->count; i++) {
        char key[32];
        snprintf(key, sizeof key, "key:%zu", i);
        put(txn, key, value, i % (filling->value_size + 1));
    }
    free(value);
    return true;
}

/* The store's figure against the allocator's, with small and large values. */
static void test_truth(void **state)
{
    (void)state;
    if (!can_count())
        skip();
    const struct filling rows[] = {{100000, 0}, {70000, 20}, {50000, 200}, {3000, 20000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct filling filling = rows[i];
        struct anystore *store = support_open(NULL);
        size_t before = allocated();
        uint64_t said_before = anystore_memory(store);
        assert_int_equal(anystore_update(store, fill, &filling, NULL), ANYSTORE_OK);
        double truth = (double)(allocated() - before);
        double said = (double)(anystore_memory(store) - said_before);
        print_message("%zu values of up to %zu bytes: %.1f MB, said %.1f MB\n", filling.count,
                      filling.value_size, truth / 1e6, said / 1e6);
        assert_true(said > 0.85 * truth && said < 1.15 * truth);
        anystore_close(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settle),
        cmocka_unit_test(test_settle_in_memory),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
