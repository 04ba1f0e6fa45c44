/* SPDX-License-Identifier: MIT */
/* What the files of the soak test share. */
#ifndef TESTS_CLIENT_SOAK_H
#define TESTS_CLIENT_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/client/harness/random.h"

#define SOAK_SERVERS   4
#define SOAK_CLIENTS   8
#define SOAK_DATABASES 4                    /* the last one holds the counters */
#define SOAK_COUNTERS  (SOAK_DATABASES - 1) /* its number */

struct server;
struct worker;
struct harness;

/* How long commands took; one writer. */
#define SOAK_BUCKETS 400
struct soak_latency {
    uint64_t counts[SOAK_BUCKETS]; /* each 5 % above the one before, from 1 us */
    uint64_t total;
    uint64_t longest_us;
};

void soak_latency_add(struct soak_latency *latency, uint64_t us);
void soak_latency_merge(struct soak_latency *to, const struct soak_latency *from);
uint64_t soak_latency_us(const struct soak_latency *latency, double share);

/* The load: clients send all kinds of commands to any of the servers. */
struct soak_client {
    struct random random;
    struct raw *raw;
    unsigned database;
    struct soak_latency reads, writes;
    uint64_t commands, errors, lost;
    int64_t counted, unanswered; /* of INCR on its counter */
};

struct soak_load {
    struct server *servers[SOAK_SERVERS];
    struct soak_client clients[SOAK_CLIENTS];
    atomic_bool stop;
};

/* A worker's function (see workers.h); `shared` is the load. */
void soak_run_client(struct worker *worker);

/* The names of that server's commands that no client sends; the caller frees. */
char *soak_commands_left_out(const struct server *server);

/* The memory and descriptors that the servers hold. */
struct soak_usage {
    long resident_kib;
    long descriptors;
};
struct soak_usage soak_usage_of(const struct server *server);

/* Waits until all servers return the same digest of each database (keys expire, one by one); fails
 * the test if they do not. `more` is one more server or NULL. */
void soak_check_agreement(struct server *const *servers, unsigned count, const struct server *more);

/* Fails the test unless each counter has the value that its client knows, through that server. */
void soak_check_counters(const struct soak_load *load, const struct server *server);

/* Fails the test if there is a file in a directory of data, with no server running, that does not
 * belong there. */
void soak_check_names(const char *directory);

/* Fills a small file system: the errors say so, reads go on, and writes work as soon as there is
 * room. */
void soak_fill_disk(struct server *const *servers, const char *directory, struct random *random);

#endif
