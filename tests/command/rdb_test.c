/* SPDX-License-Identifier: MIT */
/* Protects the serialised form of strings: the checksum's published value, payloads as redis-server
 * 7.0 writes them, every length and number there and back, and that damaged payloads of every kind
 * are refused without a byte being read or written outside. */
#include "command/key/rdb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "command/key/crc64.h"
#include "command/key/lzf.h"

static uint64_t random_state;

static uint64_t next_random(uint64_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % limit;
}

static int seed(void **state)
{
    const char *text = getenv("ANYSTORE_TEST_SEED");
    (void)state;
    random_state = text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    printf("ANYSTORE_TEST_SEED=%llu\n", (unsigned long long)random_state);
    return 0;
}

static void test_checksum(void **state)
{
    (void)state;
    assert_true(crc64("", 0) == 0);
    assert_true(crc64("123456789", 9) == UINT64_C(0xe9c6d914c4b8d9ca));
}

struct payload_case {
    const char *text;
    const char *payload;
    size_t size;
};

#define PAYLOAD(text, payload)                                                                     \
    {                                                                                              \
        text, payload, sizeof(payload) - 1                                                         \
    }

/* DUMP's replies from redis-server 7.0.15. */
static const struct payload_case from_redis[] = {
    PAYLOAD("", "\x00\x00\x0a\x00]\x9b\\@\x0f\x7f\xa2\xda"),
    PAYLOAD("a", "\x00\x01"
                 "a\x0a\x00\xbf\xfe\xef\x9b\x8f"
                 "6}\xb4"),
    PAYLOAD("hello world", "\x00\x0bhello world\x0a\x00\x0b\xfcI\xb9\xa6\xc7\xa0"
                           "4"),
    PAYLOAD("0", "\x00\xc0\x00\x0a\x00\x98@\xa7x\xf8P\x03\x08"),
    PAYLOAD("-1", "\x00\xc0\xff\x0a\x00\x0c\x93~$\x85\x08\x9d\xc5"),
    PAYLOAD("127", "\x00\xc0\x7f\x0a\x00\x0d\xb5\xeb"
                   "1RT\xc5\x14"),
    PAYLOAD("-128", "\x00\xc0\x80\x0a\x00\x99"
                    "f2m/\x0c[\xd9"),
    PAYLOAD("128", "\x00\xc1\x80\x00\x0a\x00\xebz\xb3\xb5\x10\xcfKe"),
    PAYLOAD("32767", "\x00\xc1\xff\x7f\x0a\x00IZ7\xda\x17\xf4\xd5+"),
    PAYLOAD("-32769", "\x00\xc2\xff\x7f\xff\xff\x0a\x00\xae\xe3LM\x06\xc6\x85"
                      "6"),
    PAYLOAD("2147483647", "\x00\xc2\xff\xff\xff\x7f\x0a\x00,t\xe5\x9e\xe0.\xad\xa1"),
    PAYLOAD("-2147483648", "\x00\xc2\x00\x00\x00\x80\x0a\x00\xc7O\x87>3U\x81\x87"),
    PAYLOAD("2147483648", "\x00\x0a"
                          "2147483648\x0a\x00\xe7\xb1)\xa3L\x1dv\xee"),
    PAYLOAD("12345678901", "\x00\x0b"
                           "12345678901\x0a\x00"
                           "0NR\xd7'\x17"
                           "e\x10"),
    PAYLOAD("99999999999999999999", "\x00\x14"
                                    "99999999999999999999\x0a\x00j\x8d\xe3\x98X\xa7\xb3\x1c"),
    PAYLOAD("abcdefghijklmnopqrst", "\x00\x14"
                                    "abcdefghijklmnopqrst\x0a\x00\x85\xf4\x1a\x84\xe2\xb5p\xf6"),
    PAYLOAD("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "\x00\xc3\x09@F\x01"
            "aa\xe0"
            "9\x00\x01"
            "aa\x0a\x00\x84\xdeX\x89\xeb\x96\xba\xa3"),
    PAYLOAD("the quick brown fox, the quick brown dog, the quick brown cat, the slow brown fox",
            "\x00\xc3"
            "1@Q\x15the quick brown fox, t\xe0\x06\x14\x02"
            "dog\xe0\x09\x14\x02"
            "cat\x80\x14\x03slow\xc0=\x01ox\x0a\x00l\xcf\x0d\xd8\x96\x13\xba<"),
    PAYLOAD("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/.,:;",
            "\x00@EabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/"
            ".,:;\x0a\x00\x97\xbbK\xcb\xd9\xfd\x10\xa3"),
};

static void assert_loads(const void *payload, size_t size, const void *data, size_t data_size)
{
    /* Of its exact size, so that a sanitizer sees an access beyond it. */
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, payload, size);
    struct rdb_string string;
    assert_int_equal(rdb_string_load(copy, size, &string), RDB_OK);
    assert_int_equal(string.size, data_size);
    if (data_size > 0)
        assert_memory_equal(string.data, data, data_size);
    rdb_string_free(&string);
    free(copy);
}

static void test_payloads_of_redis(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof from_redis / sizeof *from_redis; i++) {
        const struct payload_case *row = &from_redis[i];
        size_t size = strlen(row->text);
        assert_loads(row->payload, row->size, row->text, size);
        if (size > 20)
            continue; /* may be compressed */
        uint8_t *payload;
        size_t payload_size;
        assert_true(rdb_string_dump(row->text, size, &payload, &payload_size));
        assert_int_equal(payload_size, row->size);
        assert_memory_equal(payload, row->payload, row->size);
        free(payload);
    }
}

static void assert_round_trip(const void *data, size_t size)
{
    uint8_t *payload;
    size_t payload_size;
    assert_true(rdb_string_dump(data, size, &payload, &payload_size));
    assert_loads(payload, payload_size, data, size);
    free(payload);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,  1,  2,     19,    20,    21,    62,    63,
                                   64, 65, 16382, 16383, 16384, 16385, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *data = malloc(sizes[i] + 1);
        assert_non_null(data);
        for (size_t j = 0; j < sizes[i]; j++)
            data[j] = (uint8_t)next_random(256);
        assert_round_trip(data, sizes[i]);
        free(data);
    }
    static const long long edges[] = {0,     127,     128,     32767,      32768,
                                      65536, 8388607, 8388608, 2147483647, 2147483648};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        for (long long number = -edges[i] - 2; number <= -edges[i] + 2; number++) {
            char text[2][24];
            assert_round_trip(text[0], (size_t)snprintf(text[0], sizeof text[0], "%lld", number));
            assert_round_trip(text[1], (size_t)snprintf(text[1], sizeof text[1], "%lld", -number));
        }
    }
    static const char *const no_numbers[] = {"-0", "+1", "01", " 1", "1 ", "-", "", "1.0"};
    for (size_t i = 0; i < sizeof no_numbers / sizeof *no_numbers; i++)
        assert_round_trip(no_numbers[i], strlen(no_numbers[i]));
}

/* Adds version and checksum to the payload, and loads it. */
static enum rdb_status load_sealed(const void *value, size_t size, unsigned version,
                                   struct rdb_string *string)
{
    static uint8_t payload[4096];
    assert_true(size + 10 <= sizeof payload);
    memcpy(payload, value, size);
    payload[size] = (uint8_t)version;
    payload[size + 1] = (uint8_t)(version >> 8);
    uint64_t crc = crc64(payload, size + 2);
    for (unsigned i = 0; i < 8; i++)
        payload[size + 2 + i] = (uint8_t)(crc >> 8 * i);
    uint8_t *copy = malloc(size + 10);
    assert_non_null(copy);
    memcpy(copy, payload, size + 10);
    enum rdb_status status = rdb_string_load(copy, size + 10, string);
    if (status == RDB_OK && string->size > 0) { /* all of it can be read */
        static volatile uint8_t sum;
        for (size_t i = 0; i < string->size; i++)
            sum = (uint8_t)(sum + string->data[i]);
    }
    rdb_string_free(string);
    free(copy);
    return status;
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        size_t size;
        unsigned version;
        enum rdb_status status;
    } rows[] = {
        {"\0\1a", 3, 10, RDB_OK},
        {"\0\1a", 3, 1, RDB_OK},
        {"\0\1a", 3, 11, RDB_BAD_CHECKSUM},
        {"\0\1a", 3, 0xffff, RDB_BAD_CHECKSUM},
        {"\0\x0f", 2, 10, RDB_BAD_FORMAT}, /* longer than everything, including the footer */
        {"\0\x81\xff\xff\xff\xff\xff\xff\xff\xff", 10, 10, RDB_BAD_FORMAT},
        {"\0\x80\xff\xff\xff\xff", 6, 10, RDB_BAD_FORMAT},
        {"\0\x82", 2, 10, RDB_BAD_FORMAT},
        {"\0\xc4", 2, 10, RDB_BAD_FORMAT},
        {"\0\xff", 2, 10, RDB_BAD_FORMAT},
        {"\1\0", 2, 10, RDB_OTHER_TYPE},
        {"\x13\0", 2, 10, RDB_OTHER_TYPE},
        {"\x08\0", 2, 10, RDB_BAD_FORMAT},
        {"\x14\0", 2, 10, RDB_BAD_FORMAT},
        {"\xff\0", 2, 10, RDB_BAD_FORMAT},
        {"\0\xc3\2\1\0a", 6, 10, RDB_OK},
        {"\0\xc3\2\2\0a", 6, 10, RDB_BAD_FORMAT},
        {"\0\xc3\1\1\0a", 6, 10, RDB_BAD_FORMAT},
        {"\0\xc3\3\4\0\x20\0", 7, 10, RDB_BAD_FORMAT},
        {"\0\xc3\4\4\0a\x20\0", 8, 10, RDB_OK},
        {"\0\xc3\4\4\0a\x20\1", 8, 10, RDB_BAD_FORMAT}, /* refers to before the beginning */
        {"\0\xc3\x02\x81\x7f\xff\xff\xff\xff\xff\xff\xff\0a", 14, 10, RDB_BAD_FORMAT},
        {"\0\xc3\x80\xff\xff\xff\xff\1\0a", 10, 10, RDB_BAD_FORMAT},
    };
    struct rdb_string string;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum rdb_status status = load_sealed(rows[i].value, rows[i].size, rows[i].version, &string);
        if (status != rows[i].status)
            fail_msg("row %zu: %d", i, (int)status);
    }
    for (size_t size = 0; size < 10; size++) {
        uint8_t zeros[10] = {0};
        assert_int_equal(rdb_string_load(zeros, size, &string), RDB_BAD_CHECKSUM);
    }
    /* Any changed bit. */
    const struct payload_case *row = &from_redis[0];
    for (size_t bit = 0; bit < 8 * row->size; bit++) {
        uint8_t copy[128];
        memcpy(copy, row->payload, row->size);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(rdb_string_load(copy, row->size, &string), RDB_BAD_CHECKSUM);
    }
}

static void test_expand(void **state)
{
    (void)state;
    uint8_t out[300];
    assert_true(lzf_expand((const uint8_t *)"\2abc", 4, out, 3));
    assert_memory_equal(out, "abc", 3);
    /* Overlapping: one byte becomes many; the longest reference. */
    assert_true(lzf_expand((const uint8_t *)"\0x\xe0\xff\0", 5, out, 265));
    for (size_t i = 0; i < 265; i++)
        assert_int_equal(out[i], 'x');
    assert_true(lzf_expand((const uint8_t *)"\2abc\x80\2", 6, out, 9));
    assert_memory_equal(out, "abcabcabc", 9);
    assert_true(lzf_expand((const uint8_t *)"", 0, out, 0));
    assert_false(lzf_expand((const uint8_t *)"\0x\xe0\xff\0", 5, out, 264));
    assert_false(lzf_expand((const uint8_t *)"\0x\xe0\xff\0", 5, out, 266));
    assert_false(lzf_expand((const uint8_t *)"\0x\xe0\xff", 4, out, 265));
    assert_false(lzf_expand((const uint8_t *)"\0x\xe0", 3, out, 265));
    assert_false(lzf_expand((const uint8_t *)"\0x\x20", 3, out, 4));
    assert_false(lzf_expand((const uint8_t *)"\1x", 2, out, 2));
    assert_false(lzf_expand((const uint8_t *)"\0x\x20\1", 4, out, 4));
}

/* Sealed nonsense: any answer will do, but no access outside. */
static void test_random_values(void **state)
{
    (void)state;
    static const uint8_t likely[] = {0, 0, 0, 1, 0xc3, 0xc3, 0x40, 0x80, 0x81, 0xc0, 0xc1, 0xc2};
    size_t loaded = 0;
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t value[64] = {0};
        size_t size = 1 + next_random(sizeof value - 1);
        for (size_t i = 1; i < size; i++)
            value[i] =
                next_random(2) ? (uint8_t)next_random(256) : likely[next_random(sizeof likely)];
        if (next_random(2)) { /* packed, of about the right sizes */
            value[1] = 0xc3;
            value[2] = (uint8_t)(size > 4 ? size - 4 : 0);
            value[3] = (uint8_t)next_random(64);
        }
        struct rdb_string string;
        loaded += load_sealed(value, size, 10, &string) == RDB_OK;
    }
    assert_true(loaded > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),   cmocka_unit_test(test_payloads_of_redis),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_expand),     cmocka_unit_test(test_random_values),
    };
    return cmocka_run_group_tests(tests, seed, NULL);
}
