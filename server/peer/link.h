/* SPDX-License-Identifier: MIT */
/* A link to a peer: a socket, and the queue of the messages that wait for it.
 *
 * A link is made when the peer is found, and lives until the peer is gone: until its socket refuses
 * connections or is missing.  Messages are queued by any thread, and sent by the thread of the
 * peers. */
#ifndef SERVER_PEER_LINK_H
#define SERVER_PEER_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/peer/frame.h"

struct event;
struct message;
struct peer_interest;
struct peer_waiting;
struct peers;

/* Messages that are being sent: each a header and its bytes, the first one perhaps in part. */
#define PEER_BATCH 32
struct peer_batch {
    struct message *messages[PEER_BATCH];
    uint8_t headers[PEER_BATCH][PEER_FRAME_SIZE];
    size_t first, count;
    size_t offset; /* bytes of the first one that are sent */
};

struct peer_link {
    struct peers *peers;
    struct peer_link *next; /* guard: the peers' mutex */
    char run_id[PEER_RUN_ID_SIZE + 1];

    /* Guard: the peers' mutex. */
    struct peer_waiting *first, *last;
    size_t waiting_bytes;                 /* with those of the batch */
    const struct peer_interest *interest; /* the peer's page; NULL: not known (yet) */
    bool overflowed;                      /* the thread must cut the link */
    bool cut;                             /* messages are dropped until it is made again */

    /* The thread of the peers. */
    int fd; /* -1: not connected */
    struct event *read_event, *write_event;
    bool write_enabled;
    bool complained;
    uint8_t hello[PEER_HELLO_SIZE]; /* the peer's */
    size_t hello_size;
    int64_t next_try_ms;
    struct peer_batch batch;
};

/* Adds a link to a peer, not connected yet, if there is none.  The mutex is held.  Any thread. */
void peer_link_add_locked(struct peers *peers, const char *run_id);

/* Queues a message if the peer wants it.  `most_bytes` may wait at most (0: no limit), or the queue
 * is dropped.  True if the thread must look at the link.  The mutex is held.  Any thread. */
bool peer_link_push_locked(struct peer_link *link, struct message *message, uint64_t most_bytes);

/* Connects if need be and sends what waits.  The link may be freed afterwards.  The peers'
 * thread. */
void peer_link_go_on(struct peer_link *link);

/* Closes the link and takes it out of the list.  The peers' thread, or after its end. */
void peer_link_free(struct peer_link *link);

/* Ends the loop if it was asked to stop and nothing is left to send, or time is up.  The peers'
 * thread. */
void peer_links_end_if_done(struct peers *peers);

#endif
