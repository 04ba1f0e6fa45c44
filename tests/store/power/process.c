/* SPDX-License-Identifier: MIT */
/* A process of a power run: opens the store, works on it, and may die. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/store/power/fibers.h"
#include "tests/store/power/internal.h"

bool power_is_gone(const struct process *process)
{
    return process->dead || process->run->over;
}

/* ---- Its disk ----------------------------------------------------------------------------- */

static bool by_chance(struct run *run, unsigned one_of)
{
    return one_of > 0 && support_random_below(&run->random, one_of) == 0;
}

/* Stops for good, and lets go of everything it held at once. */
static void die(struct process *process)
{
    struct run *run = process->run;
    struct fibers_entry entry = fibers_enter();
    process->dead = true;
    run->totals->deaths++;
    run->living--;
    memory_disk_release_locks(run->memory, process->number);
    pthread_cond_signal(&run->ended);
    fibers_leave(&entry);
    fibers_freeze(process->group);
}

static int fault(struct process *process, enum hook_call call)
{
    struct run *run = process->run;
    process->faults++;
    run->totals->faults++;
    if (call == HOOK_FSYNC && by_chance(run, 2)) {
        memory_disk_lose_next_sync(run->memory);
        return 0;
    }
    return by_chance(run, 3) ? HOOK_SHORT : EIO;
}

static int on_call(struct hook_disk *hook, enum hook_call call)
{
    struct process *process = hook->arg;
    struct run *run = process->run;
    if (!power_is_gone(process))
        fibers_pause();
    if (power_is_gone(process))
        return EIO;
    if (++run->calls == run->ends_at) {
        power_end_life(run);
        return EIO;
    }
    if (process->calls_left > 0 && --process->calls_left == 0) {
        die(process);
        return EIO;
    }
    int result = 0;
    if (process->store && by_chance(run, run->plan->faults))
        result = fault(process, call);
    if (getenv("ANYSTORE_TEST_TRACE"))
        print_message("call %llu: process %u, %s%s\n", (unsigned long long)run->calls,
                      process->number, hook_call_name(call), result != 0 ? ", fails" : "");
    return result;
}

/* ---- Its work ----------------------------------------------------------------------------- */

static void tried(const struct power_state *state, void *arg)
{
    struct run *run = arg;
    if (!run->over)
        power_history_add(&run->history, state);
}

static void raise_least(struct run *run, long n)
{
    run->least = n > run->least ? n : run->least;
}

/* How many calls had failed when an operation began, and how many of them can cause no error any
 * more: those before the submission of an update that succeeded.  (One client's wait may have begun
 * with another's.) */
struct start {
    unsigned faults, excused;
};

static struct start begin_operation(const struct process *process)
{
    return (struct start){process->faults, process->excused};
}

/* How a failing call may be reported: commit_install takes any failure of its last look for a file
 * that was replaced. */
static bool is_plausible(enum anystore_status status)
{
    return status == ANYSTORE_IO || status == ANYSTORE_REPLACED;
}

/* An error must have a reason. */
static bool went_well(const struct process *process, const struct start *start,
                      const struct anystore_error *error)
{
    if (error->status != ANYSTORE_OK && !power_is_gone(process) &&
        (process->faults == start->excused || !is_plausible(error->status)))
        power_fail(process->run, "process %u: %s", process->number, error->text);
    return error->status == ANYSTORE_OK && !power_is_gone(process);
}

static void update(struct process *process)
{
    struct run *run = process->run;
    struct anystore_error error;
    const struct start start = begin_operation(process);
    struct power_update update = {
        .process = process->number + run->life * POWER_PROCESSES_MOST,
        .operation = process->operation++,
        .size = support_random_below(&run->random, run->plan->value_most + 1),
        .on_tried = tried,
        .arg = run,
    };
    anystore_update(process->store, power_raise, &update, &error);
    if (!went_well(process, &start, &error))
        return;
    process->excused = start.faults > process->excused ? start.faults : process->excused;
    run->totals->commits++;
    raise_least(run, update.state.n);
}

static void view(struct process *process)
{
    struct run *run = process->run;
    struct anystore_error error;
    struct power_state state;
    const struct start start = begin_operation(process);
    long least = run->least;
    anystore_view(process->store, power_look, &state, &error);
    if (!went_well(process, &start, &error))
        return;
    if (state.n < least)
        power_fail(run, "process %u reads %ld after %ld", process->number, state.n, least);
    if (!power_history_has(&run->history, &state))
        power_fail(run, "process %u reads what nobody wrote", process->number);
    raise_least(run, state.n);
}

static void rewrite(struct process *process)
{
    struct anystore_error error;
    const struct start start = begin_operation(process);
    support_rewrite(process->store, &error);
    process->run->totals->bases += went_well(process, &start, &error);
}

static bool open_store(struct process *process)
{
    struct run *run = process->run;
    struct anystore_error error;
    const struct start start = begin_operation(process);
    struct anystore *store =
        power_open(&process->hook.table,
                   run->plan->kills_only ? ANYSTORE_FSYNC_NO : ANYSTORE_FSYNC_ALWAYS, &error);
    process->store = store;
    if (!went_well(process, &start, &error))
        return store != NULL;
    run->totals->opens++;
    run->opened = true;
    return true;
}

static void close_store(struct process *process)
{
    struct anystore *store = process->store;
    anystore_close(store);
    process->store = NULL;
}

static void *work(void *arg)
{
    struct process *process = arg;
    struct run *run = process->run;
    const struct power_plan *plan = run->plan;
    for (unsigned i = 0; i < plan->operations && !power_is_gone(process); i++) {
        size_t choice = support_random_below(&run->random, 16);
        if (choice < plan->views) {
            view(process);
        } else if (choice < plan->views + plan->rewrites) {
            rewrite(process);
        } else if (choice < plan->views + plan->rewrites + plan->reopens && plan->clients == 1) {
            close_store(process);
            if (!open_store(process))
                return NULL;
        } else {
            update(process);
        }
    }
    return NULL;
}

void *power_process(void *arg)
{
    struct process *process = arg;
    struct run *run = process->run;
    fibers_set_group(process->group);
    hook_disk_init(&process->hook, memory_disk_client(run->memory, process->number));
    process->hook.arg = process;
    process->hook.on_call = on_call;
    if (open_store(process)) {
        for (unsigned i = 1; i < run->plan->clients; i++)
            assert_int_equal(pthread_create(&process->others[i - 1], NULL, work, process), 0);
        work(process);
        for (unsigned i = 1; i < run->plan->clients; i++)
            pthread_join(process->others[i - 1], NULL);
    }
    close_store(process);
    if (!process->dead)
        run->living--;
    pthread_cond_signal(&run->ended);
    return NULL;
}
