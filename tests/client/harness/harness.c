/* SPDX-License-Identifier: MIT */
/* Prepares each test and cleans up after it. */
#include "tests/client/harness/harness.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"

#define PATIENCE_MS 100000

#ifndef HARNESS_SCALE
#define HARNESS_SCALE 1
#endif

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)walk;
    int failed = kind == FTW_DP || kind == FTW_DNR ? rmdir(path) : unlink(path);
    return failed && errno != ENOENT ? -1 : 0;
}

static int open_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)walk;
    if (kind == FTW_D)
        (void)chmod(path, 0700); /* a test may have closed it */
    return 0;
}

void remove_tree(const char *path)
{
    struct stat status;
    if (lstat(path, &status))
        return;
    (void)nftw(path, open_entry, 16, FTW_PHYS);
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS))
        fprintf(stderr, "%s: cannot remove: %s\n", path, strerror(errno));
}

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

char *directory_names(const char *path)
{
    char **names = NULL;
    size_t count = 0;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        char **grown = realloc(names, (count + 1) * sizeof *names);
        if (!grown)
            abort();
        names = grown;
        names[count++] = text_format("%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    if (count)
        qsort(names, count, sizeof *names, by_name);
    struct bytes text = {0};
    bytes_append_text(&text, "");
    for (size_t i = 0; i < count; i++) {
        bytes_appendf(&text, "%s%s", i ? " " : "", names[i]);
        free(names[i]);
    }
    free(names);
    return (char *)text.data;
}

/* The directory's name is kept short: UNIX socket paths hold 107 characters. */
static char *make_directory(void)
{
    const char *parent = getenv("TMPDIR");
    if (!parent || !*parent || strlen(parent) > 60)
        parent = "/tmp";
    char *dir = text_format("%s/anystore-XXXXXX", parent);
    if (!mkdtemp(dir)) {
        fprintf(stderr, "%s: %s\n", dir, strerror(errno));
        free(dir);
        return NULL;
    }
    return dir;
}

int harness_setup(void **state)
{
    const struct harness_case *row = *state;
    struct harness *harness = calloc(1, sizeof *harness);
    if (!harness)
        return -1;
    harness->row = row;
    harness->dir = make_directory();
    if (!harness->dir) {
        free(harness);
        return -1;
    }
    harness->data = text_format("%s/data", harness->dir);
    harness->db = text_format("%s/anystore.db", harness->data);
    harness->key_file = text_format("%s/key", harness->dir);
    *state = harness;
    return mkdir(harness->data, 0700);
}

void harness_run(void **state)
{
    struct harness *harness = *state;
    harness->row->test(harness);
    harness->passed = true;
}

int harness_teardown(void **state)
{
    struct harness *harness = *state;
    bool clean = true;
    if (!harness->passed && harness->stage)
        fprintf(stderr, "failed in this stage: %s\n", harness->stage);
    /* Workers of a test that failed half-way lose their servers and end. */
    for (struct server *server = harness->servers; server; server = server->next) {
        server->ended_itself = process_ended(&server->process);
#ifdef HARNESS_COVERAGE /* a process writes its counts when it ends by itself */
        process_signal(&server->process, SIGCONT);
        (void)server_stop(server);
#endif
        process_kill(&server->process);
    }
    workers_abandon();
    while (harness->servers) {
        struct server *server = harness->servers;
        harness->servers = server->next;
        if (server_log_has_report(server)) {
            fprintf(stderr, "A sanitizer reported in this server's log:\n");
            clean = false;
        }
        if (!clean || !harness->passed)
            server_print_logs(server);
        server_free(server);
    }
    if (harness->mounted)
        (void)umount2(harness->mounted, MNT_DETACH);
    free(harness->mounted);
    remove_tree(harness->dir);
    free(harness->dir);
    free(harness->data);
    free(harness->db);
    free(harness->key_file);
    free(harness);
    *state = NULL;
    return clean ? 0 : -1;
}

const char *harness_mount(struct harness *harness, const char *size)
{
    char *path = text_format("%s/mounted", harness->dir);
    char *options = text_format("size=%s,mode=0700", size);
    /* In a mount namespace of our own it disappears with us, whatever happens. */
    bool good = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
                !mkdir(path, 0700) && !mount("tmpfs", path, "tmpfs", 0, options);
    free(options);
    if (good)
        harness->mounted = path;
    else
        free(path);
    return harness->mounted;
}

void write_key(const char *path, uint8_t fill, size_t size, unsigned mode)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct bytes text = {0};
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i < 3 ? size - i : 3;
        unsigned bits = 0;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < left ? fill : 0);
        for (size_t j = 0; j < 4; j++)
            bytes_append(&text, j <= left ? &digits[bits >> (18 - 6 * j) & 63] : "=", 1);
    }
    bytes_append_text(&text, "\n");
    bool good = bytes_write_file(path, text.data, text.size, mode);
    bytes_free(&text);
    check(good, "%s: cannot write", path);
}

void harness_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    _fail(file, line);
    abort(); /* not reached: _fail leaves the test */
}

int harness_main(const char *group, const struct CMUnitTest *tests, size_t count)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* in order with stderr */
    const char *filter = getenv("ANYSTORE_TEST");
    if (filter && *filter)
        cmocka_set_test_filter(filter);
    int failures = _cmocka_run_group_tests(group, tests, count, NULL, NULL);
    if (failures) {
        /* A test that failed half-way has freed nothing: a leak checker should not report that. */
        fflush(NULL);
        _exit(1);
    }
    return 0;
}

void harness_skip(struct harness *harness, const char *reason)
{
    harness->passed = true;
    print_message("skipped: %s\n", reason);
    skip();
}

unsigned harness_number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text && *text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

unsigned harness_scaled(unsigned count)
{
    const char *text = getenv("ANYSTORE_TEST_SCALE");
    double scale = text && *text ? strtod(text, NULL) : (double)HARNESS_SCALE;
    double scaled = (double)count * scale;
    return scaled < 1 ? 1 : scaled > 4e9 ? 4000000000u : (unsigned)scaled;
}

bool harness_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool patience_left(struct patience *patience)
{
    int64_t now = clock_ms();
    if (!patience->until)
        patience->until = now + PATIENCE_MS;
    if (now >= patience->until)
        return false;
    poll(NULL, 0, 2); /* between two looks, so that a wait does not use a whole core */
    return true;
}
