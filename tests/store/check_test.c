/* SPDX-License-Identifier: MIT */
/* Protects the checks of invariants: whatever is broken in memory is noticed, by anystore_check in
 * any build, and after each commit in builds that check as they run. */
#include "store/map/published.h"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/commit/state.h"
#include "store/common/checked.h"
#include "store/map/txn.h"
#include "tests/store/support.h"

/* Runs fn in a process of its own; the signal that ended it, or 0. */
static int signal_of(void (*fn)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        fn();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* ---- What is broken ----------------------------------------------------------------------- */

static struct anystore *new_store(void)
{
    struct anystore *store = support_open(scratch.path);
    support_put(store, "key", "value");
    return store;
}

static struct anystore *broken_store(void)
{
    struct anystore *store = new_store();
    store->published.map.bytes++;
    return store;
}

static void look(void)
{
    anystore_check(broken_store());
}

static void commit(void)
{
    support_put(broken_store(), "more", "value");
}

static void look_at_whole_one(void)
{
    struct anystore *store = new_store();
    anystore_check(store);
    support_put(store, "more", "value");
    anystore_check(store);
    anystore_close(store);
}

/* An expiry for a key that is not there. */
static bool break_pending(struct anystore_txn *txn, void *arg)
{
    struct entry *entry = entry_new(ENTRY_EXPIRE, 1, 0);
    (void)arg;
    if (!entry || !map_ready(&txn->pending->map))
        return false;
    entry->bytes[0] = 'x';
    entry->expire_ms = INT64_MAX;
    entry->hash = map_hash(txn->map, "x", 1);
    map_put(&txn->pending->map, entry);
    return true;
}

static void look_at_pending(void)
{
    struct anystore *store = new_store();
    anystore_check(store);
    anystore_update(store, break_pending, NULL, NULL);
}

static void look_at_watches(void)
{
    struct anystore *store = new_store();
    atomic_fetch_add(&store->published.watches.count, 1);
    anystore_check(store);
}

static void look_at_files(void)
{
    struct anystore *store = new_store();
    store->file.chain.base_end = store->file.chain.end + 1;
    anystore_check(store);
}

static void test_what_is_broken_is_noticed(void **state)
{
    (void)state;
    assert_int_equal(signal_of(look_at_whole_one), 0);
    assert_int_equal(signal_of(look), SIGABRT);
    assert_int_equal(signal_of(look_at_pending), SIGABRT);
    assert_int_equal(signal_of(look_at_watches), SIGABRT);
    assert_int_equal(signal_of(look_at_files), SIGABRT);
}

static void test_after_each_commit(void **state)
{
    (void)state;
    if (store_is_checked)
        assert_int_equal(signal_of(commit), SIGABRT);
    else
        skip();
}

/* ---- A large map -------------------------------------------------------------------------- */

#define MANY 4000

static struct published large;

static void put_key(struct pending *pending, unsigned number)
{
    struct entry *entry = entry_new(ENTRY_PUT, sizeof number, 0);
    if (!entry)
        _exit(1);
    memcpy(entry->bytes, &number, sizeof number);
    if (!pending_add(pending, &large.map, entry))
        _exit(1);
}

/* Publishes so many keys from a number on. */
static void publish(unsigned number, unsigned count)
{
    struct pending pending;
    struct published_check check;
    struct entry *garbage;
    struct map old;
    pending_init(&pending, &large.map);
    for (unsigned i = 0; i < count; i++)
        put_key(&pending, number + i);
    published_check_before(&check, &pending, &large.map);
    pending_apply(&pending, &large.map, &garbage, &old);
    published_check_after(&check, &large);
    entry_free_list(garbage);
    pending_free(&pending);
}

static uint32_t hash_of(unsigned number)
{
    return map_hash(&large.map, &number, sizeof number);
}

static struct entry *find(unsigned number)
{
    return map_find(&large.map, hash_of(number), &number, sizeof number);
}

static void publish_beside_a_broken_one(void)
{
    find(1)->bytes[0] ^= 1; /* its hash is another one's now */
    publish(MANY + 1, 1);
}

static void publish_over_a_broken_one(void)
{
    find(1)->hash ^= (uint32_t)large.map.table[0].size; /* the bucket stays the same */
    publish(1, 1);
}

static void publish_many(void)
{
    find(1)->bytes[0] ^= 1;
    for (unsigned i = 0; i < MANY / 4; i++)
        publish(MANY + 1 + i, 1);
}

static void test_large_map(void **state)
{
    (void)state;
    map_init(&large.map, &(struct siphash_key){1, 2});
    assert_true(map_ready(&large.map));
    publish(0, MANY);
    if (!store_is_checked)
        skip();
    /* Seen where the commit went, and elsewhere when there have been enough changes. */
    assert_int_equal(signal_of(publish_beside_a_broken_one), 0);
    assert_int_equal(signal_of(publish_over_a_broken_one), SIGABRT);
    assert_int_equal(signal_of(publish_many), SIGABRT);
    map_clear(&large.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_broken_is_noticed, support_set_up,
                                        support_tear_down),
        cmocka_unit_test_setup_teardown(test_after_each_commit, support_set_up, support_tear_down),
        cmocka_unit_test(test_large_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
