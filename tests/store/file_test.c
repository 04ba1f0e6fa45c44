/* SPDX-License-Identifier: MIT */
/* Protects the file against the world: whatever is done to its bytes without the key is noticed and
 * said in one line, a failing open leaves it as it was, and what authenticates but makes no sense
 * is refused as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/format/bytes.h"
#include "store/map/record.h"
#include "tests/store/disks/seal.h"
#include "tests/store/support.h"

/* An open fails with one of two statuses and changes nothing. */
static void expect_refused(const void *data, size_t size, enum anystore_status one,
                           enum anystore_status other)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = scratch.path, .key = key};
    struct anystore_error error;
    struct stat before, after;
    support_write(scratch.path, data, size);
    assert_int_equal(stat(scratch.path, &before), 0);
    assert_null(anystore_open(&options, &error));
    if (error.status != one && error.status != other)
        print_error("%s\n", error.text);
    assert_true(error.status == one || error.status == other);
    support_check_text(&error, scratch.path);
    assert_int_equal(stat(scratch.path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    size_t left_size;
    uint8_t *left = support_read(scratch.path, &left_size);
    assert_int_equal(left_size, size);
    if (size > 0)
        assert_memory_equal(left, data, size);
    free(left);
    anystore_key_free(key);
}

static size_t end_of_chain(struct anystore *store)
{
    struct anystore_stats stats;
    anystore_stats_read(store, &stats);
    return stats.file_size;
}

/* A small file: a base and two commits; *ends are the offsets behind each, *length is that of the
 * file. */
static uint8_t *small_file_with_room(size_t *length, size_t ends[3])
{
    struct anystore_error error;
    struct anystore *store = support_open(scratch.path);
    support_put(store, "first", "1");
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    ends[0] = end_of_chain(store);
    support_put(store, "second", "2");
    ends[1] = end_of_chain(store);
    support_put(store, "first", "3");
    ends[2] = end_of_chain(store);
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
                expect_refused(data, size, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN);
            else if (i < 12)
                expect_refused(data, size, ANYSTORE_VERSION,
                               i == 8 ? ANYSTORE_WRONG_KEY : ANYSTORE_FOREIGN);
            else if (i < FORMAT_HEADER_BYTES)
                expect_refused(data, size, ANYSTORE_WRONG_KEY, ANYSTORE_WRONG_KEY);
            else
                expect_refused(data, size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
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
            /* An older copy of the file, whole: to a process that opens it, as good as any. */
            support_write(scratch.path, data, i);
            struct anystore *store = support_open(scratch.path);
            support_expect(store, "first", "1");
            support_expect(store, "second", i == ends[1] ? "2" : NULL);
            anystore_close(store);
        } else if (i < FORMAT_HEADER_BYTES) {
            expect_refused(data, i, ANYSTORE_FOREIGN, ANYSTORE_DAMAGED);
        } else {
            expect_refused(data, i, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
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
            expect_refused(data, size + more, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        }
    free(data);
}

/* Room may be cut or longer, but nothing may stand in it. */
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
        expect_refused(data, most, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        expect_refused(data, at + 1, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
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
    expect_refused(made, base + second, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    /* Duplicated, at once and later. */
    memcpy(made, data, ends[1]);
    memcpy(made + ends[1], data + ends[0], first);
    expect_refused(made, ends[1] + first, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    memcpy(made, data, size);
    memcpy(made + size, data + ends[0], first);
    expect_refused(made, size + first, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    /* Swapped. */
    memcpy(made, data, base);
    memcpy(made + base, data + ends[1], second);
    memcpy(made + base + second, data + ends[0], first);
    expect_refused(made, size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    /* The base twice, and without a base. */
    memcpy(made, data, base);
    memcpy(made + base, data + FORMAT_HEADER_BYTES, base - FORMAT_HEADER_BYTES);
    expect_refused(made, 2 * base - FORMAT_HEADER_BYTES, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    memcpy(made + FORMAT_HEADER_BYTES, data + ends[0], first);
    expect_refused(made, FORMAT_HEADER_BYTES + first, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
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
    expect_refused(made, size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    memcpy(made, data, size);
    memmove(second, second + whole, size - FORMAT_HEADER_BYTES - 2 * whole);
    expect_refused(made, size - whole, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    memcpy(made, data, size);
    memcpy(second, data + FORMAT_HEADER_BYTES, whole);
    expect_refused(made, size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    expect_refused(data, FORMAT_HEADER_BYTES + 2 * whole, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    free(made);
    free(data);
    free(value);
}

/* Another file of the same key, of another store or the same: its segments are not this one's. */
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
        size_t base = end_of_chain(store);
        support_put(store, "second", "2");
        size_t length, other_size = end_of_chain(store);
        anystore_close(store);
        uint8_t *theirs = support_read(other, &length);
        uint8_t *made = malloc(size + other_size);
        /* Its commit behind our base, and its all behind our header. */
        memcpy(made, data, ends[0]);
        memcpy(made + ends[0], theirs + base, other_size - base);
        expect_refused(made, ends[0] + other_size - base, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        memcpy(made, data, FORMAT_HEADER_BYTES);
        memcpy(made + FORMAT_HEADER_BYTES, theirs + FORMAT_HEADER_BYTES,
               other_size - FORMAT_HEADER_BYTES);
        expect_refused(made, other_size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
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
    /* It did not even touch the mark that the others use. */
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
    expect_refused("", 0, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN);
    expect_refused("REDIS0009", 9, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN);
    expect_refused("AnyStorf", 8, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN);
    expect_refused(header, sizeof header, ANYSTORE_FOREIGN, ANYSTORE_FOREIGN); /* version 0 */
    store_le32(header + 8, FORMAT_VERSION + 1);
    expect_refused(header, sizeof header, ANYSTORE_VERSION, ANYSTORE_VERSION);
    expect_refused(header, 12, ANYSTORE_VERSION, ANYSTORE_VERSION);
    store_le32(header + 8, UINT32_MAX);
    expect_refused(header, sizeof header, ANYSTORE_VERSION, ANYSTORE_VERSION);
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

/* ---- Files that authenticate but make no sense --------------------------------------------- */

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
        expect_refused(seal.data, seal.size, status, status);
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
        expect_refused(seal.data, seal.size, status, status);
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

/* A base says of each key what holds in the end, whatever it said before. */
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
                BYTES("\x01\x00\x01\x01zz"     /* to be cleared */
                      "\x05\x01\x00\x01\x01kv" /* to be deleted */
                      "\x01\x00\x01\x01wv"     /* to be deleted and put again */
                      "\x01\x00\x01\x01"
                      "ev" /* to be put again */
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
    /* A hint that is not to be believed. */
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
    /* 2^32 - 1, 2^32 and 2^64 - 1, of which no memory must be asked for. */
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
    expect_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
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
    /* A full one that is marked, or the file's last, or too long. */
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
        expect_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
        seal_free(&seal);
    }
    /* One that has no room to count on. */
    seal_begin(&seal, 1, NULL);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), UINT64_MAX);
    expect_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    seal_free(&seal);
    /* The last one: it opens, but nothing can follow. */
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
    expect_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    seal_free(&seal);
    seal_begin(&seal, 1, NULL);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), 5);
    seal_commit(&seal, FORMAT_BASE, BYTES(PUT), 6);
    expect_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    seal_free(&seal);
}

/* What another program writes after the description of the format is read. */
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

/* Files of version 2 have none, and get none. */
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
        assert_int_equal(st.st_size, end_of_chain(store));
    }
    anystore_close(store);
    seal_segment(&seal, FORMAT_DELTA, "", 0);
    expect_refused(seal.data, seal.size, ANYSTORE_DAMAGED, ANYSTORE_DAMAGED);
    seal_free(&seal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_byte_flipped),
        TEST(test_cut_at_every_length),
        TEST(test_garbage_behind),
        TEST(test_room),
        TEST(test_no_room_in_an_old_file),
        TEST(test_segments_moved),
        TEST(test_segments_of_a_large_base),
        TEST(test_segments_of_another_file),
        TEST(test_wrong_key),
        TEST(test_other_files),
        TEST(test_not_a_regular_file),
        TEST(test_changes_in_a_base),
        TEST(test_records_without_sense),
        TEST(test_records_cut_short),
        TEST(test_sizes_without_sense),
        TEST(test_segments_without_sense),
        TEST(test_generations_without_sense),
        TEST(test_kinds_without_sense),
        TEST(test_made_by_the_description),
    };
    return cmocka_run_group_tests_name("store_file", tests, NULL, NULL);
}
