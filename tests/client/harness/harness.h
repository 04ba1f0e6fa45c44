/* SPDX-License-Identifier: MIT */
/* What surrounds each test with real processes: a temporary directory of its own, its servers,
 * and, if it fails, the ends of their logs.  When a test ends, its servers are ended by their pid
 * and the directory is removed, whether it passed or not.
 *
 * A test is a function that takes the harness; cmocka's assertions and everything here that may
 * fail a test belong on the main thread.  Other threads record what they see and are joined. */
#ifndef TESTS_CLIENT_HARNESS_HARNESS_H
#define TESTS_CLIENT_HARNESS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cmocka.h>

struct server;

struct harness {
    char *dir;              /* the test's temporary directory */
    char *data;             /* dir/data: the servers' common data directory */
    char *key_file;         /* dir/key: their common key file */
    char *db;               /* data/anystore.db: the data file */
    struct server *servers; /* all that were started, latest first */
    unsigned server_count;
    unsigned tracer_count;
    char *mounted; /* a file system to be unmounted at the end; NULL if none */
    bool passed;
    const char *stage; /* the part of the test, printed with a failure; may be NULL */
    const struct harness_case *row;
};

struct harness_case {
    void (*test)(struct harness *harness);
    const void *argument; /* whatever the test wants: harness->row->argument */
};

/* One row of cmocka's table of tests; only to be used within a function. */
#define HARNESS_TEST(function)                                                                     \
    {                                                                                              \
#function, harness_run, harness_setup, harness_teardown, &(struct harness_case)            \
        {                                                                                          \
            .test = (function)                                                                     \
        }                                                                                          \
    }

/* Runs the tests, only those that match ANYSTORE_TEST (a name with * and ?) if that is set.  For
 * main to return: 0 if all passed. */
int harness_main(const char *group, const struct CMUnitTest *tests, size_t count);

void harness_run(void **state);
int harness_setup(void **state);
int harness_teardown(void **state);

/* Ends the test as skipped and prints why. */
void harness_skip(struct harness *harness, const char *reason);

/* Fails the test with a message. */
#define fail_test(...) harness_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Fails the test with a message unless the condition holds. */
#define check(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_test(__VA_ARGS__);                                                                \
    } while (0)

/* Fails the test at the given place of its source. */
void harness_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

/* A count of work, times ANYSTORE_TEST_SCALE (1; less by default in builds with sanitizers);
 * at least 1. */
unsigned harness_scaled(unsigned count);

/* The value of an environment variable as a number, `otherwise` if not set. */
unsigned harness_number(const char *name, unsigned otherwise);

/* Whether this is a build with a sanitizer. */
bool harness_sanitized(void);

/* Waiting for something by looking again and again:
 *     struct patience patience = {0};
 *     while (!condition && patience_left(&patience))
 *         ;
 * It lasts minutes: a safety net that no healthy run comes near, not an assertion. */
struct patience {
    int64_t until;
};
bool patience_left(struct patience *patience);

int64_t clock_ms(void); /* monotonic */
int64_t wall_ms(void);  /* since 1970 */

/* Mounts a file system of the given size in memory on a new directory in the test's own, seen by
 * this process and its children only; its path belongs to the harness.  NULL if that is not
 * possible here (it takes root).  Once per test. */
const char *harness_mount(struct harness *harness, const char *size);

/* Writes a key file: `size` bytes of the value `fill` as base64, with that mode. */
void write_key(const char *path, uint8_t fill, size_t size, unsigned mode);

/* Removes a file or a directory with all that is in it; nothing there is fine. */
void remove_tree(const char *path);

/* The names in a directory, blank separated and sorted, without "." and ".."; the caller frees. */
char *directory_names(const char *path);

#endif
