/* SPDX-License-Identifier: MIT */
/* Stores and loads one key after the other in a store of many, and times each. */
#ifndef BENCH_STORE_AND_LOAD_H
#define BENCH_STORE_AND_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The place of the map, and the way in which a commit puts its file in place. */
enum bench_kind {
    BENCH_MEMORY, /* no file */
    BENCH_SWAP,   /* a file, in the store's usual way on this disk */
    BENCH_COPY    /* a file on a disk that cannot exchange two names: each commit copies it */
};

struct bench_spec {
    enum bench_kind kind;
    uint64_t keys;       /* in the store all the time */
    size_t value_size;   /* bytes of each value, at least BENCH_VALUE_LEAST */
    uint64_t operations; /* 0: as many as `seconds` allow */
    double seconds;
    const char *directory; /* an empty one for the file; not used by BENCH_MEMORY */
};

#define BENCH_VALUE_LEAST 24

/* Nanoseconds. */
struct bench_times {
    uint64_t mean, median, p99, longest;
};

struct bench_result {
    uint64_t operations;
    struct bench_times store, load, both;
    const char *copy_method; /* of the last commit, as anystore_stats has it */
};

/* Runs the benchmark.  One operation stores a key, loads it and compares the value.  False after a
 * message to stderr. */
bool bench_store_and_load(const struct bench_spec *spec, struct bench_result *result);

#endif
