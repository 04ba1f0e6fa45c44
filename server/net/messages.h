/* SPDX-License-Identifier: MIT */
/* Published messages on their last step: into the output of their receiver.  Worker's thread. */
#ifndef SERVER_NET_MESSAGES_H
#define SERVER_NET_MESSAGES_H

struct connection;
struct delivery;

/* Writes a message, unless its receiver does not want it any more. */
void messages_write(struct connection *connection, const struct delivery *delivery);

/* Keeps a message, which it takes over, for after the replies of the update in flight: the
 * confirmation of the subscription may be among those. */
void messages_hold(struct connection *connection, struct delivery *delivery);

/* Writes what was kept, behind those replies. */
void messages_write_held(struct connection *connection);

#endif
