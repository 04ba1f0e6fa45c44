/* SPDX-License-Identifier: MIT */
/* Starts and joins load threads. */
#include "tests/client/harness/workers.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/client/harness/harness.h"

static struct worker workers[WORKERS_MAX];
static unsigned worker_count;
static atomic_bool failed;

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    worker->run(worker);
    return NULL;
}

void workers_start(unsigned count, void (*run)(struct worker *worker), void *shared)
{
    check(!worker_count && count <= WORKERS_MAX, "too many workers");
    atomic_store(&failed, false);
    worker_count = count;
    for (unsigned i = 0; i < count; i++) {
        workers[i] = (struct worker){.index = i, .shared = shared, .run = run};
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i])) {
            worker_fail(&workers[i], "cannot create a thread");
            break;
        }
        workers[i].running = true;
    }
}

static void join_all(void)
{
    for (unsigned i = 0; i < worker_count; i++) {
        if (workers[i].running)
            pthread_join(workers[i].thread, NULL);
        workers[i].running = false;
    }
}

void workers_join(void)
{
    join_all();
    unsigned count = worker_count;
    unsigned errors = 0;
    worker_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (workers[i].error[0]) {
            fprintf(stderr, "worker %u: %s\n", i, workers[i].error);
            errors++;
        }
    }
    check(!errors, "%u workers failed", errors);
}

void workers_run(unsigned count, void (*run)(struct worker *worker), void *shared)
{
    workers_start(count, run, shared);
    workers_join();
}

void worker_fail(struct worker *worker, const char *format, ...)
{
    if (!worker->error[0]) {
        va_list args;
        va_start(args, format);
        vsnprintf(worker->error, sizeof worker->error, format, args);
        va_end(args);
    }
    atomic_store(&failed, true);
}

bool workers_failed(void)
{
    return atomic_load(&failed);
}

void workers_abandon(void)
{
    atomic_store(&failed, true);
    join_all();
    worker_count = 0;
}
