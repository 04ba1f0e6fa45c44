/* SPDX-License-Identifier: MIT */
/* The other servers on the same data file: a transport for messages.
 *
 * Beside the data file is a directory, <data file>.peers, in which each server has a UNIX socket
 * named after its run id.  A thread keeps a link to each of the other servers.  No message is
 * written to disk, and nobody waits for a peer: one that takes too little loses messages.
 *
 * The transport does not know what messages mean.  It hands over what arrives through its hooks. */
#ifndef SERVER_PEER_PEERS_H
#define SERVER_PEER_PEERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct log;
struct message;
struct peers;

/* All pointers are valid until peers_stop has returned. */
struct peers_options {
    const char *data_path; /* of the data file */
    const char *run_id;    /* of this server; see frame.h */
    struct log *log;

    /* A message of a peer has arrived; the message remains the transport's.  The peers' thread. */
    void (*on_message)(struct message *message, void *arg);
    /* Once a second.  The peers' thread. */
    void (*on_second)(void *arg);
    /* How many bytes may wait for one peer, 0: any number.  Any thread. */
    uint64_t (*output_most)(void *arg);
    /* How large a name or a payload that a peer sends may be.  The peers' thread. */
    uint64_t (*part_most)(void *arg);
    void *arg; /* of the hooks */
};

/* Starts the thread.  From then on this server hears what others publish.  NULL and *cause
 * (allocated) only if memory or threads are short: a directory that cannot be used is logged, and
 * tried again. */
struct peers *peers_start(const struct peers_options *options, char **cause);

/* Sends what waits, as far as peers take it at once, and ends the thread.  Nobody may publish any
 * more.  Takes NULL. */
void peers_stop(struct peers *peers);

/* Sends a message to all peers that are interested, including those that have just started.
 * Messages of one thread keep their order.  Any thread; never waits for a peer.  Takes NULL. */
void peers_relay(struct peers *peers, struct message *message);

/* Where this server shows its peers how many channels and patterns its clients listen to.  It must
 * be raised before a subscription is confirmed.  NULL: there is no such place, and peers send all
 * messages.  Valid until peers_stop.  Takes NULL. */
atomic_uint_least32_t *peers_shown_names(struct peers *peers);

/* Shows peers which classes of keyspace events this server wants.  Any thread; takes NULL. */
void peers_show_events(struct peers *peers, unsigned classes);

/* Which classes any of the peers wants.  False if that is not known of all: a peer has just
 * started, or there is no link.  Any thread; takes NULL. */
bool peers_wanted_events(struct peers *peers, unsigned *classes);

/* For INFO.  A message that goes to two peers counts twice. */
struct peer_figures {
    uint64_t links; /* peers that are connected */
    uint64_t sent, received;
    uint64_t dropped; /* messages that a peer did not take in time */
    uint64_t cuts;    /* links that were cut for that */
};
void peers_figures(struct peers *peers, struct peer_figures *figures); /* takes NULL */

#endif
