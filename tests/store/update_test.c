/* SPDX-License-Identifier: MIT */
/* Protects the library's calls: opening, expiry, large values and many keys; what changes nothing
 * writes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "anystore.h"
#include "tests/store/support.h"

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Opening ------------------------------------------------------------------------------ */

static void test_open_and_reopen(void **state)
{
    struct stat st;
    mode_t old_mask = umask(0);

    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_expect(store, "key", NULL);
    support_put(store, "key", "value");
    support_expect(store, "key", "value");
    support_put(store, "key", "other");
    support_put(store, "", "");
    support_delete(store, "key");
    support_put(store, "last", "one");
    support_expect(store, "key", NULL);
    support_expect(store, "", "");
    umask(old_mask);
    assert_int_equal(stat(scratch.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(support_path(scratch.directory, "data.lock"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(support_path(scratch.directory, "data.spare"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(support_count_names(scratch.directory), 3); /* and nothing else */
    anystore_check(store);
    struct anystore_stats stats = support_stats(store);
    assert_true(stats.persistent);
    assert_int_equal(stats.generation, 5);
    assert_int_equal(stats.commits, 5);
    assert_int_equal(stats.updates, 5);
    assert_int_equal(stats.keys, 2);
    assert_int_equal(stats.data_bytes, 7);
    anystore_close(store);
    assert_int_equal(support_count_names(scratch.directory), 3);

    store = support_open(scratch.path);
    support_expect(store, "key", NULL);
    support_expect(store, "", "");
    support_expect(store, "last", "one");
    stats = support_stats(store);
    assert_int_equal(stats.generation, 5);
    assert_int_equal(stats.commits, 0);
    assert_int_equal(stats.keys, 2);
    assert_true(stats.last_commit_ms > now_ms() - 600000 && stats.last_commit_ms <= now_ms());
    assert_int_equal(stat(scratch.path, &st), 0);
    assert_true(stats.file_size < (uint64_t)st.st_size); /* there is room behind the chain */
    assert_true(stats.base_size > 0 && stats.base_size < stats.file_size);
    anystore_close(store);
    anystore_close(NULL);
}

static void test_leftover_of_a_dead_process(void **state)
{
    const char *const leftovers[] = {support_path(scratch.directory, "data.tmp"),
                                     support_path(scratch.directory, "data.base"),
                                     support_path(scratch.directory, "data.base.spare")};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        support_write(leftovers[i], "torn", 4);
    struct anystore *store = support_open(scratch.path);
    for (size_t i = 0; i < 3; i++)
        assert_false(support_exists(leftovers[i]));
    support_write(leftovers[1], "torn again", 10);
    support_write(leftovers[2], "torn again", 10);
    support_put(store, "a", "1");
    struct anystore_error error;
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    for (size_t i = 0; i < 3; i++)
        assert_false(support_exists(leftovers[i]));
    anystore_close(store);
    support_write(support_path(scratch.directory, "data.spare"), "torn", 4);
    store = support_open(scratch.path);
    assert_false(support_exists(support_path(scratch.directory, "data.spare")));
    support_expect(store, "a", "1");
    anystore_close(store);
}

/* Through a link, the lock file is still the one beside the file itself. */
static void test_symbolic_link(void **state)
{
    const char *link = support_path(scratch.directory, "link");

    (void)state;
    struct anystore *store = support_open(scratch.path);
    assert_int_equal(symlink(scratch.path, link), 0);
    struct anystore *other = support_open(link);
    support_put(store, "a", "1");
    support_expect(other, "a", "1");
    support_put(other, "a", "2");
    support_expect(store, "a", "2");
    anystore_close(other);
    anystore_close(store);
    assert_int_equal(support_count_names(scratch.directory), 4);
}

static void test_relative_path(void **state)
{
    char before[1000];

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch.directory), 0);
    struct anystore *store = support_open("data");
    assert_int_equal(chdir(before), 0); /* must not matter */
    support_put(store, "a", "1");
    struct anystore *other = support_open(scratch.path);
    support_expect(other, "a", "1");
    anystore_close(other);
    anystore_close(store);
}

/* ---- Nothing changed, nothing written ----------------------------------------------------- */

static bool delete_missing(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return anystore_delete(txn, "missing", 7, NULL) == ANYSTORE_OK;
}

static bool only_read(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return anystore_get(txn, "a", 1, NULL);
}

static bool put_and_abort(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value = {.data = "x", .size = 1};
    (void)arg;
    anystore_put(txn, "a", 1, &value);
    anystore_clear(txn);
    anystore_put(txn, "b", 1, &value);
    return false;
}

static bool put_and_delete(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value = {.data = "x", .size = 1};
    (void)arg;
    anystore_put(txn, "new", 3, &value);
    return anystore_delete(txn, "new", 3, NULL) == ANYSTORE_OK;
}

static void test_no_change_writes_nothing(void **state)
{
    static const struct {
        anystore_fn *fn;
        enum anystore_status status;
    } calls[] = {
        {delete_missing, ANYSTORE_OK},
        {only_read, ANYSTORE_OK},
        {put_and_abort, ANYSTORE_ABORTED},
        {put_and_delete, ANYSTORE_OK},
    };
    struct stat before, after;
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_put(store, "a", "1");
    assert_int_equal(stat(scratch.path, &before), 0);
    struct anystore_stats stats = support_stats(store);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        assert_int_equal(anystore_update(store, calls[i].fn, NULL, &error), calls[i].status);
        assert_int_equal(stat(scratch.path, &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(after.st_size, before.st_size);
        assert_memory_equal(&after.st_mtim, &before.st_mtim, sizeof after.st_mtim);
        assert_memory_equal(&after.st_ctim, &before.st_ctim, sizeof after.st_ctim);
    }
    support_expect(store, "a", "1");
    struct anystore_stats later = support_stats(store);
    assert_int_equal(later.generation, stats.generation);
    assert_int_equal(later.commits, stats.commits);
    assert_int_equal(later.bytes_written, stats.bytes_written);
    assert_int_equal(later.updates, stats.updates + 4);
    anystore_close(store);

    store = support_open(support_path(scratch.directory, "empty"));
    support_clear(store); /* of nothing */
    assert_int_equal(support_stats(store).commits, 0);
    anystore_close(store);
}

static void test_view_says_no(void **state)
{
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(NULL);
    assert_int_equal(anystore_view(store, only_read, NULL, &error), ANYSTORE_ABORTED);
    assert_int_equal(error.status, ANYSTORE_ABORTED);
    assert_int_equal(anystore_view(store, only_read, NULL, NULL), ANYSTORE_ABORTED);
    support_put(store, "a", "1");
    assert_int_equal(anystore_view(store, only_read, NULL, &error), ANYSTORE_OK);
    assert_int_equal(anystore_update(store, put_and_abort, NULL, NULL), ANYSTORE_ABORTED);
    support_expect(store, "a", "1");
    support_expect(store, "b", NULL);
    anystore_check(store);
    assert_false(support_stats(store).persistent);
    anystore_close(store);
}

/* ---- Expiry ------------------------------------------------------------------------------- */

struct expiring {
    const char *key;
    int64_t after_ms;
};

static bool put_expiring(struct anystore_txn *txn, void *arg)
{
    const struct expiring *expiring = arg;
    struct anystore_value value = {
        .data = "x", .size = 1, .expire_ms = anystore_now(txn) + expiring->after_ms};
    return anystore_put(txn, expiring->key, strlen(expiring->key), &value) == ANYSTORE_OK;
}

static void put_for(struct anystore *store, const char *key, int64_t after_ms)
{
    struct expiring expiring = {key, after_ms};
    struct anystore_error error;
    assert_int_equal(anystore_update(store, put_expiring, &expiring, &error), ANYSTORE_OK);
}

static void test_expiry(void **state)
{
    struct anystore_error error;

    (void)state;
    for (unsigned in_memory = 0; in_memory < 2; in_memory++) {
        struct anystore *store = support_open(in_memory ? NULL : scratch.path);
        struct anystore *other = in_memory ? NULL : support_open(scratch.path);
        put_for(store, "past", -1);
        support_expect(store, "past", NULL);
        put_for(store, "later", 1000000);
        support_put(store, "never", "1");
        for (char key[] = "soon a"; key[5] <= 'z'; key[5]++)
            put_for(store, key, 30);
        uint64_t generation = support_stats(store).generation;
        /* Keys disappear by themselves, then from memory, everywhere; nothing is written for
         * that. */
        while (support_get_number(store, "soon z") >= 0)
            support_nap();
        support_expect(store, "later", "x");
        while (support_stats(store).expired < 27)
            support_nap();
        assert_int_equal(support_stats(store).keys, 2);
        assert_int_equal(support_stats(store).expiring, 1);
        assert_int_equal(support_stats(store).generation, generation);
        anystore_check(store);
        if (other) {
            support_expect(other, "later", "x");
            support_expect(other, "soon a", NULL);
            while (support_stats(other).keys > 2)
                support_nap();
            anystore_check(other);
            anystore_close(other);
            anystore_close(store);
            store = support_open(scratch.path);
            support_expect(store, "never", "1");
            assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
            anystore_close(store);
            store = support_open(scratch.path); /* the new base left them out */
            assert_int_equal(support_stats(store).keys, 2);
        }
        anystore_close(store);
    }
}

static bool set_expiry(struct anystore_txn *txn, void *arg)
{
    const struct expiring *expiring = arg;
    bool existed = false;
    int64_t at = expiring->after_ms ? anystore_now(txn) + expiring->after_ms : 0;
    return anystore_set_expiry(txn, expiring->key, strlen(expiring->key), at, &existed) ==
               ANYSTORE_OK &&
           existed;
}

static void test_expiry_changes_reach_the_other(void **state)
{
    static const int64_t times[] = {1000000, 0, 1000000, 2000000, 0, -1};
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    support_put(store, "a", "1");
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct expiring expiring = {"a", times[i]};
        struct anystore *turn = i % 2 ? store : other;
        assert_int_equal(anystore_update(turn, set_expiry, &expiring, &error), ANYSTORE_OK);
        char *one = support_dump(store), *two = support_dump(other);
        assert_string_equal(one, two);
        support_expect(other, "a", times[i] < 0 ? NULL : "1");
        free(one);
        free(two);
    }
    struct expiring expiring = {"a", 5};
    assert_int_equal(anystore_update(store, set_expiry, &expiring, &error), ANYSTORE_ABORTED);
    anystore_close(other);
    anystore_close(store);
}

/* ---- Large ones --------------------------------------------------------------------------- */

static void test_large_values(void **state)
{
    enum { SIZE = 20 << 20 };
    struct anystore_error error;
    uint8_t *value = malloc(SIZE);
    struct support_random random = support_random_new(7);
    char *disk_directory = support_disk_directory_new();
    const char *file = support_path(disk_directory, "data");

    (void)state;
    assert_non_null(value);
    for (size_t i = 0; i < SIZE; i += 8) {
        uint64_t x = support_random_next(&random);
        memcpy(value + i, &x, sizeof x);
    }
    struct anystore *store = support_open(file), *other = support_open(file);
    support_put_bytes(store, "large", value, SIZE);
    support_put_bytes(store, "larger", value, SIZE - 1);
    support_put(store, "small", "1");
    support_expect(other, "small", "1");
    char *one = support_dump(store), *two = support_dump(other);
    assert_true(strlen(one) > 4UL * SIZE - 2);
    assert_string_equal(one, two);
    free(two);
    anystore_close(other);
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    anystore_check(store);
    anystore_close(store);
    store = support_open(file);
    two = support_dump(store);
    assert_string_equal(one, two);
    free(one);
    free(two);
    support_clear(store);
    anystore_close(store);
    store = support_open(file);
    assert_int_equal(support_stats(store).keys, 0);
    anystore_close(store);
    free(value);
    support_directory_free(disk_directory);
}

static bool put_many(struct anystore_txn *txn, void *arg)
{
    const unsigned *count = arg;
    for (unsigned i = 0; i < *count; i++) {
        char key[20];
        struct anystore_value value = {.data = key, .size = (size_t)sprintf(key, "many:%u", i)};
        if (anystore_put(txn, key, value.size, &value) != ANYSTORE_OK)
            return false;
    }
    return true;
}

static void test_many_keys(void **state)
{
    unsigned count = 200000;
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    assert_int_equal(anystore_update(store, put_many, &count, &error), ANYSTORE_OK);
    support_expect(other, "many:0", "many:0");
    support_expect(other, "many:199999", "many:199999");
    assert_int_equal(support_stats(other).keys, count);
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    anystore_check(store);
    anystore_check(other);
    anystore_close(store);
    store = support_open(scratch.path);
    assert_int_equal(support_stats(store).keys, count);
    support_expect(store, "many:77777", "many:77777");
    anystore_check(store);
    support_clear(other);
    support_expect(store, "many:77777", NULL);
    assert_int_equal(support_stats(store).keys, 0);
    anystore_check(store);
    support_put(store, "again", "1");
    support_expect(other, "again", "1");
    anystore_close(store);
    anystore_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_and_reopen),
        TEST(test_leftover_of_a_dead_process),
        TEST(test_symbolic_link),
        TEST(test_relative_path),
        TEST(test_no_change_writes_nothing),
        TEST(test_view_says_no),
        TEST(test_expiry),
        TEST(test_expiry_changes_reach_the_other),
        TEST(test_large_values),
        TEST(test_many_keys),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* updates run on another thread: nowhere to jump from */
    support_seed();
    return cmocka_run_group_tests_name("store_update", tests, NULL, NULL);
}
