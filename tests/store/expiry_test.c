/* SPDX-License-Identifier: MIT */
/* Protects a key that is extended in time: no reader finds it gone, however slow it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "store/common/clock.h"
#include "store/store.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/support.h"

#define FAR_MS 3600000

/* A key that ends at some moment, and is extended while a reader is stopped. */
struct prolonging {
    struct anystore *writer;
    int64_t end_ms;
    bool armed, in_time;
};

static bool put_until(struct anystore_txn *txn, void *arg)
{
    const int64_t *end_ms = arg;
    struct anystore_value value = {.data = "v", .size = 1, .expire_ms = *end_ms};
    return anystore_put(txn, "k", 1, &value) == ANYSTORE_OK;
}

static bool prolong(struct anystore_txn *txn, void *arg)
{
    const int64_t *end_ms = arg;
    return anystore_set_expiry(txn, "k", 1, *end_ms + FAR_MS, NULL) == ANYSTORE_OK;
}

/* The first read waits until the key has been extended, and until it would have ended otherwise. */
static int prolong_meanwhile(struct hook_disk *hook, enum hook_call call)
{
    struct prolonging *prolonging = hook->arg;
    if (!prolonging->armed || call != HOOK_PREAD)
        return 0;
    prolonging->armed = false;
    assert_int_equal(anystore_update(prolonging->writer, prolong, &prolonging->end_ms, NULL),
                     ANYSTORE_OK);
    prolonging->in_time = clock_now_ms() < prolonging->end_ms;
    while (clock_now_ms() <= prolonging->end_ms)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return 0;
}

static bool is_there(struct anystore_txn *txn, void *arg)
{
    bool *there = arg;
    *there = anystore_get(txn, "k", 1, NULL);
    return true;
}

/* The reader has the state before the extension, and must not compare that with a later clock. */
static void test_prolonged_in_time(void **state)
{
    (void)state;
    struct prolonging prolonging = {.writer = support_open_on(&disk_system, ANYSTORE_FSYNC_ALWAYS)};
    struct hook_disk hook;
    hook_disk_init(&hook, &disk_system);
    hook.arg = &prolonging;
    hook.on_call = prolong_meanwhile;
    struct anystore *reader = support_open_on(&hook.table, ANYSTORE_FSYNC_ALWAYS);
    for (int64_t ms = 20; !prolonging.in_time; ms *= 2) { /* longer where the machine is slow */
        bool there = false;
        prolonging.end_ms = clock_now_ms() + ms;
        assert_int_equal(anystore_update(prolonging.writer, put_until, &prolonging.end_ms, NULL),
                         ANYSTORE_OK);
        prolonging.armed = true;
        assert_int_equal(anystore_view(reader, is_there, &there, NULL), ANYSTORE_OK);
        assert_false(prolonging.armed);
        if (prolonging.in_time)
            assert_true(there);
    }
    anystore_close(reader);
    anystore_close(prolonging.writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_prolonged_in_time, support_set_up, support_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
