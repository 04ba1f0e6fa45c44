/* SPDX-License-Identifier: MIT */
/* The state of a worker, for the files of this room.  Only the worker's own thread uses it. */
#ifndef SERVER_NET_WORKER_STATE_H
#define SERVER_NET_WORKER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include "server/loop/loop.h"
#include "server/net/worker.h"
#include "server/publish/mailbox.h"

struct connection;

struct worker {
    struct server *server;
    struct loop *loop;
    struct mailbox *mailbox;
    struct event *resume_event, *turn_event;
    struct tally_block *tally;
    struct connection *connections;
    struct connection *turns, *last_turn; /* those with more to run, in order; see turns.h */
    struct connection *unsent;            /* messages were written for them, and not sent yet */
    struct connection *closed;            /* not freed yet */
    bool stopping;
    int64_t stop_by_ms;                               /* steady clock */
    struct finished_update *finished, **finished_end; /* taken from the mailbox, not answered yet */
};

#endif
