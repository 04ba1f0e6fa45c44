/* SPDX-License-Identifier: MIT */
/* Protects transactions over several stores, and the exchange of two, against crashes at every call
 * and against calls that fail. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/store/disks/hook_disk.h"
#include "tests/store/disks/memory_cut.h"
#include "tests/store/disks/memory_disk.h"
#include "tests/store/siblings.h"
#include "tests/store/support.h"

struct crash {
    struct memory_disk *memory;
    struct support_random random;
    unsigned long states;
    bool moving;           /* else exchanging */
    pthread_mutex_t mutex; /* one call at a time is examined */
    atomic_bool looking;
};

static uint64_t next_random(void *arg)
{
    return support_random_next(arg);
}

static bool has(struct anystore *store, const char *key, const char *text)
{
    char number[32] = "";
    long n = (long)support_get_number(store, key);
    snprintf(number, sizeof number, "%ld", n);
    return strcmp(number, text) == 0;
}

/* Exchanged or not, never in between; moved, not moved, or in both for a moment, never lost. */
static void check_left(struct crash *crash, struct memory_disk *left)
{
    struct siblings process;
    siblings_start(&process, "", memory_disk_table(left));
    struct anystore **s = process.stores;
    bool in_a = has(s[0], "k", "7"), in_b = has(s[1], "k", "7");
    assert_true(crash->moving ? in_a || in_b : in_a != in_b);
    if (!crash->moving)
        assert_true(has(in_a ? s[0] : s[1], "a", "1") && has(in_a ? s[1] : s[0], "b", "2"));
    support_put(s[0], "more", "3");
    support_put(s[1], "more", "4");
    siblings_end(&process);
    memory_disk_free(left);
    crash->states++;
}

static int crash_at_every_call(struct hook_disk *hook, enum hook_call call)
{
    struct crash *crash = hook->arg;
    if (call == HOOK_PREAD || call == HOOK_MAP || call == HOOK_UNMAP ||
        !atomic_load(&crash->looking))
        return 0;
    pthread_mutex_lock(&crash->mutex);
    struct memory_disk *killed = memory_disk_after_kill(crash->memory);
    check_left(crash, killed);
    for (int i = 0; i < 3; i++) {
        struct memory_disk *cut =
            memory_disk_after_power_cut(crash->memory, next_random, &crash->random);
        check_left(crash, cut);
    }
    pthread_mutex_unlock(&crash->mutex);
    return 0;
}

static bool move_seven(struct anystore_txn *const *txns, void *arg)
{
    (void)arg;
    siblings_put(txns[1], "k", "7");
    return anystore_delete(txns[0], "k", 1, NULL) == ANYSTORE_OK;
}

static void test_crashes(void **state)
{
    (void)state;
    struct crash crash = {.random = support_random_new(77), .mutex = PTHREAD_MUTEX_INITIALIZER};
    for (int round = 0; round < 4; round++) {
        const struct memory_disk_abilities all = {.exchange = true, .clone = true};
        struct hook_disk hook;
        struct siblings process;
        struct anystore_error error;
        crash.memory = memory_disk_new(&all);
        crash.moving = round % 2 == 0;
        hook_disk_init(&hook, memory_disk_table(crash.memory));
        hook.arg = &crash;
        hook.on_call = crash_at_every_call;
        siblings_start(&process, "", &hook.table);
        struct anystore **s = process.stores;
        support_put(s[0], "k", "7");
        support_put(s[0], "a", "1");
        support_put(s[1], "b", "2");
        atomic_store(&crash.looking, true);
        struct anystore *const pair[] = {s[0], s[1]};
        if (crash.moving)
            anystore_update_several(pair, 2, move_seven, NULL, false, NULL, &error);
        else
            anystore_swap(s[round / 2], s[1 - round / 2], &error);
        assert_int_equal(error.status, ANYSTORE_OK);
        atomic_store(&crash.looking, false);
        siblings_end(&process);
        memory_disk_free(crash.memory);
    }
    print_message("%lu crashes\n", crash.states);
}

/* A call fails: nothing was exchanged, and both stores go on. */
static int fail_once(struct hook_disk *hook, enum hook_call call)
{
    atomic_int *left = hook->arg;
    if (call == HOOK_CLOSE || call == HOOK_UNLOCK || call == HOOK_LEAVE || call == HOOK_UNMAP)
        return 0;
    return atomic_fetch_sub(left, 1) == 1 ? EIO : 0;
}

static void test_failing_swaps(void **state)
{
    (void)state;
    bool failed = true;
    int calls = 0;
    for (int fail_at = 1; failed; fail_at++, calls++) {
        char *directory = support_directory_new();
        struct hook_disk hook;
        struct siblings process, other;
        struct anystore_error error;
        atomic_int left = 0;
        hook_disk_init(&hook, &disk_system);
        hook.on_call = fail_once;
        hook.arg = &left;
        siblings_start(&process, directory, &hook.table);
        siblings_start(&other, directory, &disk_system);
        struct anystore **s = process.stores;
        support_put(s[0], "x", "of a");
        support_put(s[1], "x", "of b");
        atomic_store(&left, fail_at);
        enum anystore_status status = anystore_swap(s[0], s[1], &error);
        failed = atomic_exchange(&left, 0) <= 0;
        bool swapped = status == ANYSTORE_OK;
        for (int i = 0; i < 2; i++) {
            struct anystore **t = i == 0 ? s : other.stores;
            support_expect(t[0], "x", swapped ? "of b" : "of a");
            support_expect(t[1], "x", swapped ? "of a" : "of b");
        }
        support_put(s[0], "y", "0");
        support_put(other.stores[1], "y", "1");
        support_expect(s[1], "y", "1");
        siblings_end(&other);
        siblings_end(&process);
        support_directory_free(directory);
    }
    print_message("%d calls failed\n", calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_failing_swaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
