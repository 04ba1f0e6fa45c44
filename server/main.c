/* SPDX-License-Identifier: MIT */
/* anystore-server: puts the parts together, waits for the end, and takes them apart in reverse. */
#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/rand.h>

#include "anystore.h"
#include "command/host.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/data/memory.h"
#include "server/data/open_files.h"
#include "server/loop/loop.h"
#include "server/net/listener.h"
#include "server/net/worker.h"
#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "server/observe/rates.h"
#include "server/observe/stats.h"
#include "server/parts.h"
#include "server/peering.h"
#include "server/publish/notify.h"
#include "server/server.h"
#include "server/startup.h"
#include "server/version.h"
#include "text/number.h"

#define MOST_DEFAULT_THREADS 8

/* What only the main thread has. */
struct main_loop {
    struct server *server;
    struct loop *events; /* woken by any thread: shut down */
    struct listener *listener;
    struct event *signals[4];
    struct event *sample_event;
    char *pid_file; /* made by us */
};

/* Prints the one line of a failed start; always false. */
static bool say_and_free(char *cause)
{
    fprintf(stderr, "anystore-server: %s\n", cause ? cause : "out of memory");
    free(cause);
    return false;
}

/* ---- Ending ------------------------------------------------------------------------------- */

static void on_shutdown(struct server *server)
{
    struct main_loop *loop = server->main_loop;
    loop_wake(loop->events);
}

static void on_shutdown_asked(void *arg)
{
    struct main_loop *loop = arg;
    loop_end(loop->events);
}

static void on_end_signal(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    struct main_loop *loop = arg;
    log_write(loop->server->log, LOG_WARNING, "Received %s scheduling shutdown...",
              number == SIGINT ? "SIGINT" : "SIGTERM");
    /* A second signal ends the process at once; acknowledged writes are safe anyway. */
    signal((int)number, SIG_DFL);
    loop_end(loop->events);
}

static void on_hangup(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    struct main_loop *loop = arg;
    log_reopen(loop->server->log);
}

/* ---- Sampling ----------------------------------------------------------------------------- */

static void on_sample(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct main_loop *loop = arg;
    struct server *server = loop->server;
    const uint64_t counters[RATE_COUNT] = {
        [RATE_COMMANDS] = atomic_load(&server->stats->commands_processed),
        [RATE_BYTES_READ] = atomic_load(&server->stats->bytes_read),
        [RATE_BYTES_WRITTEN] = atomic_load(&server->stats->bytes_written),
    };
    rates_sample(server->rates, counters, steady_ns());
    memory_note_peak(server->memory, server->databases);
}

static bool start_sampling(struct main_loop *loop)
{
    static const struct timeval interval = {.tv_usec = RATE_INTERVAL_MS * 1000};
    loop->sample_event = event_new(loop_base(loop->events), -1, EV_PERSIST, on_sample, loop);
    return (loop->sample_event && event_add(loop->sample_event, &interval) == 0) ||
           say_and_free(NULL);
}

/* ---- Starting ----------------------------------------------------------------------------- */

static bool make_run_id(struct server *server)
{
    unsigned char bytes[20];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(server->run_id + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

/* Raises the limit of open files for maxclients, or lowers maxclients, as Redis does. */
static void adjust_open_files(struct server *server)
{
    int64_t wanted = config_number(server->config, CONFIG_MAXCLIENTS);
    int64_t most = open_files_for(wanted);
    if (most == wanted)
        return;
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)most);
    config_set(server->config, CONFIG_MAXCLIENTS, text, NULL);
    log_write(server->log, LOG_WARNING,
              "The limit of open files allows only %lld client%s: maxclients is reduced to that",
              (long long)most, number_plural((uint64_t)most));
}

static bool write_pid_file(struct main_loop *loop)
{
    char *path = config_text(loop->server->config, CONFIG_PIDFILE);
    if (!path || path[0] == '\0') {
        free(path);
        return true;
    }
    FILE *file = fopen(path, "we");
    if (!file || fprintf(file, "%ld\n", (long)getpid()) < 0 || fclose(file) != 0) {
        fprintf(stderr, "anystore-server: cannot write the pid file %s: %s\n", path,
                strerror(errno));
        free(path);
        return false;
    }
    loop->pid_file = path;
    return true;
}

/* One worker for two of the cores that this process may run on.  The others are for the kernel's
 * part of the network, the commit thread and clients on the same host.  With more workers each has
 * so little to do that it sleeps and wakes for nearly every request, which costs more than the
 * request. */
static int64_t default_thread_count(void)
{
    cpu_set_t cores;
    int64_t count =
        sched_getaffinity(0, sizeof cores, &cores) == 0
            ? CPU_COUNT(&cores)
            : sysconf(_SC_NPROCESSORS_ONLN); /* more cores than a cpu_set_t has room for */
    count = (count + 1) / 2;
    return count < 1 ? 1 : count > MOST_DEFAULT_THREADS ? MOST_DEFAULT_THREADS : count;
}

static bool start_workers(struct server *server)
{
    int64_t count = config_number(server->config, CONFIG_IO_THREADS);
    if (count == 0)
        count = default_thread_count();
    server->workers = calloc((size_t)count, sizeof *server->workers);
    if (!server->workers)
        return say_and_free(NULL);
    while (server->worker_count < (unsigned)count) {
        char *cause = NULL;
        struct worker *worker = worker_start(server, server->worker_count, &cause);
        if (!worker)
            return say_and_free(cause);
        server->workers[server->worker_count++] = worker;
    }
    return true;
}

static bool catch_signals(struct main_loop *loop)
{
    const struct {
        int number;
        event_callback_fn callback;
    } rows[] = {{SIGTERM, on_end_signal}, {SIGINT, on_end_signal}, {SIGHUP, on_hangup}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        loop->signals[i] =
            evsignal_new(loop_base(loop->events), rows[i].number, rows[i].callback, loop);
        if (!loop->signals[i] || event_add(loop->signals[i], NULL) != 0)
            return false;
    }
    return true;
}

/* Logs how to reach the server, as a line to copy. */
static void log_try(struct server *server)
{
    char *path = config_text(server->config, CONFIG_UNIXSOCKET);
    if (server->tcp_port)
        log_write(server->log, LOG_NOTICE, "Try it: redis-cli -p %u set greeting hello",
                  server->tcp_port);
    else if (path)
        log_write(server->log, LOG_NOTICE, "Try it: redis-cli -s %s set greeting hello", path);
    free(path);
}

static void log_ready(struct main_loop *loop)
{
    struct server *server = loop->server;
    struct anystore_stats stats;
    anystore_stats_read(databases_store(server->databases, 0), &stats);
    log_write(server->log, LOG_NOTICE, "AnyStore %s, speaking as Redis %s, with %u worker thread%s",
              ANYSTORE_VERSION_TEXT, SERVER_REDIS_VERSION, server->worker_count,
              number_plural(server->worker_count));
    if (server->data_path) {
        log_write(server->log, LOG_NOTICE,
                  "Data file: %s (%llu key%s, %llu bytes, generation %llu)", server->data_path,
                  (unsigned long long)stats.keys, number_plural(stats.keys),
                  (unsigned long long)stats.file_size, (unsigned long long)stats.generation);
        log_write(server->log, LOG_NOTICE, "Key file: %s",
                  server->key_path ? server->key_path : "none, the key is from ANYSTORE_KEY");
        if (config_number(server->config, CONFIG_FSYNC) == CONFIG_FSYNC_NO)
            log_write(server->log, LOG_WARNING,
                      "fsync is no: a power cut can lose acknowledged writes");
    } else {
        log_write(server->log, LOG_WARNING, "persistence is no: the data end with this process");
    }
    log_try(server);
    log_write(server->log, LOG_NOTICE, "Ready to accept connections on %s",
              listener_text(loop->listener));
}

static bool open_log(struct server *server)
{
    char *path = config_text(server->config, CONFIG_LOGFILE);
    char *cause = NULL;
    server->log =
        log_open(path, (enum log_level)config_number(server->config, CONFIG_LOGLEVEL), &cause);
    free(path);
    return server->log || say_and_free(cause);
}

/* The sockets come before the store, so a server whose port is taken touches no file. */
static bool start(struct main_loop *loop)
{
    struct server *server = loop->server;
    char *cause = NULL;
    const struct loop_hooks hooks = {.on_wake = on_shutdown_asked, .arg = loop};
    loop->events = loop_new(&hooks);
    if (!loop->events || !parts_make(server) || !make_run_id(server) || !catch_signals(loop))
        return say_and_free(NULL);
    adjust_open_files(server);
    loop->listener = listener_open(server, loop_base(loop->events), &cause);
    if (!loop->listener || !startup_open_store(server, &cause))
        return say_and_free(cause);
    if (!write_pid_file(loop))
        return false;
    if (!peering_start(server, &cause))
        return say_and_free(cause);
    notify_start(server->notify, databases_store(server->databases, 0), server->peers,
                 &server->host->events_wanted);
    if (!start_workers(server))
        return false;
    memory_note_startup(server->memory, server->databases);
    if (!start_sampling(loop))
        return false;
    listener_start(loop->listener);
    log_ready(loop);
    return true;
}

/* Takes the parts down in the opposite order; a part that was not started is NULL. */
static void end(struct main_loop *loop)
{
    struct server *server = loop->server;
    listener_close(loop->listener);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_stop(server->workers[i]);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_join(server->workers[i]);
    if (server->notify)
        notify_end(server->notify);
    databases_free(server->databases);
    anystore_key_free(server->key);
    peering_stop(server);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_free(server->workers[i]);
    if (loop->pid_file)
        unlink(loop->pid_file);
    for (size_t i = 0; i < sizeof loop->signals / sizeof loop->signals[0]; i++)
        if (loop->signals[i])
            event_free(loop->signals[i]);
    if (loop->sample_event)
        event_free(loop->sample_event);
    loop_free(loop->events);
    parts_free(server);
    free(server->workers);
    free(server->data_path);
    free(server->key_path);
    free(server->executable);
    free(server->config_file);
    free(loop->pid_file);
}

static void print_help(void)
{
    printf("AnyStore %s: Redis-protocol servers that share one encrypted file\n\n"
           "Usage: anystore-server [/path/to/anystore.conf] [--option value ...]\n"
           "       anystore-server -            (configuration from standard input)\n"
           "       anystore-server --version | --help\n\n"
           "Options, also as lines of the configuration file:\n\n",
           ANYSTORE_VERSION_TEXT);
    config_print_help(stdout);
    printf("\nThe key may also be given as ANYSTORE_KEY (base64) or ANYSTORE_KEY_FILE in the "
           "environment.\n");
}

static bool is_option(const char *arg, const char *long_name, const char *short_name)
{
    return strcmp(arg, long_name) == 0 || strcmp(arg, short_name) == 0;
}

int main(int argc, char *argv[])
{
    if (argc == 2 && is_option(argv[1], "--version", "-v")) {
        printf("AnyStore server v=%s redis=%s\n", ANYSTORE_VERSION_TEXT, SERVER_REDIS_VERSION);
        return 0;
    }
    if (argc == 2 && is_option(argv[1], "--help", "-h")) {
        print_help();
        return 0;
    }
    /* Small pieces of freed memory are joined at once.  Otherwise a thread that frees a large piece
     * joins all of them then: after the end of 500,000 subscriptions that took 22 ms. */
    mallopt(M_MXFAST, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);  /* until the log can be reopened */
    signal(SIGALRM, SIG_IGN); /* as in Redis, which other unused signals end */
    signal(SIGXFSZ, SIG_IGN); /* the write to a file that may not grow fails, and that is all */
    struct server server = {
        .started_ms = wall_ms(), .started_steady_ms = steady_ms(), .on_shutdown = on_shutdown};
    struct main_loop loop = {.server = &server};
    server.main_loop = &loop;
    server.executable = realpath("/proc/self/exe", NULL);
    if (argc > 1 && argv[1][0] != '-')
        server.config_file = realpath(argv[1], NULL);
    char *cause = NULL;
    server.config = config_new();
    bool ok = server.config != NULL;
    if (ok && !config_load_args(server.config, argc - 1, argv + 1, &cause))
        ok = say_and_free(cause);
    ok = ok && open_log(&server) && start(&loop);
    if (ok)
        loop_run(loop.events);
    end(&loop);
    if (ok)
        log_write(server.log, LOG_WARNING, "AnyStore is now ready to exit, bye bye...");
    log_close(server.log);
    /* end() has freed the rest of `server` through `loop`, which the analyzer does not follow. */
    config_free(server.config); /* NOLINT(clang-analyzer-unix.Malloc) */
    return ok ? 0 : 1;
}
