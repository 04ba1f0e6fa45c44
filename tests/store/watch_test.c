/* SPDX-License-Identifier: MIT */
/* Protects watched keys: a change by any instance over the file is noticed, once and for all,
 * whenever the watch was set; an operation that changes nothing is not. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "anystore.h"
#include "store/commit/state.h"
#include "tests/store/support.h"
#include "tests/store/watch_steps.h"

static struct anystore *here, *there; /* two processes' worth */

static int set_up(void **state)
{
    support_set_up(state);
    here = support_open(scratch.path);
    there = support_open(scratch.path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    anystore_close(here);
    anystore_close(there);
    return support_tear_down(state);
}

static int set_up_memory(void **state)
{
    (void)state;
    here = support_open(NULL);
    return 0;
}

static int tear_down_memory(void **state)
{
    (void)state;
    anystore_close(here);
    return 0;
}

/* ---- Changes ------------------------------------------------------------------------------ */

static const struct {
    const char *before[4], *change[4];
    const char *changed; /* of a and b */
} rows[] = {
    {{"put a"}, {"put a"}, "x-"}, /* the same value again */
    {{"put a"}, {"del a"}, "x-"},
    {{"put b"}, {"del a"}, "--"}, /* was not there */
    {{"put b"}, {"put a"}, "x-"},
    {{"put a"}, {"expire a"}, "x-"},
    {{"put b"}, {"expire a"}, "--"},
    {{"put a"}, {"past a"}, "x-"},
    {{"put a", "expire a"}, {"persist a"}, "x-"},
    {{"put a", "expire a"}, {"expire a"}, "x-"},
    {{"put a", "past a"}, {"del a"}, "--"}, /* had expired before */
    {{"put a", "past a", "put b"}, {"clear"}, "-x"},
    {{"put a", "past a"}, {"put a"}, "x-"},
    {{"put a"}, {"clear"}, "x-"}, /* only for keys that existed */
    {{"put a", "put b"}, {"clear"}, "xx"},
    {{"put c"}, {"clear"}, "--"},
    {{"put c"}, {"clear", "put a"}, "x-"},
    {{"put a"}, {"clear", "put a"}, "x-"},
    {{"put a"}, {"del a", "put a"}, "x-"},
    {{"put a", "put b"}, {"del a", "put a", "put b"}, "xx"},
    {{"put c"}, {"put d"}, "--"},
};

static void change_by(struct anystore *changer, bool watch_in_view)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct anystore_watch watches[WATCHES];
        watch_name(watches);
        support_clear(here);
        assert_int_equal(watch_try_steps(here, NULL, rows[i].before), ANYSTORE_OK);
        if (watch_in_view)
            RUN(here, watches, "view", "watch 0", "watch 1");
        else
            RUN(here, watches, "watch 0", "watch 1");
        watch_expect(here, watches, "--");
        assert_int_equal(watch_try_steps(changer, NULL, rows[i].change), ANYSTORE_OK);
        watch_expect(here, watches, rows[i].changed);
        watch_end(here, watches, 2);
        anystore_check(here);
    }
}

static void test_by_the_same_instance(void **state)
{
    (void)state;
    change_by(here, true);
    change_by(here, false);
}

static void test_by_another_instance(void **state)
{
    (void)state;
    change_by(there, true);
    change_by(there, false);
}

/* Several commits that are read at once: a key that they made and removed again has changed,
 * too. */
static void test_commits_that_cancel_out(void **state)
{
    struct anystore_watch watches[WATCHES];

    (void)state;
    watch_name(watches);
    support_put(here, "c", "1");
    support_put(here, "other", "1");
    RUN(here, watches, "view", "watch 0", "watch 1", "watch 2", "watch 3");
    support_put(there, "a", "1");
    support_delete(there, "a");
    watch_expect(here, watches, "x---");
    support_put(there, "b", "1");
    support_clear(there);
    watch_expect(here, watches, "xxx-");
    watch_end(here, watches, WATCHES);

    /* A clear that removes none of the watched keys, behind other commits. */
    support_put(here, "c", "1");
    RUN(here, watches, "view", "watch 0", "watch 1", "watch 2", "watch 3");
    support_put(there, "other", "2");
    support_delete(there, "other");
    support_delete(there, "c");
    support_put(there, "other", "3");
    support_clear(there);
    watch_expect(here, watches, "--x-");
    watch_end(here, watches, WATCHES);
}

static void test_within_one_update(void **state)
{
    struct anystore_watch watches[WATCHES];

    (void)state;
    watch_name(watches);
    support_put(here, "a", "1");
    support_put(here, "b", "1");
    /* Before: no; after: yes; and the commit itself is no second change. */
    RUN(here, watches, "put a", "watch 0", "del b", "watch 1", "watch 2", "put c", "watch 3",
        "unchanged 0", "unchanged 1", "changed 2", "unchanged 3");
    watch_expect(here, watches, "--x-");
    support_put(there, "a", "2");
    support_delete(there, "b"); /* was not there */
    watch_expect(here, watches, "x-x-");
    support_put(here, "b", "2");
    watch_expect(here, watches, "xxx-");
    watch_end(here, watches, WATCHES);

    support_put(here, "a", "1");
    support_delete(here, "b");
    RUN(here, watches, "clear", "watch 0", "put b", "watch 1", "watch 2", "clear", "unchanged 0",
        "changed 1", "unchanged 2", "watch 3");
    watch_expect(here, watches, "-x--");
    watch_end(here, watches, WATCHES);
}

static void test_aborted_updates(void **state)
{
    struct anystore_watch watches[WATCHES];

    (void)state;
    watch_name(watches);
    support_put(here, "a", "1");
    support_put(here, "b", "1");
    RUN(here, watches, "view", "watch 2");
    /* Watched after a change that never became visible: the watch has seen a wrong state. */
    RUN_ABORTED(here, watches, "put a", "watch 0", "watch 1", "unchanged 0", "abort");
    watch_expect(here, watches, "x--");
    watch_end(here, watches, 2);
    RUN_ABORTED(here, watches, "clear", "watch 0", "watch 1", "abort");
    watch_expect(here, watches, "xx");
    watch_end(here, watches, 2);
    RUN_ABORTED(here, watches, "expire a", "watch 0", "watch 1", "abort");
    watch_expect(here, watches, "x-");
    watch_end(here, watches, 2);
    RUN(here, watches, "watch 1", "save", "del a", "watch 0", "rollback", "changed 0",
        "unchanged 1");
    watch_expect(here, watches, "x-");
    support_expect(here, "a", "1");
    watch_end(here, watches, 2);
    /* A watch set before may fire or not: what counts is that no change is missed. */
    RUN(here, watches, "watch 0");
    RUN_ABORTED(here, watches, "del b", "abort");
    watch_expect(here, watches, "-");
    support_delete(there, "a");
    watch_expect(here, watches, "x");
    watch_end(here, watches, 1);
    anystore_watch_end(here, &watches[2]);
}

static void wait_until_gone(struct anystore *store, const char *key)
{
    while (support_get_number(store, key) >= 0)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void expiry(struct anystore *changer)
{
    struct anystore_watch watches[WATCHES];
    watch_name(watches);
    support_clear(here);
    RUN(here, NULL, "put a", "put b", "soon b", "put c", "expire c", "put d", "past d");
    /* Whether b has already expired when it is watched depends on the machine. */
    int64_t late = 0;
    do {
        for (size_t i = 0; late && i < WATCHES; i++)
            anystore_watch_end(here, &watches[i]);
        RUN(here, NULL, "put b", "soon b");
        RUN(here, watches, "view", "watch 0", "watch 1", "watch 2", "watch 3");
        late++;
    } while (!watch_of(&watches[1])->existed);
    wait_until_gone(here, "b");
    watch_expect(here, watches, "-x--");
    support_put(changer, "d", "1");
    support_delete(changer, "c");
    watch_expect(here, watches, "-xxx");
    watch_end(here, watches, WATCHES);

    /* Expired when it was watched, and removed from memory since: nothing has changed. */
    RUN(here, NULL, "put a", "past a", "put b");
    RUN(here, watches, "view", "watch 0");
    struct anystore_stats stats;
    do {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        anystore_stats_read(here, &stats);
    } while (stats.expiring != 0);
    watch_expect(here, watches, "-");
    support_put(changer, "b", "2");
    watch_expect(here, watches, "-");
    watch_end(here, watches, 1);
}

static void test_expiry(void **state)
{
    (void)state;
    expiry(there);
}

/* The other instance wrote a new base, which this one must load: everything may have changed. */
static void test_reload(void **state)
{
    struct anystore_watch watches[WATCHES];
    struct anystore_error error;
    struct anystore_stats stats;

    (void)state;
    watch_name(watches);
    support_put(here, "a", "1");
    RUN(here, watches, "view", "watch 0", "watch 1");
    assert_int_equal(support_rewrite(there, &error), ANYSTORE_OK);
    watch_expect(here, watches, "--"); /* the same data in a new file */
    support_put(there, "c", "1");
    assert_int_equal(support_rewrite(there, &error), ANYSTORE_OK);
    support_put(there, "d", "1");
    anystore_stats_read(here, &stats);
    uint64_t reloads = stats.reloads;
    watch_expect(here, watches, "--"); /* the missing commits are in the file it has open */
    anystore_stats_read(here, &stats);
    assert_int_equal(stats.reloads, reloads);
    /* A commit between two new bases is in no file any more. */
    for (unsigned i = 0; i < 2; i++) {
        support_delete(there, i ? "c" : "d");
        assert_int_equal(support_rewrite(there, &error), ANYSTORE_OK);
    }
    support_put(there, "a", "2");
    watch_expect(here, watches, "xx");
    anystore_stats_read(here, &stats);
    assert_int_equal(stats.reloads, reloads + 1);
    watch_end(here, watches, 2);
}

static void test_many_watches(void **state)
{
    enum { COUNT = 5000, KEYS = 1000 };
    struct support_random random = support_random_new(1);
    struct anystore_watch *all = calloc(COUNT, sizeof *all);
    struct anystore_watch **order = calloc(COUNT, sizeof(struct anystore_watch *));
    char(*names)[32] = calloc(KEYS, sizeof *names);
    bool *touched = calloc(KEYS, sizeof *touched);

    (void)state;
    assert_true(all && order && names && touched);
    for (size_t i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "key:%zu", i);
    for (size_t i = 0; i < COUNT; i++) {
        all[i].key = names[i % KEYS];
        all[i].key_size = strlen(names[i % KEYS]);
        order[i] = &all[i];
        char word[40];
        snprintf(word, sizeof word, "watch %zu", i);
        RUN(here, all, "view", word);
    }
    assert_true(here->published.watches.bucket_count > WATCH_BUCKETS);
    for (size_t i = 0; i < 100; i++) {
        size_t key = support_random_below(&random, KEYS);
        support_put(i % 2 ? here : there, names[key], "1");
        touched[key] = true;
    }
    support_expect(here, "none", NULL); /* reads what is new */
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(atomic_load(&watch_of(&all[i])->changed), touched[i % KEYS]);
    /* Taken away in any order. */
    for (size_t left = COUNT; left > 0; left--) {
        size_t i = support_random_below(&random, left);
        struct anystore_watch *watch = order[i];
        order[i] = order[left - 1];
        anystore_watch_end(here, watch);
    }
    assert_int_equal(atomic_load(&here->published.watches.count), 0);
    assert_int_equal(here->published.watches.bucket_count, WATCH_BUCKETS);
    free(order);
    free(all);
    free(names);
    free(touched);
}

/* ---- A store without a file --------------------------------------------------------------- */

static void test_in_memory(void **state)
{
    struct anystore_watch watches[WATCHES];

    (void)state;
    change_by(here, true);
    change_by(here, false);
    expiry(here);
    watch_name(watches);
    support_clear(here);
    support_put(here, "a", "1");
    RUN(here, watches, "put a", "watch 0", "watch 1", "put b", "unchanged 0", "changed 1");
    watch_expect(here, watches, "-x");
    watch_end(here, watches, 2);
    RUN_ABORTED(here, watches, "del a", "watch 0", "watch 1", "abort");
    watch_expect(here, watches, "x-");
    support_expect(here, "a", "value");
    watch_end(here, watches, 2);
}

/* ---- Optimistic locks, many at once ------------------------------------------------------- */

/* Each of several threads reads a number in a view, watches it there, and writes the next one if no
 * other thread has written meanwhile: no increment is lost, none is made twice. */
struct counting {
    pthread_t thread;
    struct anystore *store;
    unsigned rounds, made, given_up;
    unsigned wrong;
    bool watch_in_update;
    struct anystore_watch watch;
    long seen;
};

static bool read_and_watch(struct anystore_txn *txn, void *arg)
{
    struct counting *self = arg;
    struct anystore_value value;
    char text[24] = "0";
    if (anystore_get(txn, "counter", 7, &value) && value.size < sizeof text) {
        memcpy(text, value.data, value.size);
        text[value.size] = '\0';
    }
    self->seen = strtol(text, NULL, 10);
    self->watch = (struct anystore_watch){.key = "counter", .key_size = 7};
    anystore_watch_start(txn, &self->watch);
    return true;
}

static bool write_unless_changed(struct anystore_txn *txn, void *arg)
{
    struct counting *self = arg;
    if (anystore_watch_changed(txn, &self->watch))
        return false;
    char text[24];
    int size = snprintf(text, sizeof text, "%ld", self->seen + 1);
    struct anystore_value value = {.data = text, .size = (size_t)size};
    return anystore_put(txn, "counter", 7, &value) == ANYSTORE_OK;
}

static void *count(void *arg)
{
    struct counting *self = arg;
    struct anystore_error error;
    while (self->made < self->rounds && self->wrong == 0) {
        enum anystore_status status =
            self->watch_in_update ? anystore_update(self->store, read_and_watch, self, &error)
                                  : anystore_view(self->store, read_and_watch, self, &error);
        if (status != ANYSTORE_OK) {
            self->wrong++;
            break;
        }
        status = anystore_update(self->store, write_unless_changed, self, &error);
        anystore_watch_end(self->store, &self->watch);
        if (status == ANYSTORE_OK)
            self->made++;
        else if (status == ANYSTORE_ABORTED)
            self->given_up++;
        else
            self->wrong++;
    }
    return NULL;
}

static void count_with(struct anystore *const stores[], size_t store_count)
{
    enum { THREADS = 6, ROUNDS = 150 };
    struct counting all[THREADS] = {0};
    unsigned given_up = 0;
    for (size_t i = 0; i < THREADS; i++) {
        all[i].store = stores[i % store_count];
        all[i].rounds = ROUNDS;
        all[i].watch_in_update = i % 3 == 2;
        assert_int_equal(pthread_create(&all[i].thread, NULL, count, &all[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(all[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(all[i].wrong, 0);
        assert_int_equal(all[i].made, ROUNDS);
        given_up += all[i].given_up;
    }
    for (size_t i = 0; i < store_count; i++) {
        assert_int_equal(support_get_number(stores[i], "counter"), THREADS * ROUNDS);
        assert_int_equal(atomic_load(&stores[i]->published.watches.count), 0);
        anystore_check(stores[i]);
    }
    print_message("%d increments, %u given up\n", THREADS * ROUNDS, given_up);
}

static void test_no_increment_is_lost(void **state)
{
    (void)state;
    count_with((struct anystore *const[]){here, there}, 2);
}

static void test_no_increment_is_lost_in_memory(void **state)
{
    (void)state;
    count_with(&here, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_the_same_instance, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_by_another_instance, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commits_that_cancel_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_within_one_update, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_aborted_updates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expiry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_watches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_memory, set_up_memory, tear_down_memory),
        cmocka_unit_test_setup_teardown(test_no_increment_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_increment_is_lost_in_memory, set_up_memory,
                                        tear_down_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
