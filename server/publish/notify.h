/* SPDX-License-Identifier: MIT */
/* Keyspace events: subscribers of "__keyspace@<db>__:<key>" and "__keyevent@<db>__:<event>" are
 * told what commands do to keys, as notify-keyspace-events says.
 *
 * Each server has flags of its own, which say what its subscribers are told, whichever server made
 * the change.  The server that makes it sends an event to the peers that want its class
 * (interest.h), and each of them makes its own messages of it.  Each server finds out for itself
 * that keys have expired.
 *
 * The classes that any server of a file may want are the low half of the number that the store
 * shares between its processes: a look at that number tells a command that nobody wants its event.
 * A server raises its bits before it confirms CONFIG SET.  Bits that nobody needs any more cost
 * time only, and are taken back once a second (notify_tidy). */
#ifndef SERVER_PUBLISH_NOTIFY_H
#define SERVER_PUBLISH_NOTIFY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command/event.h"
#include "resp/parser.h"

#define NOTIFY_BITS UINT64_C(0xffff) /* of the shared number; above them it counts raises */

struct anystore;
struct anystore_shared;
struct config;
struct message;
struct notify;
struct outbox;
struct peers;
struct pubsub;

/* Reads the option from `config` and publishes to `pubsub`; both must outlive it.  Before
 * notify_start no event is wanted.  NULL if memory is short. */
struct notify *notify_new(const struct config *config, struct pubsub *pubsub);
void notify_free(struct notify *notify); /* takes NULL */

/* ---- The server's flags --------------------------------------------------------------------- */

/* Begins before any command runs.  The shared number is that of `store`; commands look for it in
 * *wanted, which is kept up to date.  `peers` may be NULL: the number is shared with nobody
 * then. */
void notify_start(struct notify *notify, struct anystore *store, struct peers *peers,
                  _Atomic(struct anystore_shared *) *wanted);

/* Ends before the databases are closed. */
void notify_end(struct notify *notify);

/* The option was changed: the new flags hold, at all servers, when this returns.  Any thread. */
void notify_change(struct notify *notify);

/* Takes back the bits that nobody needs, once a second.  Any thread. */
void notify_tidy(struct notify *notify);

/* ---- Events --------------------------------------------------------------------------------- */

/* Puts an event of a wanted class into the outbox of the session whose command made it.  As in
 * Redis an event is lost if memory is short.  The thread that has the outbox. */
void notify_send(struct notify *notify, struct outbox *outbox, enum notify_class class,
                 unsigned database, const char *event, const struct resp_arg *key);

/* Tells the subscribers of this server of an event of a peer, as far as the flags say.  Any
 * thread. */
void notify_hear(struct notify *notify, const struct message *event);

/* For the databases (see anystore_options): a key has expired; whether anybody wants to know.  Any
 * thread. */
void notify_expired(unsigned database, const void *key, size_t key_size, void *notify);
bool notify_wants_expired(void *notify);

#endif
