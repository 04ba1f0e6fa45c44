/* SPDX-License-Identifier: MIT */
/* A long run of several servers on one file under all kinds of commands, while servers are killed,
 * stopped and started.  After each phase all servers agree, including one that has just opened the
 * file, and every acknowledged INCR is there; a small disk is filled; at the end no stray file
 * remains, and the server that lived through everything has grown neither in memory nor in
 * descriptors.  Runs for some seconds here, ANYSTORE_SOAK_SECONDS sets how many; script/soak runs
 * it for minutes. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"
#include "tests/client/soak.h"

#define PHASE_SECONDS 30 /* at most */
#define PHASES_LEAST  3
#define SMALL_DISK    "3m"
#define KIB_SLACK     16384 /* how much memory may grow, and a quarter */
#define FD_SLACK      16

/* Static, as workers may outlive the test's function. */
static struct soak_load load;

static struct {
    struct server *fresh;    /* opens the file after each phase */
    struct server *small[2]; /* on the small disk */
    const char *small_disk;  /* NULL: not possible here */
    unsigned kills, stops, restarts, phases;
    uint64_t published;
} soak;

static const char *const arguments[] = {"--databases", "4", "--enable-debug-command", "yes", NULL};

static void start_servers(struct harness *harness)
{
    struct server_options options = {.args = arguments};
    for (unsigned i = 0; i < SOAK_SERVERS; i++)
        load.servers[i] = server_start(harness, &options);
    soak.fresh = server_start(harness, &options);
    check(server_stop(soak.fresh) == 0, "a server does not stop cleanly");
    soak.small_disk = harness_mount(harness, SMALL_DISK);
    if (!soak.small_disk) {
        print_message(
            "a full disk: skipped, a file system cannot be mounted here (it takes root)\n");
        return;
    }
    options.data = soak.small_disk;
    for (unsigned i = 0; i < 2; i++) {
        soak.small[i] = server_start(harness, &options);
        check(server_stop(soak.small[i]) == 0, "a server does not stop cleanly");
    }
}

/* Any server but the first: that one lives on, and its memory is watched. */
static void disturb(struct random *random)
{
    struct server *server = load.servers[1 + random_below(random, SOAK_SERVERS - 1)];
    uint64_t dice = random_below(random, 10);
    check(!process_ended(&server->process), "a server has ended by itself");
    if (dice < 5) {
        server_kill(server);
        server_restart(server);
        soak.kills++;
    } else if (dice < 7) {
        check(server_stop(server) == 0, "a server does not stop cleanly");
        server_restart(server);
        soak.restarts++;
    } else {
        process_signal(&server->process, SIGSTOP);
        poll(NULL, 0, (int)random_below(random, 100));
        process_signal(&server->process, SIGCONT);
        soak.stops++;
    }
}

/* Messages published at each server arrive at the subscriber of the first. */
static void check_messages(void)
{
    struct raw *subscriber = raw_connect(load.servers[0]);
    check(subscriber, "cannot connect");
    raw_expect(subscriber, "[$subscribe $news :1]", "SUBSCRIBE news");
    for (unsigned i = 0; i < SOAK_SERVERS; i++) {
        redisContext *client = client_connect(load.servers[i]);
        char *expected = text_format("[$message $news $%" PRIu64 "]", ++soak.published);
        char *reply = client_text(client, "PUBLISH news %" PRIu64, soak.published);
        check(reply[0] == ':', "PUBLISH: %s", reply);
        raw_expect_reply(subscriber, expected);
        free(reply);
        free(expected);
        redisFree(client);
    }
    raw_close(subscriber);
}

static void check_phase(struct random *random)
{
    check_messages();
    server_restart(soak.fresh);
    soak_check_agreement(load.servers, SOAK_SERVERS, soak.fresh);
    soak_check_counters(&load, soak.fresh);
    check(server_stop(soak.fresh) == 0, "a server does not stop cleanly");
    if (soak.small_disk) {
        for (unsigned i = 0; i < 2; i++)
            server_restart(soak.small[i]);
        soak_fill_disk(soak.small, soak.small_disk, random);
        for (unsigned i = 0; i < 2; i++)
            check(server_stop(soak.small[i]) == 0, "a server does not stop cleanly");
    }
}

static uint64_t commands_so_far(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < SOAK_CLIENTS; i++)
        sum += load.clients[i].commands;
    return sum;
}

static void run_phase(struct random *random, int64_t ms)
{
    int64_t until = clock_ms() + ms;
    uint64_t before = commands_so_far();
    atomic_store(&load.stop, false);
    workers_start(SOAK_CLIENTS, soak_run_client, &load);
    while (clock_ms() < until && !workers_failed()) {
        int64_t left = until - clock_ms();
        poll(NULL, 0, (int)random_below(random, left < 1000 ? (uint64_t)(left + 1) : 1000));
        disturb(random);
    }
    atomic_store(&load.stop, true);
    workers_join();
    check(commands_so_far() > before, "no command was answered in a phase");
    check_phase(random);
    soak.phases++;
}

static void print_latency(const char *what, size_t offset)
{
    static struct soak_latency sum;
    memset(&sum, 0, sizeof sum);
    for (unsigned i = 0; i < SOAK_CLIENTS; i++)
        soak_latency_merge(
            &sum,
            (const struct soak_latency *)(const void *)((const char *)&load.clients[i] + offset));
    print_message("%-6s p50 %7" PRIu64 " us  p99 %7" PRIu64 " us  p99.9 %7" PRIu64
                  " us  longest %7" PRIu64 " us  (%" PRIu64 " batches)\n",
                  what, soak_latency_us(&sum, 0.5), soak_latency_us(&sum, 0.99),
                  soak_latency_us(&sum, 0.999), sum.longest_us, sum.total);
}

static void print_summary(void)
{
    uint64_t errors = 0, lost = 0;
    int64_t counted = 0;
    for (unsigned i = 0; i < SOAK_CLIENTS; i++) {
        errors += load.clients[i].errors;
        lost += load.clients[i].lost;
        counted += load.clients[i].counted;
    }
    print_message("%u phases: %" PRIu64 " commands, %" PRIu64 " error replies, %" PRIu64
                  " connections lost, %" PRId64 " INCR that are all there\n",
                  soak.phases, commands_so_far(), errors, lost, counted);
    print_message("%u kills, %u restarts, %u stops, %u full disks\n", soak.kills, soak.restarts,
                  soak.stops, soak.small_disk ? soak.phases : 0);
    print_latency("reads", offsetof(struct soak_client, reads));
    print_latency("writes", offsetof(struct soak_client, writes));
}

/* Compared with the first server's figures after the first third, when it had seen everything
 * once. */
static void check_growth(struct soak_usage early, struct soak_usage late)
{
    print_message("the server that lived on: %ld KiB then %ld KiB, %ld descriptors then %ld\n",
                  early.resident_kib, late.resident_kib, early.descriptors, late.descriptors);
    if (!harness_sanitized()) /* sanitizers keep what was freed */
        check(late.resident_kib <= early.resident_kib * 5 / 4 + KIB_SLACK, "memory grows");
    check(late.descriptors <= early.descriptors + FD_SLACK, "descriptors grow");
}

static void soak_servers(struct harness *harness)
{
    uint64_t seed = random_run_seed("soak");
    unsigned seconds = harness_number("ANYSTORE_SOAK_SECONDS", harness_scaled(6));
    unsigned phases =
        seconds / PHASE_SECONDS > PHASES_LEAST ? seconds / PHASE_SECONDS : PHASES_LEAST;
    struct random random;
    struct soak_usage early = {0}, late = {0};
    memset(&load, 0, sizeof load);
    memset(&soak, 0, sizeof soak);
    random_start(&random, seed, 1000);
    for (unsigned i = 0; i < SOAK_CLIENTS; i++)
        random_start(&load.clients[i].random, seed, i);
    start_servers(harness);
    char *left_out = soak_commands_left_out(load.servers[0]);
    if (*left_out)
        print_message("commands that no client here sends:%s\n", left_out);
    free(left_out);
    for (unsigned i = 0; i < phases; i++) {
        run_phase(&random, (int64_t)seconds * 1000 / phases);
        late = soak_usage_of(load.servers[0]);
        if (i == phases / 3)
            early = late;
        print_message("phase %u of %u: %" PRIu64 " commands so far, %ld KiB, %ld descriptors\n",
                      i + 1, phases, commands_so_far(), late.resident_kib, late.descriptors);
    }
    print_summary();
    for (unsigned i = 0; i < SOAK_SERVERS; i++)
        check(server_stop(load.servers[i]) == 0, "a server does not stop cleanly");
    soak_check_names(harness->data);
    if (soak.small_disk)
        soak_check_names(soak.small_disk);
    check_growth(early, late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(soak_servers),
    };
    return harness_main("client_soak_test", tests, sizeof tests / sizeof *tests);
}
