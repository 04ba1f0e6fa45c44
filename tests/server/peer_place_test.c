/* SPDX-License-Identifier: MIT */
/* Protects the directory in which servers find each other: new servers are found, dead ones refuse
 * and are removed, foreign names are left alone, and a place that cannot be opened gives the cause
 * and leaves nothing behind. */
#include "server/peer/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ID(digit)                                                                                  \
    digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit      \
        digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit  \
            digit digit digit digit digit digit digit digit digit digit

/* A data file's path in a new directory, and the directory of sockets beside it. */
struct fixture {
    char directory[64], data[96], peers[112];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/anystore-place-XXXXXX");
    if (!mkdtemp(fixture->directory)) {
        free(fixture);
        return -1;
    }
    snprintf(fixture->data, sizeof fixture->data, "%s/data", fixture->directory);
    snprintf(fixture->peers, sizeof fixture->peers, "%s.peers", fixture->data);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    unlink(fixture->peers);
    rmdir(fixture->peers);
    int result = rmdir(fixture->directory); /* fails if a test left something */
    free(fixture);
    return result;
}

static void open_place(struct peer_place *place, const struct fixture *fixture, const char *run_id)
{
    char *cause = NULL;
    if (!peer_place_open(place, fixture->data, run_id, &cause))
        fail_msg("%s", cause);
}

static void note(const char *run_id, void *arg)
{
    char *found = arg;
    assert_true(strlen(found) < 30);
    strncat(found, run_id, 1);
}

static void test_servers_find_each_other(void **state)
{
    const struct fixture *fixture = *state;
    struct peer_place a, b;
    char found[32] = "";
    open_place(&a, fixture, ID("a"));
    peer_place_scan(&a, note, found);
    peer_place_news(&a, note, found);
    assert_string_equal(found, ""); /* not oneself */
    open_place(&b, fixture, ID("b"));
    peer_place_news(&a, note, found);
    peer_place_scan(&b, note, found);
    assert_string_equal(found, "ba");
    int fd = peer_place_connect(&a, ID("b"));
    assert_true(fd >= 0);
    close(fd);
    peer_place_close(&b);
    assert_int_equal(peer_place_connect(&a, ID("b")), -1);
    assert_int_equal(errno, ENOENT);
    assert_true(peer_place_is_whole(&a));
    peer_place_close(&a);
    assert_int_not_equal(access(fixture->peers, F_OK), 0); /* the last one takes it away */
}

static void make_file(const struct fixture *fixture, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->peers, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void remove_file(const struct fixture *fixture, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", fixture->peers, name);
    assert_int_equal(unlink(path), 0);
}

/* A dead server's name exists and refuses connections; foreign names stay. */
static void test_names_of_nobody(void **state)
{
    const struct fixture *fixture = *state;
    struct peer_place place;
    char found[32] = "";
    static const char *const foreign[] = {"readme", ID("A") ".sock", ID("c"), ID("d") ".new",
                                          "e.sock"};
    open_place(&place, fixture, ID("a"));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        make_file(fixture, foreign[i]);
    make_file(fixture, ID("f") ".sock");
    peer_place_scan(&place, note, found);
    assert_string_equal(found, "f");
    assert_int_equal(peer_place_connect(&place, ID("f")), -1);
    assert_int_equal(errno, ECONNREFUSED);
    peer_place_remove(&place, ID("f"));
    peer_place_scan(&place, note, found);
    assert_string_equal(found, "f");
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        remove_file(fixture, foreign[i]);
    peer_place_close(&place);
}

static void test_somebody_removes_it(void **state)
{
    const struct fixture *fixture = *state;
    struct peer_place place, again;
    open_place(&place, fixture, ID("a"));
    remove_file(fixture, ID("a") ".sock");
    assert_false(peer_place_is_whole(&place));
    assert_int_equal(rmdir(fixture->peers), 0);
    assert_false(peer_place_is_whole(&place));
    open_place(&again, fixture, ID("b"));
    assert_false(peer_place_is_whole(&place)); /* another directory of the same name */
    assert_true(peer_place_is_whole(&again));
    peer_place_close(&place);
    peer_place_close(&again);
}

static void expect_failure(const struct fixture *fixture, const char *what, int number)
{
    struct peer_place place;
    char *cause = NULL;
    char expected[256];
    snprintf(expected, sizeof expected, "cannot %s the directory %s: %s", what, fixture->peers,
             strerror(number));
    bool open = peer_place_open(&place, fixture->data, ID("a"), &cause);
    assert_false(open);
    assert_non_null(cause);
    assert_string_equal(cause, expected);
    assert_int_equal(place.directory, -1);
    assert_int_equal(place.watch, -1);
    assert_int_equal(place.listener, -1);
    free(cause);
}

static int lowest_free(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

/* At each of its three descriptors. */
static void test_no_descriptors(void **state)
{
    const struct fixture *fixture = *state;
    static const char *const steps[] = {"use", "watch", "listen in"};
    int lowest = lowest_free();
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 3; i++) {
        struct rlimit limit = {.rlim_cur = (rlim_t)(lowest + i), .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        expect_failure(fixture, steps[i], EMFILE);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(lowest_free(), lowest);
    struct peer_place place;
    open_place(&place, fixture, ID("a"));
    peer_place_close(&place);
}

static void test_something_in_its_way(void **state)
{
    const struct fixture *fixture = *state;
    int fd = open(fixture->peers, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    expect_failure(fixture, "use", ENOTDIR);
    assert_int_equal(unlink(fixture->peers), 0);
    /* A link would lead servers astray. */
    assert_int_equal(symlink("/tmp", fixture->peers), 0);
    expect_failure(fixture, "use", ENOTDIR);
    assert_int_equal(unlink(fixture->peers), 0);
    /* A directory that was open to others is closed to them. */
    assert_int_equal(mkdir(fixture->peers, 0755), 0);
    struct peer_place place;
    struct stat status;
    open_place(&place, fixture, ID("a"));
    assert_int_equal(stat(fixture->peers, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    peer_place_close(&place);
}

/* Hides /proc from this process and its children.  False: it may not. */
static bool hide_proc(void)
{
    return (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("nothing", "/proc", "tmpfs", 0, NULL) == 0;
}

enum { NAMES_PROC, NAMES_SOMETHING_ELSE, MAY_NOT_HIDE };

/* The directory is there, whatever the kernel says of the path through /proc. */
static void test_without_proc(void **state)
{
    const struct fixture *fixture = *state;
    pid_t child = fork();
    if (child == 0) {
        struct peer_place place;
        char *cause = NULL;
        char expected[256];
        if (!hide_proc())
            _exit(MAY_NOT_HIDE);
        snprintf(expected, sizeof expected,
                 "cannot watch the directory %s: /proc/self/fd is missing, is /proc mounted?",
                 fixture->peers);
        bool right = !peer_place_open(&place, fixture->data, ID("a"), &cause) && cause &&
                     strcmp(cause, expected) == 0;
        if (!right)
            fprintf(stderr, "%s\n", cause ? cause : "no cause");
        _exit(right ? NAMES_PROC : NAMES_SOMETHING_ELSE);
    }
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == MAY_NOT_HIDE) {
        print_message("skipped: this user may not mount\n");
        return;
    }
    assert_int_equal(WEXITSTATUS(status), NAMES_PROC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_servers_find_each_other), TEST(test_names_of_nobody),
        TEST(test_somebody_removes_it),     TEST(test_no_descriptors),
        TEST(test_something_in_its_way),    TEST(test_without_proc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
