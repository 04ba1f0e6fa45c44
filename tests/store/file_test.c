/* SPDX-License-Identifier: MIT */
/* Protects the file against the world: any change to its bytes without the key is noticed and
 * reported in one line, and a failing open leaves the file as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/format/bytes.h"
#include "store/format/format.h"
#include "tests/store/support.h"

/* A small file: a base and two commits; *ends are the offsets behind each, *length is that of the
 * file. */
static uint8_t *small_file_with_room(size_t *length, size_t ends[3])
{
    struct anystore_error error;
    struct anystore *store = support_open(scratch.path);
    support_put(store, "first", "1");
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    ends[0] = support_stats(store).file_size;
    support_put(store, "second", "2");
    ends[1] = support_stats(store).file_size;
    support_put(store, "first", "3");
    ends[2] = support_stats(store).file_size;
    anystore_close(store);
    return support_read(scratch.path, length);
}

/* The same without the room behind it. */
static uint8_t *small_file(size_t *size, size_t ends[3])
{
    size_t length;
    uint8_t *data = small_file_with_room(&length, ends);
    *size = ends[2];
    assert_true(*size < length);
    return data;
}

static void test_every_byte_flipped(void **state)
{
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    size_t size, ends[3];

    (void)state;
    uint8_t *data = small_file(&size, ends);
    assert_true(size < 1000);
    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j < sizeof flips; j++) {
            data[i] ^= flips[j];
            if (i < 8 || (i >= 12 && i < 16))
                support_refused(data, size, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN);
            else if (i < 12)
                support_refused(data, size, ANYSTORE_VERSION,
                                i == 8 ? ANYSTORE_WRONG_KEY : ANYSTORE_FOREIGN);
            else if (i < FORMAT_HEADER_BYTES)
                support_refused(data, size, ANYSTORE_WRONG_KEY, ANYSTORE_WRONG_KEY);
            else
                support_refused(data, size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
            data[i] ^= flips[j];
        }
    support_write(scratch.path, data, size);
    struct anystore *store = support_open(scratch.path);
    support_expect(store, "first", "3");
    support_expect(store, "second", "2");
    anystore_close(store);
    free(data);
}

static void test_cut_at_every_length(void **state)
{
    size_t size, ends[3];

    (void)state;
    uint8_t *data = small_file(&size, ends);
    for (size_t i = 0; i < size; i++) {
        if (i == ends[0] || i == ends[1]) {
            /* An older copy of the whole file: a process that opens it cannot tell. */
            support_write(scratch.path, data, i);
            struct anystore *store = support_open(scratch.path);
            support_expect(store, "first", "1");
            support_expect(store, "second", i == ends[1] ? "2" : NULL);
            anystore_close(store);
        } else if (i < FORMAT_HEADER_BYTES) {
            support_refused(data, i, ANYSTORE_FOREIGN, ANYSTORE_DAMAGED);
        } else {
            support_refused(data, i, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        }
    }
    free(data);
}

static void test_garbage_behind(void **state)
{
    size_t size, ends[3];

    (void)state;
    uint8_t *data = small_file(&size, ends);
    uint8_t *longer = realloc(data, size + 3000);
    assert_non_null(longer);
    data = longer;
    for (unsigned fill = 0; fill < 2; fill++)
        for (size_t more = 1; more < 3000; more = more * 3 + 1) {
            memset(data + size, fill == 0 ? 0xff : 0x20, more);
            support_refused(data, size + more, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        }
    free(data);
}

/* Room may be missing or longer, but nothing may stand in it. */
static void test_room(void **state)
{
    static const size_t most = 100000;
    size_t length, ends[3];

    (void)state;
    uint8_t *data = small_file_with_room(&length, ends);
    assert_true(length > ends[2] && length % FORMAT_BLOCK_BYTES == 0);
    uint8_t *longer = realloc(data, most);
    assert_non_null(longer);
    data = longer;
    memset(data + length, 0, most - length);
    for (size_t size = ends[2]; size < most; size += size < ends[2] + 10 ? 1 : size / 7) {
        support_write(scratch.path, data, size);
        struct anystore *store = support_open(scratch.path);
        support_expect(store, "first", "3");
        support_put(store, "third", "4");
        support_put(store, "third", "5");
        anystore_close(store);
        store = support_open(scratch.path);
        support_expect(store, "third", "5");
        anystore_close(store);
    }
    for (size_t at = ends[2]; at < most; at += at < ends[2] + 40 ? 1 : at / 7) {
        data[at] = 1;
        support_refused(data, most, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        support_refused(data, at + 1, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        data[at] = 0;
    }
    free(data);
}

static void test_segments_moved(void **state)
{
    size_t size, ends[3];
    uint8_t *made = malloc(4000);

    (void)state;
    uint8_t *data = small_file(&size, ends);
    size_t base = ends[0], first = ends[1] - ends[0], second = ends[2] - ends[1];

    /* Dropped. */
    memcpy(made, data, base);
    memcpy(made + base, data + ends[1], second);
    support_refused(made, base + second, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    /* Duplicated, at once and later. */
    memcpy(made, data, ends[1]);
    memcpy(made + ends[1], data + ends[0], first);
    support_refused(made, ends[1] + first, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    memcpy(made, data, size);
    memcpy(made + size, data + ends[0], first);
    support_refused(made, size + first, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    /* Swapped. */
    memcpy(made, data, base);
    memcpy(made + base, data + ends[1], second);
    memcpy(made + base + second, data + ends[0], first);
    support_refused(made, size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    /* The base twice, and without a base. */
    memcpy(made, data, base);
    memcpy(made + base, data + FORMAT_HEADER_BYTES, base - FORMAT_HEADER_BYTES);
    support_refused(made, 2 * base - FORMAT_HEADER_BYTES, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    memcpy(made + FORMAT_HEADER_BYTES, data + ends[0], first);
    support_refused(made, FORMAT_HEADER_BYTES + first, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    free(made);
    free(data);
}

/* A base of several segments, where whole segments can be swapped without a change of lengths. */
static void test_segments_of_a_large_base(void **state)
{
    struct anystore_error error;
    size_t size, value_size = (size_t)3 << 20;
    const size_t whole = FORMAT_SEGMENT_BYTES + FORMAT_FRAME_BYTES;
    char *value = malloc(value_size);

    (void)state;
    struct anystore *store = support_open(scratch.path);
    memset(value, 'v', value_size);
    support_put_bytes(store, "large", value, value_size);
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    anystore_close(store);
    uint8_t *data = support_read(scratch.path, &size);
    uint8_t *made = malloc(size);
    assert_true(size > FORMAT_HEADER_BYTES + 3 * whole);
    uint8_t *first = made + FORMAT_HEADER_BYTES, *second = first + whole;

    memcpy(made, data, size);
    memcpy(first, data + FORMAT_HEADER_BYTES + whole, whole);
    memcpy(second, data + FORMAT_HEADER_BYTES, whole);
    support_refused(made, size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    memcpy(made, data, size);
    memmove(second, second + whole, size - FORMAT_HEADER_BYTES - 2 * whole);
    support_refused(made, size - whole, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    memcpy(made, data, size);
    memcpy(second, data + FORMAT_HEADER_BYTES, whole);
    support_refused(made, size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    support_refused(data, FORMAT_HEADER_BYTES + 2 * whole, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    free(made);
    free(data);
    free(value);
}

/* Another file with the same key, of another store or of the same: its segments do not belong to
 * this one. */
static void test_segments_of_another_file(void **state)
{
    const char *other = support_path(scratch.directory, "other");
    struct anystore_error error;
    size_t size, ends[3];

    (void)state;
    uint8_t *data = small_file(&size, ends);
    for (unsigned same_store = 0; same_store < 2; same_store++) {
        if (same_store) {
            support_write(scratch.path, data, size);
            support_copy(scratch.path, other);
        }
        struct anystore *store = support_open(other);
        if (!same_store)
            support_put(store, "first", "1");
        assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
        size_t base = support_stats(store).file_size;
        support_put(store, "second", "2");
        size_t length, other_size = support_stats(store).file_size;
        anystore_close(store);
        uint8_t *theirs = support_read(other, &length);
        uint8_t *made = malloc(size + other_size);
        /* Its commit behind our base, and everything of it behind our header. */
        memcpy(made, data, ends[0]);
        memcpy(made + ends[0], theirs + base, other_size - base);
        support_refused(made, ends[0] + other_size - base, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        memcpy(made, data, FORMAT_HEADER_BYTES);
        memcpy(made + FORMAT_HEADER_BYTES, theirs + FORMAT_HEADER_BYTES,
               other_size - FORMAT_HEADER_BYTES);
        support_refused(made, other_size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        free(made);
        free(theirs);
    }
    free(data);
}

static void test_wrong_key(void **state)
{
    size_t size, ends[3];

    (void)state;
    uint8_t *data = small_file_with_room(&size, ends);
    support_open_fails(scratch.path, 2, ANYSTORE_WRONG_KEY);
    size_t left_size;
    uint8_t *left = support_read(scratch.path, &left_size);
    assert_int_equal(left_size, size);
    assert_memory_equal(left, data, size);
    free(left);
    /* It did not even change the mark that the others use. */
    struct anystore *store = support_open(scratch.path);
    support_open_fails(scratch.path, 2, ANYSTORE_WRONG_KEY);
    support_expect(store, "first", "3");
    struct anystore_stats stats;
    anystore_stats_read(store, &stats);
    assert_int_equal(stats.reloads, 0);
    anystore_close(store);
    free(data);
}

static void test_other_files(void **state)
{
    uint8_t header[FORMAT_HEADER_BYTES] = "AnyStore";

    (void)state;
    support_refused("", 0, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN);
    support_refused("REDIS0009", 9, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN);
    support_refused("AnyStorf", 8, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN);
    support_refused(header, sizeof header, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN); /* version 0 */
    store_le32(header + 8, FORMAT_VERSION + 1);
    support_refused(header, sizeof header, ANYSTORE_VERSION, ANYSTORE_VERSION);
    support_refused(header, 12, ANYSTORE_VERSION, ANYSTORE_VERSION);
    store_le32(header + 8, UINT32_MAX);
    support_refused(header, sizeof header, ANYSTORE_VERSION, ANYSTORE_VERSION);
}

static void test_not_a_regular_file(void **state)
{
    struct anystore_error error;
    struct anystore_key *key = support_key(1);

    (void)state;
    assert_int_equal(mkdir(scratch.path, 0700), 0);
    support_open_fails(scratch.path, 1, ANYSTORE_FOREIGN);
    assert_int_equal(rmdir(scratch.path), 0);
    assert_int_equal(mkfifo(scratch.path, 0600), 0); /* nobody writes: must not wait */
    support_open_fails(scratch.path, 1, ANYSTORE_FOREIGN);
    assert_int_equal(unlink(scratch.path), 0);
    const char *const bad[] = {"", "/", support_path(scratch.directory, "nowhere/data"),
                               support_path(scratch.directory, "data/")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct anystore_options options = {.path = bad[i], .key = key};
        assert_null(anystore_open(&options, &error));
        support_check_text(&error, bad[i]);
    }
    struct anystore_options options = {.path = scratch.path};
    assert_null(anystore_open(&options, &error));
    assert_int_equal(error.status, ANYSTORE_KEY);
    support_check_text(&error, scratch.path);
    assert_null(anystore_open(&options, NULL));
    anystore_key_free(key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_byte_flipped),
        TEST(test_cut_at_every_length),
        TEST(test_garbage_behind),
        TEST(test_room),
        TEST(test_segments_moved),
        TEST(test_segments_of_a_large_base),
        TEST(test_segments_of_another_file),
        TEST(test_wrong_key),
        TEST(test_other_files),
        TEST(test_not_a_regular_file),
    };
    return cmocka_run_group_tests_name("store_file", tests, NULL, NULL);
}
