/* SPDX-License-Identifier: MIT */
/* Runs a workload of several processes, one life of the disk after the other. */
#include "tests/store/power/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/store/power/fibers.h"
#include "tests/store/power/internal.h"

void power_fail(const struct run *run, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_error("%s\nANYSTORE_TEST_SEED=%llu repeats it, as the first of the same test\n", text,
                (unsigned long long)run->seed);
    fail();
    __builtin_unreachable();
}

/* A store that was made long ago. */
static void make_store(struct run *run)
{
    struct anystore_error error;
    struct fibers_entry entry = fibers_enter();
    struct anystore *store =
        power_open(memory_disk_table(run->memory), ANYSTORE_FSYNC_ALWAYS, &error);
    assert_non_null(store);
    anystore_close(store);
    memory_disk_settle(run->memory);
    fibers_leave(&entry);
    run->opened = true;
}

static void start_processes(struct run *run)
{
    const struct power_plan *plan = run->plan;
    run->living = plan->processes;
    for (unsigned i = 0; i < plan->processes; i++) {
        struct process *process = &run->processes[i];
        *process = (struct process){
            .run = run, .number = i, .group = 1 + i + run->life * POWER_PROCESSES_MOST};
        if (i < plan->deaths)
            process->calls_left = 1 + (unsigned)support_random_below(
                                          &run->random, 40 * plan->operations * plan->clients);
    }
    for (unsigned i = 0; i < plan->processes; i++)
        assert_int_equal(
            pthread_create(&run->processes[i].thread, NULL, power_process, &run->processes[i]), 0);
}

/* Until all have ended or are dead. */
static void wait_for_processes(struct run *run)
{
    pthread_mutex_lock(&run->mutex);
    while (run->living > 0)
        pthread_cond_wait(&run->ended, &run->mutex);
    pthread_mutex_unlock(&run->mutex);
}

/* Frees what the dead still hold. */
static void bury(struct run *run)
{
    for (unsigned i = 0; i < run->plan->processes; i++)
        fibers_thaw(run->processes[i].group);
    for (unsigned i = 0; i < run->plan->processes; i++)
        pthread_join(run->processes[i].thread, NULL);
}

static void live(struct run *run)
{
    const struct power_plan *plan = run->plan;
    run->over = false;
    run->calls = 0;
    run->changes = 0;
    run->ends_at = 0;
    if (run->life + 1 < plan->lives)
        run->ends_at = 1 + support_random_below(&run->random, 50 * plan->operations *
                                                                  plan->clients * plan->processes);
    fibers_set_on_moment(power_moment, run);
    start_processes(run);
    wait_for_processes(run);
    power_moment(run);
    fibers_set_on_moment(NULL, NULL);
    if (!run->over)
        power_end_life(run);
    bury(run);
    memory_disk_free(run->memory);
    run->memory = run->next;
}

static struct power_state empty_state(void)
{
    struct power_state empty;
    struct fibers_entry entry = fibers_enter();
    struct anystore *none = support_open(NULL);
    assert_int_equal(anystore_view(none, power_look, &empty, NULL), ANYSTORE_OK);
    anystore_close(none);
    fibers_leave(&entry);
    return empty;
}

void power_run(const struct power_plan *plan, uint64_t seed, struct power_images *images,
               struct power_totals *totals)
{
    struct run run = {.plan = plan,
                      .seed = seed,
                      .random = {seed},
                      .images = images,
                      .totals = totals,
                      .mutex = PTHREAD_MUTEX_INITIALIZER,
                      .ended = PTHREAD_COND_INITIALIZER};
    fibers_begin(seed);
    struct power_state empty = empty_state();
    run.memory = memory_disk_new(&plan->abilities);
    power_history_begin(&run.history, &empty);
    if (!plan->fresh)
        make_store(&run);
    memory_disk_omit_syncs(run.memory, plan->omitted);
    fibers_set_rarely(plan->rarely > 0 ? plan->rarely : 1);
    for (run.life = 0; run.life < plan->lives; run.life++)
        live(&run);
    memory_disk_free(run.memory);
    power_history_free(&run.history);
    totals->runs++;
}
