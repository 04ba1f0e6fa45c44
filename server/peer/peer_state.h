/* SPDX-License-Identifier: MIT */
/* What the files of the peers share: the thread's state, links to peers, and visitors from them.
 *
 * A link is ours: messages go out on it.  A visitor is a peer's link to us: messages come in.  All of
 * it is used on the thread of the peers, but where said otherwise. */
#ifndef SERVER_PEER_PEER_STATE_H
#define SERVER_PEER_PEER_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "server/loop/loop.h"
#include "server/peer/frame.h"
#include "server/peer/interest.h"
#include "server/peer/peers.h"
#include "server/peer/place.h"

#define PEER_RETRY_MS 1000 /* at most one attempt to connect to a peer in that time */

struct peer_link;
struct peer_visitor;

struct peers {
    struct server *server;
    struct loop *loop;
    struct event *watch_event, *listen_event; /* NULL while there is no place */
    struct interest *interest;                /* our own page; NULL: there is none */
    int interest_fd;
    uint64_t link_number; /* of the last link that was made */
    struct peer_visitor *visitors;
    unsigned visitor_count;
    bool stopping;
    int64_t stop_by_ms;

    pthread_mutex_t mutex;
    struct peer_place place; /* guard: mutex; changed by the thread only */
    struct peer_link *links; /* guard: mutex; removed by the thread only */

    atomic_bool stop_asked;
    atomic_uint_fast64_t connected, sent, received, dropped, cuts;
};

/* peer_link.c --------------------------------------------------------------------------------- */

/* Messages that are being sent: each a header and its bytes, the first perhaps in part. */
#define PEER_BATCH 32
struct peer_batch {
    struct message *messages[PEER_BATCH];
    uint8_t headers[PEER_BATCH][PEER_FRAME_SIZE];
    size_t first, count;
    size_t offset; /* bytes of the first that are sent */
};

struct peer_waiting;

struct peer_link {
    struct peers *peers;
    struct peer_link *next; /* guard: the peers' mutex */
    char run_id[PEER_RUN_ID_SIZE + 1];

    /* Guard: the peers' mutex. */
    struct peer_waiting *first, *last;
    size_t waiting_bytes;            /* with those of the batch */
    const struct interest *interest; /* the peer's page; NULL: not known (yet) */
    bool overflowed;                 /* is to be cut */
    bool cut;                        /* until it is made again, messages are dropped */

    int fd; /* -1: not connected */
    struct event *read_event, *write_event;
    bool write_enabled;
    bool complained;
    uint8_t hello[PEER_HELLO_SIZE]; /* the peer's */
    size_t hello_size;
    int64_t next_try_ms;
    struct peer_batch batch;
};

/* Adds a link that is to be connected, if there is none to that peer.  The mutex is held; any thread. */
void link_add_locked(struct peers *peers, const char *run_id);

/* Queues a message if the peer wants it; true if the thread is to look.  The mutex is held; any
 * thread. */
bool link_push_locked(struct peer_link *link, struct message *message, uint64_t most_bytes);

/* Connects if need be and sends what waits.  The link may be gone afterwards. */
void link_go_on(struct peer_link *link);

/* Whether a connected peer may still take something. */
bool link_is_busy(const struct peer_link *link);

void link_free(struct peer_link *link);

/* peer_visitor.c ------------------------------------------------------------------------------ */

/* Accepts those who wait. */
void visitors_accept(struct peers *peers);
void visitors_free(struct peers *peers);

/* peers.c ------------------------------------------------------------------------------------- */

/* Ends the loop when it is to end and nothing is left to be sent. */
void peers_end_if_done(struct peers *peers);

#endif
