/* SPDX-License-Identifier: MIT */
/* Protects all-or-nothing on a failing disk: whichever call fails, once or from then on, the caller
 * gets an error, nothing has changed in memory or in the file, no descriptor and no temporary file
 * is left behind, and the next update works when the disk does. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/store.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/support.h"

/* ---- The disk that fails ------------------------------------------------------------------ */

/* Abilities that the file system lacks. */
struct lacks {
    bool exchange, copy_range;
};

struct fault {
    struct hook_disk hook;
    pthread_mutex_t mutex;
    struct lacks lacks;
    /* From here on: the calls since it was armed, the one that fails, how it fails, and whether all
     * later ones fail, too. */
    bool armed;
    unsigned calls, fails_at;
    int number;
    bool for_good;
    bool hit;
    enum hook_call hit_call;
};

static int on_call(struct hook_disk *hook, enum hook_call call)
{
    struct fault *fault = hook->arg;
    int number = 0;
    pthread_mutex_lock(&fault->mutex);
    if (fault->armed) {
        unsigned turn = fault->calls++;
        if (turn == fault->fails_at || (fault->for_good && turn > fault->fails_at)) {
            number = fault->number;
            if (!fault->hit)
                fault->hit_call = call;
            fault->hit = true;
        }
    }
    pthread_mutex_unlock(&fault->mutex);
    if (number == 0 && call == HOOK_EXCHANGE && fault->lacks.exchange)
        number = EINVAL;
    if (number == 0 && call == HOOK_COPY_RANGE && fault->lacks.copy_range)
        number = EXDEV;
    return number;
}

static void fault_init(struct fault *fault, struct lacks lacks)
{
    memset(fault, 0, sizeof *fault);
    hook_disk_init(&fault->hook, &disk_system);
    fault->hook.arg = fault;
    fault->hook.on_call = on_call;
    pthread_mutex_init(&fault->mutex, NULL);
    fault->lacks = lacks;
}

static void fault_arm(struct fault *fault, unsigned fails_at, int number, bool for_good)
{
    pthread_mutex_lock(&fault->mutex);
    fault->armed = true;
    fault->calls = 0;
    fault->fails_at = fails_at;
    fault->number = number;
    fault->for_good = for_good;
    fault->hit = false;
    pthread_mutex_unlock(&fault->mutex);
}

/* Whether a call has failed. */
static bool fault_disarm(struct fault *fault)
{
    pthread_mutex_lock(&fault->mutex);
    fault->armed = false;
    bool hit = fault->hit;
    pthread_mutex_unlock(&fault->mutex);
    return hit;
}

static struct anystore *open_on(struct fault *fault, struct anystore_error *error)
{
    struct anystore_key *key = support_key(1);
    struct anystore_options options = {.path = scratch.path, .key = key};
    struct anystore *store = store_open_on_disk(&options, &fault->hook.table, error);
    anystore_key_free(key);
    return store;
}

/* ---- What is done on it ------------------------------------------------------------------- */

/* Key "n" holds a number that every update raises by one. */
static bool raise(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value = {.size = 0};
    char text[24] = "";
    (void)arg;
    if (anystore_get(txn, "n", 1, &value))
        memcpy(text, value.data, value.size);
    value.size = (size_t)sprintf(text, "%ld", strtol(text, NULL, 10) + 1);
    value.data = text;
    value.expire_ms = 0;
    return anystore_put(txn, "n", 1, &value) == ANYSTORE_OK;
}

static void raise_well(struct anystore *store)
{
    struct anystore_error error;
    if (anystore_update(store, raise, NULL, &error) != ANYSTORE_OK)
        print_error("%s\n", error.text);
    assert_int_equal(error.status, ANYSTORE_OK);
}

static bool look(struct anystore_txn *txn, void *arg)
{
    struct anystore_value value;
    char text[24] = "";
    if (anystore_get(txn, "n", 1, &value))
        memcpy(text, value.data, value.size);
    *(long *)arg = strtol(text, NULL, 10);
    return true;
}

struct scene {
    struct fault fault;
    struct anystore *store; /* on the failing disk */
    struct anystore *other; /* on a good one */
};

/* An operation during the fault; *changes tells whether it raises the number. */
typedef enum anystore_status operation(struct scene *scene, bool *changes,
                                       struct anystore_error *error);

static enum anystore_status do_update(struct scene *scene, bool *changes,
                                      struct anystore_error *error)
{
    *changes = true;
    return anystore_update(scene->store, raise, NULL, error);
}

static enum anystore_status do_rewrite(struct scene *scene, bool *changes,
                                       struct anystore_error *error)
{
    *changes = false;
    return support_rewrite(scene->store, error);
}

/* A view that has to read the other's latest write. */
static enum anystore_status do_view(struct scene *scene, bool *changes,
                                    struct anystore_error *error)
{
    long seen = 0;
    *changes = false;
    enum anystore_status status = anystore_view(scene->store, look, &seen, error);
    if (status == ANYSTORE_OK)
        assert_int_equal(seen, support_get_number(scene->other, "n"));
    return status;
}

static void prepare_nothing(struct scene *scene)
{
    (void)scene;
}

static void prepare_commit(struct scene *scene)
{
    raise_well(scene->other);
}

static void prepare_base(struct scene *scene)
{
    struct anystore_error error;
    raise_well(scene->other);
    assert_int_equal(support_rewrite(scene->other, &error), ANYSTORE_OK);
    raise_well(scene->other);
}

static void prepare_lock_file(struct scene *scene)
{
    (void)scene;
    assert_int_equal(unlink(support_path(scratch.directory, "data.lock")), 0);
}

static const struct scenario {
    const char *name;
    void (*prepare)(struct scene *scene);
    operation *operate;
} scenarios[] = {
    {"a commit", prepare_nothing, do_update},
    {"a commit after another's", prepare_commit, do_update},
    {"a commit after another's base", prepare_base, do_update},
    {"a commit after the lock file was removed", prepare_lock_file, do_update},
    {"a base", prepare_nothing, do_rewrite},
    {"catching up", prepare_commit, do_view},
    {"catching up over a base", prepare_base, do_view},
};

/* ---- What must hold ----------------------------------------------------------------------- */

static const int numbers[] = {EIO, ENOSPC, EINTR, HOOK_SHORT};

/* Whether the failed call leaves open which of two states the file has: after a rename that cannot
 * be undone. */
static bool either(const struct fault *fault)
{
    return fault->lacks.exchange || fault->for_good;
}

static void run_once(struct scene *scene, const struct scenario *scenario, unsigned fails_at,
                     int number, bool for_good, bool *hit)
{
    struct anystore_error error;
    bool changes = false;
    scenario->prepare(scene);
    long before = (long)support_get_number(scene->other, "n");
    fault_arm(&scene->fault, fails_at, number, for_good);
    enum anystore_status status = scenario->operate(scene, &changes, &error);
    *hit = fault_disarm(&scene->fault);
    assert_int_equal(error.status, status);
    long expected = before + (status == ANYSTORE_OK && changes);
    if (status != ANYSTORE_OK) {
        assert_true(*hit);
        support_check_text(&error, scratch.path);
    }
    if (support_exists(support_path(scratch.directory, "data.tmp")))
        assert_true(*hit && (scene->fault.hit_call == HOOK_UNLINK || for_good));

    long seen = (long)support_get_number(scene->store, "n");
    assert_int_equal(seen, expected); /* in memory */
    struct anystore *fresh = support_open(scratch.path);
    long kept = (long)support_get_number(fresh, "n"); /* in the file */
    assert_true(kept == expected || (either(&scene->fault) && changes && kept == before + 1));
    anystore_close(fresh);

    raise_well(scene->store);
    kept = kept + 1;
    assert_int_equal(support_get_number(scene->store, "n"), kept);
    if (scenario->prepare == prepare_lock_file) {
        raise_well(scene->other); /* a reader alone would need a second to find out */
        kept++;
    }
    assert_int_equal(support_get_number(scene->other, "n"), kept);
    assert_false(support_exists(support_path(scratch.directory, "data.tmp")));
    raise_well(scene->other);
    assert_int_equal(support_get_number(scene->store, "n"), kept + 1);
}

static void run_scenario(const struct scenario *scenario, struct lacks lacks)
{
    struct anystore_error error;
    struct scene scene;
    size_t descriptors = support_count_descriptors();
    fault_init(&scene.fault, lacks);
    scene.other = support_open(scratch.path);
    scene.store = open_on(&scene.fault, &error);
    assert_non_null(scene.store);
    raise_well(scene.store);
    support_get_number(scene.other, "n");
    size_t open_now = support_count_descriptors();
    for (unsigned for_good = 0; for_good < 2; for_good++)
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            if (for_good && numbers[i] != EIO && numbers[i] != ENOSPC)
                continue;
            if (SUPPORT_SLOW && numbers[i] != EIO) /* the threads do the same whatever the number */
                continue;
            bool hit = true;
            unsigned fails_at = 0;
            for (; hit; fails_at++) {
                assert_true(fails_at < 1000);
                run_once(&scene, scenario, fails_at, numbers[i], for_good, &hit);
                support_expect_descriptors(open_now);
            }
            assert_true(fails_at > 3);
        }
    anystore_check(scene.store);
    anystore_close(scene.store);
    anystore_close(scene.other);
    support_expect_descriptors(descriptors);
}

static void run_scenarios(struct lacks lacks)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        print_message("             %s\n", scenarios[i].name);
        run_scenario(&scenarios[i], lacks);
    }
}

static void test_all_calls(void **state)
{
    (void)state;
    run_scenarios((struct lacks){false, false});
}

static void test_all_calls_without_exchange(void **state)
{
    (void)state;
    run_scenarios((struct lacks){.exchange = true});
}

static void test_all_calls_without_copy_range(void **state)
{
    (void)state;
    run_scenarios((struct lacks){.copy_range = true});
}

/* ---- Opening ------------------------------------------------------------------------------ */

static void open_with_faults(bool exists, struct lacks lacks)
{
    size_t descriptors = support_count_descriptors();
    for (unsigned for_good = 0; for_good < 2; for_good++)
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            bool hit = true;
            if (for_good && numbers[i] != EIO)
                continue;
            for (unsigned fails_at = 0; hit; fails_at++) {
                struct fault fault;
                struct anystore_error error;
                assert_true(fails_at < 1000);
                if (!exists) {
                    unlink(scratch.path);
                    unlink(support_path(scratch.directory, "data.lock"));
                    unlink(support_path(scratch.directory, "data.spare"));
                }
                fault_init(&fault, lacks);
                fault_arm(&fault, fails_at, numbers[i], for_good);
                struct anystore *store = open_on(&fault, &error);
                hit = fault_disarm(&fault);
                if (!store) {
                    assert_true(hit);
                    support_check_text(&error, scratch.path);
                    support_expect_descriptors(descriptors);
                    store = open_on(&fault, &error);
                }
                assert_non_null(store);
                assert_int_equal(support_get_number(store, "n"), exists ? 1 : -1);
                support_put(store, "other", "1");
                anystore_close(store);
                assert_false(support_exists(support_path(scratch.directory, "data.tmp")));
                support_expect_descriptors(descriptors);
            }
        }
}

static void test_open(void **state)
{
    struct anystore_error error;

    (void)state;
    struct anystore *store = support_open(scratch.path);
    raise_well(store);
    assert_int_equal(support_rewrite(store, &error), ANYSTORE_OK);
    anystore_close(store);
    open_with_faults(true, (struct lacks){false, false});
    open_with_faults(true, (struct lacks){true, true});
}

static void test_open_new(void **state)
{
    (void)state;
    open_with_faults(false, (struct lacks){false, false});
}

/* ---- What is said ------------------------------------------------------------------------- */

static void test_statuses(void **state)
{
    static const struct {
        int number;
        enum anystore_status status;
        const char *text;
    } cases[] = {
        {ENOSPC, ANYSTORE_NO_SPACE, "No space left on device"},
        {EDQUOT, ANYSTORE_NO_SPACE, "quota"},
        {EFBIG, ANYSTORE_NO_SPACE, "too large"},
        {EROFS, ANYSTORE_READ_ONLY, "Read-only file system"},
        {EACCES, ANYSTORE_READ_ONLY, "Permission denied"},
        {EPERM, ANYSTORE_READ_ONLY, "not permitted"},
        {EIO, ANYSTORE_IO, "Input/output error"},
        {EMFILE, ANYSTORE_IO, "Too many open files"},
        {ENOMEM, ANYSTORE_NOMEM, "memory"},
    };
    struct anystore_error error;
    struct fault fault;

    (void)state;
    fault_init(&fault, (struct lacks){false, false});
    struct anystore *store = open_on(&fault, &error);
    raise_well(store);
    struct anystore_stats before, after;
    anystore_stats_read(store, &before);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fault_arm(&fault, 0, cases[i].number, true);
        assert_int_equal(anystore_update(store, raise, NULL, &error), cases[i].status);
        fault_disarm(&fault);
        assert_int_equal(error.sys_errno, cases[i].number);
        support_check_text(&error, scratch.path);
        assert_non_null(strstr(error.text, cases[i].text));
    }
    anystore_stats_read(store, &after);
    assert_int_equal(after.failed_commits, before.failed_commits + sizeof cases / sizeof *cases);
    assert_int_equal(after.commits, before.commits);
    assert_int_equal(support_get_number(store, "n"), 1);
    raise_well(store);
    anystore_close(store);
    for (enum anystore_status status = ANYSTORE_OK; status <= ANYSTORE_IO; status++)
        assert_true(strlen(anystore_status_text(status)) > 0);
    assert_non_null(anystore_status_text((enum anystore_status)1000));
}

/* In a batch, all get the error; an update's own refusal stays what it was. */
static bool raise_and_abort(struct anystore_txn *txn, void *arg)
{
    raise(txn, arg);
    return false;
}

static void test_aborted_in_a_failing_batch(void **state)
{
    struct anystore_error error;
    struct fault fault;

    (void)state;
    fault_init(&fault, (struct lacks){false, false});
    struct anystore *store = open_on(&fault, &error);
    raise_well(store);
    fault_arm(&fault, 7, ENOSPC, true);
    assert_int_equal(anystore_update(store, raise_and_abort, NULL, &error), ANYSTORE_ABORTED);
    fault_disarm(&fault);
    assert_int_equal(support_get_number(store, "n"), 1);
    anystore_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_calls),
        TEST(test_all_calls_without_exchange),
        TEST(test_all_calls_without_copy_range),
        TEST(test_open),
        TEST(test_open_new),
        TEST(test_statuses),
        TEST(test_aborted_in_a_failing_batch),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a store that is left open would fail the next test */
    return cmocka_run_group_tests_name("store_fault", tests, NULL, NULL);
}
