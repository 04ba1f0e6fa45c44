/* SPDX-License-Identifier: MIT */
/* Protects bases that are written beside commits.  Whatever other processes commit meanwhile, at
 * any step, the file that is put in place contains it, and others adopt it without reading it.  One
 * process at a time writes a base.  Whatever happens to its files, nothing is lost, and a caller
 * that waits for a base gets one. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/commit/base_locked.h"
#include "store/commit/state.h"
#include "store/store.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/support.h"

/* ---- A base thread that stops at its disk calls ------------------------------------------- */

struct gate {
    struct hook_disk hook;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct anystore *store;
    bool armed, stopped, go;
};

static int stop(struct hook_disk *hook, enum hook_call call)
{
    struct gate *gate = hook->arg;
    (void)call;
    pthread_mutex_lock(&gate->mutex);
    if (gate->armed && pthread_equal(pthread_self(), gate->store->base.thread)) {
        gate->stopped = true;
        gate->go = false;
        pthread_cond_broadcast(&gate->changed);
        while (!gate->go)
            pthread_cond_wait(&gate->changed, &gate->mutex);
        gate->stopped = false;
    }
    pthread_mutex_unlock(&gate->mutex);
    return 0;
}

static void gate_open(struct gate *gate)
{
    struct anystore_error error;
    *gate = (struct gate){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    hook_disk_init(&gate->hook, &disk_system);
    gate->hook.arg = gate;
    gate->hook.on_call = stop;
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = scratch.path, .key = key};
    gate->store = store_open_on_disk(&options, &gate->hook.table, &error);
    assert_non_null(gate->store);
    anystore_key_free(key);
}

static void gate_arm(struct gate *gate, bool armed)
{
    pthread_mutex_lock(&gate->mutex);
    gate->armed = armed;
    gate->go = true;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

/* Lets the base thread go on if it has stopped. */
static void gate_go(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->go = true;
    gate->stopped = false;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

/* A request for a base. */
struct asking {
    struct anystore_submission submission;
    struct gate *gate;
    bool done;
    struct anystore_error error;
};

static void on_done(struct anystore_submission *submission, bool ran,
                    const struct anystore_error *error)
{
    struct asking *asking = (struct asking *)(void *)submission;
    (void)ran;
    pthread_mutex_lock(&asking->gate->mutex);
    asking->done = true;
    asking->error = *error;
    pthread_cond_broadcast(&asking->gate->changed);
    pthread_mutex_unlock(&asking->gate->mutex);
}

static void ask(struct gate *gate, struct asking *asking)
{
    *asking = (struct asking){.submission = {.kind = ANYSTORE_SUBMIT_BASE, .on_done = on_done},
                              .gate = gate};
    anystore_submit(gate->store, &asking->submission);
}

/* Waits until the base thread has stopped; false if the request was answered instead. */
static bool wait_for_stop(struct gate *gate, const struct asking *asking)
{
    pthread_mutex_lock(&gate->mutex);
    while (!gate->stopped && !asking->done)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    bool stopped = gate->stopped;
    pthread_mutex_unlock(&gate->mutex);
    return stopped;
}

static void wait_for_answer(struct gate *gate, const struct asking *asking)
{
    gate_arm(gate, false);
    pthread_mutex_lock(&gate->mutex);
    while (!asking->done)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

/* Both instances and the file have the same contents. */
static void expect_same(struct anystore *store, struct anystore *other)
{
    struct anystore *fresh = support_open(scratch.path);
    char *one = support_dump(store), *two = support_dump(other), *three = support_dump(fresh);
    assert_string_equal(one, two);
    assert_string_equal(one, three);
    free(one);
    free(two);
    free(three);
    anystore_check(store);
    anystore_check(other);
    anystore_check(fresh);
    anystore_close(fresh);
}

static void expect_no_leftovers(void)
{
    assert_false(support_exists(support_path(scratch.directory, "data.tmp")));
    assert_false(support_exists(support_path(scratch.directory, "data.base")));
    assert_false(support_exists(support_path(scratch.directory, "data.base.spare")));
}

/* ---- Commits in between ------------------------------------------------------------------- */

#define LARGE ((size_t)140 << 10)
#define FAR   INT64_C(4102444800000) /* 2100-01-01 */

static uint8_t large[LARGE];

struct changing {
    struct support_random *random;
    struct anystore *store;
};

static bool change(struct anystore_txn *txn, void *arg)
{
    const struct changing *changing = arg;
    struct support_random *random = changing->random;
    changing->store->base.retry_at = UINT64_MAX; /* only bases that a caller asked for */
    size_t number = 1 + support_random_below(random, 4);
    enum anystore_status status = ANYSTORE_OK;
    for (size_t i = 0; i < number; i++) {
        char key[24];
        size_t size = (size_t)sprintf(key, "key %zu", support_random_below(random, 600));
        struct anystore_value value = {.data = large + support_random_below(random, 256)};
        size_t what = support_random_below(random, 100);
        if (what == 0) {
            status = anystore_clear(txn);
        } else if (what <= 20) {
            status = anystore_delete(txn, key, size, NULL);
        } else if (what <= 50) {
            int64_t expire_ms = what <= 40 ? FAR + (int64_t)i : 0;
            status = anystore_set_expiry(txn, key, size, expire_ms, NULL);
        } else {
            value.size = what <= 52 ? LARGE - 256 : support_random_below(random, 9000);
            value.expire_ms = support_random_below(random, 5) == 0 ? FAR : 0;
            status = anystore_put(txn, key, size, &value);
        }
        assert_int_equal(status, ANYSTORE_OK);
    }
    return true;
}

static bool fill(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 600; i++) {
        char key[24];
        struct anystore_value value = {.data = large, .size = i % 200 == 7 ? LARGE : 4000};
        size_t size = (size_t)sprintf(key, "key %u", i);
        if (anystore_put(txn, key, size, &value) != ANYSTORE_OK)
            return false;
    }
    return true;
}

static void update(struct anystore *store, anystore_fn *fn, void *arg)
{
    struct anystore_error error;
    if (anystore_update(store, fn, arg, &error) != ANYSTORE_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, ANYSTORE_OK);
}

static void test_commits_at_every_step(void **state)
{
    struct support_random random = support_random_new(1);
    struct gate gate;
    unsigned stops = 0;

    (void)state;
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (uint8_t)support_random_next(&random);
    gate_open(&gate);
    struct anystore *other = support_open(scratch.path);
    for (unsigned round = 0; round < (SUPPORT_SLOW ? 1 : 2); round++) {
        struct asking asking;
        update(round % 2 ? gate.store : other, fill, NULL);
        support_expect(other, "nothing", NULL); /* catches up */
        uint64_t reloads = support_stats(other).reloads;
        assert_false(support_stats(gate.store).base_in_progress);
        gate_arm(&gate, true);
        ask(&gate, &asking);
        for (bool first = true; wait_for_stop(&gate, &asking); first = false) {
            stops++;
            assert_true(!first || support_stats(gate.store).base_in_progress);
            if (support_random_below(&random, 3) == 0)
                update(other, change, &(struct changing){&random, other});
            if (support_random_below(&random, 3) == 0)
                update(gate.store, change, &(struct changing){&random, gate.store});
            gate_go(&gate);
        }
        wait_for_answer(&gate, &asking);
        assert_int_equal(asking.error.status, ANYSTORE_OK);
        assert_false(support_stats(gate.store).base_in_progress);
        expect_no_leftovers();
        /* The second copy exists already: the next commit copies at most the last changes. */
        uint64_t copied = support_stats(gate.store).bytes_copied;
        update(gate.store, change, &(struct changing){&random, gate.store});
        assert_true(support_stats(gate.store).bytes_copied - copied <=
                    2 * FORMAT_SEGMENT_BYTES + 5 * LARGE);
        assert_string_equal(support_stats(gate.store).copy_method, "swap");
        expect_same(gate.store, other);
        assert_int_equal(support_stats(other).reloads, reloads); /* adopted */
        assert_int_equal(support_stats(gate.store).reloads, 0);
    }
    assert_true(stops >= 10);
    anystore_close(other);
    anystore_close(gate.store);
}

/* A large value is copied in pieces, between which it may disappear. */
static bool expire_large(struct anystore_txn *txn, void *arg)
{
    const char *key = arg;
    struct anystore_value value = {
        .data = large, .size = LARGE, .expire_ms = anystore_now(txn) + 1};
    return anystore_put(txn, key, strlen(key), &value) == ANYSTORE_OK;
}

static void test_expiry_meanwhile(void **state)
{
    struct gate gate;
    struct asking asking;
    unsigned stops = 0;

    (void)state;
    gate_open(&gate);
    struct anystore *other = support_open(scratch.path);
    update(gate.store, fill, NULL);
    gate_arm(&gate, true);
    ask(&gate, &asking);
    while (wait_for_stop(&gate, &asking)) {
        if (stops++ < 20) {
            update(other, expire_large, (char[]){"key 7"});
            update(gate.store, expire_large, (char[]){"another"});
            support_put(other, "kept", "yes");
        }
        gate_go(&gate);
    }
    wait_for_answer(&gate, &asking);
    assert_int_equal(asking.error.status, ANYSTORE_OK);
    support_put(gate.store, "n", "1");
    struct anystore *fresh = support_open(scratch.path);
    support_expect(fresh, "kept", "yes");
    support_expect(fresh, "n", "1");
    anystore_close(fresh);
    anystore_close(other);
    anystore_close(gate.store);
}

/* ---- One at a time ------------------------------------------------------------------------ */

static bool overwrite(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value = {.data = large, .size = LARGE};
    (void)arg;
    return anystore_put(txn, "large", 5, &value) == ANYSTORE_OK;
}

/* Makes changes until a base is due and the first instance writes it; the other does not write one,
 * too, but gets one in the end if a caller asked for it. */
static void test_one_process_writes(void **state)
{
    struct gate gate;
    struct asking nobody = {.done = false};

    (void)state;
    gate_open(&gate);
    struct anystore *other = support_open(scratch.path);
    gate_arm(&gate, true);
    while (support_stats(gate.store).file_size <= (4 << 20) + 2 * LARGE + 4096)
        update(gate.store, overwrite, NULL);
    update(gate.store, overwrite, NULL);
    assert_true(wait_for_stop(&gate, &nobody));
    for (unsigned i = 0; i < 20; i++)
        update(other, overwrite, NULL); /* finds that a base is due, each time */
    assert_int_equal(support_stats(other).bases_written, 0);
    assert_true(support_exists(support_path(scratch.directory, "data.base")));

    /* A process that opens the file meanwhile does not remove the base of a living one. */
    struct anystore *third = support_open(scratch.path);
    assert_true(support_exists(support_path(scratch.directory, "data.base")));
    struct gate waiting = {
        .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .store = third};
    struct asking asking;
    ask(&waiting, &asking);
    support_put(third, "a", "1"); /* does not wait */
    pthread_mutex_lock(&waiting.mutex);
    assert_false(asking.done);
    pthread_mutex_unlock(&waiting.mutex);
    gate_arm(&gate, false);
    wait_for_answer(&waiting, &asking);
    assert_int_equal(asking.error.status, ANYSTORE_OK);
    assert_int_equal(support_stats(third).bases_written, 1);
    assert_int_equal(support_stats(gate.store).bases_written, 2); /* the file itself was one */
    assert_int_equal(support_stats(other).bases_written, 0);
    expect_no_leftovers();
    expect_same(third, other);
    anystore_close(third);
    anystore_close(other);
    anystore_close(gate.store);
}

/* ---- What may happen to its files --------------------------------------------------------- */

enum mishap { NAME_REMOVED, NAME_TAKEN, COPY_REMOVED, ANOTHER_BASE, MISHAPS };

static bool write_base(struct anystore_txn *txn, void *arg)
{
    struct anystore *store = arg;
    struct anystore_error error;
    (void)txn; /* on the commit thread, under the file lock, as a swap of two stores does */
    return base_write_locked(store, store->file.chain.header.store_id, &error) == ANYSTORE_OK;
}

static void test_mishaps(void **state)
{
    (void)state;
    for (unsigned mishap = 0; mishap < MISHAPS; mishap++) {
        struct gate gate;
        struct asking asking;
        gate_open(&gate);
        struct anystore *other = support_open(scratch.path);
        update(other, fill, NULL);
        gate_arm(&gate, true);
        ask(&gate, &asking);
        assert_true(wait_for_stop(&gate, &asking));
        const char *base = support_path(scratch.directory, "data.base");
        switch ((enum mishap)mishap) {
        case NAME_REMOVED:
            assert_int_equal(unlink(base), 0);
            break;
        case NAME_TAKEN:
            assert_int_equal(unlink(base), 0);
            support_write(base, "somebody else's", 15);
            break;
        case COPY_REMOVED:
            assert_int_equal(unlink(support_path(scratch.directory, "data.base.spare")), 0);
            break;
        case ANOTHER_BASE:
        case MISHAPS:
            update(other, write_base, other);
            break;
        }
        support_put(gate.store, "a", "1");
        wait_for_answer(&gate, &asking);
        assert_int_equal(asking.error.status, ANYSTORE_OK);
        assert_int_equal(support_stats(gate.store).bases_written, mishap == 0 ? 2 : 1);
        support_put(gate.store, "b", "1");
        expect_no_leftovers();
        expect_same(gate.store, other);
        anystore_close(other);
        anystore_close(gate.store);
    }
}

/* ---- The end ------------------------------------------------------------------------------ */

/* A caller that waits for a base gets it before the store is closed. */
static void test_close_with_a_request(void **state)
{
    struct gate gate;
    struct asking asking;

    (void)state;
    gate_open(&gate);
    update(gate.store, fill, NULL);
    ask(&gate, &asking);
    anystore_close(gate.store);
    assert_true(asking.done);
    assert_int_equal(asking.error.status, ANYSTORE_OK);
    expect_no_leftovers();
}

/* A base that nobody waits for is given up. */
static void test_close_without_a_request(void **state)
{
    struct gate gate;
    struct asking nobody = {.done = false};
    size_t descriptors = support_count_descriptors();

    (void)state;
    gate_open(&gate);
    gate_arm(&gate, true);
    while (support_stats(gate.store).file_size <= (4 << 20) + 2 * LARGE + 4096)
        update(gate.store, overwrite, NULL);
    update(gate.store, overwrite, NULL);
    assert_true(wait_for_stop(&gate, &nobody));
    gate_arm(&gate, false);
    anystore_close(gate.store);
    expect_no_leftovers();
    support_expect_descriptors(descriptors);
    anystore_close(support_open(scratch.path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_commits_at_every_step), TEST(test_expiry_meanwhile),
        TEST(test_one_process_writes),    TEST(test_mishaps),
        TEST(test_close_with_a_request),  TEST(test_close_without_a_request),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* updates run on another thread: nowhere to jump from */
    support_seed();
    return cmocka_run_group_tests_name("store_base", tests, NULL, NULL);
}
