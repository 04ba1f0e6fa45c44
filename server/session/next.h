/* SPDX-License-Identifier: MIT */
/* Asks a session for its next call: parses, checks and admits it, and says what it needs, without a
 * map.  The one who asks decides where the call runs; run.h runs it there.
 *
 * All functions are for the thread that has the session. */
#ifndef SERVER_SESSION_NEXT_H
#define SERVER_SESSION_NEXT_H

#include <stdbool.h>

#include "resp/buffer.h"

struct scope;
struct session;

/* How a session goes on. */
enum session_state {
    SESSION_CALL,        /* session->call waits to be run; session->needs tells what it needs */
    SESSION_MORE_INPUT,  /* all complete requests are answered */
    SESSION_PAUSED,      /* the next call waits for the end of a CLIENT PAUSE */
    SESSION_OUTPUT_FULL, /* replies have to be taken first */
    SESSION_TURN_OVER,   /* others have their turn first, see turn.h */
    SESSION_CLOSE        /* the connection is to be closed when the replies are out */
};

/* A run of requests begins, whose replies go to `replies`: what the options say is looked at
 * once. */
void session_begin_run(struct session *session, struct resp_buffer *replies);

/* The run ends: CLIENT LIST and INFO show what is new. */
void session_end_run(struct session *session, struct resp_buffer *replies);

/* Finds the next call.  What is refused or queued on the way is answered into `replies`.  A call
 * that was admitted before and has not run is still the next one, and is neither parsed nor
 * admitted again.  `scope`: of the update that runs; NULL: none does. */
enum session_state session_next(struct session *session, const struct scope *scope,
                                struct resp_buffer *replies);

/* Lets session->call reply into `replies`, or into nothing if the client does not want it. */
void session_aim(struct session *session, struct resp_buffer *replies);

/* session->call has been answered: the next request is the next one in the input.  `ran`: its
 * command was called.  `touched_store`: the reply depends on the commit of the update that runs. */
void session_answered(struct session *session, struct resp_buffer *replies, bool ran,
                      bool touched_store);

#endif
