/* SPDX-License-Identifier: MIT */
/* MONITOR: clients that are shown each command that this server runs.
 *
 * A command is shown when it has run, on the thread that ran it.  So the writes of all clients
 * appear in the order in which they happened, before their commit is known to be durable.  The line
 * goes the way of a published message (subscriber.h).  Any thread may call these functions. */
#ifndef SERVER_PUBLISH_MONITOR_H
#define SERVER_PUBLISH_MONITOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct call;
struct subscriber;

/* The clients that monitor. */
struct monitors {
    atomic_size_t count;
    pthread_mutex_t mutex;
    struct subscriber *first; /* guard: mutex */
};

struct monitors *monitors_new(void);           /* NULL if memory is short */
void monitors_free(struct monitors *monitors); /* nobody monitors any more; takes NULL */

/* Shows a client all commands from now on.  Joining twice is joining once. */
void monitors_join(struct monitors *monitors, struct subscriber *subscriber);

/* Shows a client no more commands.  A client that does not monitor may leave. */
void monitors_leave(struct monitors *monitors, struct subscriber *subscriber);

/* Whether anybody monitors: one load, for every command. */
static inline bool monitors_wanted(struct monitors *monitors)
{
    return atomic_load_explicit(&monitors->count, memory_order_relaxed) > 0;
}

/* Where a command came from. */
struct monitor_origin {
    unsigned database;   /* the selected one */
    const char *address; /* of the client; of a UNIX socket "/path:0" */
    bool is_unix;
};

/* Shows a call, without its secrets, to all clients that monitor but `except` (NULL: to all).  If
 * memory is short, a line is lost. */
void monitors_show(struct monitors *monitors, const struct call *call,
                   const struct monitor_origin *origin, const struct subscriber *except);

#endif
