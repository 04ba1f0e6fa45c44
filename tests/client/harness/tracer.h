/* SPDX-License-Identifier: MIT */
/* strace at a running server: notes its system calls, makes some of them fail, or ends or stops the
 * server at one of them.  Main thread only. strace counts the calls of each thread of the server
 * separately, from the moment it is attached. */
#ifndef TESTS_CLIENT_HARNESS_TRACER_H
#define TESTS_CLIENT_HARNESS_TRACER_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/client/harness/process.h"

struct harness;
struct server;

/* The calls with which a server uses files of the data directory. */
#define TRACER_DISK_CALLS                                                                          \
    "openat,close,pread64,pwrite64,fsync,fdatasync,ftruncate,fallocate,?fstat,?newfstatat,"        \
    "?rename,renameat2,?unlink,unlinkat,flock,fcntl,ioctl,copy_file_range"

#define TRACER_INJECTIONS 3
#define TRACER_PATHS      3

struct tracer_options {
    const char *calls; /* names of system calls with commas; "?": if there is one */
    const char *inject[TRACER_INJECTIONS]; /* as strace's inject=: "fsync:error=EIO:when=1" */
    const char *paths[TRACER_PATHS];       /* only calls that use one of these; none: all */
};

struct tracer {
    struct process process;
    char *log;    /* file with a line for each call */
    char *errors; /* file with strace's own messages */
};

/* Its path. */
const char *tracer_program(void);

/* Attaches strace to all threads of a server.  Skips the test where that is not allowed. */
void tracer_attach(struct harness *harness, struct tracer *tracer, const struct server *server,
                   const struct tracer_options *options);

/* Detaches strace, unless the server has ended anyway; its log can be read until tracer_free. */
void tracer_detach(struct tracer *tracer);
void tracer_free(struct tracer *tracer);

/* Whether its log has the text by now. */
bool tracer_saw(const struct tracer *tracer, const char *text);

/* Whether strace's signal has stopped the server. */
bool tracer_stands(const struct tracer *tracer);

/* A call by the name that strace knows: the `when`-th call of that name by its thread. */
struct tracer_step {
    char call[24];
    unsigned when;
    char text[160]; /* the beginning of its line, for messages */
};

/* The calls in the log that use something in the directory, in order, each step once; returns their
 * number, at most `most`. */
size_t tracer_steps(const struct tracer *tracer, const char *directory, struct tracer_step *steps,
                    size_t most);

#endif
