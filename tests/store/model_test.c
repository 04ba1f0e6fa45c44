/* SPDX-License-Identifier: MIT */
/* Protects the library's calls: every instance over a file, and a store without one, behaves like a
 * small model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "anystore.h"
#include "tests/store/support.h"

#define KEYS      40
#define INSTANCES 3

struct model {
    struct slot {
        bool there;
        uint32_t value;
        int64_t expire_ms;
    } slots[KEYS];
};

struct trial {
    struct model model;
    struct support_random *random;
    bool abort;
};

static size_t key_of(size_t number, char key[16])
{
    return (size_t)sprintf(key, "key:%zu", number);
}

static void expect_slot(struct anystore_txn *txn, const struct model *model, size_t number)
{
    char key[16];
    struct anystore_value value;
    const struct slot *slot = &model->slots[number];
    bool found = anystore_get(txn, key, key_of(number, key), &value);
    assert_int_equal(found, slot->there);
    if (found) {
        assert_int_equal(value.size, sizeof slot->value);
        assert_memory_equal(value.data, &slot->value, sizeof slot->value);
        assert_int_equal(value.expire_ms, slot->expire_ms);
    }
}

/* None near now, so that the test does not depend on its speed; one in the past is like none. */
static int64_t random_expiry(struct support_random *random, int64_t now)
{
    switch (support_random_below(random, 3)) {
    case 0:
        return now + 1000000000;
    case 1:
        return support_random_below(random, 3) == 0 ? now - 1000 : now + 2000000000;
    default:
        return 0;
    }
}

static bool operate(struct anystore_txn *txn, void *arg)
{
    struct trial *trial = arg;
    struct model *model = &trial->model;
    for (size_t count = support_random_below(trial->random, 6); count > 0; count--) {
        size_t number = support_random_below(trial->random, KEYS);
        struct slot *slot = &model->slots[number];
        int64_t expire_ms = random_expiry(trial->random, anystore_now(txn));
        bool gone = expire_ms != 0 && expire_ms <= anystore_now(txn);
        char key[16];
        size_t size = key_of(number, key);
        bool existed = false;
        switch (support_random_below(trial->random, 10)) {
        default: {
            *slot = (struct slot){!gone, (uint32_t)support_random_next(trial->random), expire_ms};
            struct anystore_value value = {
                .data = &slot->value, .size = sizeof slot->value, .expire_ms = expire_ms};
            assert_int_equal(anystore_put(txn, key, size, &value), ANYSTORE_OK);
            break;
        }
        case 0:
        case 1:
        case 2:
            assert_int_equal(anystore_delete(txn, key, size, &existed), ANYSTORE_OK);
            assert_int_equal(existed, slot->there);
            slot->there = false;
            break;
        case 3:
        case 4:
            assert_int_equal(anystore_set_expiry(txn, key, size, expire_ms, &existed), ANYSTORE_OK);
            assert_int_equal(existed, slot->there);
            if (slot->there) {
                slot->expire_ms = expire_ms;
                slot->there = !gone;
            }
            break;
        case 5:
            if (support_random_below(trial->random, 10) == 0) {
                assert_int_equal(anystore_clear(txn), ANYSTORE_OK);
                memset(model, 0, sizeof *model);
            }
            break;
        }
        expect_slot(txn, model, number);
    }
    for (size_t i = 0; i < KEYS; i++)
        expect_slot(txn, model, i);
    return !trial->abort;
}

struct visiting {
    const struct model *model;
    uint64_t count;
};

static bool visit(const void *key, size_t key_size, const struct anystore_value *value, void *arg)
{
    struct visiting *visiting = arg;
    (void)value;
    char text[16];
    assert_true(key_size > 4 && key_size < sizeof text);
    memcpy(text, key, key_size);
    text[key_size] = '\0';
    size_t number = strtoul(text + 4, NULL, 10);
    assert_true(number < KEYS && visiting->model->slots[number].there);
    visiting->count++;
    return true;
}

static bool compare(struct anystore_txn *txn, void *arg)
{
    const struct model *model = arg;
    struct visiting visiting = {model, 0};
    uint64_t there = 0;
    for (size_t i = 0; i < KEYS; i++) {
        expect_slot(txn, model, i);
        there += model->slots[i].there;
    }
    anystore_each(txn, visit, &visiting);
    assert_int_equal(visiting.count, there);
    assert_true(anystore_count(txn) >= there);
    return true;
}

static void run_model(const char *file, unsigned rounds, uint64_t stream)
{
    struct support_random random = support_random_new(stream);
    struct anystore *stores[INSTANCES];
    size_t instances = file ? INSTANCES : 1;
    struct model model = {0};
    struct anystore_error error;
    for (size_t i = 0; i < instances; i++)
        stores[i] = support_open(file);
    for (unsigned round = 0; round < rounds; round++) {
        struct anystore **store = &stores[support_random_below(&random, instances)];
        struct trial trial = {model, &random, support_random_below(&random, 4) == 0};
        enum anystore_status status = anystore_update(*store, operate, &trial, &error);
        assert_int_equal(status, trial.abort ? ANYSTORE_ABORTED : ANYSTORE_OK);
        assert_int_equal(error.status, status);
        if (!trial.abort)
            model = trial.model;
        for (size_t i = 0; i < instances; i++)
            if (support_random_below(&random, 2) == 0)
                assert_int_equal(anystore_view(stores[i], compare, &model, &error), ANYSTORE_OK);
        if (round % 50 == 0)
            anystore_check(*store);
        if (file && support_random_below(&random, 40) == 0)
            assert_int_equal(support_rewrite(*store, &error), ANYSTORE_OK);
        if (file && support_random_below(&random, 40) == 0) {
            anystore_close(*store);
            *store = support_open(file);
        }
    }
    for (size_t i = 0; i < instances; i++) {
        assert_int_equal(anystore_view(stores[i], compare, &model, &error), ANYSTORE_OK);
        anystore_check(stores[i]);
        anystore_close(stores[i]);
    }
}

static void test_model_on_a_file(void **state)
{
    (void)state;
    run_model(scratch.path, 1500, 1);
}

static void test_model_in_memory(void **state)
{
    (void)state;
    run_model(NULL, 5000, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_model_on_a_file),
        TEST(test_model_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
