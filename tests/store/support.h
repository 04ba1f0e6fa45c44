/* SPDX-License-Identifier: MIT */
/* What the tests of store share: a scratch directory, fixed keys, random numbers with a printed
 * seed, and short ways to run one-operation transactions.  Any failure here fails the test. */
#ifndef TESTS_STORE_SUPPORT_H
#define TESTS_STORE_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anystore.h"

#define SUPPORT_PATH_MOST 256

/* Whether everything takes ten times as long: then tests repeat less. */
#if defined(__SANITIZE_THREAD__)
#define SUPPORT_SLOW 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SUPPORT_SLOW 1
#endif
#endif
#ifndef SUPPORT_SLOW
#define SUPPORT_SLOW 0
#endif

/* ---- Files -------------------------------------------------------------------------------- */

/* A new empty directory for small files, in memory if possible, where syncs cost nothing; or one on
 * a disk.  Both are in $TMPDIR if that is set. */
char *support_directory_new(void);
char *support_disk_directory_new(void);

/* Removes the directory with everything in it. */
void support_directory_free(char *directory);

/* cmocka's setup and teardown for each test: a directory for small files, and the path of a data
 * file in it that does not exist yet. */
extern struct support_scratch {
    char *directory, *path;
} scratch;
int support_set_up(void **state);
int support_tear_down(void **state);

/* directory/name, in one of a few static buffers that are used in turn. */
const char *support_path(const char *directory, const char *name);

/* The whole file, for the caller to free. */
uint8_t *support_read(const char *path, size_t *size);

/* Makes or replaces the file, under the same inode if it exists. */
void support_write(const char *path, const void *data, size_t size);

void support_copy(const char *from, const char *to);

bool support_exists(const char *path);

/* Number of names in a directory, without "." and "..". */
size_t support_count_names(const char *directory);

/* Descriptors that this process has open. */
size_t support_count_descriptors(void);

/* Expects so many; waits for stores that close some on a thread of theirs. */
void support_expect_descriptors(size_t count);

/* ---- Random numbers ----------------------------------------------------------------------- */

/* The seed of this run: $ANYSTORE_TEST_SEED, or the time.  Printed by the first call. */
uint64_t support_seed(void);

struct support_random {
    uint64_t state;
};

/* A stream of its own for each `stream` number. */
struct support_random support_random_new(uint64_t stream);
uint64_t support_random_next(struct support_random *random);
size_t support_random_below(struct support_random *random, size_t bound); /* bound > 0 */

/* ---- Stores ------------------------------------------------------------------------------- */

/* A key whose bytes are all `byte`. */
struct anystore_key *support_key(uint8_t byte);

/* A store over that file with support_key(1), or in memory without a path. */
struct anystore *support_open(const char *path);

/* The same over scratch.path, on another disk. */
struct disk;
struct anystore *support_open_on(const struct disk *disk, enum anystore_fsync fsync_mode);

/* An open that must fail with that status; the text must name the file, in one line. */
void support_open_fails(const char *path, uint8_t key, enum anystore_status status);

struct anystore_stats support_stats(struct anystore *store);

/* An open of a data file with these bytes at scratch.path fails with one of two statuses and
 * changes nothing. */
void support_refused(const void *data, size_t size, enum anystore_status one,
                     enum anystore_status other);

void support_put(struct anystore *store, const char *key, const char *value);
void support_put_bytes(struct anystore *store, const char *key, const void *value, size_t size);
void support_delete(struct anystore *store, const char *key);
void support_clear(struct anystore *store);
enum anystore_status support_try_put(struct anystore *store, const char *key, const char *value,
                                     struct anystore_error *error);

/* Through a view: the value is `value`, or there is none if that is NULL. */
void support_expect(struct anystore *store, const char *key, const char *value);

/* The value as a number; -1 if there is none. */
int64_t support_get_number(struct anystore *store, const char *key);

/* A short pause between two looks at another thread's work. */
void support_nap(void);

/* Submits what has no function to run and waits for the outcome. */
enum anystore_status support_submit(struct anystore *store, enum anystore_submission_kind kind,
                                    struct anystore_error *error);

/* The same for a new base. */
enum anystore_status support_rewrite(struct anystore *store, struct anystore_error *error);

/* All keys, values and expiries as text, sorted; for the caller to free. */
char *support_dump(struct anystore *store);

/* Checks an error's text: one line that names the file. */
void support_check_text(const struct anystore_error *error, const char *path);

#endif
