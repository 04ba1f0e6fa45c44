/* SPDX-License-Identifier: MIT */
/* An event loop with the two events that every thread of the server needs: a wake-up by other
 * threads, and a tick once a second.
 *
 * A loop is made and freed by one thread and run by one thread, which may be another one.  The
 * hooks are called on the thread that runs it. */
#ifndef SERVER_LOOP_LOOP_H
#define SERVER_LOOP_LOOP_H

#include <stdbool.h>

struct event_base;
struct loop;

struct loop_hooks {
    void (*on_wake)(void *arg);   /* loop_wake was called, once or several times */
    void (*on_second)(void *arg); /* NULL: no tick */
    void *arg;
};

/* NULL with errno if the system refuses memory or descriptors. */
struct loop *loop_new(const struct loop_hooks *hooks);

/* Nobody runs or wakes the loop any more, and all other events of its base are freed.  Takes
 * NULL. */
void loop_free(struct loop *loop);

/* For events of the owner's own; the loop keeps it. */
struct event_base *loop_base(const struct loop *loop);

/* Has on_wake called soon.  Several calls before that are one, and only the first of them costs a
 * system call.  What a thread did before it called loop_wake is seen by that call of on_wake.  Any
 * thread, also before the loop runs. */
void loop_wake(struct loop *loop);

/* Runs the loop on a thread of its own, to be joined.  False with errno on failure. */
bool loop_start(struct loop *loop);
void loop_join(struct loop *loop);

/* Runs the loop on the calling thread until loop_end. */
void loop_run(struct loop *loop);

/* The loop ends after the event that is being handled.  The thread that runs it, in a hook or an
 * event. */
void loop_end(struct loop *loop);

#endif
