/* SPDX-License-Identifier: MIT */
/* What needs several databases, or one that is not open yet, goes to the databases' thread. */
#ifndef SERVER_NET_SEVERAL_H
#define SERVER_NET_SEVERAL_H

#include "command/database_bits.h"

struct connection;

/* Has databases opened, those that the session's call needs and those of `opening`.  If the call
 * uses several, it is run there, too; else the worker can go on with it itself.  The connection
 * comes back as from an update.  On the worker, which has the session. */
void several_submit(struct connection *connection, database_bits opening);

#endif
