/* SPDX-License-Identifier: MIT */
/* Protects the rates of INFO: the mean over the last 16 samples, whatever the time between two of
 * them, and also after a counter was reset. */
#include "server/observe/rates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MS INT64_C(1000000)

static void sample(struct rates *rates, uint64_t counter, int64_t now_ns)
{
    const uint64_t counters[RATE_COUNT] = {counter, 10 * counter, 0};
    rates_sample(rates, counters, now_ns);
}

static void test_a_steady_rate(void **state)
{
    (void)state;
    struct rates rates = {.last_ns = 0};
    assert_int_equal(rates_get(&rates, RATE_COMMANDS), 0);
    sample(&rates, 5000, 1000 * MS); /* what was counted before is no rate */
    assert_int_equal(rates_get(&rates, RATE_COMMANDS), 0);
    for (unsigned i = 1; i <= RATE_SAMPLES; i++)
        sample(&rates, 5000 + 20 * i, (1000 + 100 * (int64_t)i) * MS);
    assert_int_equal(rates_get(&rates, RATE_COMMANDS), 200);
    assert_int_equal(rates_get(&rates, RATE_BYTES_READ), 2000);
    assert_int_equal(rates_get(&rates, RATE_BYTES_WRITTEN), 0);
}

static void test_old_samples_are_forgotten(void **state)
{
    (void)state;
    struct rates rates = {.last_ns = 0};
    sample(&rates, 0, 1 * MS);
    sample(&rates, 1600, 101 * MS);
    assert_int_equal(rates_get(&rates, RATE_COMMANDS), 1000);
    for (unsigned i = 1; i <= RATE_SAMPLES; i++)
        sample(&rates, 1600, (101 + 100 * (int64_t)i) * MS);
    assert_int_equal(rates_get(&rates, RATE_COMMANDS), 0);
}

static void test_late_and_early_samples(void **state)
{
    (void)state;
    struct rates rates = {.last_ns = 0};
    sample(&rates, 0, 1 * MS);
    sample(&rates, 16, 2 * MS);    /* 16,000 a second */
    sample(&rates, 32, 2 * MS);    /* at the same time: waits for the next one */
    sample(&rates, 48, 2002 * MS); /* 16 a second */
    assert_int_equal(rates_get(&rates, RATE_COMMANDS), 1001);
}

static void test_resets(void **state)
{
    (void)state;
    struct rates rates = {.last_ns = 0};
    sample(&rates, 1000, 1 * MS);
    sample(&rates, 2600, 101 * MS);
    rates_reset(&rates);
    assert_int_equal(rates_get(&rates, RATE_COMMANDS), 0);
    sample(&rates, 160, 201 * MS); /* the counter began again */
    assert_int_equal(rates_get(&rates, RATE_COMMANDS), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_steady_rate),
        cmocka_unit_test(test_old_samples_are_forgotten),
        cmocka_unit_test(test_late_and_early_samples),
        cmocka_unit_test(test_resets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
