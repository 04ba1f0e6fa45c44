/* SPDX-License-Identifier: MIT */
/* Protects the sharing of one file: instances read only what is new, adopt a new base without
 * reading it, and take turns. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/store/disks/gate.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/support.h"

static void test_catch_up_reads_only_what_is_new(void **state)
{
    enum { LARGE = 5 << 20 };
    char *value = calloc(1, LARGE);

    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_put_bytes(store, "large", value, LARGE);
    struct anystore *other = support_open(scratch.path);
    uint64_t before = support_stats(other).catch_up_bytes;
    for (unsigned i = 0; i < 20; i++) {
        support_put(store, "small", "value");
        support_expect(other, "small", "value");
    }
    struct anystore_stats stats = support_stats(other);
    assert_true(stats.catch_up_bytes - before < UINT64_C(20) * 1500);
    assert_int_equal(stats.reloads, 0);
    assert_int_equal(stats.catch_ups, 21); /* and the file itself, when it was opened */
    /* The other way round, and several commits at once. */
    before = support_stats(store).catch_up_bytes;
    for (unsigned i = 0; i < 20; i++)
        support_put(other, "small", "value 2");
    support_expect(store, "small", "value 2");
    assert_true(support_stats(store).catch_up_bytes - before < UINT64_C(20) * 500);
    assert_int_equal(support_stats(store).catch_ups, 1);
    assert_int_equal(support_stats(store).generation, 41);
    anystore_close(other);
    anystore_close(store);
    free(value);
}

/* Changes of many times the data: new bases are written, so the file does not grow with the
 * changes. */
static void test_new_bases_are_written(void **state)
{
    enum { SIZE = 100000 };
    char *value = calloc(1, SIZE);

    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    struct anystore_stats stats = support_stats(store);
    /* Commits do not wait for a base: it takes longer where its thread gets little processor
     * time. */
    for (unsigned i = 0;
         i < 200 || stats.bases_written <= 2 || stats.file_size >= 5 * (UINT64_C(1) << 20); i++) {
        assert_true(i < 20000); /* one of the bases is the file's first */
        value[0] = (char)('a' + i % 26);
        support_put_bytes(store, "value", value, SIZE);
        support_expect(other, "nothing", NULL); /* catches up */
        stats = support_stats(store);
    }
    /* The other instance has read a base only if it was written before it saw the last commit. */
    support_put(other, "mine", "1");
    assert_true(support_stats(other).reloads < stats.bases_written);
    char *one = support_dump(store), *two = support_dump(other);
    assert_string_equal(one, two);
    free(one);
    free(two);
    anystore_close(other);
    anystore_close(store);
    free(value);
}

/* Adopting costs the end of the base, not the base. */
static void test_adopting_a_large_base(void **state)
{
    enum { LARGE = 8 << 20 };
    char *value = calloc(1, LARGE);
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_put_bytes(store, "large", value, LARGE);
    struct anystore *other = support_open(scratch.path);
    uint64_t before = support_stats(other).catch_up_bytes;
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    support_put(store, "small", "1");
    support_expect(other, "small", "1");
    assert_int_equal(support_stats(other).reloads, 0);
    assert_true(support_stats(other).catch_up_bytes - before < (UINT64_C(1) << 20) + 5000);
    /* Two bases and some commits later the file must be read anew. */
    support_put(store, "small", "2");
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    support_put(store, "small", "3");
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    support_expect(other, "small", "3");
    assert_int_equal(support_stats(other).reloads, 1);
    char *one = support_dump(store), *two = support_dump(other);
    assert_string_equal(one, two);
    free(one);
    free(two);
    anystore_check(other);
    anystore_close(other);
    anystore_close(store);
    free(value);
}

/* An instance that has the newest generation when two bases follow each other. */
static void test_bases_without_commits(void **state)
{
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    support_put(store, "a", "1");
    support_expect(other, "a", "1");
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(support_rewrite(i % 2 ? store : other, &error), ANYSTORE_OK);
    support_put(other, "b", "2");
    support_expect(store, "b", "2");
    assert_int_equal(support_stats(store).reloads, 0);
    assert_int_equal(support_stats(other).reloads, 0);
    assert_int_equal(support_stats(store).generation, 2);
    anystore_close(other);
    anystore_close(store);
}

/* ---- Taking turns ------------------------------------------------------------------------- */

struct turn {
    struct anystore_submission submission;
    const char *name;
    pthread_mutex_t *mutex;
    pthread_cond_t *changed;
    bool running, *released, done;
};

static bool append_name(struct anystore_txn *txn, void *arg)
{
    struct turn *turn = arg;
    struct anystore_value value = {.size = 0};
    char list[100] = "";
    size_t size = 0;
    pthread_mutex_lock(turn->mutex);
    turn->running = true;
    pthread_cond_broadcast(turn->changed);
    while (turn->released && !*turn->released)
        pthread_cond_wait(turn->changed, turn->mutex);
    pthread_mutex_unlock(turn->mutex);
    if (anystore_get(txn, "list", 4, &value)) {
        memcpy(list, value.data, value.size);
        size = value.size;
    }
    snprintf(list + size, sizeof list - size, "%s", turn->name);
    value = (struct anystore_value){.data = list, .size = strlen(list)};
    return anystore_put(txn, "list", 4, &value) == ANYSTORE_OK;
}

static void on_turn_done(struct anystore_submission *submission, bool ran,
                         const struct anystore_error *error)
{
    struct turn *turn = (struct turn *)(void *)submission;
    if (!ran || error->status != ANYSTORE_OK)
        abort();
    pthread_mutex_lock(turn->mutex);
    turn->done = true;
    pthread_cond_broadcast(turn->changed);
    pthread_mutex_unlock(turn->mutex);
}

/* An instance that commits again and again does not get the lock before one that waits for it. */
static void test_instances_take_turns(void **state)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct hook_disk hook;

    (void)state;
    hook_disk_init(&hook, &disk_system);
    hook.arg = &gate;
    hook.on_call = gate_stop;
    struct anystore *store = support_open(scratch.path);
    struct anystore *other = support_open_on(&hook.table, ANYSTORE_FSYNC_ALWAYS);
    for (unsigned round = 0; round < 20; round++) {
        bool released = false;
        struct turn turns[3] = {{.name = "1"}, {.name = "2"}, {.name = "3"}};
        support_clear(store);
        for (unsigned i = 0; i < 3; i++) {
            turns[i].mutex = &mutex;
            turns[i].changed = &changed;
            turns[i].submission.fn = append_name;
            turns[i].submission.arg = &turns[i];
            turns[i].submission.on_done = on_turn_done;
        }
        turns[0].released = &released;
        anystore_submit(store, &turns[0].submission);
        pthread_mutex_lock(&mutex);
        while (!turns[0].running)
            pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
        /* It holds the lock; the other stands in the queue before it; and it wants it again. */
        gate_arm(&gate, HOOK_LOCK);
        anystore_submit(other, &turns[1].submission);
        gate_wait(&gate);
        gate_open(&gate);
        anystore_submit(store, &turns[2].submission);
        pthread_mutex_lock(&mutex);
        released = true;
        pthread_cond_broadcast(&changed);
        while (!turns[0].done || !turns[1].done || !turns[2].done)
            pthread_cond_wait(&changed, &mutex);
        pthread_mutex_unlock(&mutex);
        support_expect(store, "list", "123");
        support_expect(other, "list", "123");
    }
    anystore_close(other);
    anystore_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_catch_up_reads_only_what_is_new),
        TEST(test_new_bases_are_written),
        TEST(test_adopting_a_large_base),
        TEST(test_bases_without_commits),
        TEST(test_instances_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
