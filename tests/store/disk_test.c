/* SPDX-License-Identifier: MIT */
/* Protects the tests that cut the power: after a few calls, a disk in memory leaves everything that
 * a power cut may leave, and nothing else. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/store/disks/memory_cut.h"
#include "tests/store/support.h"

/* ---- What is left, as text ---------------------------------------------------------------- */

#define TEXT_MOST  200
#define TEXTS_MOST 64

/* Each image once: "name=bytes " for each name, the bytes in runs: "a512 b3", zeros as ".". */
struct images {
    char texts[TEXTS_MOST][TEXT_MOST];
    size_t count;
    bool complete;
};

static void append(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(char *text, const char *format, ...)
{
    size_t size = strlen(text);
    va_list args;
    va_start(args, format);
    assert_true(vsnprintf(text + size, TEXT_MOST - size, format, args) < (int)(TEXT_MOST - size));
    va_end(args);
}

static void describe_file(char *text, struct memory_disk *memory, const char *name)
{
    size_t size = 0;
    uint8_t *data = memory_disk_get_file(memory, name, &size);
    if (!data)
        return;
    append(text, "%s=", name);
    for (size_t i = 0, n; i < size; i += n) {
        for (n = 1; i + n < size && data[i + n] == data[i]; n++)
            ;
        append(text, "%c%zu", data[i] ? data[i] : '.', n);
    }
    append(text, " ");
    free(data);
}

static void add_image(struct images *images, struct memory_disk *left)
{
    char text[TEXT_MOST] = "";
    describe_file(text, left, "/x");
    describe_file(text, left, "/y");
    memory_disk_free(left);
    for (size_t i = 0; i < images->count; i++)
        if (strcmp(images->texts[i], text) == 0)
            return;
    assert_true(images->count < TEXTS_MOST);
    memcpy(images->texts[images->count++], text, sizeof text);
}

static uint64_t next_random(void *arg)
{
    return support_random_next(arg);
}

static void find_images(struct images *images, struct memory_disk *memory)
{
    struct support_random random = support_random_new(1);
    struct memory_cut *cut = memory_cut_new(memory, 1000, next_random, &random);
    uint64_t count = memory_cut_count(cut, &images->complete), hashes[1000];
    images->count = 0;
    assert_true(count > 0 && count <= 1000);
    for (uint64_t i = 0; i < count; i++) {
        size_t known = images->count, j = 0;
        hashes[i] = memory_cut_choose(cut, i);
        add_image(images, memory_cut_disk(cut));
        while (hashes[j] != hashes[i])
            j++;
        assert_int_equal(j == i, images->count > known); /* same hash: same image */
    }
    memory_cut_free(cut);
}

/* Exactly these images can be left; NULL ends the list. */
static void expect(struct memory_disk *memory, const char *const *texts)
{
    static struct images images;
    size_t count = 0;
    find_images(&images, memory);
    assert_true(images.complete);
    for (; texts[count]; count++) {
        size_t i = 0;
        while (i < images.count && strcmp(images.texts[i], texts[count]) != 0)
            i++;
        if (i == images.count)
            print_error("missing: %s\n", texts[count]);
        assert_true(i < images.count);
    }
    for (size_t i = 0; images.count != count && i < images.count; i++)
        print_error("there is: %s\n", images.texts[i]);
    assert_int_equal(images.count, count);
    for (unsigned i = 0; i < 200; i++) { /* a drawn image is one of these */
        struct support_random random = support_random_new(i);
        add_image(&images, memory_disk_after_power_cut(memory, next_random, &random));
    }
    assert_int_equal(images.count, count);
}

#define EXPECT(memory, ...) expect(memory, (const char *const[]){__VA_ARGS__, NULL})

/* ---- Short calls -------------------------------------------------------------------------- */

static struct memory_disk *disk_new(void)
{
    return memory_disk_new(&(struct memory_disk_abilities){true, true, true});
}

/* A synced file of so many 'a'. */
static void set(struct memory_disk *memory, const char *path, size_t size)
{
    char data[4096];
    assert_true(size <= sizeof data);
    memset(data, 'a', size);
    memory_disk_set_file(memory, path, data, size);
}

static int open_file(struct memory_disk *memory, const char *path)
{
    const struct disk *disk = memory_disk_table(memory);
    int fd = disk->open(disk, path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void fill(struct memory_disk *memory, const char *path, char byte, off_t offset, size_t size)
{
    const struct disk *disk = memory_disk_table(memory);
    char data[4096];
    assert_true(size <= sizeof data);
    memset(data, byte, size);
    int fd = open_file(memory, path);
    assert_int_equal(disk->pwrite(disk, fd, data, size, offset), size);
    disk->close(disk, fd);
}

static void sync_file(struct memory_disk *memory, const char *path)
{
    const struct disk *disk = memory_disk_table(memory);
    int fd = open_file(memory, path);
    assert_int_equal(disk->fsync(disk, fd), 0);
    disk->close(disk, fd);
}

static void sync_directory(struct memory_disk *memory)
{
    assert_true(disk_sync_directory_of(memory_disk_table(memory), "/x"));
}

/* ---- Data and sizes ----------------------------------------------------------------------- */

static void test_what_is_synced_stays(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    fill(memory, "/x", 'a', 0, 700);
    sync_file(memory, "/x");
    sync_directory(memory);
    EXPECT(memory, "/x=a700 ");
    memory_disk_free(memory);
}

/* Within the file: each block is old or new. */
static void test_an_overwrite(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    set(memory, "/x", 1536);
    fill(memory, "/x", 'b', 100, 1000);
    EXPECT(memory, "/x=a1536 ", "/x=a100b412a1024 ", "/x=a512b512a512 ", "/x=a1024b76a436 ",
           "/x=a100b924a512 ", "/x=a100b412a512b76a436 ", "/x=a512b588a436 ", "/x=a100b1000a436 ");
    sync_file(memory, "/x");
    EXPECT(memory, "/x=a100b1000a436 ");
    memory_disk_free(memory);
}

/* Twice: the result of the first may be left, too. */
static void test_two_overwrites(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    set(memory, "/x", 512);
    fill(memory, "/x", 'b', 0, 200);
    fill(memory, "/x", 'c', 100, 200);
    EXPECT(memory, "/x=a512 ", "/x=b200a312 ", "/x=b100c200a212 ");
    memory_disk_free(memory);
}

/* The size is there or not; bytes within the size that are not there are zeros. */
static void test_an_append(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    set(memory, "/x", 500);
    fill(memory, "/x", 'b', 500, 600);
    EXPECT(memory, "/x=a500 ", "/x=a500.600 ", "/x=a500b12.588 ", "/x=a500.12b512.76 ",
           "/x=a500.524b76 ", "/x=a500b524.76 ", "/x=a500b12.512b76 ", "/x=a500.12b588 ",
           "/x=a500b600 ");
    memory_disk_free(memory);
}

/* Beyond the end of a page: only the size up to there may be left. */
static void test_an_append_over_pages(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    set(memory, "/x", 4000);
    fill(memory, "/x", 'b', 4000, 100);
    EXPECT(memory, "/x=a4000 ", "/x=a4000.96 ", "/x=a4000b96 ", "/x=a4000.100 ", "/x=a4000b96.4 ",
           "/x=a4000.96b4 ", "/x=a4000b100 ");
    memory_disk_free(memory);
}

static void test_a_truncation(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    const struct disk *disk = memory_disk_table(memory);
    set(memory, "/x", 400);
    int fd = open_file(memory, "/x");
    assert_int_equal(disk->ftruncate(disk, fd, 100), 0);
    /* The end of the last block may be cleared before the size changes. */
    EXPECT(memory, "/x=a400 ", "/x=a100.300 ", "/x=a100 ");
    disk->close(disk, fd);
    memory_disk_free(memory);
}

static void test_a_mapped_page(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    const struct disk *disk = memory_disk_table(memory);
    set(memory, "/x", 512);
    int fd = open_file(memory, "/x");
    char *page = disk->map(disk, fd, 512);
    assert_non_null(page);
    memset(page, 'b', 8);
    EXPECT(memory, "/x=a512 ", "/x=b8a504 ");
    disk->unmap(disk, page, 512);
    disk->close(disk, fd);
    memory_disk_free(memory);
}

/* ---- Names -------------------------------------------------------------------------------- */

static void test_an_exchange(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    const struct disk *disk = memory_disk_table(memory);
    set(memory, "/x", 1);
    set(memory, "/y", 2);
    assert_int_equal(disk->exchange(disk, "/x", "/y"), 0);
    EXPECT(memory, "/x=a1 /y=a2 ", "/x=a2 /y=a1 ");
    sync_directory(memory);
    EXPECT(memory, "/x=a2 /y=a1 ");
    memory_disk_free(memory);
}

/* Each step on its own: the removal may be there without the earlier rename. */
static void test_a_rename_and_a_removal(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    const struct disk *disk = memory_disk_table(memory);
    set(memory, "/x", 1);
    set(memory, "/y", 2);
    assert_int_equal(disk->rename(disk, "/x", "/y"), 0);
    assert_int_equal(disk->unlink(disk, "/y"), 0);
    EXPECT(memory, "/x=a1 /y=a2 ", "/y=a1 ", "/x=a1 ", "");
    memory_disk_free(memory);
}

/* The sync of a file does not sync its name, nor the other way round. */
static void test_a_new_file(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    fill(memory, "/x", 'a', 0, 10);
    sync_file(memory, "/x");
    EXPECT(memory, "", "/x=a10 ");
    memory_disk_free(memory);
    memory = disk_new();
    fill(memory, "/x", 'a', 0, 10);
    sync_directory(memory);
    EXPECT(memory, "/x= ", "/x=.10 ", "/x=a10 ");
    memory_disk_free(memory);
}

/* ---- Syncs that fail, or are none ---------------------------------------------------------- */

static void test_a_lost_sync(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    const struct disk *disk = memory_disk_table(memory);
    set(memory, "/x", 10);
    fill(memory, "/x", 'b', 0, 10);
    memory_disk_lose_next_sync(memory);
    int fd = open_file(memory, "/x");
    assert_int_equal(disk->fsync(disk, fd), -1);
    assert_int_equal(disk->fsync(disk, fd), 0);
    disk->close(disk, fd);
    EXPECT(memory, "/x=a10 ");
    memory_disk_free(memory);
}

static void test_syncs_left_out(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    set(memory, "/x", 10);
    set(memory, "/y", 10);
    memory_disk_omit_syncs(memory, "x");
    fill(memory, "/x", 'b', 0, 10);
    fill(memory, "/y", 'b', 0, 10);
    sync_file(memory, "/x");
    sync_file(memory, "/y");
    EXPECT(memory, "/x=a10 /y=b10 ", "/x=b10 /y=b10 ");
    memory_disk_settle(memory);
    EXPECT(memory, "/x=b10 /y=b10 ");
    memory_disk_free(memory);
}

/* All processes die: everything is there, but still not synced. */
static void test_a_kill(void **state)
{
    (void)state;
    struct memory_disk *memory = disk_new();
    set(memory, "/x", 10);
    fill(memory, "/x", 'b', 0, 10);
    struct memory_disk *killed = memory_disk_after_kill(memory);
    char text[TEXT_MOST] = "";
    describe_file(text, killed, "/x");
    assert_string_equal(text, "/x=b10 ");
    EXPECT(killed, "/x=a10 ", "/x=b10 ");
    memory_disk_free(killed);
    memory_disk_free(memory);
}

/* More states than can be listed: some are, among them the oldest and the newest. */
static void test_many_states(void **state)
{
    static struct images images;

    (void)state;
    struct memory_disk *memory = disk_new();
    set(memory, "/x", 4096);
    for (off_t i = 0; i < 4096; i += 512)
        fill(memory, "/x", 'b', i, 100);
    struct support_random random = support_random_new(2);
    struct memory_cut *cut = memory_cut_new(memory, 32, next_random, &random);
    uint64_t count = memory_cut_count(cut, &images.complete);
    assert_false(images.complete);
    assert_true(count > 2 && count <= 32);
    bool oldest = false, newest = false;
    uint64_t hash = memory_cut_choose_newest(cut);
    for (uint64_t i = 0; i < count; i++) {
        newest = memory_cut_choose(cut, i) == hash || newest;
        struct memory_disk *left = memory_cut_disk(cut);
        char text[TEXT_MOST] = "";
        describe_file(text, left, "/x");
        oldest = strcmp(text, "/x=a4096 ") == 0 || oldest;
        memory_disk_free(left);
    }
    assert_true(oldest && newest);
    memory_cut_free(cut);
    memory_disk_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_synced_stays),
        cmocka_unit_test(test_an_overwrite),
        cmocka_unit_test(test_two_overwrites),
        cmocka_unit_test(test_an_append),
        cmocka_unit_test(test_an_append_over_pages),
        cmocka_unit_test(test_a_truncation),
        cmocka_unit_test(test_a_mapped_page),
        cmocka_unit_test(test_an_exchange),
        cmocka_unit_test(test_a_rename_and_a_removal),
        cmocka_unit_test(test_a_new_file),
        cmocka_unit_test(test_a_lost_sync),
        cmocka_unit_test(test_syncs_left_out),
        cmocka_unit_test(test_a_kill),
        cmocka_unit_test(test_many_states),
    };
    support_seed();
    return cmocka_run_group_tests_name("store_disk", tests, NULL, NULL);
}
