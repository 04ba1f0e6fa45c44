/* SPDX-License-Identifier: MIT */
/* Protects the data when somebody replaces the file behind the store's back: updates fail and give
 * the cause, the new file is not overwritten, reads go on with the loaded data, and everything
 * works again when the file is put back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/disks/seal.h"
#include "tests/store/support.h"

static char *kept, *other_path;
static struct anystore *store, *other;

/* Two instances on a file with a base, and commits on top of it. */
static int set_up(void **state)
{
    struct anystore_error error;
    support_set_up(state);
    kept = strdup(support_path(scratch.directory, "kept"));
    other_path = strdup(support_path(scratch.directory, "other"));
    store = support_open(scratch.path);
    other = support_open(scratch.path);
    support_put(store, "a", "1");
    support_expect(other, "a", "1");
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    support_put(store, "b", "1");
    support_put(other, "a", "2");
    support_expect(store, "a", "2");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    anystore_check(store);
    anystore_check(other);
    anystore_close(other);
    anystore_close(store);
    free(kept);
    free(other_path);
    return support_tear_down(state);
}

/* Updates fail with that status and change nothing; reads go on. */
static void expect_refused(enum anystore_status status)
{
    struct anystore *const both[] = {store, other};
    struct stat before, after;
    bool exists = lstat(scratch.path, &before) == 0;
    for (size_t i = 0; i < 2; i++) {
        struct anystore_error error;
        struct anystore_stats stats;
        anystore_stats_read(both[i], &stats);
        enum anystore_status got = support_try_put(both[i], "a", "3", &error);
        if (got != status)
            print_error("%s\n", error.text);
        assert_int_equal(got, status);
        support_check_text(&error, scratch.path);
        support_expect(both[i], "a", "2");
        support_expect(both[i], "b", "1");
        struct anystore_stats later;
        anystore_stats_read(both[i], &later);
        assert_int_equal(later.commits, stats.commits);
        assert_int_equal(later.failed_commits, stats.failed_commits + 1);
    }
    assert_int_equal(lstat(scratch.path, &after) == 0, exists);
    if (exists) {
        assert_int_equal(after.st_ino, before.st_ino);
        assert_int_equal(after.st_size, before.st_size);
        assert_memory_equal(&after.st_mtim, &before.st_mtim, sizeof after.st_mtim);
    }
    assert_false(support_exists(support_path(scratch.directory, "data.tmp")));
}

static void expect_well(void)
{
    static int number;
    for (unsigned i = 0; i < 2; i++) {
        char text[20];
        sprintf(text, "%d", ++number);
        support_put(i ? store : other, "well", text);
        support_expect(store, "well", text);
        support_expect(other, "well", text);
    }
    support_put(store, "a", "2");
    support_expect(other, "a", "2");
    struct anystore_stats stats;
    anystore_stats_read(other, &stats);
    assert_int_equal(stats.reloads, 0);
}

static void put_back(void)
{
    assert_int_equal(rename(kept, scratch.path), 0);
    expect_well();
}

static void test_removed(void **state)
{
    (void)state;
    assert_int_equal(rename(scratch.path, kept), 0);
    expect_refused(ANYSTORE_REPLACED);
    expect_refused(ANYSTORE_REPLACED);
    assert_false(support_exists(scratch.path)); /* no new one was made */
    put_back();
}

static void test_directory_in_its_place(void **state)
{
    (void)state;
    assert_int_equal(rename(scratch.path, kept), 0);
    assert_int_equal(mkdir(scratch.path, 0700), 0);
    expect_refused(ANYSTORE_FOREIGN);
    assert_int_equal(rmdir(scratch.path), 0);
    put_back();
}

static void test_pipe_in_its_place(void **state)
{
    (void)state;
    assert_int_equal(rename(scratch.path, kept), 0);
    assert_int_equal(mkfifo(scratch.path, 0600), 0);
    expect_refused(ANYSTORE_FOREIGN);
    put_back();
}

static void test_something_else_in_its_place(void **state)
{
    (void)state;
    assert_int_equal(rename(scratch.path, kept), 0);
    support_write(scratch.path, "", 0);
    expect_refused(ANYSTORE_FOREIGN);
    support_write(scratch.path, "REDIS0009...", 12);
    expect_refused(ANYSTORE_FOREIGN);
    support_write(scratch.path, "AnyStore\4\0\0\0", 12);
    expect_refused(ANYSTORE_VERSION);
    put_back();
}

static void test_another_store_in_its_place(void **state)
{
    (void)state;
    struct anystore *another = support_open(other_path);
    support_put(another, "a", "wrong");
    anystore_close(another);
    assert_int_equal(rename(scratch.path, kept), 0);
    support_copy(other_path, scratch.path);
    expect_refused(ANYSTORE_REPLACED);
    /* A process that starts now uses it; the other processes cannot trust its commit mark. */
    another = support_open(scratch.path);
    support_put(another, "a", "wrong again");
    anystore_close(another);
    struct anystore_error error;
    assert_int_equal(support_try_put(store, "a", "3", &error), ANYSTORE_REPLACED);
    assert_int_equal(rename(kept, scratch.path), 0);
    support_expect(store, "a", "2");
    expect_well();
}

/* The same store under another key: made by somebody who changed the key and kept the ids. */
static void test_another_key_in_its_place(void **state)
{
    struct seal seal;
    size_t size;

    (void)state;
    uint8_t *data = support_read(scratch.path, &size);
    seal_begin(&seal, 2, data + 16); /* the store id, see format.h */
    seal_commit(&seal, FORMAT_BASE, "", 0, 50);
    assert_int_equal(rename(scratch.path, kept), 0);
    support_write(scratch.path, seal.data, seal.size);
    expect_refused(ANYSTORE_WRONG_KEY);
    put_back();
    seal_free(&seal);
    free(data);
}

static void test_older_copy(void **state)
{
    struct anystore_error error;

    (void)state;
    support_copy(scratch.path, other_path);
    support_put(store, "b", "2");
    support_put(store, "b", "1");
    support_expect(other, "b", "1");
    assert_int_equal(rename(scratch.path, kept), 0);
    assert_int_equal(rename(other_path, scratch.path), 0);
    expect_refused(ANYSTORE_REPLACED);
    put_back();
    /* Older than the base, too. */
    support_copy(scratch.path, other_path);
    support_put(store, "b", "2");
    support_put(store, "b", "1");
    support_expect(other, "b", "1");
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    support_put(other, "b", "1");
    support_expect(store, "b", "1");
    assert_int_equal(rename(scratch.path, kept), 0);
    assert_int_equal(rename(other_path, scratch.path), 0);
    expect_refused(ANYSTORE_REPLACED);
    put_back();
}

/* A backup was put back, and another process has gone on from there: as far as we are, or
 * further. */
static void test_another_history(void **state)
{
    struct anystore_error error;

    (void)state;
    for (unsigned commits = 1; commits <= 3; commits++)
        for (unsigned rewritten = 0; rewritten < 2; rewritten++) {
            support_copy(scratch.path, other_path);
            support_put(store, "b", "2");
            support_put(store, "b", "1");
            support_expect(other, "b", "1");
            assert_int_equal(rename(scratch.path, kept), 0);
            assert_int_equal(rename(other_path, scratch.path), 0);
            struct anystore *third = support_open(scratch.path);
            /* Commits of the same generation differ in their time. */
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
            for (unsigned i = 0; i < commits; i++)
                support_put(third, "b", i % 2 ? "4" : "3");
            if (rewritten)
                assert_int_equal(support_rewrite(third, &error), ANYSTORE_OK);
            anystore_close(third);
            if (rewritten && commits == 3) {
                /* A later generation in a new base: nothing distinguishes it from ours. */
                support_expect(store, "b", "3");
                support_expect(other, "b", "3");
                support_put(store, "b", "1");
                unlink(kept);
                continue;
            }
            /* The mark is theirs now, and ahead of us in the last case: then reads fail. */
            if (commits < 3)
                expect_refused(ANYSTORE_REPLACED);
            else
                assert_int_equal(support_try_put(store, "a", "3", &error), ANYSTORE_REPLACED);
            assert_int_equal(rename(kept, scratch.path), 0);
            support_put(store, "well", "0");
            expect_well();
        }
}

static void test_same_copy(void **state)
{
    (void)state;
    /* The same bytes in another file: as good as the file. */
    support_copy(scratch.path, other_path);
    assert_int_equal(rename(other_path, scratch.path), 0);
    expect_well();
    /* Also within a commit, and through a link. */
    assert_int_equal(rename(scratch.path, kept), 0);
    assert_int_equal(symlink(kept, scratch.path), 0);
    expect_well();
}

static void test_cut_in_place(void **state)
{
    size_t size;

    (void)state;
    struct anystore_stats stats;
    anystore_stats_read(store, &stats);
    uint8_t *data = support_read(scratch.path, &size);
    for (size_t left = 0; left < stats.file_size; left += left % 50 + 7) {
        support_write(scratch.path, data, left);
        struct anystore_error error;
        enum anystore_status status = support_try_put(store, "a", "3", &error);
        assert_true(status == ANYSTORE_REPLACED || status == ANYSTORE_DAMAGED ||
                    status == ANYSTORE_FOREIGN);
        support_check_text(&error, scratch.path);
        support_expect(store, "a", "2");
        support_expect(other, "a", "2");
    }
    support_write(scratch.path, data, size);
    expect_well();
    free(data);
}

static void test_garbage_behind(void **state)
{
    size_t size;

    (void)state;
    uint8_t *data = support_read(scratch.path, &size);
    struct anystore_stats stats;
    anystore_stats_read(store, &stats);
    memset(data + stats.file_size, 0x55, 100);
    support_write(scratch.path, data, size);
    expect_refused(ANYSTORE_DAMAGED);
    memset(data + stats.file_size, 0, 100);
    support_write(scratch.path, data, size);
    expect_well();
    free(data);
}

/* ---- At the worst moment ------------------------------------------------------------------- */

struct replacing {
    unsigned syncs; /* so many syncs later */
    bool remove_lock;
};

/* Puts a backup in the file's place while a commit is on its way. */
static int replace(struct hook_disk *hook, enum hook_call call)
{
    struct replacing *replacing = hook->arg;
    if (call == HOOK_FSYNC && replacing->syncs > 0 && --replacing->syncs == 0) {
        if (rename(scratch.path, kept) != 0 || rename(other_path, scratch.path) != 0)
            abort();
        if (replacing->remove_lock && unlink(support_path(scratch.directory, "data.lock")) != 0)
            abort();
    }
    return 0;
}

static void test_replaced_during_a_commit(void **state)
{
    struct replacing replacing = {.syncs = 0};
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = scratch.path, .key = key};
    struct anystore_error error;
    struct hook_disk hook;
    struct stat before, after;

    (void)state;
    hook_disk_init(&hook, &disk_system);
    hook.arg = &replacing;
    hook.on_call = replace;
    struct anystore *hooked = store_open_on_disk(&options, &hook.table, &error);
    assert_non_null(hooked);
    support_put(hooked, "a", "2");
    for (unsigned rewrite = 0; rewrite < 2; rewrite++) {
        support_copy(scratch.path, other_path);
        assert_int_equal(stat(other_path, &before), 0);
        replacing.syncs = rewrite ? 3 : 1; /* the last sync before the names are exchanged */
        assert_int_equal(rewrite ? support_rewrite(hooked, &error)
                                 : support_try_put(hooked, "a", "3", &error),
                         ANYSTORE_REPLACED);
        support_check_text(&error, scratch.path);
        assert_int_equal(stat(scratch.path, &after), 0);
        assert_int_equal(after.st_ino, before.st_ino); /* the backup is there, not our commit */
        assert_false(support_exists(support_path(scratch.directory, "data.base")));
        support_expect(hooked, "a", "2");
        assert_int_equal(rename(kept, scratch.path), 0);
        support_put(hooked, "a", "2");
    }
    anystore_close(hooked);
    anystore_key_free(key);
    support_expect(store, "a", "2");
    expect_well();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_removed),
        TEST(test_directory_in_its_place),
        TEST(test_pipe_in_its_place),
        TEST(test_something_else_in_its_place),
        TEST(test_another_store_in_its_place),
        TEST(test_another_key_in_its_place),
        TEST(test_older_copy),
        TEST(test_another_history),
        TEST(test_same_copy),
        TEST(test_cut_in_place),
        TEST(test_garbage_behind),
        TEST(test_replaced_during_a_commit),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* updates run on another thread: nowhere to jump from */
    return cmocka_run_group_tests_name("store_replaced", tests, NULL, NULL);
}
