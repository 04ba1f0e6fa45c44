/* SPDX-License-Identifier: MIT */
/* Keyspace events: what commands do to keys, told to subscribers of "__keyspace@<db>__:<key>" and
 * "__keyevent@<db>__:<event>", as notify-keyspace-events says.
 *
 * Each server has flags of its own, which say what its subscribers are told, whichever server made the
 * change.  The server that makes it sends an event to the peers that want its class (interest.h), and
 * each of them makes its own messages of it.  That keys have expired each server finds out for itself.
 *
 * What all servers of a file together may want is the low half of the number that the store lets its
 * processes share: so an event that nobody wants costs a command one look at that.  A server raises its
 * bits before it confirms CONFIG SET.  Bits that nobody needs any more cost time only, and are taken back
 * once a second (notify_tidy). */
#ifndef SERVER_PUBLISH_NOTIFY_H
#define SERVER_PUBLISH_NOTIFY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "command/call.h"
#include "command/event.h"
#include "server/server.h"
#include "server/session/session.h"

#define NOTIFY_BITS UINT64_C(0xffff) /* of the shared number; above them it counts raises */

struct message;

/* ---- The server's flags --------------------------------------------------------------------- */

/* Before any command runs, when databases and peers are there. */
void notify_start(struct server *server);

/* Before the databases are closed. */
void notify_end(struct server *server);

/* The option was changed: the new flags hold, at all servers, when this returns. */
void notify_change(struct server *server);

/* Once a second, on the thread of the peers. */
void notify_tidy(struct server *server);

/* ---- Events --------------------------------------------------------------------------------- */

/* The server's command_host.event. */
void notify_send(struct call *call, enum notify_class class, unsigned database, const char *event,
                 const struct resp_arg *key);

/* A peer's event: told to the subscribers here as far as the flags here say. */
void notify_hear(struct server *server, const struct message *event);

/* A key has expired here, or might be going to matter; see anystore_options. */
void notify_expired(unsigned database, const void *key, size_t key_size, void *server);
bool notify_wants_expired(void *server);

#endif
