/* SPDX-License-Identifier: MIT */
/* Child processes: started with their environment, files and user, watched and ended by pid.
 *
 * A child is ended by the kernel when the thread that started it ends (PR_SET_PDEATHSIG), so that
 * none outlives its test: start them on the main thread only. */
#ifndef TESTS_CLIENT_HARNESS_PROCESS_H
#define TESTS_CLIENT_HARNESS_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "tests/client/harness/bytes.h"

struct process {
    pid_t pid;  /* 0: none, or it has ended and was waited for */
    int status; /* as waitpid gives it, once it has ended */
};

struct process_options {
    const char *program;     /* path */
    const char *const *args; /* behind the program's name, NULL ends; may be NULL */
    /* "NAME=value" sets, "NAME" removes; NULL ends; may be NULL. The rest of the environment is the
     * test's own, without ANYSTORE_* and XDG_*. */
    const char *const *env;
    const char *input; /* files; NULL: /dev/null; the outputs are appended to */
    const char *output;
    const char *errors; /* NULL: as output */
    const char *cwd;
    uid_t user;     /* and group; 0: as the test */
    bool set_umask; /* then `umask` holds */
    mode_t umask;
};

/* False, with the cause on stderr, if it cannot be started. */
bool process_start(struct process *process, const struct process_options *options);

/* Whether it has ended. */
bool process_ended(struct process *process);

/* Waits for its end: its exit status, 128 + signal as shells count, -1 if it does not end (it is
 * killed then). */
int process_wait(struct process *process);

void process_signal(struct process *process, int signal); /* nothing if it has ended */
void process_kill(struct process *process);               /* SIGKILL, and waits */

/* Runs a program to its end: process_wait's status, and its output in *output (stderr too). */
int process_run(const struct process_options *options, struct bytes *output);

#endif
