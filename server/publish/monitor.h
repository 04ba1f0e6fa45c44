/* SPDX-License-Identifier: MIT */
/* MONITOR: clients that are shown each command that this server runs.
 *
 * A command is shown when it has run, on the thread that ran it, so that the writes of all clients
 * appear in the order in which they happened; that their commit is durable is not yet said by it.
 * The line goes the way of a published message (pubsub.h).  Any thread may call these. */
#ifndef SERVER_PUBLISH_MONITOR_H
#define SERVER_PUBLISH_MONITOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct call;
struct subscriber;

struct monitors {
    atomic_size_t count;
    pthread_mutex_t mutex;
    struct subscriber *first; /* guard: mutex */
};

void monitors_init(struct monitors *monitors);
void monitors_destroy(struct monitors *monitors); /* nobody monitors any more */

/* Shows a client the commands from now on; *leave*: no more.  Twice is once. */
void monitor_join(struct monitors *monitors, struct subscriber *subscriber);
void monitor_leave(struct monitors *monitors, struct subscriber *subscriber);

/* What is looked at for every command: whether anybody monitors. */
static inline bool monitor_wanted(struct monitors *monitors)
{
    return atomic_load_explicit(&monitors->count, memory_order_relaxed) > 0;
}

/* Shows a request to all who monitor.  Who cannot be told for want of memory misses a line. */
void monitor_show(struct call *call);

#endif
