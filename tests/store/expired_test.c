/* SPDX-License-Identifier: MIT */
/* Protects on_expired: each instance over the file is told once of each key whose time has come,
 * even if a change by any instance replaces the key at once, read together with other changes or
 * not; it is not told of keys that were extended, removed or cleared before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "anystore.h"
#include "store/common/clock.h"
#include "tests/store/support.h"

#define KEYS 64

/* What an instance was told: how often, for keys "0", "1", ... */
struct told {
    atomic_uint count[KEYS];
    atomic_bool wanted;
};

static struct told told[2];
static struct anystore *stores[2];

static void on_expired(const void *key, size_t key_size, void *arg)
{
    struct told *instance = arg;
    char text[8] = "";
    assert_in_range(key_size, 1, sizeof text - 1);
    memcpy(text, key, key_size);
    unsigned number = (unsigned)atoi(text);
    assert_in_range(number, 0, KEYS - 1);
    atomic_fetch_add(&instance->count[number], 1);
}

static bool wants_expired(void *arg)
{
    return atomic_load(&((struct told *)arg)->wanted);
}

static void open_stores(unsigned count)
{
    struct anystore_key *key = support_key(1);
    struct anystore_error error;
    memset(told, 0, sizeof told);
    for (unsigned i = 0; i < count; i++) {
        struct anystore_options options = {.path = scratch.path,
                                           .key = key,
                                           .on_expired = on_expired,
                                           .wants_expired = wants_expired,
                                           .expired_arg = &told[i]};
        atomic_store(&told[i].wanted, true);
        stores[i] = anystore_open(&options, &error);
        assert_non_null(stores[i]);
    }
    anystore_key_free(key);
}

static int set_up(void **state)
{
    support_set_up(state);
    open_stores(2);
    return 0;
}

static int set_up_memory(void **state)
{
    (void)state;
    scratch.path = NULL;
    open_stores(1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        anystore_close(stores[i]);
        stores[i] = NULL;
    }
    return support_tear_down(state);
}

/* ---- Steps -------------------------------------------------------------------------------- */

struct step {
    unsigned key;
    int64_t after_ms; /* the key expires then; 0: never */
    bool fails;
};

static bool put(struct anystore_txn *txn, void *arg)
{
    const struct step *step = arg;
    char key[8];
    int size = snprintf(key, sizeof key, "%u", step->key);
    struct anystore_value value = {.data = "v", .size = 1};
    value.expire_ms = step->after_ms ? anystore_now(txn) + step->after_ms : 0;
    assert_int_equal(anystore_put(txn, key, (size_t)size, &value), ANYSTORE_OK);
    return !step->fails;
}

static bool put_and_delete(struct anystore_txn *txn, void *arg)
{
    const struct step *step = arg;
    char key[8];
    int size = snprintf(key, sizeof key, "%u", step->key);
    return put(txn, arg) && anystore_delete(txn, key, (size_t)size, NULL) == ANYSTORE_OK;
}

static void set(struct anystore *store, unsigned key, int64_t after_ms)
{
    struct step step = {.key = key, .after_ms = after_ms};
    assert_int_equal(anystore_update(store, put, &step, NULL), ANYSTORE_OK);
}

static void pass(int64_t ms)
{
    for (int64_t until = clock_now_ms() + ms; clock_now_ms() < until;)
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

/* Until an instance has been told of a key; minutes, if it never is. */
static void wait_for(unsigned instance, unsigned key)
{
    for (int i = 0; i < 60000 && atomic_load(&told[instance].count[key]) == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    assert_int_equal(atomic_load(&told[instance].count[key]), 1);
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void test_told_by_each(void **state)
{
    (void)state;
    for (unsigned key = 0; key < KEYS; key++)
        set(stores[key % 2], key, 1 + key % 7);
    for (unsigned key = 0; key < KEYS; key++) {
        wait_for(0, key);
        wait_for(1, key); /* though nobody reads there */
    }
    set(stores[0], 1, 20);
    pass(300); /* a second one would have come by then */
    for (unsigned key = 0; key < KEYS; key++)
        assert_int_equal(atomic_load(&told[0].count[key]), key == 1 ? 2 : 1);
}

/* A key is written anew in the moment of its end, by the same instance, by the other, or by
 * both. */
static void test_replaced_at_once(void **state)
{
    (void)state;
    for (unsigned key = 0; key < KEYS; key++) {
        set(stores[key % 2], key, 2);
        pass(3);
        struct step step = {.key = key};
        struct anystore *other = stores[key / 2 % 2];
        assert_int_equal(anystore_update(other, key % 8 < 4 ? put : put_and_delete, &step, NULL),
                         ANYSTORE_OK);
    }
    for (unsigned key = 0; key < KEYS; key++) {
        wait_for(key / 2 % 2, key);
        if (key % 8 < 4) /* of a key that one commit put and removed, the other sees nothing */
            wait_for(1 - key / 2 % 2, key);
    }
    pass(300);
    for (unsigned key = 0; key < KEYS; key++)
        for (unsigned i = 0; i < 2; i++)
            assert_in_range(atomic_load(&told[i].count[key]), key % 8 < 4 ? 1 : 0, 1);
}

/* An undone change has replaced nothing. */
static void test_undone(void **state)
{
    (void)state;
    set(stores[0], 0, 2);
    pass(3);
    struct step step = {.key = 0, .fails = true};
    assert_int_equal(anystore_update(stores[0], put, &step, NULL), ANYSTORE_ABORTED);
    set(stores[0], 0, 0);
    wait_for(0, 0);
    pass(150);
    assert_int_equal(atomic_load(&told[0].count[0]), 1);
}

static void test_not_told(void **state)
{
    (void)state;
    for (unsigned key = 0; key < 3; key++)
        set(stores[0], key, 300);
    set(stores[0], 0, 1000000);
    set(stores[0], 1, 0);
    support_delete(stores[0], "2");
    set(stores[0], 3, 400);
    wait_for(0, 3);
    wait_for(1, 3);
    set(stores[0], 4, 100);
    support_clear(stores[0]);
    set(stores[0], 5, 200);
    wait_for(0, 5);
    wait_for(1, 5);
    for (unsigned key = 0; key < 5; key++)
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(atomic_load(&told[i].count[key]), key == 3);
}

/* A number that both share, and that the store itself never touches. */
static void test_shared_number(void **state)
{
    (void)state;
    struct anystore_shared *here = anystore_shared_number(stores[0]);
    struct anystore_shared *there = anystore_shared_number(stores[1]);
    const uint64_t large = UINT64_C(0x1234567890abcdef);
    assert_true(anystore_shared_load(here) == 0);
    anystore_shared_store(here, large);
    set(stores[0], 0, 0); /* commits leave it alone */
    set(stores[1], 0, 0);
    assert_true(anystore_shared_load(there) == large && anystore_shared_peek(there) == large);
    uint64_t seen = 0;
    assert_false(anystore_shared_replace(there, &seen, 1));
    assert_true(seen == large && anystore_shared_load(here) == large);
    assert_true(anystore_shared_replace(there, &seen, 1));
    assert_true(anystore_shared_peek(here) == 1);
    struct anystore *memory = support_open(NULL);
    struct anystore_shared *own = anystore_shared_number(memory);
    assert_true(anystore_shared_load(own) == 0);
    anystore_shared_store(own, 2);
    assert_true(anystore_shared_peek(own) == 2 && anystore_shared_load(here) == 1);
    anystore_close(memory);
}

static void test_memory(void **state)
{
    (void)state;
    for (unsigned key = 0; key < KEYS; key++) {
        set(stores[0], key, 2);
        pass(key % 2 ? 3 : 0);
        set(stores[0], key, key % 2 ? 0 : 20);
    }
    for (unsigned key = 0; key < KEYS; key++)
        wait_for(0, key);
    pass(150);
    for (unsigned key = 0; key < KEYS; key++)
        assert_int_equal(atomic_load(&told[0].count[key]), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_told_by_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replaced_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_undone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shared_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up_memory, tear_down),
        cmocka_unit_test_setup_teardown(test_undone, set_up_memory, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
