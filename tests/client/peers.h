/* SPDX-License-Identifier: MIT */
/* What the parts of client_peers_test share. */
#ifndef TESTS_CLIENT_PEERS_H
#define TESTS_CLIENT_PEERS_H

struct harness;
struct raw;
struct server;

struct raw *peers_connect(const struct server *server);
struct raw *peers_subscribe(const struct server *server, const char *channel);
void peers_expect(struct raw *raw, const char *channel, const char *payload);

/* The path of the socket that this server has for its peers. */
char *peers_socket(const struct harness *harness, const struct server *server);

/* A test: peers_hostile.c. */
void garbage(struct harness *harness);

#endif
