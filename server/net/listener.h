/* SPDX-License-Identifier: MIT */
/* The listening sockets: accepting clients on the main loop and dealing them to the workers. */
#ifndef SERVER_NET_LISTENER_H
#define SERVER_NET_LISTENER_H

struct event_base;
struct listener;
struct server;

/* Listens on what `bind`, `port` and `unixsocket` say.  Sets server->tcp_port.  NULL and *cause
 * (allocated) on failure. */
struct listener *listener_open(struct server *server, struct event_base *base, char **cause);

/* Starts accepting; the workers must be there. */
void listener_start(struct listener *listener);

/* Closes the sockets and removes the UNIX socket's file.  Takes NULL. */
void listener_close(struct listener *listener);

/* The addresses listened on, blank separated, for the log; owned by the listener. */
const char *listener_text(const struct listener *listener);

#endif
