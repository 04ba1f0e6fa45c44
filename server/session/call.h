/* SPDX-License-Identifier: MIT */
/* Running one call. */
#ifndef SERVER_SESSION_CALL_H
#define SERVER_SESSION_CALL_H

struct call;

/* Runs a call that has been admitted, and each call that EXEC runs. */
void call_run(struct call *call);

#endif
