/* SPDX-License-Identifier: MIT */
/* The socket of a connection: reading, sending, and the limits of both.  Worker's thread. */
#ifndef SERVER_NET_SOCKET_H
#define SERVER_NET_SOCKET_H

#include <stdbool.h>

#include "server/net/connection.h"

/* Larger buffers are freed as soon as they are empty. */
#define SOCKET_KEEP_BYTES ((size_t)64 << 10)

/* Whether the event loop tells when more has come, and when more can be sent. */
void socket_enable_read(struct connection *connection, bool enable);
void socket_enable_write(struct connection *connection, bool enable);

/* Reads until the socket is empty or enough has come for one run. */
enum verdict socket_read(struct connection *connection);

/* Sends what the socket takes.  CONNECTION_CLOSE also when all is sent and the connection was to be
 * closed then. */
enum verdict socket_send(struct connection *connection);

/* Whether the output is within the limits that client-output-buffer-limit sets. */
bool socket_output_within_limits(struct connection *connection);

/* Whether replies have to be sent before more is run. */
bool socket_output_full(const struct connection *connection);

/* Counts and logs that a client is closed for so many bytes of output. */
void socket_note_overrun(const struct connection *connection, size_t size);

#endif
