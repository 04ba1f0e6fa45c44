/* SPDX-License-Identifier: MIT */
/* Protects the output limits: a reader gets the three numbers of one setting, never a mixture, even
 * while other threads set them. */
#include "server/config/output_limits.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SETTINGS 200000

struct shared {
    struct output_limits limits;
    atomic_bool done;
};

static void set_all(struct output_limits *limits, uint64_t number)
{
    struct config_output_limit values[CONFIG_CLASS_COUNT];
    for (uint64_t i = 0; i < CONFIG_CLASS_COUNT; i++) {
        uint64_t value = 10 * number + i;
        values[i] = (struct config_output_limit){value, value, (int64_t)value};
    }
    output_limits_set(limits, values);
}

static void *set_again_and_again(void *arg)
{
    struct shared *shared = arg;
    for (uint64_t i = 1; i <= SETTINGS; i++)
        set_all(&shared->limits, i);
    atomic_store(&shared->done, true);
    return NULL;
}

static void test_limits_of_one_setting(void **state)
{
    (void)state;
    struct shared shared = {.done = false};
    pthread_t writer;
    uint64_t last[CONFIG_CLASS_COUNT] = {0};
    set_all(&shared.limits, 0);
    assert_int_equal(pthread_create(&writer, NULL, set_again_and_again, &shared), 0);
    bool done;
    do {
        done = atomic_load(&shared.done);
        for (unsigned class = 0; class < CONFIG_CLASS_COUNT; class ++) {
            struct config_output_limit limit = output_limits_get(&shared.limits, class);
            assert_true(limit.hard_bytes == limit.soft_bytes);
            assert_true((int64_t)limit.hard_bytes == limit.soft_seconds);
            assert_int_equal(limit.hard_bytes % 10, class);
            assert_true(limit.hard_bytes >= last[class]);
            last[class] = limit.hard_bytes;
        }
    } while (!done);
    pthread_join(writer, NULL);
    for (unsigned class = 0; class < CONFIG_CLASS_COUNT; class ++)
        assert_int_equal(last[class], 10 * (uint64_t)SETTINGS + class);
}

static void test_no_limits_at_first(void **state)
{
    (void)state;
    const struct output_limits limits = {.version = 0};
    struct config_output_limit limit = output_limits_get(&limits, CONFIG_CLASS_PUBSUB);
    assert_int_equal(limit.hard_bytes, 0);
    assert_int_equal(limit.soft_bytes, 0);
    assert_int_equal(limit.soft_seconds, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_limits_at_first),
        cmocka_unit_test(test_limits_of_one_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
