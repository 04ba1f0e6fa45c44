/* SPDX-License-Identifier: MIT */
/* Whether a client may have a request run as things stand: memory, and what the connection is used
 * for. */
#ifndef SERVER_SESSION_ADMIT_H
#define SERVER_SESSION_ADMIT_H

#include <stdbool.h>

struct call;

/* Of a request that check_or_reply has let through; `flags` as needs_of tells them.  False: the error has
 * been replied, and a transaction that is being queued is to fail. */
bool admit_or_reply(struct call *call, unsigned flags);

/* Replies that an EXEC was refused, which ends the transaction and the watching. */
void admit_abort_exec(struct call *call, const char *reason);

#endif
