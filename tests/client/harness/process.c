/* SPDX-License-Identifier: MIT */
/* Starts child processes and waits for them. */
#include "tests/client/harness/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/client/harness/harness.h"

/* Everything that the child needs is made before fork: the test has threads, and after fork only
 * simple system calls are safe. */
struct launch {
    int program, input, output, errors;
    char **argv;
    char **envp;
};

static bool same_name(const char *one, const char *other)
{
    size_t length = strcspn(other, "=");
    return !strncmp(one, other, length) && (one[length] == '=' || !one[length]);
}

static char **make_environment(const char *const *changes)
{
    size_t own = 0, extra = 0;
    while (environ[own])
        own++;
    while (changes && changes[extra])
        extra++;
    char **envp = calloc(own + extra + 1, sizeof *envp);
    if (!envp)
        abort();
    size_t count = 0;
    for (size_t i = 0; i < own; i++) {
        bool keep = strncmp(environ[i], "ANYSTORE_", 9) != 0 && strncmp(environ[i], "XDG_", 4) != 0;
        for (size_t j = 0; keep && j < extra; j++)
            keep = !same_name(environ[i], changes[j]);
        if (keep)
            envp[count++] = environ[i];
    }
    for (size_t j = 0; j < extra; j++) {
        if (strchr(changes[j], '='))
            envp[count++] = (char *)(uintptr_t)changes[j]; /* execve does not change it */
    }
    return envp;
}

static char **make_arguments(const struct process_options *options)
{
    size_t count = 0;
    while (options->args && options->args[count])
        count++;
    char **argv = calloc(count + 2, sizeof *argv);
    if (!argv)
        abort();
    argv[0] = (char *)(uintptr_t)options->program;
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = (char *)(uintptr_t)options->args[i];
    return argv;
}

static int open_output(const char *path)
{
    return open(path ? path : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static void run_child(const struct launch *launch, const struct process_options *options,
                      pid_t parent)
{
    if (dup2(launch->input, 0) < 0 || dup2(launch->output, 1) < 0 || dup2(launch->errors, 2) < 0)
        _exit(127);
    if (options->set_umask)
        umask(options->umask);
    if (options->cwd && chdir(options->cwd))
        _exit(127);
    if (options->user && (setgroups(0, NULL) || setgid(options->user) || setuid(options->user)))
        _exit(127);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    /* After setuid, which clears it; the parent may have ended before it was set. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
        _exit(127);
    fexecve(launch->program, launch->argv, launch->envp);
    static const char message[] = "cannot run the program\n";
    if (write(2, message, sizeof message - 1) < 0)
        _exit(126);
    _exit(127);
}

bool process_start(struct process *process, const struct process_options *options)
{
    *process = (struct process){0};
    /* By descriptor, so that a user who may not search the build directory can run it too. */
    struct launch launch = {
        .program = open(options->program, O_RDONLY | O_CLOEXEC),
        .input = open(options->input ? options->input : "/dev/null", O_RDONLY | O_CLOEXEC),
        .output = open_output(options->output),
        .errors = open_output(options->errors ? options->errors : options->output),
        .argv = make_arguments(options),
        .envp = make_environment(options->env),
    };
    bool good = false;
    if (launch.program < 0) {
        fprintf(stderr, "%s: %s\n", options->program, strerror(errno));
    } else if (launch.input < 0 || launch.output < 0 || launch.errors < 0) {
        fprintf(stderr, "%s: cannot open its files: %s\n", options->program, strerror(errno));
    } else {
        pid_t parent = getpid();
        fflush(NULL);
        process->pid = fork();
        if (!process->pid)
            run_child(&launch, options, parent);
        good = process->pid > 0;
        if (!good) {
            fprintf(stderr, "fork: %s\n", strerror(errno));
            process->pid = 0;
        }
    }
    int fds[] = {launch.program, launch.input, launch.output, launch.errors};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    free(launch.argv);
    free(launch.envp);
    return good;
}

bool process_ended(struct process *process)
{
    if (process->pid && waitpid(process->pid, &process->status, WNOHANG) == process->pid)
        process->pid = 0;
    return !process->pid;
}

int process_wait(struct process *process)
{
    struct patience patience = {0};
    while (!process_ended(process)) {
        if (!patience_left(&patience)) {
            process_kill(process);
            return -1;
        }
    }
    return WIFEXITED(process->status) ? WEXITSTATUS(process->status)
                                      : 128 + WTERMSIG(process->status);
}

void process_signal(struct process *process, int signal)
{
    if (!process_ended(process))
        kill(process->pid, signal);
}

void process_kill(struct process *process)
{
    if (process_ended(process))
        return;
    kill(process->pid, SIGKILL);
    while (waitpid(process->pid, &process->status, 0) < 0 && errno == EINTR)
        ;
    process->pid = 0;
}

int process_run(const struct process_options *options, struct bytes *output)
{
    char path[] = "/tmp/anystore-output-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    struct process_options with_output = *options;
    with_output.output = path;
    with_output.errors = NULL;
    struct process process;
    int status = process_start(&process, &with_output) ? process_wait(&process) : -1;
    if (output && !bytes_read_file(output, path))
        status = -1;
    unlink(path);
    return status;
}
