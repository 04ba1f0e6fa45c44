/* SPDX-License-Identifier: MIT */
/* Serving a connection: running what has come where it can run, sending, and going on.
 *
 * Each step answers what becomes of the connection; worker.c closes it, and nothing else does.
 * Worker's thread. */
#ifndef SERVER_NET_SERVE_H
#define SERVER_NET_SERVE_H

#include <stdbool.h>

#include "server/net/connection.h"

struct delivery;

/* Bytes have come, or the end of them. */
enum verdict serve_readable(struct connection *connection);

/* The socket takes more.  If that frees output space, goes on with a client that was not read
 * from. */
enum verdict serve_writable(struct connection *connection);

/* Goes on with a connection whose session is the worker's: runs, sends, hands over. */
enum verdict serve_continue(struct connection *connection);

/* The update of the connection came back. */
enum verdict serve_finish_update(struct connection *connection);

/* A published message for the connection, which it takes over: written into the output. */
enum verdict serve_message(struct connection *connection, struct delivery *delivery);

/* Sends the messages that were written. */
enum verdict serve_messages(struct connection *connection);

/* The steps of serve_continue.  Runs what has come, as far as the worker can; SESSION_CALL: the
 * call that waits has to be handed over. */
enum session_state serve_run(struct connection *connection);

/* Hands the session over to the thread that can run its call. */
void serve_hand_over(struct connection *connection);

#endif
