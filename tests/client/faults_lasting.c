/* SPDX-License-Identifier: MIT */
/* System calls of a server that fail for a while, as if the disk were full or gone. */
#include "tests/client/faults.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/raw.h"
#include "tests/client/harness/workers.h"

#define CATCH_UP "MISCONF Cannot catch up with the data file: "

/* The calls that fail; `blind`: the server cannot read the commits of others either. */
static const struct row {
    const char *calls, *error;
    int number;
    bool blind;
} rows[] = {
    {"fsync,fdatasync", "EIO", EIO, false},
    {"fsync,fdatasync", "ENOSPC", ENOSPC, false},
    {"fsync,fdatasync", "EDQUOT", EDQUOT, false},
    {"pwrite64", "EIO", EIO, false},
    {"pwrite64", "ENOSPC", ENOSPC, false},
    {"pwrite64", "EDQUOT", EDQUOT, false},
    {"pwrite64", "EROFS", EROFS, false},
    {"renameat2", "EIO", EIO, false},
    {"renameat2", "ENOSPC", ENOSPC, false},
    {"renameat2", "EROFS", EROFS, false},
    {"flock", "EIO", EIO, false},
    {"flock", "ENOLCK", ENOLCK, false},
    {"openat", "EMFILE", EMFILE, true},
    {"openat", "EIO", EIO, true},
    {"openat", "ENFILE", ENFILE, true},
    {"?newfstatat,?fstat", "EIO", EIO, true},
    {"pread64", "EIO", EIO, true},
};

/* Clients that read all the time; static, as they may outlive the test's function. */
static struct {
    const struct server *servers[2]; /* the server with the fault, and another one */
    atomic_llong counter;            /* acknowledged */
    atomic_bool blind, stop;
    atomic_uint reads, refused;
} load;

/* Some keys do not change, and a counter never falls behind what was acknowledged. */
static void read_on(struct worker *worker)
{
    struct raw *raw = raw_connect(load.servers[worker->index % 2]);
    while (raw && !atomic_load(&load.stop) && !workers_failed()) {
        long long least = atomic_load(&load.counter);
        struct reply *reply = raw_command(raw, "MGET", "steady", "counter", NULL);
        bool refused = reply && reply->type == '-';
        if (!reply || (refused && (worker->index % 2 || !atomic_load(&load.blind) ||
                                   strncmp(reply_string(reply), CATCH_UP, strlen(CATCH_UP)))))
            worker_fail(worker, "a read failed: %s", reply ? reply_string(reply) : "no reply");
        else if (!refused && (strcmp(reply_string(&reply->items[0]), "steady") ||
                              strtoll(reply_string(&reply->items[1]), NULL, 10) < least))
            worker_fail(worker, "steady is %s, the counter %s after %lld were acknowledged",
                        reply_string(&reply->items[0]), reply_string(&reply->items[1]), least);
        atomic_fetch_add(refused ? &load.refused : &load.reads, 1);
        reply_free(reply);
    }
    if (!raw)
        worker_fail(worker, "cannot connect");
    raw_close(raw);
}

static void count(struct commits *commits)
{
    commits_count(commits);
    atomic_store(&load.counter, commits->counter);
}

static void all_writes_are_refused(struct commits *commits, const struct row *row)
{
    static const char *const writes[] = {"SET k other",    "APPEND k x", "DEL k",
                                         "MSET k 1 new 2", "FLUSHALL",   "EXPIRE k 100",
                                         "RENAME k new"};
    const char *cause = strerror(row->number);
    redisContext *client = client_connect(commits->server);
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        count(commits);
        faults_refused(client, writes[i], cause);
        client_expect(commits->clients[1], "[$old0 _]", "MGET k new");
        client_expect(commits->clients[1], ":-1", "TTL k");
        if (!row->blind)
            client_expect(client, "[$old0 _]", "MGET k new");
    }
    client_expect(client, "+OK", "MULTI");
    client_expect(client, "+QUEUED", "SET k other");
    faults_refused(client, "EXEC", cause);
    if (row->blind) {
        char *expected = text_format("-" CATCH_UP);
        client_expect_start(client, expected, "GET counter");
        free(expected);
    }
    client_expect_start(client, "-MISCONF Errors writing to the data file: ", "PING");
    faults_expect_status(client, "err", "err");
    redisFree(client);
}

static void fail_for_a_while(struct harness *harness, struct commits *commits,
                             const struct row *row)
{
    static const struct commit_kind kind = {.name = "a commit", .command = "SET k other"};
    struct tracer tracer;
    commits_prepare(commits, &kind);
    atomic_store(&load.blind, row->blind);
    char *inject = text_format("%s:error=%s", row->calls, row->error);
    harness->stage = inject;
    tracer_attach(harness, &tracer, commits->server,
                  &(struct tracer_options){.calls = row->calls, .inject = {inject}});
    all_writes_are_refused(commits, row);
    tracer_free(&tracer);
    client_expect(commits->clients[0], "$old0", "GET k");
    faults_well_again(commits);
    atomic_store(&load.blind, false);
    harness->stage = NULL;
    free(inject);
}

void calls_fail_for_a_while(struct harness *harness)
{
    struct commits commits;
    commits_begin(harness, &commits);
    memset(&load, 0, sizeof load);
    load.servers[0] = commits.server;
    load.servers[1] = commits.others[1];
    client_expect(commits.clients[0], "+OK", "SET steady steady");
    count(&commits);
    workers_start(2, read_on, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows && !workers_failed(); i++)
        fail_for_a_while(harness, &commits, &rows[i]);
    atomic_store(&load.stop, true);
    workers_join();
    commits_end(&commits);
    print_message("%zu faults; meanwhile %u reads, %u of a server that could not catch up\n",
                  sizeof rows / sizeof *rows, atomic_load(&load.reads), atomic_load(&load.refused));
}

/* EINTR says nothing about the disk: the server repeats the call, and the client notices
 * nothing. */
void interrupted_calls_go_on(struct harness *harness)
{
    static const char *const calls[] = {"pread64", "pwrite64", "flock", "fcntl", "copy_file_range"};
    struct commit_kind kind = {.name = "a commit", .behind = true};
    struct commits commits;
    struct tracer tracer;
    commits_begin(harness, &commits);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        kind.fresh = !strcmp(calls[i], "copy_file_range"); /* makes its spare */
        kind.behind = !kind.fresh;
        commits_prepare(&commits, &kind);
        char *inject = text_format("%s:error=EINTR:when=1..7", calls[i]);
        harness->stage = inject;
        tracer_attach(harness, &tracer, commits.server,
                      &(struct tracer_options){.calls = calls[i], .inject = {inject}});
        redisContext *client = client_connect(commits.server);
        client_expect(client, "+OK", "SET k interrupted%d", (int)i);
        check(tracer_saw(&tracer, "INJECTED"), "%s was not called", calls[i]);
        redisFree(client);
        tracer_free(&tracer);
        faults_well_again(&commits);
        free(inject);
    }
    harness->stage = NULL;
    commits_end(&commits);
}

/* The sockets for messages between servers survive a fault, or are made again. */
void peers_after_a_fault(struct harness *harness)
{
    static const struct {
        const char *inject, *seen; /* the log's text once it has met the fault */
    } peer_rows[] = {{"openat,?newfstatat,?fstat:error=EIO", ".peers\", "},
                     {"openat,socket,?newfstatat:error=EMFILE", ".peers\", "},
                     {"connect:error=EAGAIN", "INJECTED"}};
    struct commits commits;
    struct tracer tracer;
    commits_begin(harness, &commits);
    commits_count(&commits);
    struct raw *listener = raw_connect(commits.server);
    check(listener, "cannot connect");
    raw_expect(listener, "[$subscribe $news :1]", "SUBSCRIBE news");
    for (size_t i = 0; i < sizeof peer_rows / sizeof *peer_rows; i++) {
        const char *inject = peer_rows[i].inject;
        harness->stage = inject;
        char *calls = text_format("%.*s", (int)strcspn(inject, ":"), inject);
        tracer_attach(harness, &tracer, commits.server,
                      &(struct tracer_options){.calls = calls, .inject = {inject}});
        /* A server starts while the others cannot look for it; another one ends. */
        struct server *newcomer = server_start(harness, NULL);
        struct patience patience = {0};
        while (!tracer_saw(&tracer, peer_rows[i].seen) && patience_left(&patience))
            ;
        tracer_free(&tracer);
        redisContext *client = client_connect(newcomer);
        client_expect(client, ":0", "PUBLISH news %d", (int)i);
        char *expected = text_format("[$message $news $%zu]", i);
        raw_expect_reply(listener, expected);
        redisFree(client);
        free(expected);
        free(calls);
        check(server_stop(newcomer) == 0, "a server does not stop cleanly");
        faults_well_again(&commits);
    }
    harness->stage = NULL;
    raw_close(listener);
    commits_end(&commits);
}
