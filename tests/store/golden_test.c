/* SPDX-License-Identifier: MIT */
/* Protects existing files: one written by each format version opens and has its contents.
 * golden/vN.data is the file, golden/vN.key its key in base64. "store_golden_test make DIRECTORY"
 * writes them anew, for a new version; those of released versions never change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/store/support.h"

#define EXPIRY INT64_C(4102444800000) /* 2100-01-01 */

static const char binary_key[] = "\x00\xff\r\n\x80";
static const char binary_value[] = "\n\x00\x01\xfe";

static bool put(struct anystore_txn *txn, const void *key, size_t key_size, const void *value,
                size_t size, int64_t expire_ms)
{
    struct anystore_value what = {.data = value, .size = size, .expire_ms = expire_ms};
    return anystore_put(txn, key, key_size, &what) == ANYSTORE_OK;
}

/* ---- Making one: every kind of record is in it --------------------------------------------- */

static bool cleared(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return anystore_clear(txn) == ANYSTORE_OK && put(txn, "base", 4, "of the file", 11, 0) &&
           put(txn, "expiring", 8, "in the base", 11, EXPIRY) &&
           put(txn, "deleted", 7, "x", 1, 0) && put(txn, "given an expiry", 15, "y", 1, 0);
}

static bool changed(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return put(txn, binary_key, sizeof binary_key - 1, binary_value, sizeof binary_value - 1, 0) &&
           put(txn, "", 0, "", 0, 0) && put(txn, "new", 3, "z", 1, EXPIRY + 1) &&
           anystore_delete(txn, "deleted", 7, NULL) == ANYSTORE_OK &&
           anystore_set_expiry(txn, "given an expiry", 15, EXPIRY + 2, NULL) == ANYSTORE_OK;
}

static bool cleared_again(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return anystore_clear(txn) == ANYSTORE_OK && put(txn, "base", 4, "of the file", 11, 0) &&
           put(txn, "expiring", 8, "in the base", 11, EXPIRY) &&
           put(txn, "given an expiry", 15, "y", 1, EXPIRY + 2) &&
           put(txn, "new", 3, "z", 1, EXPIRY + 1) && put(txn, "", 0, "", 0, 0) &&
           put(txn, binary_key, sizeof binary_key - 1, binary_value, sizeof binary_value - 1, 0);
}

static void update(struct anystore *store, anystore_fn *fn)
{
    struct anystore_error error;
    assert_int_equal(anystore_update(store, fn, NULL, &error), ANYSTORE_OK);
}

static int make(const char *directory)
{
    struct anystore_error error;
    const char *key_path = support_path(directory, "v3.key");
    const char *path = support_path(directory, "v3.data");
    struct anystore_key *key = anystore_key_create(key_path, &error);
    struct anystore_options options = {.path = path, .key = key};
    struct anystore *store = key ? anystore_open(&options, &error) : NULL;
    if (!store) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    update(store, cleared);
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    update(store, changed);
    update(store, cleared_again);
    update(store, changed);
    anystore_close(store);
    anystore_key_free(key);
    return 0;
}

/* ---- Opening it ---------------------------------------------------------------------------- */

static bool expect(struct anystore_txn *txn, const void *key, size_t key_size, const void *data,
                   size_t size, int64_t expire_ms)
{
    struct anystore_value value;
    return anystore_get(txn, key, key_size, &value) && value.size == size &&
           memcmp(value.data, data, size) == 0 && value.expire_ms == expire_ms &&
           value.type == ANYSTORE_STRING;
}

static bool contents(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    assert_int_equal(anystore_count(txn), 6);
    assert_true(expect(txn, "base", 4, "of the file", 11, 0));
    assert_true(expect(txn, "expiring", 8, "in the base", 11, EXPIRY));
    assert_true(expect(txn, "given an expiry", 15, "y", 1, EXPIRY + 2));
    assert_true(expect(txn, "new", 3, "z", 1, EXPIRY + 1));
    assert_true(expect(txn, "", 0, "", 0, 0));
    assert_true(
        expect(txn, binary_key, sizeof binary_key - 1, binary_value, sizeof binary_value - 1, 0));
    return true;
}

static void open_version(const char *key_path, const char *data_path)
{
    char *directory = support_directory_new();
    const char *path = support_path(directory, "data");
    struct anystore_error error;
    struct anystore_stats stats;
    size_t size;

    uint8_t *text = support_read(key_path, &size);
    text[size] = '\0';
    struct anystore_key *key = anystore_key_from_base64((char *)text, key_path, &error);
    assert_non_null(key);
    support_copy(data_path, path);
    struct anystore_options options = {.path = path, .key = key};
    for (unsigned time = 0; time < 3; time++) {
        struct anystore *store = anystore_open(&options, &error);
        assert_non_null(store);
        assert_int_equal(anystore_view(store, contents, NULL, &error), ANYSTORE_OK);
        anystore_stats_read(store, &stats);
        assert_int_equal(stats.generation, 4 + time);
        if (time == 1)
            assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
        support_put(store, "base", "of the file");
        anystore_check(store);
        anystore_close(store);
    }
    anystore_key_free(key);
    free(text);
    support_directory_free(directory);
}

static void test_version_1(void **state)
{
    (void)state;
    open_version(GOLDEN "/v1.key", GOLDEN "/v1.data");
}

static void test_version_2(void **state)
{
    (void)state;
    open_version(GOLDEN "/v2.key", GOLDEN "/v2.data");
}

static void test_version_3(void **state)
{
    (void)state;
    open_version(GOLDEN "/v3.key", GOLDEN "/v3.data");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_version_3),
    };
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make(argv[2]);
    return cmocka_run_group_tests_name("store_golden", tests, NULL, NULL);
}
