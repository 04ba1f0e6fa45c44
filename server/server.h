/* SPDX-License-Identifier: MIT */
/* What the parts of one running server share.  Everything here may be used on any thread. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "anystore.h"
#include "server/client/pause.h"
#include "server/data/memory.h"
#include "server/observe/histogram.h"
#include "server/publish/monitor.h"

/* The Redis version whose commands and replies these are: what HELLO and INFO say. */
#define SERVER_REDIS_VERSION "7.0.15"

struct client_registry;
struct command_table;
struct config;
struct databases;
struct latency;
struct log;
struct peers;
struct pubsub;
struct slowlog;
struct tally;
struct worker;

/* See notify.h. */
struct server_notify {
    pthread_mutex_t mutex;
    bool active;                        /* guard: mutex; between notify_start and notify_end */
    atomic_uint own;                    /* flags of this server; 0 without K and E */
    _Atomic(_Atomic uint64_t *) wanted; /* the number whose low bits are what all servers want */
};

/* Counters for INFO. */
struct server_stats {
    atomic_uint_fast64_t connections_received, connections_rejected, commands_processed, bytes_read,
        bytes_written, keyspace_hits, keyspace_misses, error_replies, output_limit_disconnections,
        query_limit_disconnections, evicted_clients;
    atomic_uint_fast64_t
        expired_before; /* of the store's count, not to be shown since CONFIG RESETSTAT */
    atomic_uint clients;
};

struct server {
    struct config *config;
    struct log *log;
    struct databases *databases;
    struct anystore_key *key; /* NULL without persistence */
    struct command_table *commands;
    struct client_registry *clients;
    struct pubsub *pubsub;
    struct peers *peers; /* NULL without a data file */
    struct tally *tally;
    struct slowlog *slowlog;
    struct latency *latency;
    struct histogram commit_times; /* writes, from the worker to the disk and back */
    struct pause pause;
    struct server_notify notify;
    struct monitors monitors;
    struct worker **workers;
    unsigned worker_count;
    char *config_file; /* absolute path, or NULL */
    char *executable;
    char *data_path; /* absolute, or NULL without persistence */
    char *key_path;  /* NULL: from the environment, or without persistence */
    char run_id[41];
    int64_t started_ms; /* Unix time */
    uint16_t tcp_port;  /* in use; 0: none */
    struct server_stats stats;
    struct memory_account memory;
    /* Asks the main thread to end the server; any thread. */
    void (*on_shutdown)(struct server *server);
    void *main_loop; /* main.c's own */
};

#endif
