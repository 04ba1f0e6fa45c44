/* SPDX-License-Identifier: MIT */
/* How long a round of group commit waits for its callers: the rule, and that clients which write
 * one thing after the other end up in one batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/commit/gather.h"

static void test_nobody_is_expected(void **state)
{
    (void)state;
    struct gather gather = {.expected = 0};
    assert_false(gather_begin(&gather, 0));
    gather_note_round(&gather, 1, 0, 400, 1000); /* a lone client */
    assert_false(gather_begin(&gather, 1000));
    gather_note_round(&gather, 0, 0, 400, 1000); /* only a base was asked for */
    assert_false(gather_begin(&gather, 1000));
}

static void test_those_of_the_last_round_are(void **state)
{
    (void)state;
    struct gather gather = {.expected = 0};
    gather_note_round(&gather, 25, 24, 400, 1000);
    assert_true(gather_begin(&gather, 1001));
    assert_int_equal(gather.expected, 49);
    assert_int_equal(gather.until_us, 1200);
    assert_false(gather_begin(&gather, 1200)); /* they come too late, or not at all */
}

/* However long the disk took, the wait is short. */
static void test_a_slow_disk(void **state)
{
    (void)state;
    struct gather gather = {.expected = 0};
    gather_note_round(&gather, 2, 0, 30000000, 1000);
    assert_true(gather.until_us <= 1000 + 5000);
}

/* Clients that do not come back cost less and less waiting; the first that do are waited for
 * again. */
static void test_in_vain(void **state)
{
    (void)state;
    struct gather gather = {.expected = 0};
    unsigned waits = 0, rounds = 10000;
    for (unsigned i = 0; i < rounds; i++) {
        gather_note_round(&gather, 10, 10, 400, 1000);
        if (gather_begin(&gather, 1000)) {
            gather_end(&gather, 10);
            waits++;
        }
    }
    assert_in_range(waits, 1, rounds / 50);
    unsigned rounds_until_wait = 0;
    do {
        gather_note_round(&gather, 10, 10, 400, 1000);
        rounds_until_wait++;
    } while (!gather_begin(&gather, 1000));
    assert_true(rounds_until_wait <= 65);
    gather_end(&gather, 20);
    gather_note_round(&gather, 20, 0, 400, 1000);
    assert_true(gather_begin(&gather, 1000));
}

/* A client that does not come back is missed once or twice, and then no longer expected. */
static void test_one_leaves(void **state)
{
    (void)state;
    struct gather gather = {.expected = 0};
    gather_note_round(&gather, 4, 0, 400, 1000);
    assert_true(gather_begin(&gather, 1000));
    gather_end(&gather, 3);
    unsigned waits = 0;
    for (int i = 0; i < 10; i++) {
        gather_note_round(&gather, 3, 0, 400, 1000);
        if (gather_begin(&gather, 1000)) {
            gather_end(&gather, 3);
            waits++;
        }
    }
    assert_in_range(waits, 7, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_expected),
        cmocka_unit_test(test_those_of_the_last_round_are),
        cmocka_unit_test(test_a_slow_disk),
        cmocka_unit_test(test_in_vain),
        cmocka_unit_test(test_one_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
