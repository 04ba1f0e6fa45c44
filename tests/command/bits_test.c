/* SPDX-License-Identifier: MIT */
/* Protects counting, finding and combining bits a word at a time: every result against a loop over
 * single bits, at all alignments, in memory of exactly the size needed (so that a sanitizer sees an
 * access beyond it). */
#include "command/string/bits.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define BYTES_MAX 70
#define ROUNDS    20000

static uint64_t state;

static uint64_t next_random(void)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = (state ^ state >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ mixed >> 31;
}

static uint64_t below(uint64_t limit)
{
    return next_random() % limit;
}

static int seed(void **unused)
{
    (void)unused;
    const char *given = getenv("ANYSTORE_SEED");
    state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("to repeat, set ANYSTORE_SEED=%" PRIu64 "\n", state);
    return 0;
}

/* Mostly ones, mostly zeros, or neither. */
static uint8_t *random_bytes(size_t size)
{
    uint8_t *bytes = malloc(size ? size : 1);
    assert_non_null(bytes);
    uint64_t kind = below(3);
    for (size_t i = 0; i < size; i++) {
        bool rare = kind == 2 || below(40) == 0;
        bytes[i] = (uint8_t)(rare ? next_random() : kind ? 0xff : 0);
    }
    return bytes;
}

static bool bit_at(const uint8_t *bytes, uint64_t index)
{
    return bytes[index / 8] >> (7 - index % 8) & 1;
}

static void test_count_and_find(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t size = (size_t)below(BYTES_MAX) + 1;
        uint8_t *bytes = random_bytes(size);
        uint64_t first = below(8 * size + 1), end = below(8 * size + 1);
        uint64_t count = 0;
        int64_t one = -1, zero = -1;
        for (uint64_t i = end; i-- > first;) {
            count += bit_at(bytes, i);
            if (bit_at(bytes, i))
                one = (int64_t)i;
            else
                zero = (int64_t)i;
        }
        assert_int_equal(bits_count(bytes, first, end), count);
        assert_int_equal(bits_find(bytes, first, end, true), one);
        assert_int_equal(bits_find(bytes, first, end, false), zero);
        free(bytes);
    }
    assert_int_equal(bits_count(NULL, 0, 0), 0);
    assert_int_equal(bits_find(NULL, 0, 0, true), -1);
}

static void test_combine(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t size = (size_t)below(BYTES_MAX);
        uint8_t *one = random_bytes(size), *other = random_bytes(size);
        uint8_t expected[BYTES_MAX];
        enum bits_operation operation = (enum bits_operation)below(4);
        for (size_t i = 0; i < size; i++) {
            const uint8_t results[] = {
                [BITS_AND] = one[i] & other[i],
                [BITS_OR] = one[i] | other[i],
                [BITS_XOR] = one[i] ^ other[i],
                [BITS_NOT] = (uint8_t)~other[i],
            };
            expected[i] = results[operation];
        }
        bits_combine(operation, one, other, size);
        assert_memory_equal(one, expected, size);
        free(one);
        free(other);
    }
}

static void test_fields(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t size = (size_t)below(BYTES_MAX) + 9;
        uint8_t *bytes = random_bytes(size), before[BYTES_MAX + 9];
        struct bits_field field = {.width = (unsigned)below(64) + 1};
        field.offset = below(8 * size - field.width + 1);
        uint64_t value = next_random(), expected = 0;
        memcpy(before, bytes, size);
        for (unsigned i = 0; i < field.width; i++)
            expected = expected << 1 | bit_at(bytes, field.offset + i);
        assert_true(bits_load(bytes, size, &field) == expected);
        bits_store(bytes, &field, value);
        value &= UINT64_MAX >> (64 - field.width);
        assert_true(bits_load(bytes, size, &field) == value);
        for (uint64_t i = 0; i < 8 * size; i++) {
            if (i < field.offset || i >= field.offset + field.width)
                assert_int_equal(bit_at(bytes, i), bit_at(before, i));
        }
        /* Beyond the end there are zeros. */
        size_t cut = (size_t)below(size);
        for (expected = 0, value = 0; value < field.width; value++)
            expected = expected << 1 |
                       (field.offset + value < 8 * cut && bit_at(bytes, field.offset + value));
        assert_true(bits_load(bytes, cut, &field) == expected);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_count_and_find, seed),
        cmocka_unit_test_setup(test_combine, seed),
        cmocka_unit_test_setup(test_fields, seed),
    };
    return cmocka_run_group_tests_name("command_bits_test", tests, NULL, NULL);
}
