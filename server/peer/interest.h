/* SPDX-License-Identifier: MIT */
/* What a server wants to hear from its peers, in a page of memory that they all see.
 *
 * A server raises it before it confirms a subscription; a peer looks at it when it publishes.  So
 * nobody is told too late, and a message that nobody waits for costs one memory load.  The page is
 * a memfd sealed against shrinking, which a peer gets over the link: nothing that happens to it
 * later can make a reader fail. */
#ifndef SERVER_PEER_INTEREST_H
#define SERVER_PEER_INTEREST_H

#include <stdatomic.h>
#include <stdbool.h>

/* The layout is part of the protocol between servers (peer_frame.h). */
struct peer_interest {
    atomic_uint_least32_t names;  /* channels and patterns that somebody is subscribed to */
    atomic_uint_least32_t events; /* classes of keyspace events (notify.h) that they are told of */
};

/* A page of one's own: its descriptor, or -1 (errno); *page is set to where it is to be written. */
int peer_interest_make(struct peer_interest **page);

/* A peer's page, to read; NULL if the descriptor is no such page. */
const struct peer_interest *peer_interest_map(int fd);

/* Takes NULL. */
void peer_interest_unmap(const struct peer_interest *page);

#endif
