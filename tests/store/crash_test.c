/* SPDX-License-Identifier: MIT */
/* Protects the promises across crashes, with threads of the system (power_test.c does more, with
 * threads that take turns).  On a disk in memory, at every disk call of every commit: opens some of
 * what a power cut or the death of all processes could leave; it must hold, whole, every commit
 * that was acknowledged and every one that a reader has seen.  On the system's disk, a process dies
 * at every call while another one has the file open and goes on. */
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

#include "store/store.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/disks/memory_cut.h"
#include "tests/store/disks/memory_disk.h"
#include "tests/store/support.h"

/* A name in the root directory, which exists on every machine; the file is in memory. */
#define PATH "/anystore-crash-test"

/* ---- What the store holds: a number, and as many keys ------------------------------------- */

/* More bytes than are compared in a spare, so that missing ones can be torn out unseen. */
static bool raise_number(struct anystore_txn *txn, void *arg)
{
    static const char bytes[5000];
    struct anystore_value value = {.size = 0};
    char text[24] = "", key[32];
    (void)arg;
    if (anystore_get(txn, "n", 1, &value))
        memcpy(text, value.data, value.size);
    long n = strtol(text, NULL, 10) + 1;
    value = (struct anystore_value){.data = text, .size = (size_t)sprintf(text, "%ld", n)};
    if (anystore_put(txn, "n", 1, &value) != ANYSTORE_OK)
        return false;
    value = (struct anystore_value){.data = bytes, .size = sizeof bytes};
    return anystore_put(txn, key, (size_t)sprintf(key, "key %ld", n), &value) == ANYSTORE_OK;
}

/* The number; -1 if the keys do not match it, as if a commit were there in part. */
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
    unsigned skipped; /* of `skipped` + 1 calls, so many are passed over, by chance */
    atomic_long started, acknowledged, served;
    long least; /* must remain: noted before the crash, as commits may go on meanwhile */
    unsigned long crashes, losses;
    _Atomic(bool) busy; /* the hook's own calls are not looked at */
};

static uint64_t next_random(void *arg)
{
    return support_random_next(arg);
}

/* Opens what is left, checks it, and goes on with it.  Counts losses. */
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

/* Two writers by turns, one of which is watched, and bases in between. */
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

/* ---- Bases beside commits ----------------------------------------------------------------- */

struct beside {
    struct anystore_submission submission;
    atomic_bool done;
    struct anystore_error error;
};

static void on_base_done(struct anystore_submission *submission, bool ran,
                         const struct anystore_error *error)
{
    struct beside *beside = (struct beside *)(void *)submission;
    (void)ran;
    beside->error = *error;
    atomic_store(&beside->done, true);
}

/* Bases are written while two instances commit; at each call of both threads of one of them the
 * power is cut. */
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
            struct beside beside = {
                .submission = {.kind = ANYSTORE_SUBMIT_BASE, .on_done = on_base_done}};
            anystore_submit(store, &beside.submission);
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

/* The tests above can fail: without syncs, power cuts do lose commits. */
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

/* In a child: commits until its `calls`th disk call, with a base in between. */
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
        cmocka_unit_test(test_power_cuts_beside_a_base),
        cmocka_unit_test(test_the_test),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* hooks run on other threads: nowhere to jump from */
    support_seed();
    return cmocka_run_group_tests_name("store_crash", tests, NULL, NULL);
}
