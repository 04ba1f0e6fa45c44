/* SPDX-License-Identifier: MIT */
/* Stores that belong together: one transaction over several, and the exchange of two, with other
 * processes on the same files and with calls that fail. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "store/commit/state.h"
#include "store/store.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/siblings.h"
#include "tests/store/support.h"

/* Moves "k" from the first to the second. */
static bool move(struct anystore_txn *const *txns, void *arg)
{
    struct anystore_value value;
    char text[64] = "";
    (void)arg;
    if (!anystore_get(txns[0], "k", 1, &value) || anystore_get(txns[1], "k", 1, NULL))
        return false;
    memcpy(text, value.data, value.size < sizeof text ? value.size : sizeof text - 1);
    siblings_put(txns[1], "k", text);
    return anystore_delete(txns[0], "k", 1, NULL) == ANYSTORE_OK;
}

static enum anystore_status move_between(struct anystore *from, struct anystore *to, size_t *failed,
                                         struct anystore_error *error)
{
    struct anystore *const stores[] = {from, to};
    return anystore_update_several(stores, 2, move, NULL, false, failed, error);
}

/* ---- One transaction over several --------------------------------------------------------- */

static void check_moves(const char *directory)
{
    struct siblings process;
    struct anystore_error error;
    siblings_start(&process, directory, &disk_system);
    struct anystore **s = process.stores;
    support_put(s[0], "k", "here");
    assert_int_equal(move_between(s[0], s[1], NULL, &error), ANYSTORE_OK);
    support_expect(s[0], "k", NULL);
    support_expect(s[1], "k", "here");
    assert_int_equal(move_between(s[0], s[1], NULL, &error), ANYSTORE_ABORTED);
    assert_int_equal(move_between(s[1], s[0], NULL, &error), ANYSTORE_OK);
    assert_int_equal(move_between(s[0], s[2], NULL, &error), ANYSTORE_OK);
    support_expect(s[2], "k", "here");
    siblings_end(&process);
}

static void test_moves(void **state)
{
    (void)state;
    char *directory = support_directory_new();
    check_moves(directory);
    check_moves(NULL);
    support_directory_free(directory);
}

/* An update queued behind another one of its store, in the same round if that is possible. */
struct behind {
    struct anystore *const *stores;
    struct anystore *elsewhere; /* the first of them, in another process */
    struct anystore_submission before;
    pthread_t thread;
    bool seen, seen_elsewhere;
};

static bool put_before(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    siblings_put(txn, "k", "new");
    return true;
}

static void on_put_before(struct anystore_submission *submission, bool ran,
                          const struct anystore_error *error)
{
    (void)submission;
    assert_true(ran);
    assert_int_equal(error->status, ANYSTORE_OK);
}

static bool see(struct anystore_txn *txn, void *arg)
{
    *(bool *)arg = anystore_get(txn, "k", 1, NULL);
    return true;
}

static bool see_everywhere(struct anystore_txn *const *txns, void *arg)
{
    struct behind *behind = arg;
    siblings_put(txns[1], "k", "made of it");
    return see(txns[0], &behind->seen) &&
           anystore_view(behind->elsewhere, see, &behind->seen_elsewhere, NULL) == ANYSTORE_OK;
}

static void *update_both(void *arg)
{
    struct behind *behind = arg;
    enum anystore_status status =
        anystore_update_several(behind->stores, 2, see_everywhere, behind, false, NULL, NULL);
    return status == ANYSTORE_OK ? NULL : behind;
}

/* On the commit thread: the next round finds both. */
static bool queue_both(struct anystore_txn *txn, void *arg)
{
    struct behind *behind = arg;
    struct anystore *store = behind->stores[0];
    (void)txn;
    anystore_submit(store, &behind->before);
    assert_int_equal(pthread_create(&behind->thread, NULL, update_both, behind), 0);
    while (queue_count(&store->queue) < 2)
        ;
    return true;
}

/* A transaction over several stores reads durable, and so visible, data of the first: otherwise the
 * last store would show a result before its source. */
static void test_sees_what_is_durable(void **state)
{
    (void)state;
    char *directory = support_directory_new();
    struct siblings one, two;
    siblings_start(&one, directory, &disk_system);
    siblings_start(&two, directory, &disk_system);
    struct behind behind = {.stores = one.stores,
                            .elsewhere = two.stores[0],
                            .before = {.fn = put_before, .on_done = on_put_before}};
    assert_int_equal(anystore_update(one.stores[0], queue_both, &behind, NULL), ANYSTORE_OK);
    void *failed;
    assert_int_equal(pthread_join(behind.thread, &failed), 0);
    assert_null(failed);
    assert_true(behind.seen);
    assert_true(behind.seen_elsewhere);
    support_expect(two.stores[1], "k", "made of it");
    siblings_end(&two);
    siblings_end(&one);
    support_directory_free(directory);
}

static int fail_at_sync(struct hook_disk *hook, enum hook_call call)
{
    atomic_int *left = hook->arg;
    return call == HOOK_FSYNC && atomic_fetch_sub(left, 1) == 1 ? EIO : 0;
}

/* The last store's commit comes first: if it fails, nothing has changed; if a later one fails,
 * exactly the reported store has failed, and its contents have stayed. */
static void test_failing_commits(void **state)
{
    (void)state;
    for (int fail_at = 1; fail_at <= 4; fail_at++) {
        char *directory = support_directory_new();
        struct hook_disk hook;
        struct siblings process;
        struct anystore_error error;
        atomic_int left = 0;
        size_t failed = 9;
        hook_disk_init(&hook, &disk_system);
        hook.on_call = fail_at_sync;
        hook.arg = &left;
        siblings_start(&process, directory, &hook.table);
        struct anystore **s = process.stores;
        support_put(s[0], "k", "here");
        atomic_store(&left, fail_at);
        assert_int_not_equal(move_between(s[0], s[1], &failed, &error), ANYSTORE_OK);
        /* Two syncs for each commit: of the file and of its directory. */
        assert_int_equal(failed, fail_at <= 2 ? 1 : 0);
        support_expect(s[0], "k", "here");
        support_expect(s[1], "k", fail_at <= 2 ? NULL : "here");
        siblings_end(&process);
        siblings_start(&process, directory, &disk_system);
        support_expect(process.stores[0], "k", "here");
        support_expect(process.stores[1], "k", fail_at <= 2 ? NULL : "here");
        siblings_end(&process);
        support_directory_free(directory);
    }
}

/* ---- Families ----------------------------------------------------------------------------- */

static void test_a_stranger_is_refused(void **state)
{
    (void)state;
    char *directory = support_directory_new();
    struct siblings process;
    struct anystore_error error;
    siblings_start(&process, directory, &disk_system);
    anystore_close(support_open(support_path(directory, "stranger")));
    assert_null(siblings_open(support_path(directory, "stranger"), process.stores[0], &disk_system,
                              &error));
    assert_int_equal(error.status, ANYSTORE_FOREIGN);
    support_check_text(&error, support_path(directory, "stranger"));
    siblings_end(&process);
    support_directory_free(directory);
}

/* ---- Exchanging --------------------------------------------------------------------------- */

static void test_swap(void **state)
{
    (void)state;
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        char *directory = in_memory ? NULL : support_directory_new();
        struct siblings process;
        struct anystore_error error;
        siblings_start(&process, directory, &disk_system);
        struct anystore **s = process.stores;
        support_put(s[0], "x", "of a");
        support_put(s[1], "x", "of b");
        support_put(s[1], "y", "of b");
        assert_int_equal(anystore_swap(s[0], s[1], &error), ANYSTORE_OK);
        support_expect(s[0], "x", "of b");
        support_expect(s[0], "y", "of b");
        support_expect(s[1], "x", "of a");
        support_expect(s[1], "y", NULL);
        support_put(s[0], "z", "0");
        support_put(s[1], "z", "1");
        assert_int_equal(anystore_swap(s[0], s[0], &error), ANYSTORE_OK);
        assert_int_equal(anystore_swap(s[1], s[0], &error), ANYSTORE_OK);
        support_expect(s[0], "z", "1");
        support_expect(s[1], "z", "0");
        anystore_check(s[0]);
        anystore_check(s[1]);
        siblings_end(&process);
        if (directory) {
            siblings_start(&process, directory, &disk_system);
            support_expect(process.stores[0], "x", "of a");
            support_expect(process.stores[1], "y", "of b");
            siblings_end(&process);
            support_directory_free(directory);
        }
    }
}

/* The loaded data are exchanged under a process; it goes on with the new ones. */
static void test_swap_by_another_process(void **state)
{
    (void)state;
    char *directory = support_directory_new();
    struct siblings one, two;
    struct anystore_error error;
    siblings_start(&one, directory, &disk_system);
    siblings_start(&two, directory, &disk_system);
    support_put(one.stores[0], "x", "of a");
    support_put(two.stores[1], "x", "of b");
    support_expect(two.stores[0], "x", "of a");
    for (int i = 0; i < 20; i++) {
        struct siblings *swapper = i % 3 == 0 ? &one : &two, *other = i % 3 == 0 ? &two : &one;
        assert_int_equal(anystore_swap(swapper->stores[0], swapper->stores[1], &error),
                         ANYSTORE_OK);
        support_expect(other->stores[0], "x", i % 2 == 0 ? "of b" : "of a");
        support_expect(other->stores[1], "x", i % 2 == 0 ? "of a" : "of b");
        if (i % 4 == 1)
            support_put(other->stores[i % 2], "more", "than before");
    }
    siblings_end(&two);
    siblings_end(&one);
    support_directory_free(directory);
}

static struct {
    struct siblings *process;
    atomic_bool end;
} looking;

/* Looks now and then, so that it has something to catch up with at any moment of an exchange. */
static void *look_now_and_then(void *arg)
{
    struct support_random random = support_random_new(5);
    (void)arg;
    while (!atomic_load(&looking.end)) {
        const struct timespec moment = {.tv_nsec = (long)support_random_below(&random, 400) * 1000};
        support_get_number(looking.process->stores[0], "x");
        support_get_number(looking.process->stores[1], "x");
        nanosleep(&moment, NULL);
    }
    return NULL;
}

/* A process that catches up in the middle of an exchange does not stay with the old data. */
static void test_looks_during_swaps(void **state)
{
    (void)state;
    char *directory = support_directory_new();
    struct siblings one, two;
    struct anystore_error error;
    pthread_t thread;
    siblings_start(&one, directory, &disk_system);
    siblings_start(&two, directory, &disk_system);
    looking.process = &two;
    atomic_store(&looking.end, false);
    assert_int_equal(pthread_create(&thread, NULL, look_now_and_then, NULL), 0);
    for (int i = 1; i <= (SUPPORT_SLOW ? 100 : 1000); i++) {
        char a[16], b[16];
        snprintf(a, sizeof a, "%d", 2 * i);
        snprintf(b, sizeof b, "%d", 2 * i + 1);
        support_put(one.stores[0], "x", a);
        support_put(one.stores[1], "x", b);
        assert_int_equal(anystore_swap(one.stores[0], one.stores[1], &error), ANYSTORE_OK);
        support_expect(two.stores[0], "x", b);
        support_expect(two.stores[1], "x", a);
    }
    atomic_store(&looking.end, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    siblings_end(&two);
    siblings_end(&one);
    support_directory_free(directory);
}

/* ---- All at once -------------------------------------------------------------------------- */

#define KEYS  8
#define STEPS 60

struct mover {
    struct siblings *process;
    uint64_t stream;
};

static bool move_any(struct anystore_txn *const *txns, void *arg)
{
    struct anystore_value value;
    const char *key = arg;
    if (!anystore_get(txns[0], key, 1, &value))
        return false;
    siblings_put(txns[1], key, "v");
    return anystore_delete(txns[0], key, 1, NULL) == ANYSTORE_OK;
}

static void *move_about(void *arg)
{
    struct mover *mover = arg;
    struct support_random random = support_random_new(mover->stream);
    struct anystore **s = mover->process->stores;
    for (int i = 0; i < STEPS; i++) {
        size_t from = support_random_below(&random, COUNT);
        size_t to = (from + 1 + support_random_below(&random, COUNT - 1)) % COUNT;
        struct anystore *const pair[] = {s[from], s[to]};
        char key[2] = {(char)('a' + support_random_below(&random, KEYS)), '\0'};
        struct anystore_error error;
        enum anystore_status status = ANYSTORE_OK;
        switch (support_random_below(&random, 4)) {
        case 0:
            status = anystore_swap(s[from], s[to], &error);
            break;
        case 1:
            support_put(s[from], "own", "v");
            break;
        default:
            status = anystore_update_several(pair, 2, move_any, key, false, NULL, &error);
            break;
        }
        if (status != ANYSTORE_OK && status != ANYSTORE_ABORTED)
            print_error("%s\n", error.text);
        assert_true(status == ANYSTORE_OK || status == ANYSTORE_ABORTED);
    }
    return NULL;
}

static bool count_letters(struct anystore_txn *const *txns, void *arg)
{
    size_t *found = arg;
    for (int k = 0; k < KEYS; k++) {
        const char letter = (char)('a' + k);
        for (size_t i = 0; i < COUNT; i++)
            *found += anystore_get(txns[i], &letter, 1, NULL);
    }
    return true;
}

/* Threads of two processes move keys about and exchange stores: no key is lost or doubled. */
static void test_all_at_once(void **state)
{
    (void)state;
    char *directory = support_directory_new();
    struct siblings processes[2];
    struct mover movers[4];
    pthread_t threads[4];
    for (size_t i = 0; i < 2; i++)
        siblings_start(&processes[i], directory, &disk_system);
    for (char key[2] = "a"; key[0] < 'a' + KEYS; key[0]++)
        support_put(processes[0].stores[key[0] % COUNT], key, "v");
    for (size_t i = 0; i < 4; i++) {
        movers[i] = (struct mover){&processes[i % 2], i};
        assert_int_equal(pthread_create(&threads[i], NULL, move_about, &movers[i]), 0);
    }
    for (int i = 0; i < STEPS; i++) {
        size_t found = 0;
        struct anystore_error error;
        assert_int_equal(anystore_update_several(processes[i % 2].stores, COUNT, count_letters,
                                                 &found, false, NULL, &error),
                         ANYSTORE_OK);
        assert_int_equal(found, KEYS);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < 2; i++)
        siblings_end(&processes[i]);
    support_directory_free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_sees_what_is_durable),
        cmocka_unit_test(test_failing_commits),
        cmocka_unit_test(test_a_stranger_is_refused),
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_swap_by_another_process),
        cmocka_unit_test(test_looks_during_swaps),
        cmocka_unit_test(test_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
