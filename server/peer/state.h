/* SPDX-License-Identifier: MIT */
/* The state that the files of the peers share.
 *
 * A link is ours: messages leave on it (link.h).  A visitor is the link of a peer to us: messages
 * arrive on it (visitor.h).  The place is where servers find each other (place.h).  Everything here
 * is used on the thread of the peers only, unless a comment says otherwise. */
#ifndef SERVER_PEER_STATE_H
#define SERVER_PEER_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include "server/loop/loop.h"
#include "server/peer/interest.h"
#include "server/peer/peers.h"
#include "server/peer/place.h"

struct peer_link;
struct peer_visitor;

struct peers {
    struct peers_options options;
    struct loop *loop;
    struct event *watch_event, *listen_event; /* NULL while there is no place */
    struct peer_interest *interest;           /* our own page; NULL: there is none */
    int interest_fd;
    uint64_t link_number; /* of the last link that was made */
    struct peer_visitor *visitors;
    unsigned visitor_count;
    bool stopping;
    int64_t stop_by_ms;

    pthread_mutex_t mutex;
    struct peer_place place; /* guard: mutex; changed by the thread only */
    struct peer_link *links; /* guard: mutex; removed by the thread only */

    atomic_bool stop_asked; /* any thread */
    /* For peers_figures; any thread. */
    atomic_uint_fast64_t connected, sent, received, dropped, cuts;
};

#endif
