/* SPDX-License-Identifier: MIT */
/* Protects against files that authenticate but make no sense: they are refused in one line and left
 * as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/format/bytes.h"
#include "store/format/format.h"
#include "tests/store/disks/seal.h"
#include "tests/store/support.h"

/* A put of key "k" and value "v", an expiry of it, and one of a key that is not there. */
#define PUT         "\x01\x00\x01\x01kv"
#define EXPIRE      "\x04\x01\x00\x00\x00\x00\x00\x00\x7f\x01k"
#define NO_EXPIRE   "\x04\x01\x00\x00\x00\x00\x00\x00\x7f\x01n"
#define BYTES(text) (text), sizeof(text) - 1

/* After a good base with PUT, a delta of these records. */
static void expect_delta(const void *records, size_t size, enum anystore_status status)
{
    struct seal seal;
    seal_begin(&seal, 1, NULL);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), 5);
    seal_commit(&seal, FORMAT_DELTA, records, size, 6);
    if (status != ANYSTORE_OK) {
        support_refused(seal.data, seal.size, status, status);
    } else {
        support_write(scratch.path, seal.data, seal.size);
        anystore_close(support_open(scratch.path));
    }
    seal_free(&seal);
}

static void expect_base_of(uint32_t version, const void *records, size_t size,
                           enum anystore_status status)
{
    struct seal seal;
    seal_begin_version(&seal, version, 1, NULL);
    seal_commit(&seal, FORMAT_BASE, records, size, 5);
    if (status != ANYSTORE_OK) {
        support_refused(seal.data, seal.size, status, status);
    } else {
        support_write(scratch.path, seal.data, seal.size);
        anystore_close(support_open(scratch.path));
    }
    seal_free(&seal);
}

static void expect_base(const void *records, size_t size, enum anystore_status status)
{
    expect_base_of(FORMAT_VERSION, records, size, status);
}

/* A base gives each key's final state, whatever it said before. */
static void test_changes_in_a_base(void **state)
{
    struct seal seal;

    (void)state;
    expect_base(BYTES("\x05"), ANYSTORE_OK);
    expect_base(BYTES("\x03\x01k"), ANYSTORE_OK);
    expect_base(BYTES(PUT EXPIRE EXPIRE), ANYSTORE_OK);
    expect_base(BYTES(NO_EXPIRE), ANYSTORE_OK);
    expect_base_of(1, BYTES(PUT), ANYSTORE_OK);
    expect_base_of(1, BYTES(PUT "\x05"), ANYSTORE_DAMAGED);
    expect_base_of(1, BYTES(PUT "\x03\x01k"), ANYSTORE_DAMAGED);
    expect_base_of(1, BYTES(PUT EXPIRE), ANYSTORE_DAMAGED);

    seal_begin(&seal, 1, NULL);
    seal_commit(&seal, FORMAT_BASE,
                BYTES("\x01\x00\x01\x01zz"     /* will be cleared */
                      "\x05\x01\x00\x01\x01kv" /* will be deleted */
                      "\x01\x00\x01\x01wv"     /* will be deleted and put again */
                      "\x01\x00\x01\x01"
                      "ev" /* will be put again */
                      "\x03\x01k\x03\x01n\x03\x01w"
                      "\x01\x00\x01\x02ww2\x01\x00\x01\x02"
                      "ee2"),
                5);
    support_write(scratch.path, seal.data, seal.size);
    seal_free(&seal);
    struct anystore *store = support_open(scratch.path);
    support_expect(store, "z", NULL);
    support_expect(store, "k", NULL);
    support_expect(store, "n", NULL);
    support_expect(store, "w", "w2");
    support_expect(store, "e", "e2");
    anystore_check(store);
    anystore_close(store);
}

static void test_records_without_sense(void **state)
{
    (void)state;
    expect_base(BYTES(PUT), ANYSTORE_OK);
    expect_base(BYTES(""), ANYSTORE_OK);
    expect_base(BYTES(PUT PUT), ANYSTORE_OK);
    expect_base(BYTES("\0\0\0" PUT "\0"), ANYSTORE_OK);
    expect_base(BYTES("\x06\x01" PUT), ANYSTORE_OK);
    /* A hint that must not be believed. */
    expect_base(BYTES("\x06\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" PUT), ANYSTORE_OK);
    expect_base(BYTES("\x07"), ANYSTORE_VERSION);
    expect_base(BYTES("\xff"), ANYSTORE_VERSION);
    expect_base(BYTES("\x01\x01\x01\x01kv"), ANYSTORE_VERSION);
    expect_base(BYTES("\x02\x07\x01\x01kv"), ANYSTORE_VERSION);

    expect_delta(BYTES(""), ANYSTORE_OK);
    expect_delta(BYTES(PUT EXPIRE), ANYSTORE_OK);
    expect_delta(BYTES(EXPIRE EXPIRE), ANYSTORE_DAMAGED);
    expect_delta(BYTES("\x03\x01n\x03\x01k\x03\x01k"), ANYSTORE_OK);
    expect_delta(BYTES("\x06\x05" PUT), ANYSTORE_OK);
    expect_delta(BYTES("\x05"), ANYSTORE_OK);
    expect_delta(BYTES(NO_EXPIRE), ANYSTORE_DAMAGED);
    expect_delta(BYTES("\x05" EXPIRE), ANYSTORE_DAMAGED);
    expect_delta(BYTES("\x03\x01k" EXPIRE), ANYSTORE_DAMAGED);
    expect_delta(BYTES("\x08"), ANYSTORE_VERSION);
}

static void test_records_cut_short(void **state)
{
    static const char whole[] = "\x02\x00\x01\x02\x03\x04\x05\x06\x07\x08\x81\x00\x03mvvv" EXPIRE;

    (void)state;
    for (size_t size = 0; size < sizeof whole; size++) {
        bool ends = size == 0 || size == 17 || size == sizeof whole - 1;
        expect_delta(whole, size, ends ? ANYSTORE_OK : ANYSTORE_DAMAGED);
    }
}

static void test_sizes_without_sense(void **state)
{
    (void)state;
    expect_base(BYTES("\x01\x00\x05\x01kv"), ANYSTORE_DAMAGED);
    expect_base(BYTES("\x01\x00\x01\x02kv"), ANYSTORE_DAMAGED);
    /* 2^32 - 1, 2^32 and 2^64 - 1: no memory must be allocated for these. */
    expect_base(BYTES("\x01\x00\xff\xff\xff\xff\x0f\x00k"), ANYSTORE_DAMAGED);
    expect_base(BYTES("\x01\x00\x01\x80\x80\x80\x80\x10k"), ANYSTORE_DAMAGED);
    expect_base(BYTES("\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01kv"), ANYSTORE_DAMAGED);
    expect_base(BYTES("\x01\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01kv"), ANYSTORE_DAMAGED);
    /* A number of eleven bytes. */
    expect_base(BYTES("\x01\x00\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x01kv"),
                ANYSTORE_DAMAGED);
    expect_base(BYTES("\x06\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"), ANYSTORE_DAMAGED);
}

/* A base, then one segment of this plaintext. */
static void expect_segment(const void *text, size_t size)
{
    struct seal seal;
    seal_begin(&seal, 1, NULL);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), 5);
    seal_segment(&seal, FORMAT_DELTA, text, size);
    support_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    seal_free(&seal);
}

static void test_segments_without_sense(void **state)
{
    const size_t most = FORMAT_SEGMENT_BYTES;
    uint8_t *text = calloc(1, most + 1);

    (void)state;
    /* No mark at the end of a short one; a mark that is cut short; no such last byte. */
    expect_segment(text, 20);
    text[15] = 1;
    expect_segment(text, 16);
    expect_segment("\x01", 1);
    expect_segment(text, 1);
    expect_segment("\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", 17);
    expect_segment(text, 0);
    /* A full segment that is marked, or the file's last, or too long. */
    store_le64(text + most - FORMAT_MARK_BYTES, 6);
    text[most - 1] = 1;
    expect_segment(text, most);
    text[most - 1] = 0;
    expect_segment(text, most);
    expect_segment(text, most + 1);
    free(text);
}

static void test_generations_without_sense(void **state)
{
    static const uint64_t bad[] = {0, 4, 5, 7, UINT64_C(1) << 32 | 6, UINT64_MAX};
    struct seal seal;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        seal_begin(&seal, 1, NULL);
        seal_commit(&seal, FORMAT_BASE, BYTES(PUT), 5);
        seal_commit(&seal, FORMAT_DELTA, BYTES(PUT), bad[i]);
        support_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        seal_free(&seal);
    }
    /* No room to count on. */
    seal_begin(&seal, 1, NULL);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), UINT64_MAX);
    support_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    seal_free(&seal);
    /* The last generation: it opens, but nothing can follow. */
    seal_begin(&seal, 1, NULL);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), INT64_MAX);
    support_write(scratch.path, seal.data, seal.size);
    struct anystore *store = support_open(scratch.path);
    struct anystore_error error;
    support_expect(store, "k", "v");
    assert_int_equal(support_try_put(store, "k", "w", &error), ANYSTORE_DAMAGED);
    support_expect(store, "k", "v");
    anystore_close(store);
    anystore_close(support_open(scratch.path));
    seal_free(&seal);
}

static void test_kinds_without_sense(void **state)
{
    struct seal seal;

    (void)state;
    seal_begin(&seal, 1, NULL);
    seal_commit(&seal, FORMAT_DELTA, BYTES(PUT), 5);
    support_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    seal_free(&seal);
    seal_begin(&seal, 1, NULL);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), 5);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), 6);
    support_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    seal_free(&seal);
}

/* A file written by another program from the description of the format can be read. */
static void test_made_by_the_description(void **state)
{
    struct seal seal;
    const size_t large = 3 * FORMAT_SEGMENT_BYTES;
    uint8_t *records = malloc(large);

    (void)state;
    /* A record in three segments, at every place of the mark. */
    for (size_t less = 0; less < 40; less++) {
        size_t value_size = 2 * FORMAT_SEGMENT_BYTES - 12 - less;
        uint8_t head[] = {1, 0, 1, 0, 0, 0, 0, 'k'};
        for (unsigned i = 0; i < 4; i++)
            head[3 + i] = (uint8_t)((value_size >> 7 * i & 0x7f) | (i < 3 ? 0x80 : 0));
        memcpy(records, head, sizeof head);
        memset(records + sizeof head, 'v', value_size);
        seal_begin(&seal, 1, NULL);
        seal_commit(&seal, FORMAT_BASE, records, sizeof head + value_size, 5);
        seal_commit(&seal, FORMAT_DELTA, BYTES("\x01\x00\x01\x01ln"), 6);
        support_write(scratch.path, seal.data, seal.size);
        struct anystore *store = support_open(scratch.path);
        support_expect(store, "l", "n");
        char *value = malloc(value_size + 1);
        memset(value, 'v', value_size);
        value[value_size] = '\0';
        support_expect(store, "k", value);
        support_put(store, "k", "short");
        anystore_close(store);
        free(value);
        seal_free(&seal);
        store = support_open(scratch.path);
        support_expect(store, "k", "short");
        anystore_close(store);
    }
    free(records);
}

/* Files of version 2 have no room, and get none. */
static void test_no_room_in_an_old_file(void **state)
{
    struct seal seal;

    (void)state;
    seal_begin_version(&seal, 2, 1, NULL);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), 5);
    support_write(scratch.path, seal.data, seal.size);
    struct anystore *store = support_open(scratch.path);
    for (unsigned i = 0; i < 5; i++) {
        struct stat st;
        support_put(store, "k", i % 2 ? "one" : "two");
        assert_int_equal(stat(scratch.path, &st), 0);
        assert_int_equal(st.st_size, support_stats(store).file_size);
    }
    anystore_close(store);
    seal_segment(&seal, FORMAT_DELTA, "", 0);
    support_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    seal_free(&seal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_changes_in_a_base),      TEST(test_records_without_sense),
        TEST(test_records_cut_short),      TEST(test_sizes_without_sense),
        TEST(test_segments_without_sense), TEST(test_generations_without_sense),
        TEST(test_kinds_without_sense),    TEST(test_made_by_the_description),
        TEST(test_no_room_in_an_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
