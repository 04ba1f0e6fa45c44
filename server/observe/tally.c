/* SPDX-License-Identifier: MIT */
/* Counts calls and errors of commands, by thread.
 *
 * A reset raises `round`; each block notes the round of its counts.  A block of an older round
 * counts as empty.  Its own thread clears it when it counts the next time: no other thread writes
 * to it. */
#include "server/observe/tally.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    CODE_SIZE = 32, /* bytes of an error's code; Redis looks for its end in as many */
    MOST_CODES =
        128 /* bounded, because clients can make errors with codes of their own (DEBUG ERROR) */
};

struct counter {
    atomic_uint_fast64_t calls, ns, rejected, failed;
    _Atomic(struct histogram *) durations; /* NULL: none yet */
};

struct tally_block {
    struct tally *tally;
    struct tally_block *next;
    bool shared;
    atomic_uint round;
    struct counter counters[];
};

struct tally {
    size_t commands;
    atomic_uint round;
    struct tally_block *shared;
    pthread_mutex_t mutex;
    struct tally_block *blocks; /* guard: mutex */
    size_t code_count;          /* guard of this and the rest: mutex */
    struct {
        char text[CODE_SIZE];
        uint64_t count;
    } codes[MOST_CODES];
};

struct tally *tally_new(size_t commands)
{
    struct tally *tally = calloc(1, sizeof *tally);
    if (!tally)
        return NULL;
    pthread_mutex_init(&tally->mutex, NULL);
    tally->commands = commands;
    tally->shared = tally_block_new(tally);
    if (!tally->shared) {
        tally_free(tally);
        return NULL;
    }
    tally->shared->shared = true;
    return tally;
}

void tally_free(struct tally *tally)
{
    if (!tally)
        return;
    while (tally->blocks) {
        struct tally_block *block = tally->blocks;
        tally->blocks = block->next;
        for (size_t i = 0; i < tally->commands; i++)
            free(atomic_load_explicit(&block->counters[i].durations, memory_order_relaxed));
        free(block);
    }
    pthread_mutex_destroy(&tally->mutex);
    free(tally);
}

struct tally_block *tally_block_new(struct tally *tally)
{
    struct tally_block *block =
        calloc(1, sizeof *block + tally->commands * sizeof *block->counters);
    if (!block)
        return NULL;
    block->tally = tally;
    atomic_init(&block->round, atomic_load_explicit(&tally->round, memory_order_relaxed));
    pthread_mutex_lock(&tally->mutex);
    block->next = tally->blocks;
    tally->blocks = block;
    pthread_mutex_unlock(&tally->mutex);
    return block;
}

struct tally_block *tally_shared(struct tally *tally)
{
    return tally->shared;
}

void tally_reset(struct tally *tally)
{
    atomic_fetch_add_explicit(&tally->round, 1, memory_order_relaxed);
    pthread_mutex_lock(&tally->mutex);
    tally->code_count = 0;
    pthread_mutex_unlock(&tally->mutex);
}

static void clear(struct tally_block *block)
{
    for (size_t i = 0; i < block->tally->commands; i++) {
        struct counter *counter = &block->counters[i];
        atomic_store_explicit(&counter->calls, 0, memory_order_relaxed);
        atomic_store_explicit(&counter->ns, 0, memory_order_relaxed);
        atomic_store_explicit(&counter->rejected, 0, memory_order_relaxed);
        atomic_store_explicit(&counter->failed, 0, memory_order_relaxed);
        struct histogram *durations =
            atomic_load_explicit(&counter->durations, memory_order_relaxed);
        if (durations)
            histogram_clear(durations);
    }
}

/* The counter of a command, cleared if it is of an older round. */
static struct counter *counter_of(struct tally_block *block, size_t number)
{
    unsigned round = atomic_load_explicit(&block->tally->round, memory_order_relaxed);
    if (atomic_load_explicit(&block->round, memory_order_relaxed) != round) {
        clear(block);
        atomic_store_explicit(&block->round, round, memory_order_release);
    }
    return &block->counters[number];
}

/* The histogram of a command; NULL if memory is short.  Two commit threads may call this at
 * once. */
static struct histogram *durations_of(struct counter *counter)
{
    struct histogram *durations = atomic_load_explicit(&counter->durations, memory_order_acquire);
    if (durations)
        return durations;
    struct histogram *fresh = calloc(1, sizeof *fresh);
    if (fresh && !atomic_compare_exchange_strong(&counter->durations, &durations, fresh)) {
        free(fresh);
        return durations;
    }
    return fresh;
}

void tally_call(struct tally_block *block, size_t number, int64_t ns, bool failed,
                bool with_histogram)
{
    struct counter *counter = counter_of(block, number);
    bool alone = !block->shared;
    counter_add(&counter->calls, 1, alone);
    if (failed)
        counter_add(&counter->failed, 1, alone);
    if (ns < 0)
        return;
    counter_add(&counter->ns, (uint64_t)ns, alone);
    struct histogram *durations = with_histogram ? durations_of(counter) : NULL;
    if (durations)
        histogram_add(durations, ns, alone);
}

void tally_reject(struct tally_block *block, size_t number)
{
    counter_add(&counter_of(block, number)->rejected, 1, !block->shared);
}

void tally_error(struct tally *tally, const void *error, size_t size)
{
    const char *text = error;
    const char *end = memchr(text, ' ', size < CODE_SIZE ? size : CODE_SIZE);
    size_t code_size = end ? (size_t)(end - text) : 0;
    if (code_size == 0 || code_size >= CODE_SIZE) {
        text = "ERR";
        code_size = strlen(text);
    }
    pthread_mutex_lock(&tally->mutex);
    size_t at = 0;
    while (at < tally->code_count && (strlen(tally->codes[at].text) != code_size ||
                                      memcmp(tally->codes[at].text, text, code_size) != 0))
        at++;
    if (at == tally->code_count && at < MOST_CODES) {
        memcpy(tally->codes[at].text, text, code_size);
        tally->codes[at].text[code_size] = '\0';
        tally->codes[at].count = 0;
        tally->code_count++;
    }
    if (at < MOST_CODES)
        tally->codes[at].count++;
    pthread_mutex_unlock(&tally->mutex);
}

void tally_collect(struct tally *tally, size_t number, struct tally_counts *counts)
{
    *counts = (struct tally_counts){.calls = 0};
    unsigned round = atomic_load_explicit(&tally->round, memory_order_relaxed);
    pthread_mutex_lock(&tally->mutex);
    for (struct tally_block *block = tally->blocks; block; block = block->next) {
        if (atomic_load_explicit(&block->round, memory_order_acquire) != round)
            continue;
        struct counter *counter = &block->counters[number];
        counts->calls += atomic_load_explicit(&counter->calls, memory_order_relaxed);
        counts->ns += atomic_load_explicit(&counter->ns, memory_order_relaxed);
        counts->rejected += atomic_load_explicit(&counter->rejected, memory_order_relaxed);
        counts->failed += atomic_load_explicit(&counter->failed, memory_order_relaxed);
        struct histogram *durations =
            atomic_load_explicit(&counter->durations, memory_order_acquire);
        if (durations)
            histogram_collect(durations, &counts->durations);
    }
    pthread_mutex_unlock(&tally->mutex);
}

void tally_each_error(struct tally *tally, tally_error_fn *fn, void *arg)
{
    pthread_mutex_lock(&tally->mutex);
    for (size_t i = 0; i < tally->code_count; i++)
        fn(tally->codes[i].text, tally->codes[i].count, arg);
    pthread_mutex_unlock(&tally->mutex);
}
