/* SPDX-License-Identifier: MIT */
/* The links of peers to this server.  The peers' thread only. */
#ifndef SERVER_PEER_VISITOR_H
#define SERVER_PEER_VISITOR_H

struct peers;

/* Accepts every peer that waits at our socket. */
void peer_visitors_accept(struct peers *peers);

/* Closes all links of peers. */
void peer_visitors_free(struct peers *peers);

#endif
