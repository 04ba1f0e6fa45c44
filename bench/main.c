/* SPDX-License-Identifier: MIT */
/* anystore-bench: the library's benchmarks in process, as a table and as CSV. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/store_and_load.h"

/* StoreAndLoad and StoreAndLoadPersistence have the same names in the Go library. */
static const struct benchmark {
    const char *name;
    enum bench_kind kind;
    const char *summary;
} benchmarks[] = {
    {"StoreAndLoad", BENCH_MEMORY, "in memory, no file"},
    {"StoreAndLoadPersistence", BENCH_SWAP, "each store is a commit: durable when it returns"},
    {"StoreAndLoadFreshCopy", BENCH_COPY,
     "the same where two names cannot be exchanged: each commit copies the file"},
};

#define BENCHMARK_COUNT (sizeof benchmarks / sizeof benchmarks[0])
#define MOST_SIZES      16

struct options {
    uint64_t sizes[MOST_SIZES];
    size_t size_count;
    uint64_t operations;
    double seconds;
    const char *directory, *csv;
};

static void usage(FILE *out)
{
    fprintf(out,
            "usage: anystore-bench [OPTION...] [NAME...]\n\n"
            "Stores and loads one key after the other, and times each.  The store holds N keys\n"
            "with values of 100 bytes.  Runs the named benchmarks, or all:\n\n");
    for (size_t i = 0; i < BENCHMARK_COUNT; i++)
        fprintf(out, "  %-26s %s\n", benchmarks[i].name, benchmarks[i].summary);
    fprintf(out, "\n"
                 "  --keys N,...      keys in the store (10,100,1000,10000,100000,1000000)\n"
                 "  --seconds S       how long each is repeated (1)\n"
                 "  --operations N    how often each is repeated, instead\n"
                 "  --directory DIR   where files are made and removed again ($TMPDIR, else /tmp)\n"
                 "  --csv FILE        also writes the figures there, in nanoseconds\n");
}

/* The number, 1 or more, before a comma or the end of the text; 0 if there is none. */
static uint64_t parse_number(const char **text)
{
    char *end;
    errno = 0;
    if (**text < '0' || **text > '9')
        return 0;
    unsigned long long number = strtoull(*text, &end, 10);
    if (errno != 0 || (*end != '\0' && *end != ','))
        return 0;
    *text = *end == ',' ? end + 1 : end;
    return number;
}

static bool parse_sizes(struct options *options, const char *text)
{
    options->size_count = 0;
    do {
        uint64_t size = parse_number(&text);
        if (size == 0 || options->size_count == MOST_SIZES)
            return false;
        options->sizes[options->size_count++] = size;
    } while (*text);
    return true;
}

static bool parse_seconds(struct options *options, const char *text)
{
    char *end;
    options->seconds = strtod(text, &end);
    return end != text && *end == '\0' && options->seconds > 0 && options->seconds < 86400;
}

static bool parse_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {{"keys", required_argument, NULL, 'k'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"operations", required_argument, NULL, 'o'},
                                          {"directory", required_argument, NULL, 'd'},
                                          {"csv", required_argument, NULL, 'c'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        const char *text = optarg;
        switch (option) {
        case 'k':
            if (!parse_sizes(options, text))
                return false;
            break;
        case 's':
            if (!parse_seconds(options, text))
                return false;
            break;
        case 'o':
            options->operations = parse_number(&text);
            if (options->operations == 0 || *text)
                return false;
            break;
        case 'd':
            options->directory = text;
            break;
        case 'c':
            options->csv = text;
            break;
        case 'h':
            usage(stdout);
            exit(EXIT_SUCCESS);
        default:
            return false;
        }
    }
    return true;
}

static const struct benchmark *find_benchmark(const char *name)
{
    for (size_t i = 0; i < BENCHMARK_COUNT; i++)
        if (strcmp(benchmarks[i].name, name) == 0)
            return &benchmarks[i];
    return NULL;
}

static void write_row(FILE *csv, const struct benchmark *benchmark, uint64_t keys,
                      const struct bench_result *result)
{
    const char *method = result->copy_method ? result->copy_method : "";
    printf("%-24s %9" PRIu64 " %10" PRIu64 " %11" PRIu64 " %11" PRIu64 " %9" PRIu64 " %11" PRIu64
           " %11" PRIu64 " %s\n",
           benchmark->name, keys, result->operations, result->both.mean, result->store.median,
           result->load.median, result->both.p99, result->both.longest, method);
    fflush(stdout);
    if (!csv)
        return;
    const struct {
        const char *name;
        const struct bench_times *times;
    } parts[] = {{"store", &result->store}, {"load", &result->load}, {"both", &result->both}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        fprintf(csv,
                "%s,%" PRIu64 ",%" PRIu64 ",%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
                ",%s\n",
                benchmark->name, keys, result->operations, parts[i].name, parts[i].times->mean,
                parts[i].times->median, parts[i].times->p99, parts[i].times->longest, method);
}

/* One benchmark at all sizes. */
static bool run(const struct benchmark *benchmark, const struct options *options, FILE *csv)
{
    for (size_t i = 0; i < options->size_count; i++) {
        struct bench_spec spec = {.kind = benchmark->kind,
                                  .keys = options->sizes[i],
                                  .value_size = 100,
                                  .operations = options->operations,
                                  .seconds = options->seconds,
                                  .directory = options->directory};
        struct bench_result result;
        if (!bench_store_and_load(&spec, &result))
            return false;
        write_row(csv, benchmark, options->sizes[i], &result);
    }
    return true;
}

/* The named benchmarks, or all of them. */
static bool run_all(const struct options *options, char **names, FILE *csv)
{
    printf("%-24s %9s %10s %11s %11s %9s %11s %11s %s\n", "nanoseconds", "keys", "operations",
           "mean", "store p50", "load p50", "p99", "longest", "copy");
    if (csv)
        fprintf(csv, "benchmark,keys,operations,part,mean_ns,median_ns,p99_ns,longest_ns,copy\n");
    if (*names) {
        for (; *names; names++)
            if (!run(find_benchmark(*names), options, csv))
                return false;
        return true;
    }
    for (size_t i = 0; i < BENCHMARK_COUNT; i++)
        if (!run(&benchmarks[i], options, csv))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {
        .sizes = {10, 100, 1000, 10000, 100000, 1000000}, .size_count = 6, .seconds = 1};
    if (!parse_options(&options, argc, argv)) {
        usage(stderr);
        return 64;
    }
    for (char **name = argv + optind; *name; name++) {
        if (find_benchmark(*name))
            continue;
        fprintf(stderr, "anystore-bench: no benchmark '%s'\n", *name);
        return 64;
    }
    const char *parent = options.directory ? options.directory : getenv("TMPDIR");
    char *directory = NULL;
    if (asprintf(&directory, "%s/anystore-bench-XXXXXX", parent ? parent : "/tmp") < 0)
        return EXIT_FAILURE;
    if (!mkdtemp(directory)) {
        fprintf(stderr, "anystore-bench: cannot make %s: %s\n", directory, strerror(errno));
        free(directory);
        return EXIT_FAILURE;
    }
    options.directory = directory;
    FILE *csv = options.csv ? fopen(options.csv, "w") : NULL;
    bool ok = !options.csv || csv;
    if (!ok)
        fprintf(stderr, "anystore-bench: cannot write %s: %s\n", options.csv, strerror(errno));
    ok = ok && run_all(&options, argv + optind, csv);
    if (csv && fclose(csv) != 0) {
        fprintf(stderr, "anystore-bench: cannot write %s: %s\n", options.csv, strerror(errno));
        ok = false;
    }
    rmdir(directory);
    free(directory);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
