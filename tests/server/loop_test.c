/* SPDX-License-Identifier: MIT */
/* Protects the wake-up of an event loop: none is lost, several at once become one, and any thread
 * may send one. */
#include "server/loop/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <event2/event.h>

#define WAKERS      4
#define NEWS_OF_ONE 20000

struct owner {
    struct loop *loop;
    unsigned wakes, seconds;
    atomic_uint news; /* left by other threads, taken by on_wake */
    unsigned taken, end_at;
};

static void on_wake(void *arg)
{
    struct owner *owner = arg;
    owner->wakes++;
    owner->taken += atomic_exchange(&owner->news, 0);
    if (owner->taken >= owner->end_at)
        loop_end(owner->loop);
}

static void on_second(void *arg)
{
    struct owner *owner = arg;
    owner->seconds++;
    loop_end(owner->loop);
}

static struct loop *make(struct owner *owner)
{
    const struct loop_hooks hooks = {.on_wake = on_wake, .arg = owner};
    owner->loop = loop_new(&hooks);
    assert_non_null(owner->loop);
    return owner->loop;
}

static void look_once(struct loop *loop)
{
    assert_true(event_base_loop(loop_base(loop), EVLOOP_NONBLOCK) >= 0);
}

static void test_several_wakes_are_one(void **state)
{
    (void)state;
    struct owner owner = {.end_at = UINT32_MAX};
    struct loop *loop = make(&owner);
    look_once(loop);
    assert_int_equal(owner.wakes, 0);
    for (int i = 0; i < 3; i++)
        loop_wake(loop);
    look_once(loop);
    assert_int_equal(owner.wakes, 1);
    look_once(loop);
    assert_int_equal(owner.wakes, 1);
    loop_wake(loop);
    look_once(loop);
    assert_int_equal(owner.wakes, 2);
    loop_free(loop);
    loop_free(NULL);
}

static void *leave_news(void *arg)
{
    struct owner *owner = arg;
    for (int i = 0; i < NEWS_OF_ONE; i++) {
        atomic_fetch_add(&owner->news, 1);
        loop_wake(owner->loop);
    }
    return NULL;
}

/* A lost wake-up would leave the last news behind, and the loop would not end. */
static void test_no_wake_is_lost(void **state)
{
    (void)state;
    struct owner owner = {.end_at = WAKERS * NEWS_OF_ONE};
    struct loop *loop = make(&owner);
    pthread_t threads[WAKERS];
    for (int i = 0; i < WAKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, leave_news, &owner), 0);
    assert_true(loop_start(loop)); /* some news are older than the loop's thread */
    loop_join(loop);
    for (int i = 0; i < WAKERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(owner.taken, WAKERS * NEWS_OF_ONE);
    assert_true(owner.wakes <= WAKERS * NEWS_OF_ONE);
    loop_free(loop);
}

static void test_the_tick(void **state)
{
    (void)state;
    struct owner owner = {.end_at = UINT32_MAX};
    const struct loop_hooks hooks = {.on_wake = on_wake, .on_second = on_second, .arg = &owner};
    owner.loop = loop_new(&hooks);
    assert_non_null(owner.loop);
    loop_run(owner.loop);
    assert_int_equal(owner.seconds, 1);
    loop_free(owner.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_wakes_are_one),
        cmocka_unit_test(test_no_wake_is_lost),
        cmocka_unit_test(test_the_tick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
