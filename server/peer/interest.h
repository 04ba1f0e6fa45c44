/* SPDX-License-Identifier: MIT */
/* The interest of a server: what it wants to hear from its peers, in a page of memory that they all
 * map.
 *
 * A server raises its interest before it confirms a subscription, and a peer looks at the page when
 * it publishes.  So no subscriber misses a message, and a message without subscribers costs one
 * memory load.  The page is a memfd, passed over the link and sealed against shrinking, so that
 * reading it cannot fail later. */
#ifndef SERVER_PEER_INTEREST_H
#define SERVER_PEER_INTEREST_H

#include <stdatomic.h>
#include <stdbool.h>

/* The layout is part of the protocol between servers (frame.h). */
struct peer_interest {
    atomic_uint_least32_t names;  /* channels and patterns that somebody is subscribed to */
    atomic_uint_least32_t events; /* classes of keyspace events (command/event.h) that are wanted */
};

/* Makes the page of this server and maps it to *page.  Its descriptor, or -1 with errno. */
int peer_interest_make(struct peer_interest **page);

/* Maps the page of a peer, read-only.  NULL if the descriptor is not that of a page. */
const struct peer_interest *peer_interest_map(int fd);

/* Unmaps a page of either kind.  Takes NULL. */
void peer_interest_unmap(const struct peer_interest *page);

#endif
