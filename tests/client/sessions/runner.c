/* SPDX-License-Identifier: MIT */
/* Runs one client's session (DESIGN.md in this folder) against one server, then between two. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/process.h"
#include "tests/client/harness/server.h"

/* All steps of DESIGN.md: a session that does not report one of them has failed. */
static const char *const steps[] = {
    "connect_tcp",  "connect_unix",   "connect_url", "password",    "resp3", "introduce",
    "seen_at_once", "counters",       "pipeline",    "transaction", "watch", "binary",
    "large",        "expiry",         "scan",        "strings",     "bits",  "errors",
    "publish",      "publish_across", "databases",   "reconnect",   "flush",
};

/* With special characters, so that a client must encode it in a URL. */
#define PASSWORD     "open sesame/1"
#define PASSWORD_URL "open%20sesame%2F1"

#define ENVIRONMENT_MAX 16

struct session {
    struct process process;
    char *output; /* file with the session's output */
    size_t shown; /* how much of it was passed on */
    char *env[ENVIRONMENT_MAX];
    size_t env_count;
};

static void set(struct session *session, char *variable)
{
    check(session->env_count < ENVIRONMENT_MAX - 1, "too many variables");
    session->env[session->env_count++] = variable;
}

static void set_address(struct session *session, char name, const struct server *server)
{
    set(session, text_format("SESSION_%c_PORT=%d", name, server->port));
    set(session, text_format("SESSION_%c_SOCKET=%s", name, server->socket));
    set(session, text_format("SESSION_%c_URL=redis://default:%s@127.0.0.1:%d/0", name, PASSWORD_URL,
                             server->port));
}

static void start_session(struct session *session, const struct harness *harness,
                          struct server *const servers[2])
{
    const char *const *words = harness->row->argument;
    session->output = text_format("%s/session", harness->dir);
    set_address(session, 'A', servers[0]);
    set_address(session, 'B', servers[1]);
    set(session, text_format("SESSION_PASSWORD=" PASSWORD));
    set(session, text_format("SESSION_DIR=%s", harness->dir));
    set(session, text_format("SESSION_PIPED=%u", harness_scaled(100000)));
    set(session, text_format("HOME=%s", harness->dir)); /* no settings or history of the user's */
    struct process_options options = {
        .program = words[0],
        .args = words + 1,
        .env = (const char *const *)session->env,
        .output = session->output,
        .cwd = harness->dir,
    };
    check(process_start(&session->process, &options), "cannot start %s", words[0]);
}

/* Passes on the session's new output; true if there was any. */
static bool show_progress(struct session *session, struct bytes *text)
{
    bytes_clear(text);
    check(bytes_read_file(text, session->output), "%s: cannot read", session->output);
    bool more = text->size > session->shown;
    if (more)
        fwrite(text->data + session->shown, 1, text->size - session->shown, stdout);
    session->shown = text->size;
    return more;
}

/* As a service manager does: a server ended by SIGKILL is started again. */
static unsigned revive(struct server *server)
{
    if (!process_ended(&server->process))
        return 0;
    int status = server->process.status;
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
          "a server ended by itself, wait status %d", status);
    server_restart_pending(server);
    return 1;
}

/* The session's last line and its lines about each step. */
static void judge(struct session *session, const struct bytes *output)
{
    char *text = text_format("\n%s", bytes_text(output));
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char *passed = text_format("\nok %s\n", steps[i]);
        char *skipped = text_format("\nskip %s: ", steps[i]);
        check(strstr(text, passed) || strstr(text, skipped), "the session did not do step %s",
              steps[i]);
        free(passed);
        free(skipped);
    }
    check(session->process.status == 0, "the session ended with wait status %d",
          session->process.status);
    unsigned passed = 0, failed = 0;
    const char *last = strrchr(text, '\n');
    while (last > text && !last[1]) {
        do
            last--;
        while (last > text && *last != '\n');
    }
    check(sscanf(last, " %u passed, %u failed", &passed, &failed) == 2 && passed && !failed,
          "the session's last line:%s", last);
    free(text);
}

static void run_session(struct harness *harness, struct server *const servers[2])
{
    struct session session = {0};
    start_session(&session, harness, servers);
    unsigned count = servers[0] == servers[1] ? 1 : 2, revived = 0;
    struct bytes text = {0};
    struct patience patience = {0};
    bool ended = false;
    while (!ended) {
        ended = process_ended(&session.process);
        for (unsigned i = 0; i < count; i++)
            revived += revive(servers[i]);
        if (show_progress(&session, &text))
            patience = (struct patience){0};
        if (!ended && !patience_left(&patience)) {
            process_kill(&session.process);
            fail_test("the session does not go on");
        }
    }
    judge(&session, &text);
    check(revived == 1, "the session killed %u servers, not one", revived);
    for (unsigned i = 0; i < count; i++) {
        server_wait_ready(servers[i]);
        check(server_stop(servers[i]) == 0, "a server does not stop cleanly");
    }
    for (size_t i = 0; i < session.env_count; i++)
        free(session.env[i]);
    free(session.output);
    bytes_free(&text);
}

static struct server *start_server(struct harness *harness)
{
    struct server_options options = {
        .tcp = true,
        .args = (const char *const[]){"--requirepass", PASSWORD, NULL},
    };
    return server_start(harness, &options);
}

static void one_server(struct harness *harness)
{
    struct server *server = start_server(harness);
    run_session(harness, (struct server *const[]){server, server});
}

static void two_servers(struct harness *harness)
{
    struct server *one = start_server(harness), *other = start_server(harness);
    run_session(harness, (struct server *const[]){one, other});
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s PROGRAM [ARGUMENT...]\n", argv[0]);
        return 64;
    }
    struct harness_case cases[] = {
        {.test = one_server, .argument = argv + 1},
        {.test = two_servers, .argument = argv + 1},
    };
    const struct CMUnitTest tests[] = {
        {"one_server", harness_run, harness_setup, harness_teardown, &cases[0]},
        {"two_servers", harness_run, harness_setup, harness_teardown, &cases[1]},
    };
    return harness_main("session", tests, sizeof tests / sizeof *tests);
}
