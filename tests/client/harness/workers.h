/* SPDX-License-Identifier: MIT */
/* Threads that put load on servers.  They do not use cmocka: each records its first error, and
 * joining them on the main thread fails the test with it. */
#ifndef TESTS_CLIENT_HARNESS_WORKERS_H
#define TESTS_CLIENT_HARNESS_WORKERS_H

#include <pthread.h>
#include <stdbool.h>

struct server;

struct worker {
    unsigned index;
    void *shared; /* as given to workers_start */
    void (*run)(struct worker *worker);
    pthread_t thread;
    bool running;
    char error[400]; /* empty: none */
};

/* Starts `count` (at most WORKERS_MAX) threads. `shared` must outlive the test: if the test fails
 * on the main thread, they are joined after it, when all servers have ended. */
#define WORKERS_MAX 64
void workers_start(unsigned count, void (*run)(struct worker *worker), void *shared);

/* Waits for all to return; fails the test with the first error, if any. */
void workers_join(void);

/* Start and join. */
void workers_run(unsigned count, void (*run)(struct worker *worker), void *shared);

/* Records an error; the first one stays.  The worker should then return. */
void worker_fail(struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* True when a worker should end early: another one or the test has failed. */
bool workers_failed(void);

/* For the harness: ends the workers of a test that failed. */
void workers_abandon(void);

#endif
