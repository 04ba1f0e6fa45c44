/* SPDX-License-Identifier: MIT */
/* Protects the library's calls: every instance over a file, and a store without one, behaves like a
 * small model; updates that wait together share a commit; what changes nothing writes nothing. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "anystore.h"
#include "tests/store/support.h"

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Opening ------------------------------------------------------------------------------ */

static void test_open_and_reopen(void **state)
{
    struct stat st;
    mode_t old_mask = umask(0);

    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_expect(store, "key", NULL);
    support_put(store, "key", "value");
    support_expect(store, "key", "value");
    support_put(store, "key", "other");
    support_put(store, "", "");
    support_delete(store, "key");
    support_put(store, "last", "one");
    support_expect(store, "key", NULL);
    support_expect(store, "", "");
    umask(old_mask);
    assert_int_equal(stat(scratch.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(support_path(scratch.directory, "data.lock"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(support_path(scratch.directory, "data.spare"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(support_count_names(scratch.directory), 3); /* and nothing else */
    anystore_check(store);
    struct anystore_stats stats = support_stats(store);
    assert_true(stats.persistent);
    assert_int_equal(stats.generation, 5);
    assert_int_equal(stats.commits, 5);
    assert_int_equal(stats.updates, 5);
    assert_int_equal(stats.keys, 2);
    assert_int_equal(stats.data_bytes, 7);
    anystore_close(store);
    assert_int_equal(support_count_names(scratch.directory), 3);

    store = support_open(scratch.path);
    support_expect(store, "key", NULL);
    support_expect(store, "", "");
    support_expect(store, "last", "one");
    stats = support_stats(store);
    assert_int_equal(stats.generation, 5);
    assert_int_equal(stats.commits, 0);
    assert_int_equal(stats.keys, 2);
    assert_true(stats.last_commit_ms > now_ms() - 600000 && stats.last_commit_ms <= now_ms());
    assert_int_equal(stat(scratch.path, &st), 0);
    assert_true(stats.file_size < (uint64_t)st.st_size); /* there is room behind the chain */
    assert_true(stats.base_size > 0 && stats.base_size < stats.file_size);
    anystore_close(store);
    anystore_close(NULL);
}

static void test_leftover_of_a_dead_process(void **state)
{
    const char *const leftovers[] = {support_path(scratch.directory, "data.tmp"),
                                     support_path(scratch.directory, "data.base"),
                                     support_path(scratch.directory, "data.base.spare")};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        support_write(leftovers[i], "torn", 4);
    struct anystore *store = support_open(scratch.path);
    for (size_t i = 0; i < 3; i++)
        assert_false(support_exists(leftovers[i]));
    support_write(leftovers[1], "torn again", 10);
    support_write(leftovers[2], "torn again", 10);
    support_put(store, "a", "1");
    struct anystore_error error;
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    for (size_t i = 0; i < 3; i++)
        assert_false(support_exists(leftovers[i]));
    anystore_close(store);
    support_write(support_path(scratch.directory, "data.spare"), "torn", 4);
    store = support_open(scratch.path);
    assert_false(support_exists(support_path(scratch.directory, "data.spare")));
    support_expect(store, "a", "1");
    anystore_close(store);
}

/* By way of a link, the lock file is still the one beside the file itself. */
static void test_symbolic_link(void **state)
{
    const char *link = support_path(scratch.directory, "link");

    (void)state;
    struct anystore *store = support_open(scratch.path);
    assert_int_equal(symlink(scratch.path, link), 0);
    struct anystore *other = support_open(link);
    support_put(store, "a", "1");
    support_expect(other, "a", "1");
    support_put(other, "a", "2");
    support_expect(store, "a", "2");
    anystore_close(other);
    anystore_close(store);
    assert_int_equal(support_count_names(scratch.directory), 4);
}

static void test_relative_path(void **state)
{
    char before[1000];

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch.directory), 0);
    struct anystore *store = support_open("data");
    assert_int_equal(chdir(before), 0); /* must not matter */
    support_put(store, "a", "1");
    struct anystore *other = support_open(scratch.path);
    support_expect(other, "a", "1");
    anystore_close(other);
    anystore_close(store);
}

/* ---- Against a model ---------------------------------------------------------------------- */

#define KEYS      40
#define INSTANCES 3

struct model {
    struct slot {
        bool there;
        uint32_t value;
        int64_t expire_ms;
    } slots[KEYS];
};

struct trial {
    struct model model;
    struct support_random *random;
    bool abort;
};

static size_t key_of(size_t number, char key[16])
{
    return (size_t)sprintf(key, "key:%zu", number);
}

static void expect_slot(struct anystore_txn *txn, const struct model *model, size_t number)
{
    char key[16];
    struct anystore_value value;
    const struct slot *slot = &model->slots[number];
    bool found = anystore_get(txn, key, key_of(number, key), &value);
    assert_int_equal(found, slot->there);
    if (found) {
        assert_int_equal(value.size, sizeof slot->value);
        assert_memory_equal(value.data, &slot->value, sizeof slot->value);
        assert_int_equal(value.expire_ms, slot->expire_ms);
    }
}

/* None near now, so that the test does not depend on how long it takes; one in the past is as good
 * as none. */
static int64_t random_expiry(struct support_random *random, int64_t now)
{
    switch (support_random_below(random, 3)) {
    case 0:
        return now + 1000000000;
    case 1:
        return support_random_below(random, 3) == 0 ? now - 1000 : now + 2000000000;
    default:
        return 0;
    }
}

static bool operate(struct anystore_txn *txn, void *arg)
{
    struct trial *trial = arg;
    struct model *model = &trial->model;
    for (size_t count = support_random_below(trial->random, 6); count > 0; count--) {
        size_t number = support_random_below(trial->random, KEYS);
        struct slot *slot = &model->slots[number];
        int64_t expire_ms = random_expiry(trial->random, anystore_now(txn));
        bool gone = expire_ms != 0 && expire_ms <= anystore_now(txn);
        char key[16];
        size_t size = key_of(number, key);
        bool existed = false;
        switch (support_random_below(trial->random, 10)) {
        default: {
            *slot = (struct slot){!gone, (uint32_t)support_random_next(trial->random), expire_ms};
            struct anystore_value value = {
                .data = &slot->value, .size = sizeof slot->value, .expire_ms = expire_ms};
            assert_int_equal(anystore_put(txn, key, size, &value), ANYSTORE_OK);
            break;
        }
        case 0:
        case 1:
        case 2:
            assert_int_equal(anystore_delete(txn, key, size, &existed), ANYSTORE_OK);
            assert_int_equal(existed, slot->there);
            slot->there = false;
            break;
        case 3:
        case 4:
            assert_int_equal(anystore_set_expiry(txn, key, size, expire_ms, &existed), ANYSTORE_OK);
            assert_int_equal(existed, slot->there);
            if (slot->there) {
                slot->expire_ms = expire_ms;
                slot->there = !gone;
            }
            break;
        case 5:
            if (support_random_below(trial->random, 10) == 0) {
                assert_int_equal(anystore_clear(txn), ANYSTORE_OK);
                memset(model, 0, sizeof *model);
            }
            break;
        }
        expect_slot(txn, model, number);
    }
    for (size_t i = 0; i < KEYS; i++)
        expect_slot(txn, model, i);
    return !trial->abort;
}

struct visiting {
    const struct model *model;
    uint64_t count;
};

static bool visit(const void *key, size_t key_size, const struct anystore_value *value, void *arg)
{
    struct visiting *visiting = arg;
    (void)value;
    char text[16];
    assert_true(key_size > 4 && key_size < sizeof text);
    memcpy(text, key, key_size);
    text[key_size] = '\0';
    size_t number = strtoul(text + 4, NULL, 10);
    assert_true(number < KEYS && visiting->model->slots[number].there);
    visiting->count++;
    return true;
}

static bool compare(struct anystore_txn *txn, void *arg)
{
    const struct model *model = arg;
    struct visiting visiting = {model, 0};
    uint64_t there = 0;
    for (size_t i = 0; i < KEYS; i++) {
        expect_slot(txn, model, i);
        there += model->slots[i].there;
    }
    anystore_each(txn, visit, &visiting);
    assert_int_equal(visiting.count, there);
    assert_true(anystore_count(txn) >= there);
    return true;
}

static void run_model(const char *file, unsigned rounds, uint64_t stream)
{
    struct support_random random = support_random_new(stream);
    struct anystore *stores[INSTANCES];
    size_t instances = file ? INSTANCES : 1;
    struct model model = {0};
    struct anystore_error error;
    for (size_t i = 0; i < instances; i++)
        stores[i] = support_open(file);
    for (unsigned round = 0; round < rounds; round++) {
        struct anystore **store = &stores[support_random_below(&random, instances)];
        struct trial trial = {model, &random, support_random_below(&random, 4) == 0};
        enum anystore_status status = anystore_update(*store, operate, &trial, &error);
        assert_int_equal(status, trial.abort ? ANYSTORE_ABORTED : ANYSTORE_OK);
        assert_int_equal(error.status, status);
        if (!trial.abort)
            model = trial.model;
        for (size_t i = 0; i < instances; i++)
            if (support_random_below(&random, 2) == 0)
                assert_int_equal(anystore_view(stores[i], compare, &model, &error), ANYSTORE_OK);
        if (round % 50 == 0)
            anystore_check(*store);
        if (file && support_random_below(&random, 40) == 0)
            assert_int_equal(support_rewrite(*store, &error), ANYSTORE_OK);
        if (file && support_random_below(&random, 40) == 0) {
            anystore_close(*store);
            *store = support_open(file);
        }
    }
    for (size_t i = 0; i < instances; i++) {
        assert_int_equal(anystore_view(stores[i], compare, &model, &error), ANYSTORE_OK);
        anystore_check(stores[i]);
        anystore_close(stores[i]);
    }
}

static void test_model_on_a_file(void **state)
{
    (void)state;
    run_model(scratch.path, 1500, 1);
}

static void test_model_in_memory(void **state)
{
    (void)state;
    run_model(NULL, 5000, 2);
}

/* ---- Nothing changed, nothing written ----------------------------------------------------- */

static bool delete_missing(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return anystore_delete(txn, "missing", 7, NULL) == ANYSTORE_OK;
}

static bool only_read(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return anystore_get(txn, "a", 1, NULL);
}

static bool put_and_abort(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value = {.data = "x", .size = 1};
    (void)arg;
    anystore_put(txn, "a", 1, &value);
    anystore_clear(txn);
    anystore_put(txn, "b", 1, &value);
    return false;
}

static bool put_and_delete(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value = {.data = "x", .size = 1};
    (void)arg;
    anystore_put(txn, "new", 3, &value);
    return anystore_delete(txn, "new", 3, NULL) == ANYSTORE_OK;
}

static void test_no_change_writes_nothing(void **state)
{
    static const struct {
        anystore_fn *fn;
        enum anystore_status status;
    } calls[] = {
        {delete_missing, ANYSTORE_OK},
        {only_read, ANYSTORE_OK},
        {put_and_abort, ANYSTORE_ABORTED},
        {put_and_delete, ANYSTORE_OK},
    };
    struct stat before, after;
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_put(store, "a", "1");
    assert_int_equal(stat(scratch.path, &before), 0);
    struct anystore_stats stats = support_stats(store);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        assert_int_equal(anystore_update(store, calls[i].fn, NULL, &error), calls[i].status);
        assert_int_equal(stat(scratch.path, &after), 0);
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(after.st_size, before.st_size);
        assert_memory_equal(&after.st_mtim, &before.st_mtim, sizeof after.st_mtim);
        assert_memory_equal(&after.st_ctim, &before.st_ctim, sizeof after.st_ctim);
    }
    support_expect(store, "a", "1");
    struct anystore_stats later = support_stats(store);
    assert_int_equal(later.generation, stats.generation);
    assert_int_equal(later.commits, stats.commits);
    assert_int_equal(later.bytes_written, stats.bytes_written);
    assert_int_equal(later.updates, stats.updates + 4);
    anystore_close(store);

    store = support_open(support_path(scratch.directory, "empty"));
    support_clear(store); /* of nothing */
    assert_int_equal(support_stats(store).commits, 0);
    anystore_close(store);
}

static void test_view_says_no(void **state)
{
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(NULL);
    assert_int_equal(anystore_view(store, only_read, NULL, &error), ANYSTORE_ABORTED);
    assert_int_equal(error.status, ANYSTORE_ABORTED);
    assert_int_equal(anystore_view(store, only_read, NULL, NULL), ANYSTORE_ABORTED);
    support_put(store, "a", "1");
    assert_int_equal(anystore_view(store, only_read, NULL, &error), ANYSTORE_OK);
    assert_int_equal(anystore_update(store, put_and_abort, NULL, NULL), ANYSTORE_ABORTED);
    support_expect(store, "a", "1");
    support_expect(store, "b", NULL);
    anystore_check(store);
    assert_false(support_stats(store).persistent);
    anystore_close(store);
}

/* ---- Group commit ------------------------------------------------------------------------- */

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
    unsigned turn; /* in which on_done was called */
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
    /* With an update: both. */
    anystore_submit(store, &queued.submission);
    wait_for(&batch, NULL, 1);
    assert_true(queued.ran);
    assert_int_equal(queued.status, ANYSTORE_OK);
    support_expect(store, "list", "3 ");
    struct anystore_stats stats = support_stats(store);
    assert_int_equal(stats.bases_written, 2); /* the file was made with one */
    assert_int_equal(stats.base_size, stats.file_size);
    /* Alone, and of an update that says no. */
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

/* ---- Expiry ------------------------------------------------------------------------------- */

struct expiring {
    const char *key;
    int64_t after_ms;
};

static bool put_expiring(struct anystore_txn *txn, void *arg)
{
    const struct expiring *expiring = arg;
    struct anystore_value value = {
        .data = "x", .size = 1, .expire_ms = anystore_now(txn) + expiring->after_ms};
    return anystore_put(txn, expiring->key, strlen(expiring->key), &value) == ANYSTORE_OK;
}

static void put_for(struct anystore *store, const char *key, int64_t after_ms)
{
    struct expiring expiring = {key, after_ms};
    struct anystore_error error;
    assert_int_equal(anystore_update(store, put_expiring, &expiring, &error), ANYSTORE_OK);
}

static void test_expiry(void **state)
{
    struct anystore_error error;

    (void)state;
    for (unsigned in_memory = 0; in_memory < 2; in_memory++) {
        struct anystore *store = support_open(in_memory ? NULL : scratch.path);
        struct anystore *other = in_memory ? NULL : support_open(scratch.path);
        put_for(store, "past", -1);
        support_expect(store, "past", NULL);
        put_for(store, "later", 1000000);
        support_put(store, "never", "1");
        for (char key[] = "soon a"; key[5] <= 'z'; key[5]++)
            put_for(store, key, 30);
        uint64_t generation = support_stats(store).generation;
        /* Gone by themselves, then out of memory, everywhere; nothing is written for it. */
        while (support_get_number(store, "soon z") >= 0)
            support_nap();
        support_expect(store, "later", "x");
        while (support_stats(store).expired < 27)
            support_nap();
        assert_int_equal(support_stats(store).keys, 2);
        assert_int_equal(support_stats(store).expiring, 1);
        assert_int_equal(support_stats(store).generation, generation);
        anystore_check(store);
        if (other) {
            support_expect(other, "later", "x");
            support_expect(other, "soon a", NULL);
            while (support_stats(other).keys > 2)
                support_nap();
            anystore_check(other);
            anystore_close(other);
            anystore_close(store);
            store = support_open(scratch.path);
            support_expect(store, "never", "1");
            assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
            anystore_close(store);
            store = support_open(scratch.path); /* the new base left them out */
            assert_int_equal(support_stats(store).keys, 2);
        }
        anystore_close(store);
    }
}

static bool set_expiry(struct anystore_txn *txn, void *arg)
{
    const struct expiring *expiring = arg;
    bool existed = false;
    int64_t at = expiring->after_ms ? anystore_now(txn) + expiring->after_ms : 0;
    return anystore_set_expiry(txn, expiring->key, strlen(expiring->key), at, &existed) ==
               ANYSTORE_OK &&
           existed;
}

static void test_expiry_changes_reach_the_other(void **state)
{
    static const int64_t times[] = {1000000, 0, 1000000, 2000000, 0, -1};
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    support_put(store, "a", "1");
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct expiring expiring = {"a", times[i]};
        struct anystore *turn = i % 2 ? store : other;
        assert_int_equal(anystore_update(turn, set_expiry, &expiring, &error), ANYSTORE_OK);
        char *one = support_dump(store), *two = support_dump(other);
        assert_string_equal(one, two);
        support_expect(other, "a", times[i] < 0 ? NULL : "1");
        free(one);
        free(two);
    }
    struct expiring expiring = {"a", 5};
    assert_int_equal(anystore_update(store, set_expiry, &expiring, &error), ANYSTORE_ABORTED);
    anystore_close(other);
    anystore_close(store);
}

/* ---- Large ones --------------------------------------------------------------------------- */

static void test_large_values(void **state)
{
    enum { SIZE = 20 << 20 };
    struct anystore_error error;
    uint8_t *value = malloc(SIZE);
    struct support_random random = support_random_new(7);
    char *disk_directory = support_disk_directory_new();
    const char *file = support_path(disk_directory, "data");

    (void)state;
    assert_non_null(value);
    for (size_t i = 0; i < SIZE; i += 8) {
        uint64_t x = support_random_next(&random);
        memcpy(value + i, &x, sizeof x);
    }
    struct anystore *store = support_open(file), *other = support_open(file);
    support_put_bytes(store, "large", value, SIZE);
    support_put_bytes(store, "larger", value, SIZE - 1);
    support_put(store, "small", "1");
    support_expect(other, "small", "1");
    char *one = support_dump(store), *two = support_dump(other);
    assert_true(strlen(one) > 4UL * SIZE - 2);
    assert_string_equal(one, two);
    free(two);
    anystore_close(other);
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    anystore_check(store);
    anystore_close(store);
    store = support_open(file);
    two = support_dump(store);
    assert_string_equal(one, two);
    free(one);
    free(two);
    support_clear(store);
    anystore_close(store);
    store = support_open(file);
    assert_int_equal(support_stats(store).keys, 0);
    anystore_close(store);
    free(value);
    support_directory_free(disk_directory);
}

static bool put_many(struct anystore_txn *txn, void *arg)
{
    const unsigned *count = arg;
    for (unsigned i = 0; i < *count; i++) {
        char key[20];
        struct anystore_value value = {.data = key, .size = (size_t)sprintf(key, "many:%u", i)};
        if (anystore_put(txn, key, value.size, &value) != ANYSTORE_OK)
            return false;
    }
    return true;
}

static void test_many_keys(void **state)
{
    unsigned count = 200000;
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    assert_int_equal(anystore_update(store, put_many, &count, &error), ANYSTORE_OK);
    support_expect(other, "many:0", "many:0");
    support_expect(other, "many:199999", "many:199999");
    assert_int_equal(support_stats(other).keys, count);
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    anystore_check(store);
    anystore_check(other);
    anystore_close(store);
    store = support_open(scratch.path);
    assert_int_equal(support_stats(store).keys, count);
    support_expect(store, "many:77777", "many:77777");
    anystore_check(store);
    support_clear(other);
    support_expect(store, "many:77777", NULL);
    assert_int_equal(support_stats(store).keys, 0);
    anystore_check(store);
    support_put(store, "again", "1");
    support_expect(other, "again", "1");
    anystore_close(store);
    anystore_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_and_reopen),
        TEST(test_leftover_of_a_dead_process),
        TEST(test_symbolic_link),
        TEST(test_relative_path),
        TEST(test_model_on_a_file),
        TEST(test_model_in_memory),
        TEST(test_no_change_writes_nothing),
        TEST(test_view_says_no),
        TEST(test_group_commit),
        TEST(test_increments_in_threads),
        TEST(test_close_finishes),
        TEST(test_rewrite_requests),
        TEST(test_expiry),
        TEST(test_expiry_changes_reach_the_other),
        TEST(test_large_values),
        TEST(test_many_keys),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* updates run on another thread: nowhere to jump from */
    support_seed();
    return cmocka_run_group_tests_name("store_update", tests, NULL, NULL);
}
