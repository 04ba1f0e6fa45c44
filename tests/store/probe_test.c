/* SPDX-License-Identifier: MIT */
/* Protects what is known of the last commit: it failed, and why, until one works, be it a probe
 * that changes nothing.  The log hears of a failure and of its end, not of each round. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/support.h"

/* A store on a disk that is full while it is told so. */
struct probed {
    struct hook_disk hook;
    atomic_int number;           /* what writes and locks fail with; 0: they work */
    atomic_uint told, recovered; /* lines of the log */
    bool only_writes;            /* locks work */
    struct anystore *store;
};

static int on_call(struct hook_disk *hook, enum hook_call call)
{
    struct probed *probed = hook->arg;
    return call == HOOK_PWRITE || (call == HOOK_LOCK && !probed->only_writes)
               ? atomic_load(&probed->number)
               : 0;
}

static void on_log(enum anystore_log_level level, const char *text, void *arg)
{
    struct probed *probed = arg;
    if (level == ANYSTORE_LOG_WARNING && strstr(text, "no commit"))
        atomic_fetch_add(&probed->told, 1);
    if (strstr(text, "commits work again"))
        atomic_fetch_add(&probed->recovered, 1);
}

static void start(struct probed *probed)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {
        .path = scratch.path, .key = key, .on_log = on_log, .log_arg = probed};
    struct anystore_error error;
    memset(probed, 0, sizeof *probed);
    hook_disk_init(&probed->hook, &disk_system);
    probed->hook.arg = probed;
    probed->hook.on_call = on_call;
    probed->store = store_open_on_disk(&options, &probed->hook.table, &error);
    assert_non_null(probed->store);
    anystore_key_free(key);
}

static enum anystore_status probe(struct probed *probed)
{
    struct anystore_error error;
    return support_submit(probed->store, ANYSTORE_SUBMIT_PROBE, &error);
}

static bool change_nothing(struct anystore_txn *txn, void *arg)
{
    (void)txn;
    (void)arg;
    return true;
}

static void test_a_failure_lasts_until_a_commit_works(void **state)
{
    struct probed probed;
    struct anystore_error error;
    (void)state;
    start(&probed);
    support_put(probed.store, "k", "before");
    assert_int_equal(anystore_commit_status(probed.store), ANYSTORE_OK);
    atomic_store(&probed.number, ENOSPC);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(support_try_put(probed.store, "k", "other", &error), ANYSTORE_NO_SPACE);
    assert_int_equal(anystore_commit_status(probed.store), ANYSTORE_NO_SPACE);
    assert_int_equal(support_stats(probed.store).last_commit_status, ANYSTORE_NO_SPACE);
    atomic_store(&probed.number, 0);
    /* No commit, so it tells nothing. */
    assert_int_equal(anystore_update(probed.store, change_nothing, NULL, &error), ANYSTORE_OK);
    assert_int_equal(anystore_commit_status(probed.store), ANYSTORE_NO_SPACE);
    support_put(probed.store, "k", "behind");
    assert_int_equal(anystore_commit_status(probed.store), ANYSTORE_OK);
    assert_int_equal(atomic_load(&probed.told), 1);
    assert_int_equal(atomic_load(&probed.recovered), 1);
    anystore_close(probed.store);
}

static void test_a_probe_tells_whether_commits_work(void **state)
{
    struct probed probed;
    (void)state;
    start(&probed);
    support_put(probed.store, "k", "v");
    struct anystore *other = support_open(scratch.path);
    struct anystore_stats before = support_stats(probed.store);
    atomic_store(&probed.number, ENOSPC);
    assert_int_equal(probe(&probed), ANYSTORE_NO_SPACE);
    assert_int_equal(anystore_commit_status(probed.store), ANYSTORE_NO_SPACE);
    atomic_store(&probed.number, EIO);
    assert_int_equal(probe(&probed), ANYSTORE_IO);
    assert_int_equal(anystore_commit_status(probed.store), ANYSTORE_IO);
    assert_int_equal(probe(&probed), ANYSTORE_IO);
    assert_int_equal(atomic_load(&probed.told), 2); /* one line for each reason */
    support_expect(other, "k", "v");
    atomic_store(&probed.number, 0);
    assert_int_equal(probe(&probed), ANYSTORE_OK);
    assert_int_equal(anystore_commit_status(probed.store), ANYSTORE_OK);
    struct anystore_stats after = support_stats(probed.store);
    assert_int_equal(after.generation, before.generation + 1);
    assert_int_equal(after.failed_commits, before.failed_commits + 3);
    /* A commit of nothing is one like others: read by another process, and from the start. */
    support_expect(other, "k", "v");
    assert_int_equal(support_stats(other).generation, after.generation);
    support_put(other, "l", "w");
    support_expect(probed.store, "l", "w");
    anystore_close(other);
    anystore_close(probed.store);
    struct anystore *again = support_open(scratch.path);
    support_expect(again, "k", "v");
    support_expect(again, "l", "w");
    anystore_close(again);
}

static void fail_a_base(bool with_lock)
{
    struct probed probed;
    struct anystore_error error;
    start(&probed);
    probed.only_writes = !with_lock;
    support_put(probed.store, "k", "v");
    assert_int_equal(support_stats(probed.store).last_base_status, ANYSTORE_OK);
    atomic_store(&probed.number, ENOSPC);
    assert_int_equal(support_rewrite(probed.store, &error), ANYSTORE_NO_SPACE);
    atomic_store(&probed.number, 0);
    support_put(probed.store, "k", "w");
    assert_int_equal(support_stats(probed.store).last_base_status, ANYSTORE_NO_SPACE);
    assert_int_equal(support_rewrite(probed.store, &error), ANYSTORE_OK);
    assert_int_equal(support_stats(probed.store).last_base_status, ANYSTORE_OK);
    anystore_close(probed.store);
}

static void test_a_base_that_failed(void **state)
{
    (void)state;
    fail_a_base(false);
}

static void test_a_base_that_could_not_begin(void **state)
{
    (void)state;
    fail_a_base(true);
}

static void test_in_memory_nothing_fails(void **state)
{
    struct anystore_error error;
    (void)state;
    struct anystore *store = support_open(NULL);
    assert_int_equal(support_submit(store, ANYSTORE_SUBMIT_PROBE, &error), ANYSTORE_OK);
    assert_int_equal(anystore_commit_status(store), ANYSTORE_OK);
    anystore_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_failure_lasts_until_a_commit_works),
        TEST(test_a_probe_tells_whether_commits_work),
        TEST(test_a_base_that_failed),
        TEST(test_a_base_that_could_not_begin),
        TEST(test_in_memory_nothing_fails),
    };
    return cmocka_run_group_tests_name("store_probe", tests, NULL, NULL);
}
