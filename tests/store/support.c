/* SPDX-License-Identifier: MIT */
/* What the tests of store share. */
#include "tests/store/support.h"

#include <dirent.h>
#include <fcntl.h>
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

#include "store/store.h"

/* ---- Files -------------------------------------------------------------------------------- */

static char *directory_under(const char *base)
{
    char path[SUPPORT_PATH_MOST];
    int size = snprintf(path, sizeof path, "%s/anystore-test-XXXXXX", base);
    assert_true(size > 0 && (size_t)size < sizeof path - 64);
    assert_non_null(mkdtemp(path));
    char *directory = strdup(path);
    assert_non_null(directory);
    return directory;
}

char *support_disk_directory_new(void)
{
    const char *base = getenv("TMPDIR");
    return directory_under(base ? base : "/tmp");
}

char *support_directory_new(void)
{
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK | X_OK) == 0)
        return directory_under("/dev/shm");
    return support_disk_directory_new();
}

void support_directory_free(char *directory)
{
    DIR *list = opendir(directory);
    assert_non_null(list);
    for (struct dirent *entry; (entry = readdir(list));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        const char *path = support_path(directory, entry->d_name);
        if (unlink(path) != 0)
            assert_int_equal(rmdir(path), 0);
    }
    closedir(list);
    assert_int_equal(rmdir(directory), 0);
    free(directory);
}

struct support_scratch scratch;

int support_set_up(void **state)
{
    (void)state;
    scratch.directory = support_directory_new();
    scratch.path = strdup(support_path(scratch.directory, "data"));
    return scratch.path ? 0 : -1;
}

int support_tear_down(void **state)
{
    (void)state;
    free(scratch.path);
    if (scratch.directory)
        support_directory_free(scratch.directory);
    scratch = (struct support_scratch){0};
    return 0;
}

const char *support_path(const char *directory, const char *name)
{
    static _Thread_local char paths[32][SUPPORT_PATH_MOST];
    static _Thread_local unsigned turn;
    char *path = paths[turn++ % 32];
    int size = snprintf(path, SUPPORT_PATH_MOST, "%s/%s", directory, name);
    assert_true(size > 0 && size < SUPPORT_PATH_MOST);
    return path;
}

uint8_t *support_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    struct stat st;
    assert_int_equal(fstat(fileno(file), &st), 0);
    *size = (size_t)st.st_size;
    uint8_t *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

void support_write(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void support_copy(const char *from, const char *to)
{
    size_t size = 0;
    uint8_t *data = support_read(from, &size);
    support_write(to, data, size);
    free(data);
}

bool support_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

size_t support_count_names(const char *directory)
{
    DIR *list = opendir(directory);
    assert_non_null(list);
    size_t count = 0;
    while (readdir(list))
        count++;
    closedir(list);
    return count - 2;
}

size_t support_count_descriptors(void)
{
    return support_count_names("/proc/self/fd") - 1; /* but the one that lists them */
}

void support_expect_descriptors(size_t count)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    for (unsigned i = 0; i < 20000 && support_count_descriptors() != count; i++)
        nanosleep(&moment, NULL);
    assert_int_equal(support_count_descriptors(), count);
}

/* ---- Random numbers ----------------------------------------------------------------------- */

static uint64_t chosen_seed;

static void choose_seed(void)
{
    const char *text = getenv("ANYSTORE_TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    chosen_seed =
        text ? strtoull(text, NULL, 0) : (uint64_t)now.tv_sec * 1000000007 + (uint64_t)now.tv_nsec;
    printf("ANYSTORE_TEST_SEED=%llu\n", (unsigned long long)chosen_seed);
    fflush(stdout);
}

uint64_t support_seed(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_seed);
    return chosen_seed;
}

struct support_random support_random_new(uint64_t stream)
{
    struct support_random random = {support_seed() + stream * UINT64_C(0x9e3779b97f4a7c15)};
    support_random_next(&random);
    return random;
}

/* Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014. */
uint64_t support_random_next(struct support_random *random)
{
    uint64_t x = random->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

size_t support_random_below(struct support_random *random, size_t bound)
{
    return (size_t)(support_random_next(random) % bound);
}

/* ---- Stores ------------------------------------------------------------------------------- */

struct anystore_key *support_key(uint8_t byte)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[45];
    uint8_t bytes[33];
    memset(bytes, byte, 32);
    bytes[32] = 0;
    for (size_t i = 0; i < 11; i++) {
        const uint8_t *p = bytes + 3 * i;
        unsigned group = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
        for (unsigned j = 0; j < 4; j++)
            text[4 * i + j] = digits[group >> (18 - 6 * j) & 63];
    }
    text[43] = '=';
    text[44] = '\0';
    struct anystore_error error;
    struct anystore_key *key = anystore_key_from_base64(text, "the test's key", &error);
    assert_non_null(key);
    return key;
}

struct anystore *support_open(const char *path)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = path, .key = key};
    struct anystore_error error;
    struct anystore *store = anystore_open(&options, &error);
    if (!store)
        print_error("%s\n", error.text);
    assert_non_null(store);
    assert_int_equal(error.status, ANYSTORE_OK);
    anystore_key_free(key);
    return store;
}

void support_check_text(const struct anystore_error *error, const char *path)
{
    assert_int_not_equal(error->status, ANYSTORE_OK);
    assert_non_null(strstr(error->text, path));
    assert_null(strchr(error->text, '\n'));
    assert_true(strlen(error->text) < sizeof error->text - 1);
}

void support_open_fails(const char *path, uint8_t key_byte, enum anystore_status status)
{
    struct anystore_key *key = support_key(key_byte);
    struct anystore_options options = {.path = path, .key = key};
    struct anystore_error error;
    struct anystore *store = anystore_open(&options, &error);
    assert_null(store);
    if (error.status != status)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, status);
    support_check_text(&error, path);
    anystore_key_free(key);
}

struct operation {
    const char *key;
    const void *value;
    size_t size;
    bool found, right;
    int64_t number;
};

static bool put(struct anystore_txn *txn, void *arg)
{
    const struct operation *op = arg;
    struct anystore_value value = {.data = op->value, .size = op->size};
    return anystore_put(txn, op->key, strlen(op->key), &value) == ANYSTORE_OK;
}

static bool delete (struct anystore_txn *txn, void *arg)
{
    const struct operation *op = arg;
    return anystore_delete(txn, op->key, strlen(op->key), NULL) == ANYSTORE_OK;
}

static bool clear(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return anystore_clear(txn) == ANYSTORE_OK;
}

static bool get(struct anystore_txn *txn, void *arg)
{
    struct operation *op = arg;
    struct anystore_value value;
    op->found = anystore_get(txn, op->key, strlen(op->key), &value);
    if (op->found) {
        op->right =
            op->value && value.size == op->size && memcmp(value.data, op->value, op->size) == 0;
        char text[24] = "";
        memcpy(text, value.data, value.size < sizeof text ? value.size : sizeof text - 1);
        op->number = strtoll(text, NULL, 10);
    }
    return true;
}

static void update(struct anystore *store, anystore_fn *fn, struct operation *op)
{
    struct anystore_error error;
    if (anystore_update(store, fn, op, &error) != ANYSTORE_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, ANYSTORE_OK);
}

void support_put_bytes(struct anystore *store, const char *key, const void *value, size_t size)
{
    update(store, put, &(struct operation){.key = key, .value = value, .size = size});
}

struct anystore *support_open_on(const struct disk *disk, enum anystore_fsync fsync_mode)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = scratch.path, .key = key, .fsync = fsync_mode};
    struct anystore_error error;
    struct anystore *store = store_open_on_disk(&options, disk, &error);
    assert_non_null(store);
    anystore_key_free(key);
    return store;
}

void support_refused(const void *data, size_t size, enum anystore_status one,
                     enum anystore_status other)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = scratch.path, .key = key};
    struct anystore_error error;
    struct stat before, after;
    support_write(scratch.path, data, size);
    assert_int_equal(stat(scratch.path, &before), 0);
    assert_null(anystore_open(&options, &error));
    if (error.status != one && error.status != other)
        print_error("%s\n", error.text);
    assert_true(error.status == one || error.status == other);
    support_check_text(&error, scratch.path);
    assert_int_equal(stat(scratch.path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    size_t left_size;
    uint8_t *left = support_read(scratch.path, &left_size);
    assert_int_equal(left_size, size);
    if (size > 0)
        assert_memory_equal(left, data, size);
    free(left);
    anystore_key_free(key);
}

struct anystore_stats support_stats(struct anystore *store)
{
    struct anystore_stats stats;
    anystore_stats_read(store, &stats);
    return stats;
}

void support_put(struct anystore *store, const char *key, const char *value)
{
    support_put_bytes(store, key, value, strlen(value));
}

void support_delete(struct anystore *store, const char *key)
{
    update(store, delete, &(struct operation){.key = key});
}

void support_clear(struct anystore *store)
{
    update(store, clear, NULL);
}

enum anystore_status support_try_put(struct anystore *store, const char *key, const char *value,
                                     struct anystore_error *error)
{
    struct operation op = {.key = key, .value = value, .size = strlen(value)};
    return anystore_update(store, put, &op, error);
}

static void view(struct anystore *store, struct operation *op)
{
    struct anystore_error error;
    if (anystore_view(store, get, op, &error) != ANYSTORE_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, ANYSTORE_OK);
}

void support_expect(struct anystore *store, const char *key, const char *value)
{
    struct operation op = {.key = key, .value = value, .size = value ? strlen(value) : 0};
    view(store, &op);
    if (op.found != (value != NULL) || (value && !op.right))
        print_error("%s is not %s\n", key, value ? value : "gone");
    assert_int_equal(op.found, value != NULL);
    assert_true(!value || op.right);
}

int64_t support_get_number(struct anystore *store, const char *key)
{
    struct operation op = {.key = key, .number = -1};
    view(store, &op);
    return op.number;
}

struct submitting {
    struct anystore_submission submission;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool done;
    struct anystore_error error;
};

static void on_submitted(struct anystore_submission *submission, bool ran,
                         const struct anystore_error *error)
{
    struct submitting *self = (struct submitting *)(void *)submission;
    assert_false(ran); /* there is nothing to run */
    pthread_mutex_lock(&self->mutex);
    self->error = *error;
    self->done = true;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
}

void support_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

enum anystore_status support_submit(struct anystore *store, enum anystore_submission_kind kind,
                                    struct anystore_error *error)
{
    struct submitting submitting = {.submission = {.kind = kind, .on_done = on_submitted},
                                    .mutex = PTHREAD_MUTEX_INITIALIZER,
                                    .changed = PTHREAD_COND_INITIALIZER};
    anystore_submit(store, &submitting.submission);
    pthread_mutex_lock(&submitting.mutex);
    while (!submitting.done)
        pthread_cond_wait(&submitting.changed, &submitting.mutex);
    pthread_mutex_unlock(&submitting.mutex);
    if (error)
        *error = submitting.error;
    return submitting.error.status;
}

enum anystore_status support_rewrite(struct anystore *store, struct anystore_error *error)
{
    return support_submit(store, ANYSTORE_SUBMIT_BASE, error);
}

struct lines {
    char **line;
    size_t count, capacity;
};

/* Not by sprintf: values may have many megabytes. */
static char *append_hex(char *to, const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
    return to;
}

static bool add_line(const void *key, size_t key_size, const struct anystore_value *value,
                     void *arg)
{
    struct lines *lines = arg;
    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity ? 2 * lines->capacity : 64;
        lines->line = realloc(lines->line, lines->capacity * sizeof *lines->line);
        assert_non_null(lines->line);
    }
    char *line = malloc(2 * (key_size + value->size) + 64);
    assert_non_null(line);
    char *p = line;
    p = append_hex(p, key, key_size);
    *p++ = '=';
    p = append_hex(p, value->data, value->size);
    sprintf(p, "@%lld\n", (long long)value->expire_ms);
    lines->line[lines->count++] = line;
    return true;
}

static bool list(struct anystore_txn *txn, void *arg)
{
    anystore_each(txn, add_line, arg);
    return true;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *support_dump(struct anystore *store)
{
    struct lines lines = {NULL, 0, 0};
    struct anystore_error error;
    if (anystore_view(store, list, &lines, &error) != ANYSTORE_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, ANYSTORE_OK);
    if (lines.count > 0)
        qsort(lines.line, lines.count, sizeof *lines.line, compare_lines);
    size_t size = 1;
    for (size_t i = 0; i < lines.count; i++)
        size += strlen(lines.line[i]);
    char *text = malloc(size);
    assert_non_null(text);
    char *p = text;
    *p = '\0';
    for (size_t i = 0; i < lines.count; i++) {
        p = stpcpy(p, lines.line[i]);
        free(lines.line[i]);
    }
    free(lines.line);
    return text;
}
