/* SPDX-License-Identifier: MIT */
/* A session: what the commands of one client see and change, with the client's input.
 *
 * A session changes hands.  It belongs to the worker of its connection.  While an update of it is in
 * flight, it belongs to the thread that runs the update, which runs everything that has arrived, in
 * order.  It changes hands through the queue of the store and the mailbox of the worker, which order
 * all accesses to memory. */
#ifndef SERVER_SESSION_SESSION_H
#define SERVER_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "command/call.h"
#include "command/needs.h"
#include "resp/buffer.h"
#include "resp/parser.h"
#include "server/publish/outbox.h"
#include "server/session/measure.h"
#include "server/session/transaction.h"

struct client;
struct server;
struct subscriber;
struct tally_block;

/* CLIENT REPLY: which replies the client does not want. */
struct silence {
    bool off;       /* none, until it is turned on again */
    bool skip;      /* not this one */
    bool skip_next; /* not the next one */
};

/* Where one reply of an update ends in update_replies, and whether it depends on the commit. */
struct reply_end {
    size_t end;
    bool touched_store;
    bool of_exec; /* its errors begin as those of an EXEC that was not run */
};

struct session {
    struct server *server;         /* constant */
    struct client *client;         /* what CLIENT LIST shows; constant, never NULL */
    struct subscriber *subscriber; /* constant, never NULL */
    struct tally_block *tally;     /* constant: where commands that run on the worker are counted */
    bool in_flight;                /* an update is: the session is not the worker's */

    int resp_version;  /* 2 or 3 */
    unsigned database; /* SELECT */
    bool authenticated;
    bool close_after_reply; /* QUIT, a protocol error: no further command is run */
    bool closing_now;       /* SHUTDOWN: no reply either */
    struct silence silence;
    struct transaction transaction;

    struct resp_buffer input;
    struct resp_parser *parser;
    bool parsed;        /* a request is parsed that was not run yet */
    size_t parsed_size; /* its bytes at the front of input */
    struct needs needs; /* of the call that could not be run */

    struct measure measure;
    struct outbox outbox; /* what its commands publish, until it may leave */

    /* The replies of an update, until they may leave. */
    struct resp_buffer update_replies;
    struct reply_end *reply_ends;
    size_t reply_end_count, reply_end_capacity;
};

/* Makes a database the selected one. */
void session_select(struct session *session, unsigned database);

/* What an error of EXEC begins with if nothing of it was done; the reason follows. */
#define EXEC_ABORTED "EXECABORT Transaction discarded because of: "

#endif
