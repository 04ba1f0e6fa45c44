/* SPDX-License-Identifier: MIT */
/* Protects group commit: updates that wait together share a commit, none is lost, and closing a
 * store finishes them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "anystore.h"
#include "tests/store/support.h"

struct batch {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool running, released;
    unsigned done;
};

struct queued {
    struct anystore_submission submission;
    struct batch *batch;
    unsigned number;
    bool ran;
    unsigned turn; /* the thread on which on_done was called */
    enum anystore_status status;
};

/* Keeps the commit thread busy until it is let go. */
static bool hold(struct anystore_txn *txn, void *arg)
{
    struct batch *batch = arg;
    struct anystore_value value = {.data = "held", .size = 4};
    pthread_mutex_lock(&batch->mutex);
    batch->running = true;
    pthread_cond_broadcast(&batch->changed);
    while (!batch->released)
        pthread_cond_wait(&batch->changed, &batch->mutex);
    pthread_mutex_unlock(&batch->mutex);
    return anystore_put(txn, "first", 5, &value) == ANYSTORE_OK;
}

/* Each appends its number to one list; every tenth takes it back. */
static bool append(struct anystore_txn *txn, void *arg)
{
    const struct queued *queued = arg;
    struct anystore_value value = {.size = 0};
    char list[1000];
    size_t size = 0;
    if (anystore_get(txn, "list", 4, &value)) {
        memcpy(list, value.data, value.size);
        size = value.size;
    }
    value = (struct anystore_value){
        .data = list, .size = size + (size_t)sprintf(list + size, "%u ", queued->number)};
    return anystore_put(txn, "list", 4, &value) == ANYSTORE_OK && queued->number % 10 != 9;
}

static void on_done(struct anystore_submission *submission, bool ran,
                    const struct anystore_error *error)
{
    struct queued *queued = (struct queued *)(void *)submission;
    pthread_mutex_lock(&queued->batch->mutex);
    queued->ran = ran;
    queued->status = error->status;
    queued->turn = queued->batch->done++;
    pthread_cond_broadcast(&queued->batch->changed);
    pthread_mutex_unlock(&queued->batch->mutex);
}

static void wait_for(struct batch *batch, const bool *flag, unsigned done)
{
    pthread_mutex_lock(&batch->mutex);
    while ((flag && !*flag) || batch->done < done)
        pthread_cond_wait(&batch->changed, &batch->mutex);
    pthread_mutex_unlock(&batch->mutex);
}

static void release(struct batch *batch)
{
    pthread_mutex_lock(&batch->mutex);
    batch->released = true;
    pthread_cond_broadcast(&batch->changed);
    pthread_mutex_unlock(&batch->mutex);
}

static void test_group_commit(void **state)
{
    enum { MANY = 100 };
    struct batch batch = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct queued first = {.submission = {.fn = hold, .arg = &batch, .on_done = on_done},
                           .batch = &batch};
    struct queued queued[MANY];
    char list[1000] = "", *end = list;

    (void)state;
    struct anystore *store = support_open(scratch.path);
    anystore_submit(store, &first.submission);
    wait_for(&batch, &batch.running, 0);
    for (unsigned i = 0; i < MANY; i++) {
        queued[i] = (struct queued){
            .submission = {.fn = append, .on_done = on_done}, .batch = &batch, .number = i};
        queued[i].submission.arg = &queued[i];
        anystore_submit(store, &queued[i].submission);
        if (i % 10 != 9)
            end += sprintf(end, "%u ", i);
    }
    support_expect(store, "first", NULL);
    assert_int_equal(support_stats(store).commits, 0);
    release(&batch);
    wait_for(&batch, NULL, MANY + 1);
    assert_int_equal(first.status, ANYSTORE_OK);
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(queued[i].ran);
        assert_int_equal(queued[i].status, i % 10 == 9 ? ANYSTORE_ABORTED : ANYSTORE_OK);
        assert_int_equal(queued[i].turn, i + 1);
    }
    struct anystore_stats stats = support_stats(store);
    assert_int_equal(stats.commits, 2);
    assert_int_equal(stats.generation, 2);
    assert_int_equal(stats.largest_batch, MANY);
    assert_int_equal(stats.last_batch, MANY);
    assert_int_equal(stats.updates, MANY + 1);
    support_expect(store, "list", list);
    anystore_close(store);
    store = support_open(scratch.path);
    support_expect(store, "list", list);
    anystore_close(store);
}

struct putter {
    pthread_t thread;
    struct anystore *store;
    unsigned number;
};

static bool count_up(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value = {.size = 0};
    uint64_t count = 0;
    (void)arg;
    if (anystore_get(txn, "count", 5, &value))
        memcpy(&count, value.data, sizeof count);
    count++;
    value = (struct anystore_value){.data = &count, .size = sizeof count};
    return anystore_put(txn, "count", 5, &value) == ANYSTORE_OK;
}

static void *count_many(void *arg)
{
    const struct putter *putter = arg;
    for (unsigned i = 0; i < 50; i++)
        if (anystore_update(putter->store, count_up, NULL, NULL) != ANYSTORE_OK)
            abort();
    return NULL;
}

static bool expect_count(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value;
    const uint64_t *count = arg;
    return anystore_get(txn, "count", 5, &value) && memcmp(value.data, count, sizeof *count) == 0;
}

static void count_in_threads(const char *file, size_t instances)
{
    enum { THREADS = 16 };
    struct putter putters[THREADS];
    struct anystore *stores[2] = {NULL};
    uint64_t all = THREADS * 50;
    for (size_t i = 0; i < instances; i++)
        stores[i] = support_open(file);
    for (unsigned i = 0; i < THREADS; i++) {
        putters[i] = (struct putter){.store = stores[i % instances], .number = i};
        assert_int_equal(pthread_create(&putters[i].thread, NULL, count_many, &putters[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(putters[i].thread, NULL), 0);
    for (size_t i = 0; i < instances; i++) {
        struct anystore_stats stats = support_stats(stores[i]);
        assert_int_equal(anystore_view(stores[i], expect_count, &all, NULL), ANYSTORE_OK);
        assert_int_equal(stats.updates, all / instances);
        if (file) {
            assert_true(stats.commits <= stats.updates);
            assert_int_equal(stats.committed, stats.updates);
        }
        anystore_check(stores[i]);
    }
    for (size_t i = 0; i < instances; i++)
        anystore_close(stores[i]);
}

static void test_increments_in_threads(void **state)
{
    (void)state;
    count_in_threads(scratch.path, 1);
    count_in_threads(support_path(scratch.directory, "two"), 2);
    count_in_threads(NULL, 1);
}

/* Closing finishes what was submitted before. */
static void test_close_finishes(void **state)
{
    enum { MANY = 50 };
    struct batch batch = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct queued queued[MANY];

    (void)state;
    for (unsigned in_memory = 0; in_memory < 2; in_memory++) {
        batch.done = 0;
        struct anystore *store = support_open(in_memory ? NULL : scratch.path);
        for (unsigned i = 0; i < MANY; i++) {
            queued[i] = (struct queued){
                .submission = {.fn = append, .on_done = on_done}, .batch = &batch, .number = i};
            queued[i].submission.arg = &queued[i];
            anystore_submit(store, &queued[i].submission);
        }
        anystore_close(store);
        assert_int_equal(batch.done, MANY);
        for (unsigned i = 0; i < MANY; i++)
            assert_int_equal(queued[i].status, i % 10 == 9 ? ANYSTORE_ABORTED : ANYSTORE_OK);
    }
    struct anystore *store = support_open(scratch.path);
    char list[1000] = "", *end = list;
    for (unsigned i = 0; i < MANY; i++)
        if (i % 10 != 9)
            end += sprintf(end, "%u ", i);
    support_expect(store, "list", list);
    anystore_close(store);
}

static void test_rewrite_requests(void **state)
{
    struct batch batch = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct queued queued = {
        .submission = {.fn = append, .kind = ANYSTORE_SUBMIT_UPDATE_AND_BASE, .on_done = on_done},
        .batch = &batch,
        .number = 3};
    struct anystore_error error;

    (void)state;
    queued.submission.arg = &queued;
    struct anystore *store = support_open(scratch.path);
    support_put(store, "a", "1");
    /* Together with an update. */
    anystore_submit(store, &queued.submission);
    wait_for(&batch, NULL, 1);
    assert_true(queued.ran);
    assert_int_equal(queued.status, ANYSTORE_OK);
    support_expect(store, "list", "3 ");
    struct anystore_stats stats = support_stats(store);
    assert_int_equal(stats.bases_written, 2); /* the file was made with one */
    assert_int_equal(stats.base_size, stats.file_size);
    /* Alone, and with an update that returns false. */
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    queued.number = 9;
    anystore_submit(store, &queued.submission);
    wait_for(&batch, NULL, 2);
    assert_int_equal(queued.status, ANYSTORE_ABORTED);
    assert_int_equal(support_stats(store).generation, stats.generation);
    support_expect(store, "list", "3 ");
    anystore_close(store);
    store = support_open(scratch.path);
    support_expect(store, "list", "3 ");
    support_expect(store, "a", "1");
    anystore_close(store);
    /* Without a file there is nothing to write. */
    store = support_open(NULL);
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    anystore_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_group_commit),
        TEST(test_increments_in_threads),
        TEST(test_close_finishes),
        TEST(test_rewrite_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
