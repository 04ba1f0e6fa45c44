/* SPDX-License-Identifier: MIT */
/* What the clients of client_linearizable_test and what happens to their servers share. */
#ifndef TESTS_CLIENT_STORM_H
#define TESTS_CLIENT_STORM_H

#include <stdatomic.h>

#include "tests/client/harness/harness.h"
#include "tests/client/harness/random.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"
#include "tests/client/history/history.h"

#define SERVERS   3
#define CLIENTS   8
#define DATABASES 2
#define FAR_MS    100000000 /* a time to live that does not run out */

struct client {
    struct random random;
    struct raw *raw;
    unsigned life;     /* of the server it is connected to */
    unsigned database; /* that the connection has selected */
    int64_t serial;
};

/* One run of a server's process. */
struct life {
    int64_t settled; /* when it was dead and other writes were acknowledged; 0: it lives */
};

/* Static, as workers may outlive the test's function. */
struct storm {
    struct server *servers[SERVERS];
    unsigned server_count;
    atomic_uint lives[SERVERS]; /* the life in which a server is */
    struct life *ended;         /* by life; only the main thread uses it */
    unsigned lives_count;
    struct client clients[CLIENTS];
    struct history *history;
    atomic_bool stop;
    atomic_uint answered;
    atomic_uint limit; /* the clients stop after so many; 0: when they are told to */
};

extern struct storm storm;

/* A client, until the end of the storm. */
void storm_run_client(struct worker *worker);

#endif
