/* SPDX-License-Identifier: MIT */
/* A server is killed, or stopped, at each system call that it makes for a commit, one after the
 * other, with two more servers on the file.  The others go on; everything acknowledged is there;
 * the command in progress was done wholly or not at all.  A stopped server delays the others'
 * writes only while it is stopped, their reads not at all, and does no harm when it wakes up.  At
 * the end the test prints the longest time from a server's death to the next write at another
 * one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/commits.h"
#include "tests/client/harness/random.h"
#include "tests/client/harness/raw.h"

#define OLD "$old2 $old1 $old0"
#define NEW "$old2 $old1 $new"

static const struct commit_kind simple = {
    .name = "a commit", .command = "SET k new", .before = OLD, .after = NEW};
static const struct commit_kind behind = {.name = "a commit behind another server's",
                                          .command = "SET k new",
                                          .before = OLD,
                                          .after = NEW,
                                          .behind = true};
static const struct commit_kind first = {.name = "the first commit after a start",
                                         .command = "SET k new",
                                         .before = OLD,
                                         .after = NEW,
                                         .fresh = true};
static const struct commit_kind base = {
    .name = "a new base", .command = "SAVE", .before = OLD, .after = OLD};
static const struct commit_kind exchange = {.name = "an exchange of two databases",
                                            .command = "SWAPDB 1 2",
                                            .before = OLD,
                                            .after = "$old1 $old2 $old0"};

/* The counts over all trials of a test. */
struct tally {
    unsigned trials, done, missed, waited;
    int64_t longest_us; /* from a death to another server's next acknowledged write */
};

static void attach(struct harness *harness, struct tracer *tracer, const struct commits *commits,
                   const struct tracer_step *step, const char *signal)
{
    char *inject = text_format("%s:signal=%s:when=%u", step->call, signal, step->when);
    tracer_attach(harness, tracer, commits->server,
                  &(struct tracer_options){.calls = step->call, .inject = {inject}});
    free(inject);
}

/* NULL if the server has ended already, at a call of its ticks. */
static struct raw *send_line(const struct server *server, const char *line)
{
    struct raw *raw = raw_connect(server);
    char *text = text_format("%s\r\n", line);
    if (raw && !raw_send_text(raw, text)) {
        raw_close(raw);
        raw = NULL;
    }
    free(text);
    return raw;
}

/* Whether the command was acknowledged; false if the server was killed. */
static bool take_reply(struct raw *raw, const struct commit_kind *kind)
{
    struct reply *reply = raw ? raw_reply(raw) : NULL;
    check(!reply || reply->type == '+', "%s: %s", kind->command, reply_string(reply));
    bool acknowledged = reply != NULL;
    reply_free(reply);
    raw_close(raw);
    return acknowledged;
}

static void note_wait(struct tally *tally, int64_t since_us)
{
    int64_t waited_us = commits_now_us() - since_us;
    if (waited_us > tally->longest_us)
        tally->longest_us = waited_us;
}

/* The rest of a trial in which the server was killed: it starts again, and all are compared. */
static void start_again(struct commits *commits, const struct commit_kind *kind, bool acknowledged,
                        struct tally *tally)
{
    server_kill(commits->server);
    server_restart(commits->server);
    tally->trials++;
    tally->done += commits_check(commits, kind, acknowledged);
}

/* Killed right at the call. */
static void kill_at(struct harness *harness, struct commits *commits,
                    const struct commit_kind *kind, const struct tracer_step *step,
                    struct tally *tally)
{
    struct tracer tracer;
    commits_prepare(commits, kind);
    attach(harness, &tracer, commits, step, "SIGKILL");
    bool acknowledged = take_reply(send_line(commits->server, kind->command), kind);
    int64_t died_us = commits_now_us();
    commits_count(commits);
    if (acknowledged) /* its ticks make calls, too: this time it was another call */
        tally->missed++;
    else
        note_wait(tally, died_us);
    if (!acknowledged)
        process_kill(&tracer.process); /* there is nothing to detach from */
    tracer_free(&tracer);
    start_again(commits, kind, acknowledged, tally);
}

/* Until the server is stopped, or has answered and is stopped then. strace is detached, or it would
 * stop the server once more at a call of another thread. */
static void wait_standing(const struct commits *commits, struct raw *raw, struct tracer *tracer,
                          struct tally *tally)
{
    struct patience patience = {0};
    while (!tracer_stands(tracer)) {
        (void)raw_receive_pending(raw);
        if (raw_pending(raw) > 0) {
            tally->missed++;
            break;
        }
        check(patience_left(&patience), "the server neither answers nor stands");
    }
    tracer_free(tracer);
    process_signal(&commits->server->process, SIGSTOP);
}

/* While the server is stopped: the others answer reads, agree, and never go back. */
static void read_meanwhile(struct commits *commits, const struct commit_kind *kind)
{
    bool done = false;
    for (int i = 0; i < 6; i++) {
        char *state = commits_state(commits->clients[i % 2]);
        bool after = !strcmp(state, kind->after);
        check(after || !strcmp(state, kind->before), "there is %s", state);
        check(after || !done, "what one server had shown is gone: %s", state);
        done = after;
        free(state);
    }
}

/* Whether another server's write is answered although this one is stopped.  (A write that is only
 * slow counts as waiting.) */
static bool answered_meanwhile(struct raw *raw)
{
    struct patience patience = {0};
    for (int i = 0; i < 5 && raw_pending(raw) == 0 && patience_left(&patience); i++)
        (void)raw_receive_pending(raw);
    return raw_pending(raw) > 0;
}

static void expect_counted(struct commits *commits, struct raw *raw)
{
    char *expected = text_format(":%lld", ++commits->counter);
    raw_expect_reply(raw, expected);
    free(expected);
}

/* Nobody waits for the stopped server: there are more commits and a new base before it wakes up. */
static void go_on_meanwhile(struct commits *commits, const struct commit_kind *kind)
{
    for (int i = 0; i < 3; i++)
        commits_count(commits);
    if (kind != &base) { /* it may be this server's turn to write a base */
        client_expect(commits->clients[1], "+OK", "SAVE");
        commits_count(commits);
    }
}

/* Stopped at the call; then continued, or killed. */
static void stop_at(struct harness *harness, struct commits *commits,
                    const struct commit_kind *kind, const struct tracer_step *step, bool wakes,
                    struct tally *tally)
{
    struct tracer tracer;
    commits_prepare(commits, kind);
    attach(harness, &tracer, commits, step, "SIGSTOP");
    struct raw *raw = send_line(commits->server, kind->command);
    check(raw, "cannot send to the server");
    wait_standing(commits, raw, &tracer, tally);
    struct raw *other = send_line(commits->others[0], "INCR counter");
    check(other, "cannot send to another server");
    bool answered = answered_meanwhile(other);
    if (answered) {
        expect_counted(commits, other);
        go_on_meanwhile(commits, kind);
    } else {
        tally->waited++;
    }
    read_meanwhile(commits, kind);
    int64_t since_us = commits_now_us();
    process_signal(&commits->server->process, wakes ? SIGCONT : SIGKILL);
    if (!answered) {
        expect_counted(commits, other);
        if (!wakes)
            note_wait(tally, since_us);
    }
    raw_close(other);
    bool acknowledged = take_reply(raw, kind);
    check(acknowledged || !wakes, "the server is gone");
    if (!wakes) {
        start_again(commits, kind, acknowledged, tally);
        return;
    }
    tally->trials++;
    tally->done += commits_check(commits, kind, true);
}

/* ---- All steps ----------------------------------------------------------------------------- */

/* In builds with sanitizers only some of the steps, others in each run. */
static bool chosen(struct random *random)
{
    return random_below(random, 1000) < harness_scaled(1000);
}

static void report(const struct commit_kind *kind, const char *what, size_t steps,
                   const struct tally *tally)
{
    print_message("%s: %zu steps, %s at %u; the command was done in %u", kind->name, steps, what,
                  tally->trials, tally->done);
    if (tally->waited)
        print_message("; %u times another's write waited", tally->waited);
    if (tally->missed)
        print_message("; %u not met", tally->missed);
    print_message("; longest time without writes after a death: %.1f ms\n",
                  (double)tally->longest_us / 1000);
}

static void kill_at_each(struct harness *harness, const struct commit_kind *kind)
{
    static struct tracer_step steps[COMMIT_STEPS_MAX];
    struct random random;
    struct commits commits;
    struct tally tally = {0};
    random_start(&random, random_run_seed(kind->name), 0);
    commits_begin(harness, &commits);
    size_t count = commits_rehearse(harness, &commits, kind, steps);
    for (size_t i = 0; i < count; i++) {
        harness->stage = steps[i].text;
        if (chosen(&random))
            kill_at(harness, &commits, kind, &steps[i], &tally);
    }
    commits_end(&commits);
    report(kind, "killed", count, &tally);
}

static void stop_at_each(struct harness *harness, const struct commit_kind *kind)
{
    static struct tracer_step steps[COMMIT_STEPS_MAX];
    struct random random;
    struct commits commits;
    struct tally tally = {0};
    random_start(&random, random_run_seed(kind->name), 0);
    commits_begin(harness, &commits);
    size_t count = commits_rehearse(harness, &commits, kind, steps);
    for (size_t i = 0; i < count; i++) {
        harness->stage = steps[i].text;
        if (chosen(&random))
            stop_at(harness, &commits, kind, &steps[i], random_chance(&random, 50), &tally);
    }
    commits_end(&commits);
    report(kind, "stopped", count, &tally);
}

static void killed_at_each_call(struct harness *harness)
{
    kill_at_each(harness, &simple);
}

static void killed_behind_another(struct harness *harness)
{
    kill_at_each(harness, &behind);
}

static void killed_at_its_first_commit(struct harness *harness)
{
    kill_at_each(harness, &first);
}

static void killed_writing_a_base(struct harness *harness)
{
    kill_at_each(harness, &base);
}

static void killed_exchanging_databases(struct harness *harness)
{
    kill_at_each(harness, &exchange);
}

static void stopped_at_each_call(struct harness *harness)
{
    stop_at_each(harness, &simple);
}

static void stopped_behind_another(struct harness *harness)
{
    stop_at_each(harness, &behind);
}

static void stopped_at_its_first_commit(struct harness *harness)
{
    stop_at_each(harness, &first);
}

static void stopped_writing_a_base(struct harness *harness)
{
    stop_at_each(harness, &base);
}

/* Between reading the command and taking the lock: it wakes up late, when others have committed and
 * put a new base in place. */
static void stopped_before_its_commit(struct harness *harness)
{
    static const struct tracer_step steps[] = {{.call = "recvfrom", .when = 1},
                                               {.call = "futex", .when = 1},
                                               {.call = "futex", .when = 2},
                                               {.call = "fcntl", .when = 1}};
    const size_t count = sizeof steps / sizeof *steps;
    struct commits commits;
    struct tally tally = {0};
    commits_begin(harness, &commits);
    for (unsigned i = 0; i < 2 * count; i++) {
        harness->stage = steps[i / 2].call;
        stop_at(harness, &commits, &simple, &steps[i / 2], i % 2 == 0, &tally);
    }
    commits_end(&commits);
    check(tally.waited < tally.trials, "others always waited");
    report(&simple, "stopped", count, &tally);
}

/* ---- Readers ------------------------------------------------------------------------------- */

/* Something to catch up with. */
static void prepare_reader(struct commits *commits)
{
    redisContext *client = client_connect(commits->server);
    commits_count(commits);
    char *seen = text_format("$%lld", commits->counter);
    client_expect(client, seen, "GET counter");
    free(seen);
    redisFree(client);
    commits_count(commits);
}

/* A reader that is stopped in the middle of catching up, while others go on writing and put new
 * bases in place, finds the newest state when it wakes up. */
static void stop_reader_at(struct harness *harness, struct commits *commits,
                           const struct tracer_step *step, struct tally *tally)
{
    struct tracer tracer;
    prepare_reader(commits);
    attach(harness, &tracer, commits, step, "SIGSTOP");
    long long least = commits->counter;
    struct raw *raw = send_line(commits->server, "GET counter");
    check(raw, "cannot send to the server");
    wait_standing(commits, raw, &tracer, tally);
    go_on_meanwhile(commits, &simple);
    go_on_meanwhile(commits, &simple);
    process_signal(&commits->server->process, SIGCONT);
    struct reply *reply = raw_reply(raw);
    long long value = reply ? strtoll(reply_string(reply), NULL, 10) : -1;
    check(value >= least && value <= commits->counter, "GET gave %s after %lld was acknowledged",
          reply ? reply_string(reply) : "nothing", least);
    reply_free(reply);
    raw_close(raw);
    tally->trials++;
}

static void reader_stopped_at_each_call(struct harness *harness)
{
    static struct tracer_step steps[COMMIT_STEPS_MAX];
    struct commits commits;
    struct tally tally = {0};
    struct tracer tracer;
    commits_begin(harness, &commits);
    prepare_reader(&commits);
    tracer_attach(harness, &tracer, commits.server,
                  &(struct tracer_options){.calls = TRACER_DISK_CALLS});
    redisContext *client = client_connect(commits.server);
    client_expect_start(client, "$", "GET counter");
    redisFree(client);
    tracer_detach(&tracer);
    size_t count = tracer_steps(&tracer, harness->data, steps, COMMIT_STEPS_MAX);
    tracer_free(&tracer);
    for (size_t i = 0; i < count; i++) {
        harness->stage = steps[i].text;
        stop_reader_at(harness, &commits, &steps[i], &tally);
    }
    commits_end(&commits);
    print_message("a reader stopped at %u of %zu steps, %u not met\n", tally.trials, count,
                  tally.missed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(killed_at_each_call),         HARNESS_TEST(killed_behind_another),
        HARNESS_TEST(killed_at_its_first_commit),  HARNESS_TEST(killed_writing_a_base),
        HARNESS_TEST(killed_exchanging_databases), HARNESS_TEST(stopped_at_each_call),
        HARNESS_TEST(stopped_behind_another),      HARNESS_TEST(stopped_at_its_first_commit),
        HARNESS_TEST(stopped_writing_a_base),      HARNESS_TEST(stopped_before_its_commit),
        HARNESS_TEST(reader_stopped_at_each_call),
    };
    return harness_main("client_steps_test", tests, sizeof tests / sizeof *tests);
}
