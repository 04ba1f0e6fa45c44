/* SPDX-License-Identifier: MIT */
/* The host: the program that runs commands, as the commands see it.
 *
 * A server is a host.  Any other program that runs the same commands is one, too, such as a tool
 * that opens a file.  Commands know nothing else about it. */
#ifndef COMMAND_HOST_H
#define COMMAND_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "anystore.h"
#include "command/call.h"
#include "command/event.h"

/* All members but events_wanted are constant while commands run.  Commands call the functions on
 * the thread that runs the call. */
struct command_host {
    /* Takes an event of a class that is wanted: what a command did to a key of a database.  The
     * key is valid during the call.  The host decides when the event leaves, and drops it if the
     * call or its commit fails. */
    void (*event)(struct call *call, enum notify_class class, unsigned database, const char *event,
                  const struct resp_arg *key);
    /* Points to a number whose low bits are the wanted classes (enum notify_class); never NULL.
     * The host may point it to another number at any time. */
    _Atomic(struct anystore_shared *) events_wanted;
    /* The most bytes that the host allows in a string: proto-max-bulk-len. */
    size_t (*string_bytes_most)(const struct call *call);
    unsigned databases; /* their count; they are numbered from 0 on */
};

/* Whether an event of a class may be wanted.  Two relaxed loads: nearly always nobody wants any. */
static inline bool call_event_wanted(const struct call *call, enum notify_class class)
{
    const struct anystore_shared *wanted =
        atomic_load_explicit(&call->host->events_wanted, memory_order_relaxed);
    return (anystore_shared_peek(wanted) & class) != 0;
}

/* Tells the host what the command did to a key of a database. */
static inline void call_event_in(struct call *call, enum notify_class class, unsigned database,
                                 const char *event, const struct resp_arg *key)
{
    if (call_event_wanted(call, class))
        call->host->event(call, class, database, event, key);
}

/* As call_event_in, for the selected database. */
static inline void call_event(struct call *call, enum notify_class class, const char *event,
                              const struct resp_arg *key)
{
    call_event_in(call, class, call->database, event, key);
}

/* Call this before putting a key that may exist.  Tells the host that the key is new if it does
 * not exist. */
static inline void call_event_if_new(struct call *call, const struct resp_arg *key)
{
    if (call_event_wanted(call, NOTIFY_NEW) && !anystore_get(call->txn, key->data, key->size, NULL))
        call_event(call, NOTIFY_NEW, "new", key);
}

#endif
