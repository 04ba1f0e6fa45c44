/* SPDX-License-Identifier: MIT */
/* Protects the promises across power cuts: several processes on a disk in memory; at every one of
 * its calls and in between, everything that a cut could leave is opened (power/run.h,
 * disks/memory_cut.h).  ANYSTORE_TEST_SCALE=100 runs a hundred times as many workloads,
 * ANYSTORE_TEST_ONLY='test_power_cuts*' only those tests, ANYSTORE_TEST_TRACE=1 prints each call of
 * the processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/store/power/fiber_sanitizer.h"
#include "tests/store/power/run.h"
#include "tests/store/support.h"

/* Sanitizers take several times as long. */
#if defined(FIBER_TSAN)
#define SLOWER 40
#elif defined(FIBER_ASAN)
#define SLOWER 20
#else
#define SLOWER 1
#endif

/* What the tests have examined and opened. */
static struct power_totals all;
static struct power_images images;

static unsigned scaled(unsigned count)
{
    const char *scale = getenv("ANYSTORE_TEST_SCALE");
    unsigned times = scale ? (unsigned)strtoul(scale, NULL, 10) : 1;
    return count * (times > 0 ? times : 1) / SLOWER + 1;
}

static void print_totals(const struct power_totals *totals, size_t states)
{
    print_message("             %llu workloads: %llu opens, %llu updates, %llu bases, %llu deaths, "
                  "%llu failing calls, %llu power cuts gone on from\n",
                  (unsigned long long)totals->runs, (unsigned long long)totals->opens,
                  (unsigned long long)totals->commits, (unsigned long long)totals->bases,
                  (unsigned long long)totals->deaths, (unsigned long long)totals->faults,
                  (unsigned long long)totals->cuts);
    print_message("             %llu moments, %llu of them in full: %llu crashes, %zu new states\n",
                  (unsigned long long)totals->moments, (unsigned long long)totals->full_moments,
                  (unsigned long long)totals->crashes, states);
}

static struct memory_disk_abilities any_abilities(struct support_random *random)
{
    size_t bits = support_random_below(random, 8);
    return (struct memory_disk_abilities){bits & 1, bits & 2, bits & 4};
}

/* Each workload has a seed of its own, so that one that failed can be the first. */
typedef struct power_plan plan_fn(struct support_random *random);

static void run_plan(plan_fn *plan_of, uint64_t seed, struct power_images *opened,
                     struct power_totals *totals)
{
    struct support_random random = {seed};
    support_random_next(&random);
    const struct power_plan plan = plan_of(&random);
    power_run(&plan, seed, opened, totals);
}

static void run_plans(plan_fn *plan_of, unsigned count, struct power_images *opened,
                      struct power_totals *totals)
{
    size_t before = opened->count;
    *totals = (struct power_totals){.runs = 0};
    for (unsigned i = 0; i < count; i++)
        run_plan(plan_of, support_seed() + i, opened, totals);
    print_totals(totals, opened->count - before);
}

/* The same, for those that count. */
static struct power_totals run_scaled(plan_fn *plan_of, unsigned count)
{
    struct power_totals totals;
    run_plans(plan_of, scaled(count), &images, &totals);
    all.crashes += totals.crashes;
    return totals;
}

/* ---- In full ------------------------------------------------------------------------------ */

/* Two processes, two operations each. */
static struct power_plan small_plan(struct support_random *random)
{
    return (struct power_plan){.abilities = any_abilities(random),
                               .processes = 2,
                               .clients = 1,
                               .operations = 2,
                               .lives = 1,
                               .value_most = 40,
                               .views = 2,
                               .rewrites = 4,
                               .reopens = 2,
                               .deaths = (unsigned)support_random_below(random, 2),
                               .rarely = 1 + (unsigned)support_random_below(random, 4),
                               .fresh = support_random_below(random, 8) == 0,
                               .file_most = 1 << 14,
                               .images_most = 1 << 24};
}

static void test_all_that_can_be_left(void **state)
{
    (void)state;
    struct power_totals totals = run_scaled(small_plan, 200);
    assert_int_equal(totals.full_moments, totals.moments);
}

/* ---- By chance ---------------------------------------------------------------------------- */

static struct power_plan any_plan(struct support_random *random)
{
    static const size_t sizes[] = {20, 600, 9000};
    struct power_plan plan = {.abilities = any_abilities(random),
                              .processes = 1 + (unsigned)support_random_below(random, 3),
                              .clients = 1 + (unsigned)support_random_below(random, 2),
                              .operations = 3 + (unsigned)support_random_below(random, 6),
                              .lives = 1 + (unsigned)support_random_below(random, 3),
                              .value_most = sizes[support_random_below(random, 3)],
                              .views = (unsigned)support_random_below(random, 10),
                              .rewrites = (unsigned)support_random_below(random, 5),
                              .reopens = (unsigned)support_random_below(random, 2),
                              .rarely = 1 << support_random_below(random, 6),
                              .fresh = support_random_below(random, 8) == 0,
                              .file_most = 64,
                              .images_most = 40};
    plan.deaths = (unsigned)support_random_below(random, plan.processes);
    return plan;
}

static void test_power_cuts(void **state)
{
    (void)state;
    struct power_totals totals = run_scaled(any_plan, 30);
    assert_true(totals.deaths > 0 || totals.runs < 20);
}

static struct power_plan failing_plan(struct support_random *random)
{
    struct power_plan plan = any_plan(random);
    plan.faults = 10 + (unsigned)support_random_below(random, 100);
    return plan;
}

static void test_power_cuts_and_failing_calls(void **state)
{
    (void)state;
    struct power_totals totals = run_scaled(failing_plan, 30);
    assert_true(totals.faults > 0 || totals.runs < 20);
}

static struct power_plan unsynced_plan(struct support_random *random)
{
    struct power_plan plan = any_plan(random);
    plan.kills_only = true;
    return plan;
}

static void test_kills_without_fsync(void **state)
{
    (void)state;
    run_scaled(unsynced_plan, 30);
}

static struct power_plan long_plan(struct support_random *random)
{
    struct power_plan plan = any_plan(random);
    plan.processes = 3;
    plan.lives = 4;
    plan.faults = (unsigned)support_random_below(random, 2) * 200;
    return plan;
}

/* As many of these as necessary. */
static void test_until_there_were_enough(void **state)
{
    struct power_totals totals = {.runs = 0};
    size_t before = images.count;

    (void)state;
    while (images.count < scaled(150000))
        run_plan(long_plan, support_seed() + totals.runs, &images, &totals);
    print_totals(&totals, images.count - before);
    print_message("             in all: %llu crashes, %zu distinct states\n",
                  (unsigned long long)all.crashes + totals.crashes, images.count);
}

/* ---- The tests' own ----------------------------------------------------------------------- */

static const char *left_out;

static struct power_plan omitting_plan(struct support_random *random)
{
    struct power_plan plan = small_plan(random);
    plan.fresh = true;
    plan.omitted = left_out;
    plan.file_most = 32;
    plan.images_most = 100; /* there are many */
    return plan;
}

/* The tests above can fail: without syncs of one kind, acknowledged writes are lost. */
static void test_syncs_left_out(void **state)
{
    static const char *const kinds[] = {"/", ".spare", ".base", ".tmp"};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct power_images lossy = {.size = 0};
        struct power_totals totals = {.losses = 0};
        left_out = kinds[i];
        while (totals.losses == 0 && totals.runs < 100) /* not every workload has a base */
            run_plan(omitting_plan, support_seed() + totals.runs, &lossy, &totals);
        print_message("             without syncs of %s: %llu of %llu crashes lose something\n",
                      left_out, (unsigned long long)totals.losses,
                      (unsigned long long)totals.crashes);
        assert_true(totals.losses > 0);
        power_images_free(&lossy);
    }
}

/* A seed repeats everything. */
static void test_a_seed_repeats_all(void **state)
{
    struct power_totals totals[2];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct power_images opened = {.size = 0};
        run_plans(failing_plan, 2 / SLOWER + 1, &opened, &totals[i]);
        power_images_free(&opened);
    }
    assert_true(totals[0].digest == totals[1].digest);
    assert_int_equal(totals[0].crashes, totals[1].crashes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_that_can_be_left),
        cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_power_cuts_and_failing_calls),
        cmocka_unit_test(test_kills_without_fsync),
        cmocka_unit_test(test_until_there_were_enough),
        cmocka_unit_test(test_syncs_left_out),
        cmocka_unit_test(test_a_seed_repeats_all),
    };
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* checks run on other stacks: nowhere to jump from */
    cmocka_set_test_filter(getenv("ANYSTORE_TEST_ONLY"));
    support_seed();
    int failed = cmocka_run_group_tests_name("store_power", tests, NULL, NULL);
    power_images_free(&images);
    return failed;
}
