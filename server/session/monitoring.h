/* SPDX-License-Identifier: MIT */
/* Shows a call to the clients that monitor. */
#ifndef SERVER_SESSION_MONITORING_H
#define SERVER_SESSION_MONITORING_H

struct call;

/* Called for each call that MONITOR shows.  If nobody monitors it costs one load.  The thread that
 * has the call's session. */
void monitoring_show(struct call *call);

#endif
