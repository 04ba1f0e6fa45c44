/* SPDX-License-Identifier: MIT */
/* A gate at a disk call: the thread that makes the call stops there until the gate is opened. */
#ifndef TESTS_STORE_DISKS_GATE_H
#define TESTS_STORE_DISKS_GATE_H

#include <pthread.h>
#include <stdbool.h>

#include "tests/store/disks/hook_disk.h"

struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum hook_call call;
    const pthread_t *only; /* the thread to stop; NULL: any */
    bool armed, reached;
    unsigned stops, opened; /* how many threads were stopped, and let go */
};

/* A hook's on_call; its arg is the gate. */
int gate_stop(struct hook_disk *hook, enum hook_call call);

/* The next thread that makes this call stops. */
void gate_arm(struct gate *gate, enum hook_call call);

/* Waits until one has stopped. */
void gate_wait(struct gate *gate);
void gate_open(struct gate *gate);

#endif
