/* SPDX-License-Identifier: MIT */
/* Protects the promises across crashes.  On a disk in memory, at every disk call of every commit:
 * what a power cut or the death of all processes could leave is opened, and must hold every commit
 * that was acknowledged and every one that a reader has seen, whole.  On the system's disk, a
 * process dies at every call while another one has the file open and goes on. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hook_disk.h"
#include "memory_cut.h"
#include "memory_disk.h"
#include "store_internal.h"
#include "support.h"

/* A name in the root directory, as that is there on every machine; the file is in memory. */
#define PATH "/anystore-crash-test"

/* ---- What the store holds: a number, and as many keys ------------------------------------- */

static bool raise_by_bytes(struct anystore_txn *txn, size_t size)
{
    static const char bytes[9000];
    struct anystore_value value = {.size = 0};
    char text[24] = "", key[32];
    if (anystore_get(txn, "n", 1, &value))
        memcpy(text, value.data, value.size);
    long n = strtol(text, NULL, 10) + 1;
    value = (struct anystore_value){.data = text, .size = (size_t)sprintf(text, "%ld", n)};
    if (anystore_put(txn, "n", 1, &value) != ANYSTORE_OK)
        return false;
    value =
        (struct anystore_value){.data = bytes, .size = size < sizeof bytes ? size : sizeof bytes};
    return anystore_put(txn, key, (size_t)sprintf(key, "key %ld", n), &value) == ANYSTORE_OK;
}

/* More than is compared of a spare, so that what one lacks can be torn out of sight. */
static bool raise_number(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return raise_by_bytes(txn, 5000);
}

static bool raise_by_more(struct anystore_txn *txn, void *arg)
{
    (void)arg;
    return raise_by_bytes(txn, SIZE_MAX);
}

/* The number; -1 if it and the keys do not fit, as if a commit were there in part. */
static bool look(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value;
    char text[24] = "", key[32];
    long *n = arg;
    if (anystore_get(txn, "n", 1, &value))
        memcpy(text, value.data, value.size);
    *n = strtol(text, NULL, 10);
    long keys = *n + (*n > 0);
    bool last = *n == 0 || anystore_get(txn, key, (size_t)sprintf(key, "key %ld", *n), NULL);
    if (anystore_count(txn) != (uint64_t)keys || !last)
        *n = -1;
    return true;
}

static struct anystore *try_open_on(const struct disk *disk, const char *path,
                                    enum anystore_fsync fsync_mode, struct anystore_error *error)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = path, .key = key, .fsync = fsync_mode};
    struct anystore *store = store_open_on_disk(&options, disk, error);
    anystore_key_free(key);
    return store;
}

static struct anystore *open_on(const struct disk *disk, const char *path,
                                enum anystore_fsync fsync_mode)
{
    struct anystore_error error;
    struct anystore *store = try_open_on(disk, path, fsync_mode, &error);
    if (!store)
        print_error("%s\n", error.text);
    assert_non_null(store);
    return store;
}

static long number_in(struct anystore *store)
{
    struct anystore_error error;
    long n = -1;
    if (anystore_view(store, look, &n, &error) != ANYSTORE_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, ANYSTORE_OK);
    return n;
}

static void raise_well(struct anystore *store)
{
    struct anystore_error error;
    if (anystore_update(store, raise_number, NULL, &error) != ANYSTORE_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, ANYSTORE_OK);
}

/* ---- Crashes at every call ---------------------------------------------------------------- */

struct run {
    struct memory_disk *memory;
    struct hook_disk hook;
    struct support_random random;
    struct anystore *reader; /* on the same disk, without the hook */
    enum anystore_fsync fsync_mode;
    unsigned cuts;    /* power cuts per call */
    unsigned skipped; /* so many of `skipped` + 1 calls are passed over, by chance */
    atomic_long started, acknowledged, served;
    long least; /* what must be left: noted before the crash, as commits may go on meanwhile */
    unsigned long crashes, losses;
    _Atomic(bool) busy; /* the hook's own calls are not looked at */
};

static uint64_t next_random(void *arg)
{
    return support_random_next(arg);
}

/* Opens what is left, checks it, and goes on with it.  Nothing may be lost, or it is counted. */
static void recover(struct run *run, struct memory_disk *left, bool nothing_lost)
{
    long least = run->least;
    struct anystore_error error;
    struct anystore *store = try_open_on(memory_disk_table(left), PATH, run->fsync_mode, &error);
    long n = store ? number_in(store) : -1;
    if (n < least && nothing_lost)
        print_error("%ld of %ld are left: %s\n", n, least, error.text);
    assert_true(n >= least || !nothing_lost);
    assert_true(n <= atomic_load(&run->started));
    run->crashes++;
    run->losses += n < least;
    if (n >= 0) {
        raise_well(store);
        struct anystore *again = open_on(memory_disk_table(left), PATH, run->fsync_mode);
        assert_int_equal(number_in(again), n + 1);
        anystore_check(again);
        anystore_close(again);
    }
    anystore_close(store);
    memory_disk_free(left);
}

static void note_least(struct run *run)
{
    long acknowledged = atomic_load(&run->acknowledged), served = atomic_load(&run->served);
    run->least = served > acknowledged ? served : acknowledged;
}

static int crash(struct hook_disk *hook, enum hook_call call)
{
    struct run *run = hook->arg;
    (void)call;
    if (atomic_exchange(&run->busy, true))
        return 0;
    if (run->reader) {
        note_least(run);
        long seen = number_in(run->reader);
        assert_true(seen >= run->least); /* linearizable */
        atomic_store(&run->served, seen);
    }
    if (support_random_below(&run->random, run->skipped + 1) > 0) {
        atomic_store(&run->busy, false);
        return 0;
    }
    for (unsigned i = 0; i < run->cuts; i++) {
        note_least(run);
        recover(run, memory_disk_after_power_cut(run->memory, next_random, &run->random),
                run->fsync_mode == ANYSTORE_FSYNC_ALWAYS);
    }
    note_least(run);
    recover(run, memory_disk_after_kill(run->memory), true);
    atomic_store(&run->busy, false);
    return 0;
}

/* Two writers by turns, one of which is looked at, and bases in between. */
static void run_crashes(struct memory_disk_abilities abilities, enum anystore_fsync fsync_mode,
                        unsigned cuts, unsigned rounds, uint64_t stream, struct run *run)
{
    struct anystore_error error;
    *run = (struct run){.fsync_mode = fsync_mode, .cuts = cuts, .skipped = SUPPORT_SLOW ? 6 : 0};
    run->memory = memory_disk_new(&abilities);
    run->random = support_random_new(stream);
    hook_disk_init(&run->hook, memory_disk_table(run->memory));
    run->hook.arg = run;
    run->hook.on_call = crash;
    struct anystore *store = open_on(&run->hook.table, PATH, fsync_mode);
    atomic_store(&run->busy, true);
    struct anystore *other = open_on(memory_disk_table(run->memory), PATH, fsync_mode);
    run->reader = open_on(memory_disk_table(run->memory), PATH, fsync_mode);
    atomic_store(&run->busy, false);
    for (unsigned i = 0; i < rounds; i++) {
        atomic_fetch_add(&run->started, 1);
        raise_well(i % 3 == 2 ? other : store);
        atomic_fetch_add(&run->acknowledged, 1);
        if (i % 5 == 4)
            assert_int_equal(support_rewrite(i % 2 ? other : store, &error), ANYSTORE_OK);
    }
    while (atomic_exchange(&run->busy, true))
        ; /* the commit thread may still be at its last call */
    assert_int_equal(number_in(store), rounds);
    anystore_close(other);
    anystore_close(store);
    anystore_close(run->reader);
    memory_disk_free(run->memory);
    print_message("             %lu crashes\n", run->crashes);
}

static void test_power_cuts(void **state)
{
    struct run run;

    (void)state;
    run_crashes((struct memory_disk_abilities){true, true, true}, ANYSTORE_FSYNC_ALWAYS, 3, 10, 1,
                &run);
    run_crashes((struct memory_disk_abilities){false, true, true}, ANYSTORE_FSYNC_ALWAYS, 3, 10, 2,
                &run);
    run_crashes((struct memory_disk_abilities){false, false, false}, ANYSTORE_FSYNC_ALWAYS, 3, 10,
                3, &run);
}

static void test_kills_without_fsync(void **state)
{
    struct run run;

    (void)state;
    run_crashes((struct memory_disk_abilities){true, true, true}, ANYSTORE_FSYNC_NO, 0, 12, 4,
                &run);
    run_crashes((struct memory_disk_abilities){false, false, false}, ANYSTORE_FSYNC_NO, 0, 12, 5,
                &run);
}

/* ---- A death, and then the power ---------------------------------------------------------- */

/* At each call of a writer all processes are killed; others come and go on, and at each call of
 * theirs the power is cut. */
static int kill_all(struct hook_disk *hook, enum hook_call call)
{
    struct run *run = hook->arg;
    (void)call;
    if (atomic_exchange(&run->busy, true))
        return 0;
    long seen = number_in(run->reader);
    assert_true(seen >= atomic_load(&run->acknowledged));
    if (support_random_below(&run->random, SUPPORT_SLOW ? 15 : 3) > 0) { /* enough for one run */
        atomic_store(&run->busy, false);
        return 0;
    }
    struct run next = {.fsync_mode = run->fsync_mode, .cuts = run->cuts};
    next.memory = memory_disk_after_kill(run->memory);
    next.random = support_random_new(support_random_next(&run->random));
    atomic_store(&next.started, atomic_load(&run->started));
    atomic_store(&next.acknowledged, seen);
    hook_disk_init(&next.hook, memory_disk_table(next.memory));
    next.hook.arg = &next;
    next.hook.on_call = crash;
    struct anystore *store = open_on(&next.hook.table, PATH, run->fsync_mode);
    atomic_store(&next.served, number_in(store));
    atomic_fetch_add(&next.started, 1);
    raise_well(store);
    atomic_store(&next.acknowledged, number_in(store));
    while (atomic_exchange(&next.busy, true))
        ;
    anystore_close(store);
    memory_disk_free(next.memory);
    run->crashes += next.crashes;
    atomic_store(&run->busy, false);
    return 0;
}

static void test_power_cuts_after_a_death(void **state)
{
    struct anystore_error error;

    (void)state;
    for (unsigned exchange = 0; exchange < 2; exchange++) {
        struct run run = {.fsync_mode = ANYSTORE_FSYNC_ALWAYS, .cuts = 1};
        run.memory = memory_disk_new(&(struct memory_disk_abilities){true, true, exchange != 0});
        run.random = support_random_new(8 + exchange);
        hook_disk_init(&run.hook, memory_disk_table(run.memory));
        run.hook.arg = &run;
        run.hook.on_call = kill_all;
        atomic_store(&run.busy, true);
        struct anystore *store = open_on(&run.hook.table, PATH, run.fsync_mode);
        run.reader = open_on(memory_disk_table(run.memory), PATH, run.fsync_mode);
        atomic_store(&run.busy, false);
        for (unsigned i = 0; i < 2; i++) {
            atomic_fetch_add(&run.started, 1);
            raise_well(store);
            atomic_fetch_add(&run.acknowledged, 1);
            if (i == 0)
                assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
        }
        while (atomic_exchange(&run.busy, true))
            ;
        anystore_close(store);
        anystore_close(run.reader);
        memory_disk_free(run.memory);
        print_message("             %lu crashes\n", run.crashes);
    }
}

/* ---- Bases beside commits ----------------------------------------------------------------- */

struct beside {
    struct anystore_request request;
    atomic_bool done;
    struct anystore_error error;
};

static void on_base_done(struct anystore_request *request, bool ran,
                         const struct anystore_error *error)
{
    struct beside *beside = (struct beside *)(void *)request;
    (void)ran;
    beside->error = *error;
    atomic_store(&beside->done, true);
}

/* Bases are written while two instances commit; at each call of both threads of one of them the power is
 * cut. */
static void test_power_cuts_beside_a_base(void **state)
{
    (void)state;
    for (unsigned abilities = 0; abilities < 4; abilities++) {
        struct run run = {
            .fsync_mode = ANYSTORE_FSYNC_ALWAYS, .cuts = 2, .skipped = SUPPORT_SLOW ? 9 : 1};
        run.memory = memory_disk_new(
            &(struct memory_disk_abilities){abilities == 1, abilities < 3, abilities != 2});
        run.random = support_random_new(20 + abilities);
        hook_disk_init(&run.hook, memory_disk_table(run.memory));
        run.hook.arg = &run;
        run.hook.on_call = crash;
        atomic_store(&run.busy, true);
        struct anystore *store = open_on(&run.hook.table, PATH, run.fsync_mode);
        struct anystore *other = open_on(memory_disk_table(run.memory), PATH, run.fsync_mode);
        run.reader = open_on(memory_disk_table(run.memory), PATH, run.fsync_mode);
        atomic_store(&run.busy, false);
        for (unsigned round = 0; round < 3; round++) {
            struct beside beside = {.request = {.rewrite = true, .on_done = on_base_done}};
            anystore_submit(store, &beside.request);
            for (unsigned i = 0; i < 2 || (i < 25 && !atomic_load(&beside.done)); i++) {
                atomic_fetch_add(&run.started, 1);
                raise_well(i % 2 ? other : store);
                atomic_fetch_add(&run.acknowledged, 1);
            }
            while (!atomic_load(&beside.done))
                sched_yield();
            assert_int_equal(beside.error.status, ANYSTORE_OK);
        }
        while (atomic_exchange(&run.busy, true))
            ;
        assert_int_equal(number_in(store), atomic_load(&run.started));
        anystore_check(store);
        anystore_close(other);
        anystore_close(store);
        anystore_close(run.reader);
        memory_disk_free(run.memory);
        print_message("             %lu crashes\n", run.crashes);
    }
}

/* ---- A death among others, and then the power --------------------------------------------- */

/* An instance that stops for good at some call, as if its process had been killed there. */
struct victim {
    struct hook_disk hook;
    struct anystore_request request;
    struct memory_disk *memory;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int left; /* calls until its death; negative: none is near */
    bool dead, buried, done;
};

static int stop_for_good(struct hook_disk *hook, enum hook_call call)
{
    struct victim *victim = hook->arg;
    (void)call;
    pthread_mutex_lock(&victim->mutex);
    if (victim->left >= 0 && victim->left-- == 0) {
        victim->dead = true;
        memory_disk_release_locks(victim->memory, 1);
        pthread_cond_broadcast(&victim->changed);
        while (!victim->buried)
            pthread_cond_wait(&victim->changed, &victim->mutex);
    }
    int number = victim->dead ? EIO : 0; /* when all is over, it must end somehow */
    pthread_mutex_unlock(&victim->mutex);
    return number;
}

static void on_victim_done(struct anystore_request *request, bool ran,
                           const struct anystore_error *error)
{
    struct victim *victim =
        (struct victim *)(void *)((char *)request - offsetof(struct victim, request));
    (void)ran;
    (void)error;
    pthread_mutex_lock(&victim->mutex);
    victim->done = true;
    pthread_cond_broadcast(&victim->changed);
    pthread_mutex_unlock(&victim->mutex);
}

/* The victim commits, or writes a base, and dies at a call of it; false if it had fewer.  The others,
 * who have the file open, go on; at each of their calls the power is cut. */
static bool run_death(struct memory_disk_abilities abilities, bool rewrite, int calls,
                      unsigned long *crashes)
{
    struct run run = {
        .fsync_mode = ANYSTORE_FSYNC_ALWAYS, .cuts = 2, .skipped = SUPPORT_SLOW ? 40 : 3};
    run.memory = memory_disk_new(&abilities);
    run.random = support_random_new(100 + (unsigned)calls);
    hook_disk_init(&run.hook, memory_disk_table(run.memory));
    run.hook.arg = &run;
    run.hook.on_call = crash;
    atomic_store(&run.busy, true);
    struct anystore *survivor = open_on(&run.hook.table, PATH, run.fsync_mode);
    run.reader = open_on(memory_disk_table(run.memory), PATH, run.fsync_mode);
    struct victim victim = {.memory = run.memory,
                            .mutex = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER,
                            .left = -1};
    hook_disk_init(&victim.hook, memory_disk_client(run.memory, 1));
    victim.hook.arg = &victim;
    victim.hook.on_call = stop_for_good;
    struct anystore *store = open_on(&victim.hook.table, PATH, run.fsync_mode);
    raise_well(store);
    raise_well(survivor);
    raise_well(store);
    number_in(run.reader);

    if (rewrite)
        victim.request.rewrite = true;
    else
        victim.request.fn = raise_by_more; /* longer than what comes in its place */
    victim.request.on_done = on_victim_done;
    pthread_mutex_lock(&victim.mutex);
    victim.left = calls;
    pthread_mutex_unlock(&victim.mutex);
    anystore_submit(store, &victim.request);
    pthread_mutex_lock(&victim.mutex);
    while (!victim.dead && !victim.done)
        pthread_cond_wait(&victim.changed, &victim.mutex);
    bool dead = victim.dead;
    victim.left = -1;
    pthread_mutex_unlock(&victim.mutex);

    if (dead) {
        long seen = number_in(run.reader);
        assert_true(seen >= 3 && seen <= 4);
        atomic_store(&run.started, 4);
        atomic_store(&run.acknowledged, seen);
        atomic_store(&run.busy, false);
        for (unsigned i = 0; i < 3; i++) {
            atomic_fetch_add(&run.started, 1);
            raise_well(survivor);
            atomic_store(&run.acknowledged, number_in(survivor));
            if (i == 1)
                assert_int_equal(support_rewrite(survivor, NULL), ANYSTORE_OK);
        }
        while (atomic_exchange(&run.busy, true))
            ;
        anystore_check(survivor);
        *crashes += run.crashes;
    }
    pthread_mutex_lock(&victim.mutex);
    victim.buried = true;
    pthread_cond_broadcast(&victim.changed);
    pthread_mutex_unlock(&victim.mutex);
    anystore_close(survivor);
    anystore_close(run.reader);
    anystore_close(store);
    memory_disk_free(run.memory);
    return dead;
}

static void test_power_cuts_after_a_death_among_others(void **state)
{
    unsigned long crashes = 0;

    (void)state;
    for (unsigned abilities = 0; abilities < 2; abilities++)
        for (unsigned rewrite = 0; rewrite < 2; rewrite++)
            for (int calls = 0;
                 run_death((struct memory_disk_abilities){abilities != 0, true, abilities == 0},
                           rewrite != 0, calls, &crashes);
                 calls++)
                assert_true(calls < 1000);
    print_message("             %lu crashes\n", crashes);
}

/* ---- A writer whose disk fails, and then the power ---------------------------------------- */

struct failing {
    struct hook_disk hook;
    _Atomic(int) fails_at, calls;
};

static int fail_once(struct hook_disk *hook, enum hook_call call)
{
    struct failing *failing = hook->arg;
    (void)call;
    return atomic_fetch_add(&failing->calls, 1) == atomic_load(&failing->fails_at) ? EIO : 0;
}

/* After a commit that failed at any call, a power cut may leave it or not; but neither it nor what
 * follows may be there in part, and what was acknowledged later stays. */
static void test_power_cut_after_a_failure(void **state)
{
    struct support_random random = support_random_new(6);
    unsigned long crashes = 0;

    (void)state;
    for (unsigned exchange = 0; exchange < 2; exchange++) {
        bool failed = true;
        for (int fails_at = 0; failed || fails_at < 40; fails_at++) {
            struct memory_disk *memory =
                memory_disk_new(&(struct memory_disk_abilities){false, true, exchange != 0});
            struct failing failing = {.fails_at = -1};
            struct anystore_error error;
            hook_disk_init(&failing.hook, memory_disk_table(memory));
            failing.hook.arg = &failing;
            failing.hook.on_call = fail_once;
            struct anystore *store = open_on(&failing.hook.table, PATH, ANYSTORE_FSYNC_ALWAYS);
            struct anystore *reader =
                open_on(memory_disk_table(memory), PATH, ANYSTORE_FSYNC_ALWAYS);
            raise_well(store);
            atomic_store(&failing.calls, 0);
            atomic_store(&failing.fails_at, fails_at);
            failed = anystore_update(store, raise_number, NULL, &error) != ANYSTORE_OK;
            atomic_store(&failing.fails_at, -1);
            long acknowledged = failed ? 1 : 2;
            for (unsigned more = 0; more < 3; more++) {
                long seen = number_in(reader);
                assert_true(seen >= acknowledged);
                for (unsigned i = 0; i < (SUPPORT_SLOW ? 1 : 10); i++) {
                    struct memory_disk *left =
                        memory_disk_after_power_cut(memory, next_random, &random);
                    struct anystore *after =
                        open_on(memory_disk_table(left), PATH, ANYSTORE_FSYNC_ALWAYS);
                    long n = number_in(after);
                    assert_true(n >= seen && n <= (long)(2 + more));
                    anystore_close(after);
                    memory_disk_free(left);
                    crashes++;
                }
                raise_well(store);
                acknowledged = number_in(store);
                assert_true(acknowledged >= seen + 1);
            }
            anystore_close(reader);
            anystore_close(store);
            memory_disk_free(memory);
            assert_true(fails_at < 1000);
        }
    }
    print_message("             %lu crashes\n", crashes);
}

/* A failed sync may have lost what it should have written, and later ones say nothing of it: none of
 * it may be used again. */
static void test_power_cut_after_a_lost_sync(void **state)
{
    struct support_random random = support_random_new(9);
    unsigned long crashes = 0;

    (void)state;
    for (unsigned round = 0; round < (SUPPORT_SLOW ? 8 : 40); round++) {
        struct memory_disk *memory = memory_disk_new(
            &(struct memory_disk_abilities){round % 4 == 2, round % 4 != 3, round % 4 != 1});
        struct anystore_error error;
        struct anystore *store = open_on(memory_disk_table(memory), PATH, ANYSTORE_FSYNC_ALWAYS);
        struct anystore *other = open_on(memory_disk_table(memory), PATH, ANYSTORE_FSYNC_ALWAYS);
        long n = 0;
        for (unsigned i = 0; i < 8; i++) {
            if (support_random_below(&random, 3) == 0) {
                memory_disk_lose_next_sync(memory);
                if (support_random_below(&random, 3) == 0)
                    assert_int_equal(support_rewrite(store, &error), ANYSTORE_IO);
                else
                    assert_int_equal(anystore_update(store, raise_number, NULL, &error),
                                     ANYSTORE_IO);
            }
            raise_well(i % 2 ? store : other);
            n++;
            for (unsigned cut = 0; cut < 4; cut++) {
                struct memory_disk *left =
                    memory_disk_after_power_cut(memory, next_random, &random);
                struct anystore *after =
                    open_on(memory_disk_table(left), PATH, ANYSTORE_FSYNC_ALWAYS);
                assert_int_equal(number_in(after), n);
                anystore_close(after);
                memory_disk_free(left);
                crashes++;
            }
        }
        assert_int_equal(number_in(other), n);
        anystore_close(other);
        anystore_close(store);
        memory_disk_free(memory);
    }
    print_message("             %lu crashes\n", crashes);
}

/* That the tests above can fail: without syncs, power cuts do lose commits. */
static void test_the_test(void **state)
{
    struct run run;

    (void)state;
    run_crashes((struct memory_disk_abilities){true, true, true}, ANYSTORE_FSYNC_NO, 5, 12, 7,
                &run);
    assert_true(run.losses > 0);
}

/* ---- Death of one process of several ------------------------------------------------------ */

struct shared {
    atomic_long started, acknowledged;
};

struct dying {
    struct hook_disk hook;
    atomic_int left; /* calls until death; negative: not yet */
};

static int die(struct hook_disk *hook, enum hook_call call)
{
    struct dying *dying = hook->arg;
    (void)call;
    if (atomic_load(&dying->left) >= 0 && atomic_fetch_sub(&dying->left, 1) == 0)
        kill(getpid(), SIGKILL);
    return 0;
}

/* In a child: commits until its `calls`th disk call, and a base in between. */
static void work_and_die(const char *path, int calls, struct shared *shared)
{
    struct dying dying = {.left = -1};
    hook_disk_init(&dying.hook, &disk_system);
    dying.hook.arg = &dying;
    dying.hook.on_call = die;
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = path, .key = key};
    struct anystore *store = store_open_on_disk(&options, &dying.hook.table, NULL);
    if (!store)
        _exit(1);
    atomic_store(&dying.left, calls);
    for (unsigned i = 0; i < 4; i++) {
        atomic_fetch_add(&shared->started, 1);
        if (anystore_update(store, raise_number, NULL, NULL) != ANYSTORE_OK)
            _exit(2);
        atomic_fetch_add(&shared->acknowledged, 1);
        if (i == 1 && support_rewrite(store, NULL) != ANYSTORE_OK)
            _exit(3);
    }
    _exit(0); /* no more calls: all were tried */
}

static void test_death_of_a_process(void **state)
{
    char *directory = support_directory_new();
    char *path = strdup(support_path(directory, "data"));
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool died = true;

    (void)state;
    assert_true(shared != MAP_FAILED);
    struct anystore *store = open_on(&disk_system, path, ANYSTORE_FSYNC_ALWAYS);
    anystore_close(store);
    for (int calls = 0; died; calls++) {
        int go[2], status;
        char byte = 0;
        assert_true(calls < 1000);
        assert_int_equal(pipe(go), 0);
        pid_t child = fork(); /* while this process has no other thread */
        assert_true(child >= 0);
        if (child == 0) {
            if (read(go[0], &byte, 1) != 1)
                _exit(4);
            work_and_die(path, calls, shared);
        }
        store = open_on(&disk_system, path, ANYSTORE_FSYNC_ALWAYS);
        assert_false(support_exists(support_path(directory, "data.tmp")));
        long before = number_in(store);
        atomic_store(&shared->started, 0);
        atomic_store(&shared->acknowledged, 0);
        assert_int_equal(write(go[1], &byte, 1), 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        assert_true(died || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
        long acknowledged = before + atomic_load(&shared->acknowledged);
        long started = before + atomic_load(&shared->started);
        long seen = number_in(store);
        assert_true(seen >= acknowledged && seen <= started);
        raise_well(store);
        long after = number_in(store);
        assert_true(after >= acknowledged + 1 && after <= started + 1);
        anystore_check(store);
        anystore_close(store);
        close(go[0]);
        close(go[1]);
    }
    munmap(shared, sizeof *shared);
    free(path);
    support_directory_free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_death_of_a_process), /* forks: before there were threads */
        cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_kills_without_fsync),
        cmocka_unit_test(test_power_cuts_after_a_death),
        cmocka_unit_test(test_power_cuts_beside_a_base),
        cmocka_unit_test(test_power_cuts_after_a_death_among_others),
        cmocka_unit_test(test_power_cut_after_a_failure),
        cmocka_unit_test(test_power_cut_after_a_lost_sync),
        cmocka_unit_test(test_the_test),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* hooks run on other threads: nowhere to jump from */
    support_seed();
    return cmocka_run_group_tests_name("store_crash", tests, NULL, NULL);
}
