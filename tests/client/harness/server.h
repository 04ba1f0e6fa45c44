/* SPDX-License-Identifier: MIT */
/* Server processes, ours and redis-server, each with a home of its own in the test's temporary
 * directory (socket, output) and, for ours, one data directory and key common to the test's
 * servers unless told otherwise.  All of this belongs on the main thread. */
#ifndef TESTS_CLIENT_HARNESS_SERVER_H
#define TESTS_CLIENT_HARNESS_SERVER_H

#include <stdbool.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/process.h"

struct harness;

enum server_kind { SERVER_ANYSTORE, SERVER_REDIS };

/* All fields zero: an ordinary server of ours on a UNIX socket. */
struct server_options {
    enum server_kind kind;
    const char *config;      /* a configuration file */
    const char *data;        /* data directory; NULL: the harness's */
    const char *const *args; /* further arguments, NULL ends */
    const char *const *env;  /* as struct process_options */
    /* A program that runs the server as the same process, and its arguments, NULL ends; they must
     * live as long as the server. */
    const char *const *wrapper;
    bool no_key_file; /* do not pass the harness's key file */
    bool no_data;     /* do not pass a data directory and file name */
    bool bare;        /* pass only config and args: no socket, data, key */
    bool tcp;         /* listen on a free loopback port too */
    bool pending;     /* do not wait until it answers */
    uid_t user;
    bool set_umask;
    mode_t umask;
};

struct server {
    struct server *next; /* the harness's list */
    struct process process;
    struct server_options options; /* `args` and `env` are copies */
    char *home;                    /* its own directory */
    char *socket;                  /* path of its UNIX socket */
    int port;                      /* 0: none */
    char *output, *errors;         /* files with its stdout and stderr */
    bool ended_itself;             /* had already ended at the end of the test */
};

/* Starts a server and waits until it answers PING; fails the test if it does not. */
struct server *server_start(struct harness *harness, const struct server_options *options);

/* Starts the same again after it has ended: same socket, port, arguments. */
void server_restart(struct server *server);

/* Restarts without the wait; server_wait_ready then waits for the answer. */
void server_restart_pending(struct server *server);
void server_wait_ready(struct server *server);

/* Runs a server whose start must fail: its exit status, and its stderr in *errors.  If it starts
 * after all, it is stopped, and the result is -1. */
int server_run_failing(struct harness *harness, const struct server_options *options,
                       struct bytes *errors);

/* SIGTERM and wait: the exit status, see process_wait. */
int server_stop(struct server *server);
void server_kill(struct server *server); /* SIGKILL and wait */

/* Whether its output holds a sanitizer's report. */
bool server_log_has_report(const struct server *server);
void server_print_logs(const struct server *server); /* the ends of its outputs, to stderr */
void server_free(struct server *server);

/* Everything it has written so far to stdout and stderr; the caller frees. */
char *server_log(const struct server *server);

/* A TCP port on the loopback interface that was free a moment ago. */
int free_port(void);

/* Our binary: ANYSTORE_SERVER, else the one of this build. */
const char *server_program(void);

#endif
