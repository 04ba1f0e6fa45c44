/* SPDX-License-Identifier: MIT */
/* Protects keys: a malformed or badly kept key is not used, and processes that make one at the same
 * time all get the same. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/medium/key.h"
#include "tests/store/support.h"

/* The bytes 0 .. 31. */
static const char good[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

static char *directory;

static int set_up(void **state)
{
    (void)state;
    directory = support_directory_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    support_directory_free(directory);
    return 0;
}

static const char *write_key(const char *text, mode_t mode)
{
    const char *path = support_path(directory, "key");
    unlink(path);
    support_write(path, text, strlen(text));
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static void expect_good(struct anystore_key *key)
{
    assert_non_null(key);
    for (size_t i = 0; i < ANYSTORE_KEY_BYTES; i++)
        assert_int_equal(key->bytes[i], i);
    anystore_key_free(key);
}

static void expect_bad(struct anystore_key *key, const struct anystore_error *error,
                       const char *name)
{
    assert_null(key);
    assert_int_equal(error->status, ANYSTORE_KEY);
    support_check_text(error, name);
}

static void test_text(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",   /* no padding */
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==", /* too much of it */
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",  /* 31 bytes */
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",  /* 33 bytes */
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISI=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8-", /* another alphabet */
        "AAECAwQFBgcICQoLDA0O_xAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoLDA0O!xAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoL=A0ODxAREhMUFRYXGBkaGxwdHh8=", /* padding in the middle */
        "AAECAwQFBgcICQoL====DxAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoL DA0ODxAREhMUFRYXGBkaGxwdHh8=", /* a blank in the middle */
        "AAECAwQFBgcICQoL\nA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", /* bits that belong to no byte */
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= x",
    };
    struct anystore_error error;

    (void)state;
    expect_good(anystore_key_from_base64(good, "X", &error));
    expect_good(anystore_key_from_base64("\t AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= \r\n\n",
                                         "X", &error));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct anystore_key *key = anystore_key_from_base64(bad[i], "$THE_NAME", &error);
        if (key)
            print_error("taken for a key: %s\n", bad[i]);
        expect_bad(key, &error, "$THE_NAME");
        if (strlen(bad[i]) > 4)
            assert_null(strstr(error.text, bad[i])); /* a secret, perhaps */
        expect_bad(anystore_key_load(write_key(bad[i], 0600), &error), &error,
                   support_path(directory, "key"));
    }
    assert_null(anystore_key_from_base64("x", "X", NULL));
    anystore_key_free(NULL);
}

static void test_file(void **state)
{
    struct anystore_error error;
    char text[2000];

    (void)state;
    expect_good(anystore_key_load(write_key(good, 0600), &error));
    expect_good(anystore_key_load(write_key(good, 0400), &error));
    snprintf(text, sizeof text, "\n\n  %s  \n", good);
    expect_good(anystore_key_load(write_key(text, 0600), &error));
    /* Much too long, with a key in it. */
    memset(text, ' ', sizeof text);
    memcpy(text, good, strlen(good));
    text[sizeof text - 1] = '\0';
    expect_bad(anystore_key_load(write_key(text, 0600), &error), &error, directory);
    const char *path = write_key("", 0600);
    support_write(path, "\0\0\0", 3);
    expect_bad(anystore_key_load(path, &error), &error, path);
    path = support_path(directory, "missing");
    expect_bad(anystore_key_load(path, &error), &error, path);
    assert_int_equal(error.sys_errno, ENOENT);
    assert_null(anystore_key_load(path, NULL));
}

static void test_modes(void **state)
{
    struct anystore_error error;

    (void)state;
    for (mode_t mode = 0; mode < 01000; mode++) {
        const char *path = write_key(good, mode);
        bool others = (mode & 007) != 0;
        bool group = (mode & 070) != 0;
        bool group_write = (mode & 020) != 0;
        bool root = getuid() == 0;
        if (!root && !(mode & 0400))
            continue; /* cannot be read at all */
        struct anystore_key *key = anystore_key_load(path, &error);
        if (others || (root ? group_write : group)) {
            expect_bad(key, &error, path);
            char octal[8];
            snprintf(octal, sizeof octal, "%04o", mode);
            assert_non_null(strstr(error.text, octal));
        } else {
            expect_good(key);
        }
    }
    if (getuid() == 0) {
        /* Not root's: then not even its group may read it. */
        const char *path = write_key(good, 0640);
        assert_int_equal(chown(path, 12345, 12345), 0);
        expect_bad(anystore_key_load(path, &error), &error, path);
        assert_int_equal(chmod(path, 0600), 0);
        expect_good(anystore_key_load(path, &error));
    }
}

static void test_not_a_file(void **state)
{
    struct anystore_error error;
    const char *path = support_path(directory, "odd");

    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    expect_bad(anystore_key_load(path, &error), &error, path);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes: must not wait */
    expect_bad(anystore_key_load(path, &error), &error, path);
    expect_bad(anystore_key_create(path, &error), &error, path);
    assert_int_equal(unlink(path), 0);
    expect_bad(anystore_key_load("/dev/null", &error), &error, "/dev/null");
}

static void test_create(void **state)
{
    struct anystore_error error;
    struct stat st;
    const char *path = support_path(directory, "new");
    mode_t old_mask = umask(0);

    (void)state;
    struct anystore_key *key = anystore_key_create(path, &error);
    umask(old_mask);
    assert_non_null(key);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(support_count_names(directory), 1); /* no temporary file is left */

    size_t size;
    uint8_t *text = support_read(path, &size);
    assert_int_equal(size, 45);
    assert_int_equal(text[44], '\n');
    text[44] = '\0';
    struct anystore_key *same = anystore_key_from_base64((char *)text, "X", &error);
    assert_non_null(same);
    assert_memory_equal(same->bytes, key->bytes, ANYSTORE_KEY_BYTES);
    anystore_key_free(same);
    free(text);

    /* Exists already: that one, unchanged. */
    same = anystore_key_create(path, &error);
    assert_non_null(same);
    assert_memory_equal(same->bytes, key->bytes, ANYSTORE_KEY_BYTES);
    anystore_key_free(same);
    assert_int_equal(support_count_names(directory), 1);

    struct anystore_key *other = anystore_key_create(support_path(directory, "other"), &error);
    assert_memory_not_equal(other->bytes, key->bytes, ANYSTORE_KEY_BYTES);
    anystore_key_free(other);
    anystore_key_free(key);

    path = support_path(directory, "nowhere/key");
    assert_null(anystore_key_create(path, &error));
    support_check_text(&error, path);
    assert_null(anystore_key_create(path, NULL));
}

static void test_links(void **state)
{
    struct anystore_error error;
    struct stat st;
    const char *path = support_path(directory, "link");
    const char *target = support_path(directory, "target");

    (void)state;
    /* A link to a key is followed; a link to nothing is not filled in. */
    assert_int_equal(symlink(target, path), 0);
    assert_null(anystore_key_create(path, &error));
    support_check_text(&error, path);
    assert_false(support_exists(target));
    assert_int_equal(support_count_names(directory), 1);
    support_write(target, good, strlen(good));
    assert_int_equal(chmod(target, 0600), 0);
    expect_good(anystore_key_create(path, &error));
    expect_good(anystore_key_load(path, &error));
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

struct maker {
    pthread_t thread;
    const char *path;
    struct anystore_key *key;
    pthread_barrier_t *start;
};

static void *make(void *arg)
{
    struct maker *maker = arg;
    pthread_barrier_wait(maker->start);
    maker->key = anystore_key_create(maker->path, NULL);
    return NULL;
}

static void test_create_race(void **state)
{
    enum { MAKERS = 4 };

    (void)state;
    for (int round = 0; round < 30; round++) {
        struct maker makers[MAKERS];
        pthread_barrier_t start;
        char name[32];
        snprintf(name, sizeof name, "key-%d", round);
        pthread_barrier_init(&start, NULL, MAKERS);
        for (int i = 0; i < MAKERS; i++) {
            makers[i] = (struct maker){.path = support_path(directory, name), .start = &start};
            assert_int_equal(pthread_create(&makers[i].thread, NULL, make, &makers[i]), 0);
        }
        for (int i = 0; i < MAKERS; i++)
            assert_int_equal(pthread_join(makers[i].thread, NULL), 0);
        for (int i = 0; i < MAKERS; i++) {
            assert_non_null(makers[i].key);
            assert_memory_equal(makers[i].key->bytes, makers[0].key->bytes, ANYSTORE_KEY_BYTES);
        }
        for (int i = 0; i < MAKERS; i++)
            anystore_key_free(makers[i].key);
        pthread_barrier_destroy(&start);
        assert_int_equal(support_count_names(directory), round + 1);
    }
}

static void test_descriptors(void **state)
{
    (void)state;
    size_t before = support_count_descriptors();
    test_text(state);
    test_file(state);
    test_not_a_file(state);
    assert_int_equal(support_count_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_text),   TEST(test_file),  TEST(test_modes),       TEST(test_not_a_file),
        TEST(test_create), TEST(test_links), TEST(test_create_race), TEST(test_descriptors),
    };
    return cmocka_run_group_tests_name("store_key", tests, NULL, NULL);
}
