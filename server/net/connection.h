/* SPDX-License-Identifier: MIT */
/* A client's connection: a socket, its output, and the session behind it.
 *
 * It belongs to one worker thread.  While an update is in flight, the session is another thread's
 * (see session.h), and so is the update but for what update.h says; the rest stays the worker's. */
#ifndef SERVER_NET_CONNECTION_H
#define SERVER_NET_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "resp/buffer.h"
#include "server/net/update.h"
#include "server/session/session.h"

struct delivery;
struct event;
struct mailbox;
struct server;
struct tally_block;
struct worker;

struct connection {
    struct worker *worker;
    struct mailbox *mailbox; /* the worker's */
    int fd;
    struct event *read_event, *write_event;
    bool read_enabled, write_enabled;
    struct connection *previous, *next;           /* in the worker's list */
    struct connection *previous_turn, *next_turn; /* in its list of those that wait for a turn */
    bool waits_for_turn;

    struct session session;
    struct update update;

    struct resp_buffer output;
    bool paused;                    /* its next call waits for the end of a CLIENT PAUSE */
    bool end_of_input;              /* the client sent EOF, or the socket failed */
    bool broken;                    /* the socket failed: nothing can be sent */
    bool half_closing;              /* close when output is empty */
    int64_t soft_limit_since_ms;    /* output above the soft limit since then; 0: it is not */
    struct connection *next_unsent; /* in the worker's list of those with messages to send */
    bool unsent;
    struct delivery *held, *held_last; /* messages that wait for the replies of an update */
};

/* What becomes of a connection after a step: the event loop closes it, and nothing else does. */
enum verdict { CONNECTION_KEEP, CONNECTION_CLOSE };

/* A connection over a connected, non-blocking socket, which it owns.  NULL if memory is short (the
 * socket is closed then). */
struct connection *connection_new(struct server *server, struct worker *worker,
                                  struct mailbox *mailbox, struct tally_block *tally, int fd,
                                  bool is_unix);

/* Closes the socket and takes the connection out of the sight of others.  Its session is the
 * worker's.  Only connection_dissolve may follow. */
void connection_close(struct connection *connection);

/* Frees a closed connection in steps, as it may watch or be subscribed to very much.  True: it is
 * freed; false: to be called again. */
bool connection_dissolve(struct connection *connection);

#endif
