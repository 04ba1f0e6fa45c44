/* SPDX-License-Identifier: MIT */
/* Protects the two copies: a commit writes only its change; whatever is in the spare's place (torn,
 * stale, of another file, cut, replaced, nothing) is repaired by the next writer and never reaches
 * the data file; where names cannot be exchanged each commit copies the file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/format/format.h"
#include "store/store.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/support.h"

static char *spare;

static int setup(void **state)
{
    support_set_up(state);
    spare = strdup(support_path(scratch.directory, "data.spare"));
    return spare ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(spare);
    return support_tear_down(state);
}

/* The file opens, by itself, and holds a and b. */
static void expect_file(const char *a, const char *b)
{
    struct anystore *again = support_open(scratch.path);
    support_expect(again, "a", a);
    support_expect(again, "b", b);
    anystore_check(again);
    anystore_close(again);
}

static void test_only_changes_are_written(void **state)
{
    enum { LARGE = 4 << 20 };
    char *value = calloc(1, LARGE);

    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_put_bytes(store, "large", value, LARGE);
    support_put(store, "a", "0"); /* brings the spare up to date, once */
    uint64_t written = support_stats(store).bytes_written,
             copied = support_stats(store).bytes_copied;
    for (unsigned i = 0; i < 20; i++)
        support_put(store, "a", i % 2 ? "one" : "two");
    struct anystore_stats stats = support_stats(store);
    assert_string_equal(stats.copy_method, "swap");
    assert_true(stats.bytes_written - written < 20 * 200);
    assert_true(stats.bytes_copied - copied < 21 * 200);
    anystore_close(store);
    free(value);
    expect_file("one", NULL);
}

/* The file was taken away: no new one is made, and what the error says brings the data back. */
static void test_missing_file_beside_its_spare(void **state)
{
    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_put(store, "a", "1");
    support_put(store, "b", "2");
    support_put(store, "b", "3");
    anystore_close(store);
    assert_true(support_exists(spare));
    assert_int_equal(unlink(scratch.path), 0);
    support_open_fails(scratch.path, 1, ANYSTORE_REPLACED);
    assert_false(support_exists(scratch.path));
    assert_int_equal(rename(spare, scratch.path), 0);
    expect_file("1", "2");
}

/* Two instances take turns in every short order: each uses what the other left. */
static void test_taking_turns(void **state)
{
    (void)state;
    struct anystore *stores[2] = {support_open(scratch.path), support_open(scratch.path)};
    support_put(stores[0], "a", "0");
    support_put(stores[1], "a", "0");
    uint64_t copied = support_stats(stores[0]).bytes_copied + support_stats(stores[1]).bytes_copied;
    unsigned commits = 0;
    for (unsigned order = 0; order < 256; order++) {
        for (unsigned i = 0; i < 8; i++) {
            char text[16];
            snprintf(text, sizeof text, "%u", commits++);
            support_put(stores[order >> i & 1], "a", text);
        }
    }
    /* Never the whole file: only the commit that the spare lacks. */
    copied = support_stats(stores[0]).bytes_copied + support_stats(stores[1]).bytes_copied - copied;
    assert_true(copied < commits * 200);
    assert_string_equal(support_stats(stores[0]).copy_method, "swap");
    assert_string_equal(support_stats(stores[1]).copy_method, "swap");
    anystore_close(stores[0]);
    anystore_close(stores[1]);
    expect_file("2047", NULL);
}

static void damage(const char *name, long offset, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, offset < 0 ? SEEK_END : SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* A copy of the data file opens: nothing of the spare got into it, and only room is behind it. */
static void expect_copy(const char *a)
{
    char *copy = strdup(support_path(scratch.directory, "copy"));
    support_copy(scratch.path, copy);
    struct anystore *store = support_open(copy);
    support_expect(store, "a", a);
    support_expect(store, "b", "kept");
    anystore_close(store);
    free(copy);
}

/* Puts something into the spare's place after a commit; a kind for each number. */
static void spoil_spare(struct anystore *store, unsigned kind)
{
    static uint8_t garbage[100000];
    struct anystore_error error;
    struct stat st;
    memset(garbage, 0x5a, sizeof garbage);
    long agreed = (long)support_stats(store).file_size;
    support_put(store, "a", "before");
    assert_int_equal(stat(spare, &st), 0);
    switch (kind) {
    case 0: /* somebody removed it */
        assert_int_equal(unlink(spare), 0);
        break;
    case 1: /* torn: cut in the middle of a segment */
        assert_int_equal(truncate(spare, agreed - 5), 0);
        break;
    case 2: /* longer: a writer died before the exchange */
        damage(spare, st.st_size, "0123456789012345678901234567890123456789", 40);
        break;
    case 12: /* a writer died behind the first byte; */
        damage(spare, agreed, garbage, 1);
        break;
    case 13: /* behind the first block; */
        damage(spare, agreed, garbage, FORMAT_BLOCK_BYTES);
        break;
    case 14: /* when it had written much more than the next commit */
        damage(spare, agreed, garbage, sizeof garbage);
        break;
    case 15: /* cut where it agreed, and in its room */
        assert_int_equal(truncate(spare, agreed), 0);
        break;
    case 16:
        assert_int_equal(truncate(spare, agreed + 3), 0);
        break;
    case 17:
        assert_int_equal(truncate(spare, agreed + 5), 0);
        break;
    case 3: /* much longer than the data file */
        assert_int_equal(truncate(spare, 1 << 20), 0);
        break;
    case 4: /* the last bytes are not the chain's */
        damage(spare, agreed - 10, "x", 1);
        break;
    case 5: /* another header */
        damage(spare, 40, "x", 1);
        break;
    case 6:
        support_write(spare, "", 0);
        break;
    case 7:
        support_write(spare, "not an AnyStore file at all", 27);
        break;
    case 8: /* only its header */
        assert_int_equal(truncate(spare, FORMAT_HEADER_BYTES), 0);
        break;
    case 9: /* the data file itself by another name */
        assert_int_equal(unlink(spare), 0);
        assert_int_equal(link(scratch.path, spare), 0);
        break;
    case 10: /* a link to somewhere else */
        assert_int_equal(unlink(spare), 0);
        assert_int_equal(symlink("/dev/null", spare), 0);
        break;
    case 19: /* other bytes in the same file */
        memset(garbage, 0, sizeof garbage);
        damage(spare, FORMAT_HEADER_BYTES, garbage, (size_t)agreed - FORMAT_HEADER_BYTES);
        break;
    case 18: { /* a writer died in the first commit behind a base, whose spare nobody knows yet */
        assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
        damage(spare, (long)support_stats(store).file_size, garbage, sizeof garbage);
        break;
    }
    case 11: { /* of the file before the last base */
        char *old = strdup(support_path(scratch.directory, "old"));
        assert_int_equal(link(spare, old), 0);
        assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
        assert_int_equal(rename(old, spare), 0);
        free(old);
        break;
    }
    }
}

/* The contents of the spare do not matter. */
static void test_any_spare_is_healed(void **state)
{
    (void)state;
    struct anystore *store = support_open(scratch.path), *other = support_open(scratch.path);
    support_put(store, "a", "0");
    support_put(store, "b", "kept");
    for (unsigned round = 0; round < 20; round++) {
        char text[16];
        struct stat st;
        snprintf(text, sizeof text, "%u", round);
        spoil_spare(store, round);
        support_put(round % 2 ? store : other, "a", text);
        support_expect(store, "a", text);
        support_expect(other, "a", text);
        expect_copy(text);
        support_put(round % 2 ? other : store, "a", text);
        expect_copy(text);
        assert_int_equal(lstat(spare, &st), 0);
        assert_true(S_ISREG(st.st_mode));
    }
    anystore_close(other);
    anystore_close(store);
    expect_file("19", "kept");
}

static int cannot_exchange(struct hook_disk *hook, enum hook_call call)
{
    (void)hook;
    return call == HOOK_EXCHANGE ? EINVAL : 0;
}

static void test_without_exchange(void **state)
{
    struct hook_disk hook;
    struct anystore_error error;
    struct anystore_key *key = support_key(1);

    (void)state;
    hook_disk_init(&hook, &disk_system);
    hook.on_call = cannot_exchange;
    struct anystore_options options = {.path = scratch.path, .key = key};
    struct anystore *store = store_open_on_disk(&options, &hook.table, &error);
    assert_non_null(store);
    struct anystore *other = support_open(scratch.path); /* can exchange: both ways fit */
    for (unsigned i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", i);
        support_put(i % 3 ? store : other, "a", text);
        support_expect(store, "a", text);
        support_expect(other, "a", text);
    }
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    support_put(store, "b", "kept");
    assert_string_not_equal(support_stats(store).copy_method, "swap");
    anystore_close(other);
    anystore_close(store);
    anystore_key_free(key);
    expect_file("19", "kept");
}

struct full_disk {
    int writes; /* the one that fails */
    bool full;
};

static int fill_disk(struct hook_disk *hook, enum hook_call call)
{
    struct full_disk *disk = hook->arg;
    return disk->full && call == HOOK_PWRITE && disk->writes-- == 0 ? ENOSPC : 0;
}

/* A commit for which there is no space leaves the spare as it was: going on does not take a copy of
 * the whole file, for which there may be no space either. */
static void test_no_space_for_a_commit(void **state)
{
    static char large[100001];
    struct full_disk full = {0};
    struct hook_disk hook;
    struct anystore_error error;
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = scratch.path, .key = key};

    (void)state;
    memset(large, 'x', sizeof large - 1);
    hook_disk_init(&hook, &disk_system);
    hook.arg = &full;
    hook.on_call = fill_disk;
    struct anystore *store = store_open_on_disk(&options, &hook.table, &error);
    assert_non_null(store);
    struct anystore *other = support_open(scratch.path);
    support_put(store, "b", "kept");
    support_put(store, "a", "0");
    for (int fails = 0; fails < 3; fails++) { /* what it lacks, the commit; room may be missing */
        support_put(store, "large", large);
        support_put(other, "a", "1");
        support_put(store, "a", "2");
        struct stat before, after;
        uint64_t copied = support_stats(store).bytes_copied;
        assert_int_equal(stat(spare, &before), 0);
        full = (struct full_disk){.full = true, .writes = fails};
        assert_int_equal(support_try_put(store, "a", large, &error),
                         fails < 2 ? ANYSTORE_NO_SPACE : ANYSTORE_OK);
        full.full = false;
        if (fails < 2) {
            assert_int_equal(stat(spare, &after), 0);
            assert_int_equal(after.st_ino, before.st_ino);
            support_expect(other, "a", "2");
        }
        support_put(store, "a", "3");
        assert_true(fails == 2 || support_stats(store).bytes_copied - copied < sizeof large);
        expect_copy("3");
        support_put(other, "a", "4");
        expect_copy("4");
    }
    anystore_close(other);
    anystore_close(store);
    anystore_key_free(key);
    expect_file("4", "kept");
}

/* A spare that somebody removes takes no space: no process keeps it open. */
static void test_removed_spare_is_closed(void **state)
{
    (void)state;
    struct anystore *store = support_open(scratch.path);
    support_put(store, "a", "1");
    support_put(store, "a", "2");
    size_t descriptors = support_count_descriptors();
    assert_int_equal(unlink(spare), 0);
    support_expect_descriptors(descriptors - 1);
    support_put(store, "a", "3");
    support_put(store, "b", "kept");
    anystore_close(store);
    expect_file("3", "kept");
}

/* The directory cannot be synced, and then no name can be removed either. */
static int fail_directory(struct hook_disk *hook, enum hook_call call)
{
    int *syncs = hook->arg;
    if (call == HOOK_FSYNC)
        return ++*syncs == 2 ? EIO : 0; /* the first is the file's */
    return call == HOOK_UNLINK && *syncs >= 2 ? EIO : 0;
}

/* As long as the directory is not synced, the disk may still have the new file as the data file:
 * nobody must find it as a spare and write to it. */
static void test_no_spare_after_a_failed_directory_sync(void **state)
{
    (void)state;
    struct hook_disk hook;
    struct anystore_error error;
    int syncs = 2;
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = scratch.path, .key = key};
    hook_disk_init(&hook, &disk_system);
    hook.arg = &syncs;
    struct anystore *store = store_open_on_disk(&options, &hook.table, &error);
    assert_non_null(store);
    support_put(store, "a", "before");
    support_put(store, "a", "kept");
    syncs = 0;
    hook.on_call = fail_directory;
    assert_int_equal(support_try_put(store, "a", "failed", &error), ANYSTORE_IO);
    hook.on_call = NULL;
    assert_false(support_exists(spare));
    support_expect(store, "a", "kept");
    support_put(store, "b", "later");
    anystore_close(store);
    anystore_key_free(key);
    expect_file("kept", "later");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_only_changes_are_written),
        TEST(test_missing_file_beside_its_spare),
        TEST(test_taking_turns),
        TEST(test_any_spare_is_healed),
        TEST(test_without_exchange),
        TEST(test_no_space_for_a_commit),
        TEST(test_removed_spare_is_closed),
        TEST(test_no_spare_after_a_failed_directory_sync),
    };
    return cmocka_run_group_tests_name("store_spare", tests, NULL, NULL);
}
