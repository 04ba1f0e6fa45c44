/* SPDX-License-Identifier: MIT */
/* Protects all-or-nothing when memory is short: whichever allocation of the store fails, the caller
 * gets an error, nothing has changed, and the next call works when there is memory again.  Also the
 * log lines for the operator. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "anystore.h"
#include "tests/store/support.h"

/* ---- Memory that runs out ----------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

/* Allocations, of any thread, until one fails; negative: none does. */
static atomic_int left = -1;
static atomic_bool failed;

static bool fails(void)
{
    if (atomic_load(&left) < 0 || atomic_fetch_sub(&left, 1) != 0)
        return false;
    atomic_store(&failed, true);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

static void arm(int turn)
{
    atomic_store(&failed, false);
    atomic_store(&left, turn);
}

/* Whether an allocation has failed. */
static bool disarm(void)
{
    atomic_store(&left, -1);
    return atomic_load(&failed);
}

/* ---- What is done ------------------------------------------------------------------------- */

struct change {
    unsigned number;
    bool refused; /* one of its steps failed */
};

/* Many steps of all kinds, which must leave nothing if one of them fails. */
static bool change_much(struct anystore_txn *txn, void *arg)
{
    struct change *change = arg;
    struct anystore_value value = {.data = "new", .size = 3};
    bool ok = true;
    for (unsigned i = 0; i < 40 && ok; i++) {
        char key[20];
        size_t size = (size_t)sprintf(key, "key %u", (change->number + i) % 60);
        switch (i % 4) {
        case 0:
            ok = anystore_delete(txn, key, size, NULL) == ANYSTORE_OK;
            break;
        case 1:
            ok = anystore_set_expiry(txn, key, size, INT64_MAX - i, NULL) == ANYSTORE_OK;
            break;
        default:
            ok = anystore_put(txn, key, size, &value) == ANYSTORE_OK;
            break;
        }
        if (i == 20 && change->number % 3 == 0)
            ok = ok && anystore_clear(txn) == ANYSTORE_OK;
    }
    change->refused = !ok;
    return ok;
}

static void expect_same(struct anystore *store, const char *expected)
{
    char *text = support_dump(store);
    assert_string_equal(text, expected);
    free(text);
    anystore_check(store);
}

static void update_without_memory(const char *file)
{
    struct anystore *store = support_open(file);
    struct anystore *other = file ? support_open(file) : NULL;
    struct anystore_error error;
    struct change change = {.number = 1};
    unsigned failures = 0;
    assert_int_equal(anystore_update(store, change_much, &change, &error), ANYSTORE_OK);
    for (unsigned round = 0; round < 6; round++) {
        change.number++;
        for (int turn = 0;; turn++) {
            char *before = support_dump(store);
            change.refused = false;
            arm(turn);
            enum anystore_status status = anystore_update(store, change_much, &change, &error);
            bool hit = disarm();
            if (status != ANYSTORE_OK) {
                failures++;
                assert_true(hit);
                assert_int_equal(status, change.refused ? ANYSTORE_ABORTED : ANYSTORE_NOMEM);
                assert_int_equal(error.status, status);
                expect_same(store, before);
                if (other)
                    expect_same(other, before);
            }
            free(before);
            if (!hit)
                break;
            assert_true(turn < 10000);
        }
        if (other) {
            char *text = support_dump(store);
            expect_same(other, text);
            free(text);
        }
    }
    assert_true(failures > 50);
    if (file) {
        char *text = support_dump(store);
        struct anystore *fresh = support_open(file);
        expect_same(fresh, text);
        anystore_close(fresh);
        free(text);
    }
    anystore_close(other);
    anystore_close(store);
}

static void test_updates(void **state)
{
    (void)state;
    update_without_memory(scratch.path);
}

static void test_updates_in_memory(void **state)
{
    (void)state;
    update_without_memory(NULL);
}

static bool nothing(struct anystore_txn *txn, void *arg)
{
    (void)txn;
    (void)arg;
    return true;
}

/* A view that has to read another's write, over a base or not. */
static void test_catching_up(void **state)
{
    struct anystore *store, *other;
    struct anystore_error error;
    struct change change = {.number = 0};
    unsigned failures = 0;

    (void)state;
    store = support_open(scratch.path);
    other = support_open(scratch.path);
    for (unsigned round = 0; round < 8; round++)
        for (int turn = 0;; turn++) {
            for (unsigned i = 0; i <= round % 2; i++) {
                change.number++;
                assert_int_equal(anystore_update(other, change_much, &change, &error), ANYSTORE_OK);
                if (round % 4 == 3)
                    assert_int_equal(support_rewrite(other, &error), ANYSTORE_OK);
            }
            arm(turn);
            enum anystore_status status = anystore_view(store, nothing, NULL, &error);
            bool hit = disarm();
            if (status != ANYSTORE_OK) {
                failures++;
                assert_true(hit);
                assert_int_equal(status, ANYSTORE_NOMEM);
            }
            char *text = support_dump(other);
            expect_same(store, text);
            free(text);
            if (!hit)
                break;
            assert_true(turn < 10000);
        }
    assert_true(failures > 50);
    anystore_close(other);
    anystore_close(store);
}

static void test_opening(void **state)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = scratch.path, .key = key};
    struct anystore_error error;
    struct change change = {.number = 1};
    bool hit = true;

    (void)state;
    struct anystore *store = support_open(scratch.path);
    assert_int_equal(anystore_update(store, change_much, &change, &error), ANYSTORE_OK);
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    assert_int_equal(anystore_update(store, change_much, &change, &error), ANYSTORE_OK);
    char *text = support_dump(store);
    anystore_close(store);
    size_t descriptors = support_count_descriptors();
    for (int turn = 0; hit; turn++) {
        arm(turn);
        store = anystore_open(&options, &error);
        hit = disarm();
        if (!store) {
            assert_true(hit);
            assert_int_equal(error.status, ANYSTORE_NOMEM);
            support_expect_descriptors(descriptors);
            store = anystore_open(&options, &error);
        }
        assert_non_null(store);
        expect_same(store, text);
        anystore_close(store);
        assert_true(turn < 10000);
    }
    /* A file that must be made. */
    options.path = support_path(scratch.directory, "new");
    hit = true;
    for (int turn = 0; hit; turn++) {
        arm(turn);
        store = anystore_open(&options, &error);
        hit = disarm();
        if (!store)
            assert_int_equal(error.status, ANYSTORE_NOMEM);
        anystore_close(store);
        unlink(options.path);
        support_expect_descriptors(descriptors);
    }
    free(text);
    anystore_key_free(key);
}

static void test_keys(void **state)
{
    struct anystore_error error;
    bool hit = true;

    (void)state;
    for (int turn = 0; hit; turn++) {
        arm(turn);
        struct anystore_key *key =
            anystore_key_create(support_path(scratch.directory, "key"), &error);
        hit = disarm();
        if (!key) {
            assert_true(hit);
            assert_int_equal(error.status, ANYSTORE_NOMEM);
        }
        anystore_key_free(key);
    }
}

/* ---- The log ------------------------------------------------------------------------------ */

struct log {
    pthread_mutex_t mutex;
    char text[2000];
    unsigned lines, warnings;
};

static void on_log(enum anystore_log_level level, const char *text, void *arg)
{
    struct log *log = arg;
    pthread_mutex_lock(&log->mutex);
    log->lines++;
    log->warnings += level == ANYSTORE_LOG_WARNING;
    snprintf(log->text, sizeof log->text, "%s", text);
    pthread_mutex_unlock(&log->mutex);
}

static void test_log(void **state)
{
    struct log log = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {
        .path = scratch.path, .key = key, .on_log = on_log, .log_arg = &log};
    struct anystore_error error;

    (void)state;
    struct anystore *store = anystore_open(&options, &error);
    assert_non_null(store);
    assert_int_equal(log.lines, 1); /* that the file was made */
    assert_int_equal(log.warnings, 0);
    assert_non_null(strstr(log.text, scratch.path));
    support_put(store, "a", "1");
    assert_int_equal(log.lines, 1); /* success is not worth a line */
    assert_int_equal(unlink(scratch.path), 0);
    assert_int_equal(support_try_put(store, "a", "2", &error), ANYSTORE_REPLACED);
    pthread_mutex_lock(&log.mutex);
    assert_true(log.warnings > 0);
    assert_non_null(strstr(log.text, scratch.path));
    pthread_mutex_unlock(&log.mutex);
    anystore_close(store);
    anystore_key_free(key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_updates),     TEST(test_updates_in_memory),
        TEST(test_catching_up), TEST(test_opening),
        TEST(test_keys),        TEST(test_log),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a store that is left open would fail the next test */
    return cmocka_run_group_tests_name("store_memory", tests, NULL, NULL);
}
