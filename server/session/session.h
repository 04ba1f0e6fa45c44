/* SPDX-License-Identifier: MIT */
/* A session: what the commands of one client see and change, with the client's input.
 *
 * A session changes hands.  It belongs to the worker of its connection.  While an update of it is
 * in flight, it belongs to the thread that runs the update, which runs everything that has arrived,
 * in order.  It changes hands through the queue of the store and the mailbox of the worker, which
 * order all accesses to memory.
 *
 * next.h asks a session for its next call and what that call needs; run.h runs calls. */
#ifndef SERVER_SESSION_SESSION_H
#define SERVER_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/call.h"
#include "command/needs.h"
#include "command/slices.h"
#include "resp/buffer.h"
#include "resp/parser.h"
#include "server/publish/outbox.h"
#include "server/session/measure.h"
#include "server/session/transaction.h"
#include "server/session/turn.h"

struct client;
struct config;
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

/* How often each step was taken.  Builds with ANYSTORE_CHECK prove by it that each request is
 * parsed, checked and admitted once, whichever way it takes (next.c). */
struct session_steps {
    uint64_t parsed, checked, admitted, refused, answered;
};
#ifdef ANYSTORE_CHECK
#define SESSION_STEP(session, step) ((void)(session)->steps.step++)
#else
#define SESSION_STEP(session, step) ((void)0)
#endif

struct session {
    /* Constant. */
    struct server *server;
    struct client *client;         /* what CLIENT LIST shows */
    struct subscriber *subscriber; /* never NULL */
    struct tally_block *tally;     /* where commands that run on the worker are counted */

    bool in_flight; /* an update is: the session is not the worker's */

    int resp_version;  /* 2 or 3 */
    unsigned database; /* SELECT */
    bool authenticated;
    bool close_after_reply; /* QUIT, a protocol error: no further command is run */
    bool closing_now;       /* SHUTDOWN: no reply either */
    struct silence silence;
    struct transaction transaction;

    /* The request at the front of the input. */
    struct resp_buffer input;
    struct resp_parser *parser;
    size_t request_size; /* bytes that it takes */
    bool admitted;       /* `call` waits until it can be queued or run */
    struct call call;
    struct needs needs;             /* of `call` */
    struct resp_writer reply, push; /* its writers */
    size_t reply_start;             /* of its reply in the buffer */
    struct call_slices slices;      /* of `call`, while it goes on in slices */
    struct resp_buffer unwanted;    /* a reply that the client does not want, while it is made */

    /* One run of requests; session_begin_run sets it up. */
    struct turn turn;
    struct measure measure;
    struct resp_limits limits;
    size_t output_pause; /* so many bytes of replies stop the run */
    size_t output_most;  /* and no more than so many are made; 0: no limit */
    uint64_t answered;   /* requests of this run */

    struct outbox outbox; /* what its commands publish, until it may leave */

    /* The replies of an update, until they may leave. */
    struct resp_buffer update_replies;
    struct reply_end *reply_ends;
    size_t reply_end_count, reply_end_capacity;

    struct session_steps steps;
};

/* Sets up a session of a client that has just connected; `session` is all bytes zero.  False if
 * memory is short; session_end then frees what there is. */
bool session_start(struct session *session, struct server *server, struct client *client,
                   struct subscriber *subscriber, struct tally_block *tally);

/* Frees what the session holds itself, not what it was given. */
void session_end(struct session *session);

/* Frees some of what commands have left to be freed in slices.  Whether there is more. */
bool session_tidy(struct session *session);

/* Makes a database the selected one. */
void session_select(struct session *session, unsigned database);

/* Bytes of memory that the session takes beside the struct. */
size_t session_memory(const struct session *session);

/* How many bytes of replies may wait before the next request has to. */
size_t session_output_pause(const struct session *session);

/* What all clients together may take, as maxmemory-clients says, in bytes; 0: there is no limit. */
uint64_t session_clients_most(const struct config *config);

/* What an error of EXEC begins with if nothing of it was done; the reason follows. */
#define EXEC_ABORTED "EXECABORT Transaction discarded because of: "

#endif
