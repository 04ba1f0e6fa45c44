/* SPDX-License-Identifier: MIT */
/* Prepares commits and finds out what became of them. */
#include "tests/client/commits.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/client/harness/bytes.h"

void commits_begin(struct harness *harness, struct commits *commits)
{
    *commits = (struct commits){.server = server_start(harness, NULL)};
    for (int i = 0; i < 2; i++) {
        commits->others[i] = server_start(harness, NULL);
        commits->clients[i] = client_connect(commits->others[i]);
    }
}

void commits_end(struct commits *commits)
{
    for (int i = 0; i < 2; i++) {
        redisFree(commits->clients[i]);
        check(server_stop(commits->others[i]) == 0, "a server does not stop cleanly");
    }
    check(server_stop(commits->server) == 0, "the server does not stop cleanly");
    *commits = (struct commits){0};
}

int64_t commits_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void commits_count(struct commits *commits)
{
    char *expected = text_format(":%lld", ++commits->counter);
    client_expect(commits->clients[0], expected, "INCR counter");
    free(expected);
}

void commits_prepare(struct commits *commits, const struct commit_kind *kind)
{
    commits_count(commits);
    redisContext *client = client_connect(commits->server);
    for (int database = COMMITS_DATABASES - 1; database >= 0; database--) {
        client_expect(client, "+OK", "SELECT %d", database);
        client_expect(client, "+OK", "SET k old%d", database);
    }
    client_expect(client, "+OK", "SET last 1"); /* by now it has a spare and has read everything */
    redisFree(client);
    if (kind->fresh) {
        check(server_stop(commits->server) == 0, "the server does not stop cleanly");
        server_restart(commits->server);
    }
    if (kind->behind)
        commits_count(commits);
}

size_t commits_rehearse(struct harness *harness, struct commits *commits,
                        const struct commit_kind *kind, struct tracer_step *steps)
{
    struct tracer tracer;
    commits_prepare(commits, kind);
    tracer_attach(harness, &tracer, commits->server,
                  &(struct tracer_options){.calls = TRACER_DISK_CALLS});
    redisContext *client = client_connect(commits->server);
    client_expect(client, "+OK", kind->command);
    redisFree(client);
    tracer_detach(&tracer);
    size_t count = tracer_steps(&tracer, harness->data, steps, COMMIT_STEPS_MAX);
    check(count > 0, "%s makes no system calls", kind->command);
    tracer_free(&tracer);
    check(commits_check(commits, kind, true), "%s did nothing", kind->command);
    return count;
}

char *commits_state(redisContext *client)
{
    struct bytes state = {0};
    for (int database = COMMITS_DATABASES - 1; database >= 0; database--) {
        client_expect(client, "+OK", "SELECT %d", database);
        char *value = client_text(client, "GET k");
        bytes_appendf(&state, "%s%s", value, database ? " " : "");
        free(value);
    }
    return (char *)state.data;
}

bool commits_check(struct commits *commits, const struct commit_kind *kind, bool acknowledged)
{
    for (int database = COMMITS_DATABASES - 1; database >= 0; database--) {
        client_expect(commits->clients[1], "+OK", "SELECT %d", database);
        client_expect(commits->clients[1], "+OK", "SET settle 1");
    }
    commits_count(commits);
    char *state = commits_state(commits->clients[0]);
    bool done = !strcmp(state, kind->after);
    check(done || (!acknowledged && !strcmp(state, kind->before)), "%s was %s, but there is %s",
          kind->command, acknowledged ? "acknowledged" : "not answered", state);
    char *counter = text_format("$%lld", commits->counter);
    for (int i = 0; i < 2; i++) {
        redisContext *client = i ? client_connect(commits->server) : commits->clients[1];
        char *other = commits_state(client);
        check(!strcmp(other, state), "one server has %s, another %s", state, other);
        client_expect(client, counter, "GET counter");
        free(other);
        if (i)
            redisFree(client);
    }
    free(counter);
    free(state);
    return done;
}
