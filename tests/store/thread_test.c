/* SPDX-License-Identifier: MIT */
/* Protects the promises under load, with readers and writers in many threads over two instances of
 * one file: once a thread has seen a change, nobody sees it undone, and no view shows half a
 * transaction.  Also runs under ThreadSanitizer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "anystore.h"
#include "tests/store/support.h"

#define INSTANCES 2
#define THREADS   4 /* of each kind */
#define UPDATES   250

static struct anystore *stores[INSTANCES];

static int set_up(void **state)
{
    support_set_up(state);
    for (size_t i = 0; i < INSTANCES; i++)
        stores[i] = support_open(scratch.path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < INSTANCES; i++) {
        anystore_check(stores[i]);
        anystore_close(stores[i]);
    }
    return support_tear_down(state);
}

/* For threads that cmocka does not know. */
static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

struct worker {
    pthread_t thread;
    unsigned number;
};

static atomic_uint writers_left;

static void run_threads(void *(*write)(void *), void *(*read)(void *))
{
    struct worker writers[THREADS], readers[THREADS];
    atomic_store(&writers_left, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        writers[i].number = readers[i].number = i;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write, &writers[i]), 0);
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read, &readers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
    }
}

/* ---- A counter that never goes back ------------------------------------------------------- */

/* What some view or update has seen by the time it returned. */
static atomic_long observed;

static void observe(long n)
{
    long before = atomic_load(&observed);
    while (n > before && !atomic_compare_exchange_weak(&observed, &before, n))
        ;
}

static long number_of(struct anystore_txn *txn)
{
    struct anystore_value value;
    char text[24] = "";
    if (anystore_get(txn, "n", 1, &value))
        memcpy(text, value.data, value.size);
    return strtol(text, NULL, 10);
}

static bool count_up(struct anystore_txn *txn, void *arg)
{
    char text[24];
    long n = number_of(txn) + 1;
    struct anystore_value value = {.data = text, .size = (size_t)sprintf(text, "%ld", n)};
    *(long *)arg = n;
    return anystore_put(txn, "n", 1, &value) == ANYSTORE_OK;
}

static bool look(struct anystore_txn *txn, void *arg)
{
    *(long *)arg = number_of(txn);
    return true;
}

static void *write_counter(void *arg)
{
    const struct worker *worker = arg;
    for (unsigned i = 0; i < UPDATES; i++) {
        struct anystore *store = stores[(worker->number + i / 8) % INSTANCES];
        long n = 0, before = atomic_load(&observed);
        require(anystore_update(store, count_up, &n, NULL) == ANYSTORE_OK, "an update failed");
        require(n > before, "an update went back behind what was seen");
        observe(n);
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *read_counter(void *arg)
{
    const struct worker *worker = arg;
    for (unsigned i = 0; atomic_load(&writers_left) > 0; i++) {
        struct anystore *store = stores[(worker->number + i) % INSTANCES];
        long n = 0, before = atomic_load(&observed);
        require(anystore_view(store, look, &n, NULL) == ANYSTORE_OK, "a view failed");
        require(n >= before, "a view went back behind what was seen");
        observe(n);
    }
    return NULL;
}

static void test_counter(void **state)
{
    (void)state;
    atomic_store(&observed, 0);
    run_threads(write_counter, read_counter);
    for (size_t i = 0; i < INSTANCES; i++)
        assert_int_equal(support_get_number(stores[i], "n"), THREADS * UPDATES);
}

/* ---- Accounts whose sum stays ------------------------------------------------------------- */

#define ACCOUNTS 8
#define SUM      800

static size_t account(unsigned number, char key[20])
{
    return (size_t)sprintf(key, "account %u", number);
}

static long balance(struct anystore_txn *txn, unsigned number)
{
    char key[20], text[24] = "";
    struct anystore_value value;
    if (anystore_get(txn, key, account(number, key), &value))
        memcpy(text, value.data, value.size);
    return strtol(text, NULL, 10);
}

static bool set_balance(struct anystore_txn *txn, unsigned number, long amount)
{
    char key[20], text[24];
    size_t size = account(number, key);
    struct anystore_value value = {.data = text, .size = (size_t)sprintf(text, "%ld", amount)};
    if (amount == 0) /* an empty account is none */
        return anystore_delete(txn, key, size, NULL) == ANYSTORE_OK;
    return anystore_put(txn, key, size, &value) == ANYSTORE_OK;
}

/* Moves money about in several steps, with more and less of it in between, and sometimes takes it
 * all back. */
static bool transfer(struct anystore_txn *txn, void *arg)
{
    struct support_random *random = arg;
    for (unsigned i = 0; i < 3; i++) {
        unsigned from = (unsigned)support_random_below(random, ACCOUNTS);
        unsigned to = (unsigned)support_random_below(random, ACCOUNTS);
        long amount = (long)support_random_below(random, 50);
        amount = amount < balance(txn, from) ? amount : balance(txn, from);
        require(set_balance(txn, from, balance(txn, from) - amount), "a change failed");
        require(set_balance(txn, to, balance(txn, to) + amount), "a change failed");
    }
    return support_random_below(random, 4) > 0;
}

/* Everything to one account, by way of nothing at all. */
static bool collect(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return anystore_clear(txn) == ANYSTORE_OK && set_balance(txn, 0, SUM);
}

static bool add_balance(const void *key, size_t key_size, const struct anystore_value *value,
                        void *arg)
{
    char text[24] = "";
    (void)key;
    (void)key_size;
    memcpy(text, value->data, value->size);
    *(long *)arg += strtol(text, NULL, 10);
    return true;
}

static bool check_sum(struct anystore_txn *txn, void *arg)
{
    long sum = 0, by_each = 0;
    (void)arg;
    for (unsigned i = 0; i < ACCOUNTS; i++)
        sum += balance(txn, i);
    anystore_each(txn, add_balance, &by_each);
    return sum == SUM && by_each == SUM;
}

static void *write_accounts(void *arg)
{
    const struct worker *worker = arg;
    struct support_random random = support_random_new(worker->number);
    for (unsigned i = 0; i < UPDATES; i++) {
        struct anystore *store = stores[support_random_below(&random, INSTANCES)];
        enum anystore_status status;
        if (i % 50 == 49)
            status = anystore_update(store, collect, NULL, NULL);
        else
            status = anystore_update(store, transfer, &random, NULL);
        require(status == ANYSTORE_OK || status == ANYSTORE_ABORTED, "an update failed");
        if (i % 60 == 59)
            require(support_rewrite(store, NULL) == ANYSTORE_OK, "a base failed");
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void *read_accounts(void *arg)
{
    const struct worker *worker = arg;
    for (unsigned i = 0; atomic_load(&writers_left) > 0; i++)
        require(anystore_view(stores[(worker->number + i) % INSTANCES], check_sum, NULL, NULL) ==
                    ANYSTORE_OK,
                "the sum is wrong");
    return NULL;
}

static void test_accounts(void **state)
{
    struct anystore_error error;

    (void)state;
    assert_int_equal(anystore_update(stores[0], collect, NULL, &error), ANYSTORE_OK);
    run_threads(write_accounts, read_accounts);
    for (size_t i = 0; i < INSTANCES; i++)
        assert_int_equal(anystore_view(stores[i], check_sum, NULL, &error), ANYSTORE_OK);
}

/* ---- Everything at once ------------------------------------------------------------------- */

static bool mix(struct anystore_txn *txn, void *arg)
{
    struct support_random *random = arg;
    for (unsigned i = 0; i < 10; i++) {
        char key[20];
        size_t size = (size_t)sprintf(key, "%zu", support_random_below(random, 200));
        int64_t expire_ms = anystore_now(txn) + (int64_t)support_random_below(random, 30);
        struct anystore_value value = {.data = key, .size = size, .expire_ms = expire_ms};
        enum anystore_status status = ANYSTORE_OK;
        switch (support_random_below(random, 5)) {
        case 0:
            status = anystore_delete(txn, key, size, NULL);
            break;
        case 1:
            status = anystore_set_expiry(txn, key, size, expire_ms, NULL);
            break;
        case 2:
            status = anystore_set_expiry(txn, key, size, 0, NULL);
            break;
        case 3:
            value.expire_ms = 0;
            status = anystore_put(txn, key, size, &value);
            break;
        default:
            status = anystore_put(txn, key, size, &value);
            break;
        }
        require(status == ANYSTORE_OK, "a change failed");
    }
    return true;
}

static void *write_mix(void *arg)
{
    const struct worker *worker = arg;
    struct support_random random = support_random_new(100 + worker->number);
    for (unsigned i = 0; i < UPDATES; i++)
        require(anystore_update(stores[i % INSTANCES], mix, &random, NULL) == ANYSTORE_OK,
                "an update failed");
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static bool count_values(const void *key, size_t key_size, const struct anystore_value *value,
                         void *arg)
{
    require(value->size == key_size && memcmp(value->data, key, key_size) == 0, "a wrong value");
    ++*(unsigned *)arg;
    return true;
}

static bool walk(struct anystore_txn *txn, void *arg)
{
    unsigned count = 0;
    (void)arg;
    anystore_each(txn, count_values, &count);
    return count <= anystore_count(txn);
}

static void *read_mix(void *arg)
{
    const struct worker *worker = arg;
    struct anystore_stats stats;
    for (unsigned i = 0; atomic_load(&writers_left) > 0; i++) {
        struct anystore *store = stores[(worker->number + i) % INSTANCES];
        require(anystore_view(store, walk, NULL, NULL) == ANYSTORE_OK, "a wrong count");
        anystore_stats_read(store, &stats);
        if (i % 16 == 0)
            anystore_check(store);
    }
    return NULL;
}

static void test_mix(void **state)
{
    (void)state;
    run_threads(write_mix, read_mix);
    /* Nothing that expires is compared: the two may look at different moments. */
    support_clear(stores[0]);
    support_expect(stores[1], "1", NULL);
}

/* ---- Opening and closing under load ------------------------------------------------------- */

static void *open_and_close(void *arg)
{
    const struct worker *worker = arg;
    (void)worker;
    while (atomic_load(&writers_left) > 0) {
        struct anystore_key *key = support_key(1);
        struct anystore_options options = {.path = scratch.path, .key = key};
        long before = atomic_load(&observed), n = 0;
        struct anystore *store = anystore_open(&options, NULL);
        require(store != NULL, "an open failed");
        require(anystore_view(store, look, &n, NULL) == ANYSTORE_OK && n >= before,
                "an open went back behind what was seen");
        observe(n);
        require(anystore_update(store, count_up, &n, NULL) == ANYSTORE_OK && n > before,
                "an update failed");
        observe(n);
        anystore_close(store);
        anystore_key_free(key);
    }
    return NULL;
}

static void test_opening_under_load(void **state)
{
    (void)state;
    atomic_store(&observed, 0);
    run_threads(write_counter, open_and_close);
    for (size_t i = 0; i < INSTANCES; i++)
        assert_int_equal(support_get_number(stores[i], "n"), atomic_load(&observed));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counter),
        TEST(test_accounts),
        TEST(test_mix),
        TEST(test_opening_under_load),
    };
    support_seed();
    return cmocka_run_group_tests_name("store_thread", tests, NULL, NULL);
}
