/* SPDX-License-Identifier: MIT */
/* The first checks of a call: does its command exist, with so many arguments, and may this client
 * run it? */
#ifndef SERVER_SESSION_CHECK_H
#define SERVER_SESSION_CHECK_H

#include <stdbool.h>

struct call;

/* Finds the command of a call and checks arity, enable-debug-command and authentication, in Redis's
 * order and with Redis's texts.  Sets call->command (NULL: there is none).  False: the error has been
 * replied.  On the thread that has the session. */
bool check_or_reply(struct call *call);

#endif
