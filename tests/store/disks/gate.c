/* SPDX-License-Identifier: MIT */
#include "tests/store/disks/gate.h"

int gate_stop(struct hook_disk *hook, enum hook_call call)
{
    struct gate *gate = hook->arg;
    pthread_mutex_lock(&gate->mutex);
    if (gate->armed && call == gate->call &&
        (!gate->only || pthread_equal(*gate->only, pthread_self()))) {
        gate->armed = false;
        gate->reached = true;
        unsigned stop = ++gate->stops;
        pthread_cond_broadcast(&gate->changed);
        while (gate->opened < stop)
            pthread_cond_wait(&gate->changed, &gate->mutex);
    }
    pthread_mutex_unlock(&gate->mutex);
    return 0;
}

void gate_arm(struct gate *gate, enum hook_call call)
{
    pthread_mutex_lock(&gate->mutex);
    gate->call = call;
    gate->armed = true;
    gate->reached = false;
    pthread_mutex_unlock(&gate->mutex);
}

void gate_wait(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    while (!gate->reached)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->opened = gate->stops;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}
