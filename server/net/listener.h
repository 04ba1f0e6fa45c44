/* SPDX-License-Identifier: MIT */
/* The listening sockets.  The main loop accepts clients and deals them out to the workers. */
#ifndef SERVER_NET_LISTENER_H
#define SERVER_NET_LISTENER_H

struct event_base;
struct listener;
struct server;

/* Listens as `bind`, `port` and `unixsocket` say, and sets server->tcp_port.  NULL and *cause
 * (allocated) on failure. */
struct listener *listener_open(struct server *server, struct event_base *base, char **cause);

/* Starts accepting.  The workers must be running. */
void listener_start(struct listener *listener);

/* Closes the sockets and removes the UNIX socket's file.  Takes NULL. */
void listener_close(struct listener *listener);

/* The listening addresses, with a blank between, for the log; owned by the listener. */
const char *listener_text(const struct listener *listener);

#endif
