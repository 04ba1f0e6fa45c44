/* SPDX-License-Identifier: MIT */
/* The other servers on the same data file: what is published here reaches their subscribers.
 *
 * Beside the data file is a directory, <data file>.peers, in which each server has a UNIX socket named
 * after its run id.  A thread of its own keeps a link to each of the others.  A message is never
 * written to disk, and nobody waits for a peer: one that takes nothing loses messages when
 * client-output-buffer-limit's hard limit for pubsub is reached. */
#ifndef SERVER_PEER_PEERS_H
#define SERVER_PEER_PEERS_H

#include <stdbool.h>
#include <stdint.h>

struct message;
struct peers;
struct server;

/* Starts the thread, when server->data_path, run_id and pubsub are set.  From then on what others publish
 * is heard.  NULL and *cause (allocated) only if memory or threads are short: a directory that cannot
 * be used is logged, and tried again. */
struct peers *peers_start(struct server *server, char **cause);

/* Sends what waits, as far as peers take it at once, and ends.  Nobody may publish any more.  Takes
 * NULL. */
void peers_stop(struct peers *peers);

/* Sends a message to all peers that have subscribers, those included that have just started.  Messages
 * of one thread keep their order.  Any thread; never waits for a peer.  Takes NULL. */
void peers_relay(struct peers *peers, struct message *message);

/* Shows peers which classes of keyspace events this server wants.  Any thread; takes NULL. */
void peers_show_events(struct peers *peers, unsigned classes);

/* Which classes any of the others wants.  False if that is not known of all: somebody has just started,
 * or there is no link.  Any thread; takes NULL. */
bool peers_wanted_events(struct peers *peers, unsigned *classes);

/* For INFO; counted for each peer. */
struct peer_figures {
    uint64_t links; /* peers that are connected */
    uint64_t sent, received;
    uint64_t dropped; /* messages that a peer did not take in time */
    uint64_t cuts;    /* links that were cut for that */
};
void peers_figures(struct peers *peers, struct peer_figures *figures); /* takes NULL */

#endif
