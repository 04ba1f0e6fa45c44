/* SPDX-License-Identifier: MIT */
/* Admission: whether a client may have a call run as things stand.  Each request comes here once,
 * in Redis's order of refusals, with Redis's texts.
 *
 * All functions are for the thread that has the session. */
#ifndef SERVER_SESSION_ADMIT_H
#define SERVER_SESSION_ADMIT_H

#include <stdbool.h>

struct call;
struct session;

/* Finds the command of a call that has its arguments and looks at all that may speak against it.
 * Sets call->command (NULL: there is none) and the session's needs.  False: the error has been
 * replied, and a transaction that is being queued will fail. */
bool admit_or_reply(struct call *call);

/* Whether the admitted call waits for EXEC, and its queueing, which replies. */
bool admit_is_queued(const struct session *session);
void admit_queue(struct call *call);

/* Looks at memory again, for a call that was admitted before the update that runs it: only there is
 * known what the update has added so far.  call->scope is set. */
bool admit_again_or_reply(struct call *call);

/* Replies that an EXEC was refused, which ends the transaction and the watching. */
void admit_abort_exec(struct call *call, const char *reason);

#endif
