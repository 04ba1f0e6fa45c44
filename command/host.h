/* SPDX-License-Identifier: MIT */
/* The host: the program that runs commands, as commands see it.
 *
 * A server is a host; so is whatever else runs the same commands, such as a tool that opens a file.
 * Commands know nothing else of it. */
#ifndef COMMAND_HOST_H
#define COMMAND_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "anystore.h"
#include "command/call.h"
#include "command/event.h"

/* Constant while commands run, but for events_wanted.  Its functions are called by commands, on the
 * thread that runs the call. */
struct command_host {
    /* Tells of an event of a wanted class: what a command did to a key of a database.  The key is
     * lent.  The host decides when the event leaves; it is forgotten if the call or its commit
     * fails. */
    void (*event)(struct call *call, enum notify_class class, unsigned database, const char *event,
                  const struct resp_arg *key);
    /* The number whose low bits are the classes (enum notify_class) that anybody wants to hear of;
     * never NULL.  Another number may take its place at any time. */
    _Atomic(struct anystore_shared *) events_wanted;
    /* The most bytes that a string may have, as far as the host says: proto-max-bulk-len. */
    size_t (*string_bytes_most)(const struct call *call);
    unsigned databases; /* how many there are, numbered from 0 on */
};

/* Whether anybody may want events of a class.  Two loads, for the case that nobody does. */
static inline bool call_event_wanted(const struct call *call, enum notify_class class)
{
    const struct anystore_shared *wanted =
        atomic_load_explicit(&call->host->events_wanted, memory_order_relaxed);
    return (anystore_shared_peek(wanted) & class) != 0;
}

/* Tells of what a command did to a key of a database. */
static inline void call_event_in(struct call *call, enum notify_class class, unsigned database,
                                 const char *event, const struct resp_arg *key)
{
    if (call_event_wanted(call, class))
        call->host->event(call, class, database, event, key);
}

/* The same for the selected database. */
static inline void call_event(struct call *call, enum notify_class class, const char *event,
                              const struct resp_arg *key)
{
    call_event_in(call, class, call->database, event, key);
}

/* To be called before a key is put that may exist: tells that it is new if it does not. */
static inline void call_event_if_new(struct call *call, const struct resp_arg *key)
{
    if (call_event_wanted(call, NOTIFY_NEW) && !anystore_get(call->txn, key->data, key->size, NULL))
        call_event(call, NOTIFY_NEW, "new", key);
}

#endif
