/* SPDX-License-Identifier: MIT */
/* Protects the reading of integers: a table of texts that redis-server accepts or refuses, and
 * every number around the powers of two and of ten there and back. */
#include "text/number.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"1", true, 1},
        {"-1", true, -1},
        {"10", true, 10},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"92233720368547758070", false, 0},
        {"18446744073709551616", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"-0", false, 0},
        {"+1", false, 0},
        {"01", false, 0},
        {"-01", false, 0},
        {"00", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"0x1", false, 0},
        {"--1", false, 0},
        {"a", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t value = 42;
        bool valid = number_parse(cases[i].text, strlen(cases[i].text), &value);
        if (valid != cases[i].valid || (valid && value != cases[i].value))
            fail_msg("\"%s\": %d %" PRId64, cases[i].text, valid, value);
    }
    int64_t value;
    assert_false(number_parse("1\0", 2, &value));
    assert_false(number_parse(NULL, 0, &value));
}

static void assert_reads_back(int64_t number)
{
    char text[sizeof "-9223372036854775808"];
    int64_t value = number == 42 ? 0 : 42;
    int size = snprintf(text, sizeof text, "%" PRId64, number);
    if (!number_parse(text, (size_t)size, &value) || value != number)
        fail_msg("%s is read as %" PRId64, text, value);
}

static void test_there_and_back(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 63; shift++)
        for (int64_t near = -3; near <= 3; near++) {
            assert_reads_back((INT64_C(1) << shift) + near);
            assert_reads_back(-(INT64_C(1) << shift) + near);
        }
    for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10)
        for (int64_t near = -3; near <= 3; near++) {
            assert_reads_back(power + near);
            assert_reads_back(-power + near);
        }
    for (int64_t near = 0; near <= 3; near++) {
        assert_reads_back(INT64_MAX - near);
        assert_reads_back(INT64_MIN + near);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
