/* SPDX-License-Identifier: MIT */
/* Starts, watches and ends server processes. */
#include "tests/client/harness/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"

#define ARGS_MAX   64
#define LOG_TAIL   6000
#define PORT_TRIES 10

const char *server_program(void)
{
    const char *path = getenv("ANYSTORE_SERVER");
    return path && *path ? path : HARNESS_SERVER;
}

int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int port = 0;
    if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) &&
        !getsockname(fd, (struct sockaddr *)&address, &size))
        port = ntohs(address.sin_port);
    if (fd >= 0)
        close(fd);
    return port;
}

static size_t add(const char **args, size_t count, const char *const *more, size_t more_count)
{
    for (size_t i = 0; i < more_count; i++)
        args[count++] = text_format("%s", more[i]);
    return count;
}

static struct server *make(struct harness *harness, const struct server_options *options)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        abort();
    if (options)
        server->options = *options;
    server->home = text_format("%s/s%u", harness->dir, ++harness->server_count);
    server->socket = text_format("%s/socket", server->home);
    server->output = text_format("%s/stdout", server->home);
    server->errors = text_format("%s/stderr", server->home);

    const char **args = calloc(ARGS_MAX, sizeof *args);
    if (!args)
        abort();
    size_t count = 0;
    if (server->options.config)
        args[count++] = text_format("%s", server->options.config);
    bool ours = server->options.kind == SERVER_ANYSTORE;
    if (!server->options.bare) {
        const char *data = server->options.data ? server->options.data : harness->data;
        const char *common[] = {"--unixsocket", server->socket, "--port", "0"};
        const char *of_data[] = {"--dir", data, "--dbfilename", "anystore.db"};
        const char *of_key[] = {"--encryption-key-file", harness->key_file};
        const char *of_threads[] = {"--io-threads", "2"}; /* whatever the number of cores */
        const char *of_redis[] = {"--dir", server->home, "--save", "", "--appendonly", "no"};
        count = add(args, count, common, sizeof common / sizeof *common);
        if (!ours)
            count = add(args, count, of_redis, sizeof of_redis / sizeof *of_redis);
        if (ours && !server->options.config)
            count = add(args, count, of_threads, sizeof of_threads / sizeof *of_threads);
        if (ours && !server->options.no_data)
            count = add(args, count, of_data, sizeof of_data / sizeof *of_data);
        if (ours && !server->options.no_key_file)
            count = add(args, count, of_key, sizeof of_key / sizeof *of_key);
    }
    for (size_t i = 0; options && options->args && options->args[i]; i++) {
        if (count >= ARGS_MAX - 1)
            fail_test("more than %d arguments", ARGS_MAX);
        args[count++] = text_format("%s", options->args[i]);
    }
    server->options.args = args;
    const char **env = calloc(ARGS_MAX, sizeof *env);
    if (!env)
        abort();
    for (size_t i = 0; options && options->env && options->env[i]; i++) {
        check(i < ARGS_MAX - 2, "too many variables");
        env[i] = text_format("%s", options->env[i]);
    }
    server->options.env = env;

    if (mkdir(server->home, 0755))
        fail_test("%s: %s", server->home, strerror(errno));
    if (server->options.user) {
        /* The test's directory is private to its user; let this server's user pass through. */
        if (chmod(harness->dir, 0711) || chown(server->home, server->options.user, (gid_t)-1))
            fail_test("%s: %s", server->home, strerror(errno));
    }
    server->next = harness->servers;
    harness->servers = server;
    return server;
}

static void free_texts(const char *const *texts)
{
    for (size_t i = 0; texts[i]; i++)
        free((void *)(uintptr_t)texts[i]);
    free((void *)(uintptr_t)texts);
}

void server_free(struct server *server)
{
    process_kill(&server->process);
    free_texts(server->options.args);
    free_texts(server->options.env);
    free(server->home);
    free(server->socket);
    free(server->output);
    free(server->errors);
    free(server);
}

/* A home in its own directory, so that no default place lies outside it. */
static void launch(struct server *server)
{
    char *home = text_format("HOME=%s", server->home);
    const char *env[ARGS_MAX] = {home};
    size_t env_count = 1;
    for (size_t i = 0; server->options.env[i]; i++)
        env[env_count++] = server->options.env[i];
#ifdef HARNESS_COVERAGE /* another user cannot write counts there, and would complain */
    char *counts = text_format("GCOV_PREFIX=%s", server->home);
    if (server->options.user)
        env[env_count++] = counts;
#endif
    char port[16];
    snprintf(port, sizeof port, "%d", server->port);
    const char *program =
        server->options.kind == SERVER_ANYSTORE ? server_program() : HARNESS_REDIS_SERVER;
    const char *args[2 * ARGS_MAX + 4];
    size_t count = 0;
    if (server->options.wrapper) {
        for (size_t i = 1; i < ARGS_MAX && server->options.wrapper[i]; i++)
            args[count++] = server->options.wrapper[i];
        args[count++] = program;
        program = server->options.wrapper[0];
    }
    for (size_t i = 0; server->options.args[i]; i++)
        args[count++] = server->options.args[i];
    if (server->options.tcp) {
        args[count++] = "--port";
        args[count++] = port;
    }
    args[count] = NULL;
    struct process_options options = {
        .program = program,
        .args = args,
        .env = env,
        .output = server->output,
        .errors = server->errors,
        .cwd = server->home,
        .user = server->options.user,
        .set_umask = server->options.set_umask,
        .umask = server->options.umask,
    };
    bool started = process_start(&server->process, &options);
    free(home);
#ifdef HARNESS_COVERAGE
    free(counts);
#endif
    check(started, "cannot start a server");
}

/* True when it answers PING, or asks for authentication first; false if it has ended. */
static bool wait_ready(struct server *server)
{
    struct patience patience = {0};
    do {
        struct raw *raw = raw_connect(server);
        if (raw) {
            struct reply *reply = raw_command(raw, "PING", NULL);
            bool ready = reply && (!strcmp(reply_string(reply), "PONG") ||
                                   !strncmp(reply_string(reply), "NOAUTH", 6));
            reply_free(reply);
            raw_close(raw);
            if (ready)
                return true;
        }
        if (process_ended(&server->process))
            return false;
    } while (patience_left(&patience));
    fail_test("the server does not get ready");
    return false;
}

/* Another process may take a free port before the server does: then the server ends and gets
 * another port. */
static bool start(struct server *server)
{
    for (int i = 0;; i++) {
        if (server->options.tcp && !server->port)
            server->port = free_port();
        launch(server);
        if (server->options.pending || wait_ready(server))
            return true;
        if (!server->options.tcp || i >= PORT_TRIES)
            return false;
        server->port = 0;
    }
}

struct server *server_start(struct harness *harness, const struct server_options *options)
{
    struct server *server = make(harness, options);
    if (!start(server)) {
        int status = process_wait(&server->process);
        fail_test("the server ended at its start with status %d", status);
    }
    return server;
}

void server_restart(struct server *server)
{
    launch(server);
    server_wait_ready(server);
}

void server_restart_pending(struct server *server)
{
    launch(server);
}

void server_wait_ready(struct server *server)
{
    if (!wait_ready(server)) {
        int status = process_wait(&server->process);
        fail_test("the server ended at its start with status %d", status);
    }
}

int server_run_failing(struct harness *harness, const struct server_options *options,
                       struct bytes *errors)
{
    struct server *server = make(harness, options);
    launch(server);
    int status;
    if (!server->options.bare && wait_ready(server)) {
        server_kill(server);
        status = -1;
    } else {
        status = process_wait(&server->process);
    }
    bytes_clear(errors);
    if (!bytes_read_file(errors, server->errors))
        fail_test("%s: %s", server->errors, strerror(errno));
    return status;
}

int server_stop(struct server *server)
{
    process_signal(&server->process, SIGTERM);
    return process_wait(&server->process);
}

void server_kill(struct server *server)
{
    process_kill(&server->process);
}

char *server_log(const struct server *server)
{
    struct bytes text = {0};
    bytes_append_text(&text, "");
    (void)bytes_read_file(&text, server->output);
    (void)bytes_read_file(&text, server->errors);
    return (char *)text.data;
}

bool server_log_has_report(const struct server *server)
{
    char *log = server_log(server);
    bool found = strstr(log, "Sanitizer") || strstr(log, "runtime error:");
    free(log);
    return found;
}

static void print_tail(const char *path)
{
    struct bytes text = {0};
    if (bytes_read_file(&text, path) && text.size) {
        size_t from = text.size > LOG_TAIL ? text.size - LOG_TAIL : 0;
        fprintf(stderr, "--- %s%s\n", path, from ? " (its end)" : "");
        fwrite(text.data + from, 1, text.size - from, stderr);
        fprintf(stderr, "---\n");
    }
    bytes_free(&text);
}

void server_print_logs(const struct server *server)
{
    int status = server->process.status;
    if (server->ended_itself && WIFSIGNALED(status))
        fprintf(stderr, "%s had been ended by signal %d\n", server->home, WTERMSIG(status));
    else if (server->ended_itself)
        fprintf(stderr, "%s had ended with status %d\n", server->home, WEXITSTATUS(status));
    print_tail(server->output);
    print_tail(server->errors);
}
