/* SPDX-License-Identifier: MIT */
/* Runs the calls of a session in a scope: the maps that a view or an update gives. */
#ifndef SERVER_SESSION_RUN_H
#define SERVER_SESSION_RUN_H

#include "server/session/next.h"

/* Runs the call that waits and those behind it, as far as they fit the scope; `replies` gets their
 * replies.  SESSION_CALL: the scope can do no more, so session_next is asked again; else how the
 * session goes on.  On the thread that has the session, inside of the view or update that the scope
 * is of. */
enum session_state session_run(struct session *session, const struct scope *scope,
                               struct resp_buffer *replies);

#endif
