/* SPDX-License-Identifier: MIT */
/* Transactions written as words, for the tests of watched keys. */
#ifndef TESTS_STORE_WATCH_STEPS_H
#define TESTS_STORE_WATCH_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "anystore.h"

/* One transaction of words: "put k", "del k", "expire k", "soon k"
 * (within moments), "past k", "persist k", "clear", "watch N", "changed N", "unchanged N", "save",
 * "rollback", "abort". */
struct watch_steps {
    const char *const *words;
    struct anystore_watch *watches;
    size_t savepoint;
    bool failed;
};

/* A transaction's function; arg: struct watch_steps. */
bool watch_run_steps(struct anystore_txn *txn, void *arg);

/* In a store without a file a view that writes is a mistake; with "view" first these steps run in a
 * view. */
enum anystore_status watch_try_steps(struct anystore *store, struct anystore_watch *watches,
                                     const char *const *words);

#define RUN(store, watches, ...)                                                                   \
    assert_int_equal(watch_try_steps(store, watches, (const char *const[]){__VA_ARGS__, NULL}),    \
                     ANYSTORE_OK)
#define RUN_ABORTED(store, watches, ...)                                                           \
    assert_int_equal(watch_try_steps(store, watches, (const char *const[]){__VA_ARGS__, NULL}),    \
                     ANYSTORE_ABORTED)

/* Watches of "a", "b", "c", "d", numbered from 0. */
#define WATCHES 4

void watch_name(struct anystore_watch watches[WATCHES]);

/* Expects each watch to have changed ("x") or not ("-").  A view and an update give the same
 * answer, as nothing else happens. */
void watch_expect(struct anystore *store, struct anystore_watch *watches, const char *changed);

void watch_end(struct anystore *store, struct anystore_watch *watches, size_t count);

#endif
