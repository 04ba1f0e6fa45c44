/* SPDX-License-Identifier: MIT */
/* Times stores and loads of single keys in process, through the library's public functions. */
#include "bench/store_and_load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "anystore.h"
#include "store/medium/disk.h"
#include "store/store.h"

/* Operations before the clock counts: the first commit makes the second copy. */
#define WARM_UP 3

/* A run ends after this many operations: each keeps two times of 8 bytes. */
#define MOST_OPERATIONS ((uint64_t)4 << 20)

#define KEY_SIZE 16

struct bench {
    const struct bench_spec *spec;
    struct disk disk;
    struct anystore *store;
    char key[KEY_SIZE + 1];
    char *value, *loaded;
    uint64_t *store_ns, *load_ns;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- One key ------------------------------------------------------------------------------ */

static void set_key(struct bench *bench, uint64_t number)
{
    snprintf(bench->key, sizeof bench->key, "key:%012" PRIu64, number % 1000000000000);
}

/* Each round has its own value, so that each store changes something. */
static void set_value(struct bench *bench, uint64_t round)
{
    char text[BENCH_VALUE_LEAST];
    int size = snprintf(text, sizeof text, "%" PRIu64, round);
    memset(bench->value, 'x', bench->spec->value_size);
    memcpy(bench->value, text, (size_t)size);
}

static bool put_key(struct anystore_txn *txn, void *arg)
{
    struct bench *bench = arg;
    struct anystore_value value = {.data = bench->value, .size = bench->spec->value_size};
    return anystore_put(txn, bench->key, KEY_SIZE, &value) == ANYSTORE_OK;
}

/* A load copies the value: the caller owns the bytes. */
static bool get_key(struct anystore_txn *txn, void *arg)
{
    struct bench *bench = arg;
    struct anystore_value value;
    if (!anystore_get(txn, bench->key, KEY_SIZE, &value) || value.size != bench->spec->value_size)
        return false;
    memcpy(bench->loaded, value.data, value.size);
    return true;
}

/* Stores and loads one key; both times. */
static bool run_operation(struct bench *bench, uint64_t *store_ns, uint64_t *load_ns)
{
    struct anystore_error error;
    memset(bench->loaded, 0, bench->spec->value_size);
    uint64_t started = now_ns();
    if (anystore_update(bench->store, put_key, bench, &error) != ANYSTORE_OK) {
        fprintf(stderr, "anystore-bench: cannot store: %s\n", error.text);
        return false;
    }
    uint64_t stored = now_ns();
    if (anystore_view(bench->store, get_key, bench, &error) != ANYSTORE_OK) {
        fprintf(stderr, "anystore-bench: cannot load: %s\n", error.text);
        return false;
    }
    uint64_t loaded = now_ns();
    if (memcmp(bench->loaded, bench->value, bench->spec->value_size) != 0) {
        fprintf(stderr, "anystore-bench: %s holds another value than was stored\n", bench->key);
        return false;
    }
    *store_ns = stored - started;
    *load_ns = loaded - stored;
    return true;
}

/* ---- The store ---------------------------------------------------------------------------- */

static int no_exchange(const struct disk *disk, const char *a, const char *b)
{
    (void)disk;
    (void)a;
    (void)b;
    errno = EINVAL; /* as from a file system without RENAME_EXCHANGE */
    return -1;
}

static bool open_store(struct bench *bench, const char *path)
{
    bench->disk = disk_system;
    if (bench->spec->kind == BENCH_COPY)
        bench->disk.exchange = no_exchange;
    struct anystore_error error;
    struct anystore_options options = {0};
    struct anystore_key *key = NULL;
    if (bench->spec->kind != BENCH_MEMORY) {
        key = anystore_key_from_base64("YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNoMTI=", "bench",
                                       &error);
        if (!key) {
            fprintf(stderr, "anystore-bench: %s\n", error.text);
            return false;
        }
        options = (struct anystore_options){.path = path, .key = key};
    }
    bench->store = store_open_on_disk(&options, &bench->disk, &error);
    anystore_key_free(key);
    if (!bench->store)
        fprintf(stderr, "anystore-bench: %s\n", error.text);
    return bench->store != NULL;
}

static bool put_all(struct anystore_txn *txn, void *arg)
{
    struct bench *bench = arg;
    for (uint64_t i = 0; i < bench->spec->keys; i++) {
        set_key(bench, i);
        if (!put_key(txn, bench))
            return false;
    }
    return true;
}

static bool fill(struct bench *bench)
{
    struct anystore_error error;
    set_value(bench, 0);
    if (anystore_update(bench->store, put_all, bench, &error) == ANYSTORE_OK)
        return true;
    fprintf(stderr, "anystore-bench: cannot fill the store: %s\n", error.text);
    return false;
}

/* ---- Figures ------------------------------------------------------------------------------ */

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Sorts the times. */
static struct bench_times summarize(uint64_t *times, uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += times[i];
    qsort(times, count, sizeof times[0], compare_times);
    return (struct bench_times){.mean = sum / count,
                                .median = times[count / 2],
                                .p99 = times[count - 1 - (count - 1) / 100],
                                .longest = times[count - 1]};
}

/* Times the operations.  They go over all keys; two in a row are far apart. */
static bool measure(struct bench *bench, struct bench_result *result)
{
    const struct bench_spec *spec = bench->spec;
    uint64_t most = spec->operations ? spec->operations : MOST_OPERATIONS;
    uint64_t until = now_ns() + (uint64_t)(spec->seconds * 1e9);
    uint64_t count = 0, ignored;
    for (uint64_t round = 0; count < most; round++) {
        set_key(bench, round * 7919 % spec->keys);
        set_value(bench, round + 1);
        if (round < WARM_UP) {
            if (!run_operation(bench, &ignored, &ignored))
                return false;
            continue;
        }
        if (!run_operation(bench, &bench->store_ns[count], &bench->load_ns[count]))
            return false;
        count++;
        if (!spec->operations && now_ns() >= until)
            break;
    }
    struct anystore_stats stats;
    anystore_stats_read(bench->store, &stats);
    result->copy_method = stats.copy_method;
    result->operations = count;
    uint64_t *both = malloc(count * sizeof both[0]);
    if (!both)
        return false;
    for (uint64_t i = 0; i < count; i++)
        both[i] = bench->store_ns[i] + bench->load_ns[i];
    result->both = summarize(both, count);
    free(both);
    result->store = summarize(bench->store_ns, count);
    result->load = summarize(bench->load_ns, count);
    return true;
}

static void remove_files(const char *path)
{
    static const char *const suffixes[] = {"", ".lock", ".spare", ".tmp", ".base", ".base.spare"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *name = NULL;
        if (asprintf(&name, "%s%s", path, suffixes[i]) < 0)
            continue;
        unlink(name);
        free(name);
    }
}

bool bench_store_and_load(const struct bench_spec *spec, struct bench_result *result)
{
    uint64_t most = spec->operations ? spec->operations : MOST_OPERATIONS;
    struct bench bench = {.spec = spec};
    char *path = NULL;
    bench.value = malloc(spec->value_size);
    bench.loaded = malloc(spec->value_size);
    bench.store_ns = malloc(most * sizeof bench.store_ns[0]);
    bench.load_ns = malloc(most * sizeof bench.load_ns[0]);
    bool ok = bench.value && bench.loaded && bench.store_ns && bench.load_ns;
    if (ok && spec->kind != BENCH_MEMORY && asprintf(&path, "%s/bench.db", spec->directory) < 0)
        path = NULL;
    ok = ok && (path || spec->kind == BENCH_MEMORY);
    if (!ok)
        fprintf(stderr, "anystore-bench: memory is short\n");
    ok = ok && open_store(&bench, path) && fill(&bench) && measure(&bench, result);
    anystore_close(bench.store);
    if (path)
        remove_files(path);
    free(path);
    free(bench.load_ns);
    free(bench.store_ns);
    free(bench.loaded);
    free(bench.value);
    return ok;
}
