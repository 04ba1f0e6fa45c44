/* SPDX-License-Identifier: MIT */
/* Protects the sharing of one file: instances wait for no disk to read, and get over a lock file
 * that somebody removed or a commit mark that somebody damaged. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/medium/lockfile.h"
#include "store/store.h"
#include "tests/store/disks/gate.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/support.h"

/* ---- The disk calls of a commit ----------------------------------------------------------- */

struct record_of_calls {
    pthread_mutex_t mutex;
    char text[4000];
};

static int record(struct hook_disk *hook, enum hook_call call)
{
    struct record_of_calls *record = hook->arg;
    pthread_mutex_lock(&record->mutex);
    size_t used = strlen(record->text);
    snprintf(record->text + used, sizeof record->text - used, "%s ", hook_call_name(call));
    pthread_mutex_unlock(&record->mutex);
    return 0;
}

/* These words in this order, with any others between them. */
static void expect_order(const char *text, const char *const *words)
{
    for (const char *p = text; *words; words++) {
        const char *found = strstr(p, *words);
        if (!found)
            print_error("no \"%s\" in \"%s\" of \"%s\"\n", *words, p, text);
        assert_non_null(found);
        p = found ? found + strlen(*words) : p;
    }
}

static unsigned count_word(const char *text, const char *word)
{
    unsigned count = 0;
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
        count++;
    return count;
}

static void test_order_of_disk_calls(void **state)
{
    static const char *const order[] = {
        "enter ", "lock ", "leave ", "pwrite ", "fsync ", "exchange ", "fsync ", "unlock ",
        /* the base: begun, written, put in place, cleaned up */
        "enter ", "lock ", "leave ", "claim ", "pwrite ", "unlock ", "fsync ",
        "fsync ", /* both copies */
        "enter ", "lock ", "leave ", "pwrite ", "fsync ", "exchange ", "fsync ", "exchange ",
        "unlock ", "unlink ", "unlink ", "close ", NULL};
    struct record_of_calls calls = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct hook_disk hook;
    struct anystore_error error;

    (void)state;
    hook_disk_init(&hook, &disk_system);
    hook.arg = &calls;
    hook.on_call = record;
    struct anystore *store = support_open_on(&hook.table, ANYSTORE_FSYNC_ALWAYS);
    pthread_mutex_lock(&calls.mutex);
    calls.text[0] = '\0';
    pthread_mutex_unlock(&calls.mutex);
    support_put(store, "a", "1");
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    anystore_close(store);
    expect_order(calls.text, order);
    assert_int_equal(count_word(calls.text, "exchange "), 3);
    assert_int_equal(count_word(calls.text, "fsync "), 6);
}

static void test_fsync_no(void **state)
{
    struct record_of_calls calls = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    struct hook_disk hook;
    struct anystore_error error;

    (void)state;
    hook_disk_init(&hook, &disk_system);
    hook.arg = &calls;
    hook.on_call = record;
    struct anystore *store = support_open_on(&hook.table, ANYSTORE_FSYNC_NO);
    struct anystore *other = support_open_on(&hook.table, ANYSTORE_FSYNC_NO);
    support_put(store, "a", "1");
    support_expect(other, "a", "1");
    support_put(other, "a", "2");
    assert_int_equal(support_rewrite(other, &error), ANYSTORE_OK);
    support_expect(store, "a", "2");
    support_put(store, "a", "3");
    anystore_close(store);
    anystore_close(other);
    assert_int_equal(count_word(calls.text, "fsync "), 0);
    assert_true(count_word(calls.text, "exchange ") >= 4);
    /* A careful process syncs the file before showing it. */
    calls.text[0] = '\0';
    store = support_open_on(&hook.table, ANYSTORE_FSYNC_ALWAYS);
    support_expect(store, "a", "3");
    anystore_close(store);
    assert_int_equal(count_word(calls.text, "fsync "), 2);
}

/* ---- Readers and a slow disk -------------------------------------------------------------- */

struct writer {
    pthread_t thread;
    struct anystore *store;
    const char *value;
};

static void *write_value(void *arg)
{
    const struct writer *writer = arg;
    struct anystore_error error;
    if (support_try_put(writer->store, "a", writer->value, &error) != ANYSTORE_OK) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    return NULL;
}

/* At every call of a commit, readers of this instance and of others go on with the old value. */
static void test_reads_do_not_wait_for_the_disk(void **state)
{
    static const enum hook_call calls[] = {HOOK_ENTER,  HOOK_LOCK,  HOOK_OPEN,    HOOK_PREAD,
                                           HOOK_PWRITE, HOOK_FSYNC, HOOK_EXCHANGE};
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct hook_disk hook;

    (void)state;
    hook_disk_init(&hook, &disk_system);
    hook.arg = &gate;
    hook.on_call = gate_stop;
    struct anystore *store = support_open_on(&hook.table, ANYSTORE_FSYNC_ALWAYS);
    struct anystore *other = support_open(scratch.path);
    support_put(store, "a", "old");
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct writer writer = {.store = store, .value = "new"};
        support_expect(store, "a", "old"); /* nothing is left to catch up with */
        gate_arm(&gate, calls[i]);
        assert_int_equal(pthread_create(&writer.thread, NULL, write_value, &writer), 0);
        gate_wait(&gate);
        support_expect(store, "a", "old");
        support_expect(other, "a", "old");
        gate_open(&gate);
        assert_int_equal(pthread_join(writer.thread, NULL), 0);
        support_expect(other, "a", "new");
        support_expect(store, "a", "new");
        support_put(other, "a", "old");
    }
    anystore_close(other);
    anystore_close(store);
}

static bool is_value(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value;
    const char *expected = arg;
    return anystore_get(txn, "a", 1, &value) && value.size == strlen(expected) &&
           memcmp(value.data, expected, value.size) == 0;
}

static bool has_value(struct anystore *store, char *value)
{
    return anystore_view(store, is_value, value, NULL) == ANYSTORE_OK;
}

/* A base that is due is written after its commit is visible: a reader has caught up when the base
 * is put in place, and adopts it unread. */
static void test_due_bases_are_adopted(void **state)
{
    enum { SIZE = 100000 };
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct hook_disk hook;
    char *value = malloc(SIZE + 1);

    (void)state;
    hook_disk_init(&hook, &disk_system);
    hook.arg = &gate;
    hook.on_call = gate_stop;
    struct anystore *store = support_open_on(&hook.table, ANYSTORE_FSYNC_ALWAYS);
    struct anystore *other = support_open(scratch.path);
    memset(value, 'x', SIZE);
    value[SIZE] = '\0';
    while (support_stats(store).bases_written < 4) {
        struct writer writer = {.store = store, .value = value};
        value[0] = value[0] == 'x' ? 'y' : 'x';
        gate_arm(&gate, HOOK_UNLOCK);
        assert_int_equal(pthread_create(&writer.thread, NULL, write_value, &writer), 0);
        gate_wait(&gate);
        while (!has_value(store, value)) { /* that was the end of a base */
            gate_arm(&gate, HOOK_UNLOCK);  /* before the thread goes on */
            gate_open(&gate);
            gate_wait(&gate);
        }
        support_expect(other, "a", value);
        gate_open(&gate);
        assert_int_equal(pthread_join(writer.thread, NULL), 0);
    }
    support_put(other, "mine", "1"); /* looks at the file itself */
    support_expect(store, "mine", "1");
    assert_int_equal(support_stats(other).reloads, 0);
    assert_int_equal(support_stats(store).reloads, 0);
    anystore_close(other);
    anystore_close(store);
    free(value);
}

/* ---- The lock file and its mark ----------------------------------------------------------- */

static const char *lock_path(void)
{
    return support_path(scratch.directory, "data.lock");
}

/* Each sees the other's writes, at once if `at_once`, else before long. */
static void expect_together(struct anystore *one, struct anystore *two, bool at_once)
{
    static int number;
    for (unsigned i = 0; i < 4; i++) {
        char text[20];
        struct anystore *from = i % 2 ? one : two, *to = i % 2 ? two : one;
        sprintf(text, "%d", ++number);
        support_put(from, "together", text);
        support_expect(from, "together", text);
        while (!at_once && support_get_number(to, "together") != number)
            support_nap();
        support_expect(to, "together", text);
    }
}

static void test_lock_file_removed(void **state)
{
    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    expect_together(store, other, true);
    assert_int_equal(unlink(lock_path()), 0);
    /* A reader notices within a second; a writer, at once. */
    expect_together(store, other, false);
    expect_together(store, other, true);
    assert_true(support_exists(lock_path()));
    /* Both write first. */
    assert_int_equal(unlink(lock_path()), 0);
    support_put(store, "a", "1");
    support_put(other, "b", "1");
    expect_together(store, other, true);
    support_expect(store, "b", "1");
    support_expect(other, "a", "1");
    anystore_check(store);
    anystore_check(other);
    anystore_close(other);
    anystore_close(store);
}

static void test_lock_file_replaced(void **state)
{
    const char *new = support_path(scratch.directory, "new");
    uint8_t garbage[LOCKFILE_BYTES];

    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    memset(garbage, 0xa5, sizeof garbage);
    for (size_t size = 0; size <= sizeof garbage; size += sizeof garbage / 2) {
        support_write(new, garbage, size);
        assert_int_equal(rename(new, lock_path()), 0);
        expect_together(store, other, false);
        expect_together(store, other, true);
        struct anystore *third = support_open(scratch.path);
        expect_together(store, third, true);
        expect_together(other, third, true);
        anystore_close(third);
    }
    /* A directory cannot be a lock file; when it is gone, everything works again. */
    struct anystore_error error;
    assert_int_equal(unlink(lock_path()), 0);
    assert_int_equal(mkdir(lock_path(), 0700), 0);
    assert_int_not_equal(support_try_put(store, "a", "1", &error), ANYSTORE_OK);
    support_check_text(&error, lock_path());
    support_expect(store, "a", NULL);
    assert_int_equal(rmdir(lock_path()), 0);
    expect_together(store, other, false);
    assert_int_equal(support_stats(store).reloads, 0);
    anystore_close(other);
    anystore_close(store);
}

static atomic_uint_fast64_t *map_mark(void)
{
    int fd = open(lock_path(), O_RDWR);
    assert_true(fd >= 0);
    void *page = mmap(NULL, LOCKFILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(page != MAP_FAILED);
    close(fd);
    return page;
}

static void test_damaged_mark(void **state)
{
    static const int64_t by[] = {1, 1000, INT64_MAX, INT64_MIN, -1, -3};

    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    struct anystore *idle = support_open(scratch.path);
    atomic_uint_fast64_t *mark = map_mark();
    support_put(store, "a", "1");
    support_expect(idle, "a", "1");
    for (size_t i = 0; i < sizeof by / sizeof *by; i++) {
        expect_together(store, other, true);
        uint64_t right = atomic_load(mark);
        atomic_store(mark, right + (uint64_t)by[i]);
        support_expect(store, "a", "1");
        support_expect(other, "a", "1");
        /* The mark corrects itself. */
        while (atomic_load(mark) != right)
            support_nap();
        expect_together(store, idle, true);
        /* The next commit corrects it, too. */
        right = atomic_load(mark);
        atomic_store(mark, right + (uint64_t)by[i]);
        support_put(other, "b", "2");
        assert_int_equal(atomic_load(mark), right + 1);
        expect_together(store, other, true);
        support_expect(idle, "b", "2");
    }
    assert_int_equal(support_stats(store).reloads, 0);
    munmap((void *)mark, LOCKFILE_BYTES);
    anystore_close(idle);
    anystore_close(other);
    anystore_close(store);
}

struct viewer {
    pthread_t thread;
    struct anystore *store;
    struct gate *gate;
    int64_t seen;
};

static void *view_number(void *arg)
{
    struct viewer *viewer = arg;
    pthread_t self = pthread_self();
    pthread_mutex_lock(&viewer->gate->mutex);
    viewer->gate->only = &self;
    pthread_mutex_unlock(&viewer->gate->mutex);
    viewer->seen = support_get_number(viewer->store, "a");
    pthread_mutex_lock(&viewer->gate->mutex);
    viewer->gate->only = NULL;
    pthread_mutex_unlock(&viewer->gate->mutex);
    return NULL;
}

/* A reader that has opened the file is slow; meanwhile that copy has become the spare, and a commit
 * that is not durable yet is being added to it.  A damaged mark makes the reader read
 * everything. */
static void slow_reader_and_damaged_mark(enum hook_call slow)
{
    struct gate reading = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct gate writing = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct hook_disk reader_disk, writer_disk;

    hook_disk_init(&reader_disk, &disk_system);
    reader_disk.arg = &reading;
    reader_disk.on_call = gate_stop;
    hook_disk_init(&writer_disk, &disk_system);
    writer_disk.arg = &writing;
    writer_disk.on_call = gate_stop;
    struct anystore *reader = support_open_on(&reader_disk.table, ANYSTORE_FSYNC_ALWAYS);
    struct anystore *store = support_open_on(&writer_disk.table, ANYSTORE_FSYNC_ALWAYS);
    struct viewer viewer = {.store = reader, .gate = &reading};
    struct writer writer = {.store = store, .value = "4"};
    pthread_t nobody = pthread_self(); /* until it is the viewer */
    support_put(store, "a", "1");
    support_expect(reader, "a", "1");
    support_put(store, "a", "2");
    atomic_uint_fast64_t *mark = map_mark();
    atomic_fetch_add(mark, 1000);
    reading.only = &nobody;
    gate_arm(&reading, slow);
    assert_int_equal(pthread_create(&viewer.thread, NULL, view_number, &viewer), 0);
    gate_wait(&reading);
    support_put(store, "a", "3");
    gate_arm(&writing, HOOK_FSYNC);
    assert_int_equal(pthread_create(&writer.thread, NULL, write_value, &writer), 0);
    gate_wait(&writing);
    gate_open(&reading);
    assert_int_equal(pthread_join(viewer.thread, NULL), 0);
    assert_int_equal(viewer.seen, 3);
    gate_open(&writing);
    assert_int_equal(pthread_join(writer.thread, NULL), 0);
    support_expect(reader, "a", "4");
    munmap((void *)mark, LOCKFILE_BYTES);
    anystore_close(reader);
    anystore_close(store);
}

/* Before it checks whether the path still names the file, and before it reads it. */
static void test_slow_reader_and_damaged_mark(void **state)
{
    (void)state;
    slow_reader_and_damaged_mark(HOOK_FSTAT);
    slow_reader_and_damaged_mark(HOOK_PREAD);
}

/* The number of commits is a secret. */
static void test_mark_is_masked(void **state)
{
    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_put(store, "a", "1");
    atomic_uint_fast64_t *mark = map_mark();
    assert_true(atomic_load(mark) > 1000);
    munmap((void *)mark, LOCKFILE_BYTES);
    anystore_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_of_disk_calls),
        TEST(test_fsync_no),
        TEST(test_reads_do_not_wait_for_the_disk),
        TEST(test_due_bases_are_adopted),
        TEST(test_lock_file_removed),
        TEST(test_lock_file_replaced),
        TEST(test_damaged_mark),
        TEST(test_slow_reader_and_damaged_mark),
        TEST(test_mark_is_masked),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* updates run on another thread: nowhere to jump from */
    return cmocka_run_group_tests_name("store_share", tests, NULL, NULL);
}
