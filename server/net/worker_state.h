/* SPDX-License-Identifier: MIT */
/* What the files of a worker share: its state, and the steps of a connection on it.  All of it is used
 * on the worker's own thread, but where said otherwise. */
#ifndef SERVER_NET_WORKER_STATE_H
#define SERVER_NET_WORKER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "server/config/config.h"
#include "server/loop/loop.h"
#include "server/net/worker.h"
#include "server/publish/mailbox.h"
#include "server/session/connection.h"

/* Larger buffers are freed as soon as they are empty. */
#define WORKER_KEEP_BYTES   ((size_t)64 << 10)
#define WORKER_KEEP_REPLIES ((size_t)1 << 10) /* struct reply_end */

struct worker {
    struct server *server;
    struct loop *loop;
    struct mailbox *mailbox;
    struct event *resume_event, *turn_event;
    struct tally_block *tally;
    struct connection *connections;
    struct connection *turns, *last_turn; /* those with more to run, in order; see worker_run.c */
    bool stopping;
    int64_t stop_by_ms;
    struct finished_update *finished, **finished_end; /* taken from the mailbox, not answered yet */
};

/* worker_socket.c: the socket of a connection ------------------------------------------------- */

void worker_on_readable(evutil_socket_t fd, short what, void *connection);
void worker_on_writable(evutil_socket_t fd, short what, void *connection);
void worker_enable_read(struct connection *connection, bool enable);

/* Sends what the socket takes.  False if the connection was closed. */
bool worker_flush(struct connection *connection);

/* Whether the output is within the limits that client-output-buffer-limit sets. */
bool worker_output_within_limits(struct connection *connection);

/* Whether no more is to be run before replies have been sent. */
bool worker_output_full(const struct connection *connection);

/* Closes and frees, or marks for that while the commit thread has the connection. */
void worker_close(struct connection *connection);

/* A message, which it takes over: written, or held while an update is in flight.  `more`: the next one
 * is for the same connection and comes at once. */
void worker_pass_on(struct delivery *delivery, bool more);
void worker_write_held(struct connection *connection);

/* worker_run.c: running what has come --------------------------------------------------------- */

/* Runs what has come, as far as that goes without waiting. */
enum run_result worker_run_input(struct connection *connection);

/* Goes on with a connection that is the worker's: runs, sends, hands over.  The connection may be
 * closed afterwards. */
void worker_go_on(struct connection *connection);

/* The loop has come round: a turn for each of those that wait for one. */
void worker_run_turns(struct worker *worker);
void worker_leave_turns(struct connection *connection);

/* Makes the connection busy with an update; gives it back to its worker from the thread that ran it. */
void worker_begin_update(struct connection *connection, enum update_kind kind);
void worker_end_update(struct connection *connection, bool ran, const struct anystore_error *error);

/* An update came back: its replies go to the output, if that can be sent. */
void worker_take_update(struct connection *connection);

/* The same, and goes on with the connection, which may be closed afterwards. */
void worker_finish_update(struct connection *connection);

/* worker_several.c: what needs several databases ------------------------------------------------ */

/* Gets what the next request needs (connection->needs) on the databases' thread: opens databases, and if it
 * uses several runs the request there.  The connection comes back as from an update. */
void worker_submit_several(struct connection *connection);

#endif
