/* SPDX-License-Identifier: MIT */
/* The parts of one running server: a switchboard of pointers.
 *
 * The parts are made before the first client is accepted and freed after the last one is gone.
 * Until then the pointers are constant, and any thread may use them.  Rooms below server/session do
 * not include this header: they take the parts that they use as arguments. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stdint.h>

struct anystore_key;
struct client_registry;
struct command_host;
struct command_table;
struct config;
struct databases;
struct histogram;
struct latency;
struct log;
struct memory_account;
struct monitors;
struct notify;
struct pause;
struct peers;
struct pubsub;
struct rates;
struct server_stats;
struct slowlog;
struct tally;
struct worker;

struct server {
    struct command_host *host;
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
    struct histogram *commit_times; /* of writes, from the worker to the disk and back */
    struct server_stats *stats;
    struct rates *rates;
    struct memory_account *memory;
    struct pause *pause;
    struct notify *notify;
    struct monitors *monitors;
    struct worker **workers;
    unsigned worker_count;
    char *config_file; /* absolute path, or NULL */
    char *executable;
    char *data_path; /* absolute, or NULL without persistence */
    char *key_path;  /* NULL: from the environment, or without persistence */
    char run_id[41];
    int64_t started_ms;        /* Unix time */
    int64_t started_steady_ms; /* the same moment on the steady clock */
    uint16_t tcp_port;         /* in use; 0: none */
    /* Asks the main thread to end the server; any thread. */
    void (*on_shutdown)(struct server *server);
    void *main_loop; /* main.c's own */
};

#endif
