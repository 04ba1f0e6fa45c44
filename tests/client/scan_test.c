/* SPDX-License-Identifier: MIT */
/* The promise of SCAN: a key that exists from the first step of a scan to its last is returned,
 * while others come and go by the thousands so that the table grows and shrinks.  Holds at one
 * server, and when each step goes to another server on the same file. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/harness.h"
#include "tests/client/harness/random.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"

#define SERVERS 2
#define STAYING 300
#define COMING  6000
#define BATCH   500
#define SCANS   100

/* Static, as a worker may outlive the test's function. */
static struct {
    struct server *servers[SERVERS];
    atomic_bool scanned; /* the scans are over */
    atomic_uint changes; /* batches written */
} shared;

static void append_key(struct bytes *out, const char *kind, unsigned number)
{
    bytes_clear(out);
    bytes_appendf(out, "%s:%u", kind, number);
}

/* Sets or deletes keys of a kind from `first` on; false if the server does not do it. */
static bool change(struct raw *raw, const char *kind, unsigned first, unsigned count, bool add)
{
    struct bytes names[BATCH] = {{0}};
    struct raw_arg args[1 + 2 * BATCH] = {add ? (struct raw_arg){"MSET", 4}
                                              : (struct raw_arg){"DEL", 3}};
    size_t arg_count = 1;
    for (unsigned i = 0; i < count; i++) {
        append_key(&names[i], kind, first + i);
        args[arg_count++] = (struct raw_arg){names[i].data, names[i].size};
        if (add)
            args[arg_count++] = (struct raw_arg){"1", 1};
    }
    struct bytes request = {0};
    raw_encode(&request, args, arg_count);
    struct reply *reply = raw_send(raw, request.data, request.size) ? raw_reply(raw) : NULL;
    bool done = reply && reply->type == (add ? '+' : ':');
    reply_free(reply);
    bytes_free(&request);
    for (unsigned i = 0; i < count; i++)
        bytes_free(&names[i]);
    return done;
}

/* Fills and empties the map again and again. */
static void come_and_go(struct worker *worker)
{
    struct raw *raw = raw_connect(shared.servers[worker->index % SERVERS]);
    bool add = true;
    unsigned first = 0;
    while (raw && !atomic_load(&shared.scanned) && !workers_failed()) {
        if (!change(raw, "comes", first, BATCH, add)) {
            worker_fail(worker, "keys are not changed");
            break;
        }
        atomic_fetch_add(&shared.changes, 1);
        first += BATCH;
        if (first >= COMING) {
            first = 0;
            add = !add;
        }
    }
    if (!raw)
        worker_fail(worker, "cannot connect");
    raw_close(raw);
}

struct scan {
    unsigned seen[STAYING];
    unsigned steps;
    char cursor[24];
};

static void step(struct scan *scan, struct raw *raw, const char *count)
{
    struct reply *reply = raw_command(raw, "SCAN", scan->cursor, "COUNT", count, NULL);
    check(reply && reply->type == '*' && reply->count == 2, "SCAN is not answered");
    const char *cursor = reply_string(&reply->items[0]);
    check(strlen(cursor) < sizeof scan->cursor, "the cursor is %s", cursor);
    memcpy(scan->cursor, cursor, strlen(cursor) + 1);
    for (size_t i = 0; i < reply->items[1].count; i++) {
        const char *key = reply_string(&reply->items[1].items[i]);
        unsigned number = (unsigned)strtoul(strchr(key, ':') ? strchr(key, ':') + 1 : "", NULL, 10);
        bool stays = !strncmp(key, "stays:", 6);
        check(stays ? number < STAYING : !strncmp(key, "comes:", 6) && number < COMING,
              "SCAN answers the key %s, which nobody has set", key);
        if (stays)
            scan->seen[number]++;
    }
    scan->steps++;
    reply_free(reply);
}

static void scan_all(struct raw *const *raws, unsigned raw_count, struct random *random,
                     const char *count)
{
    struct scan scan = {.cursor = "0"};
    do
        step(&scan, raws[random_below(random, raw_count)], count);
    while (strcmp(scan.cursor, "0") != 0);
    for (unsigned i = 0; i < STAYING; i++)
        check(scan.seen[i], "a scan of %u steps with COUNT %s has missed stays:%u", scan.steps,
              count, i);
}

static void scan_while_keys_come_and_go(struct harness *harness, unsigned scanned_servers)
{
    static const char *const counts[] = {"3", "10", "50", "400"};
    struct raw *raws[SERVERS];
    struct random random;
    random_start(&random, random_run_seed("scan"), 0);
    memset(&shared, 0, sizeof shared);
    for (unsigned i = 0; i < SERVERS; i++) {
        shared.servers[i] = server_start(harness, NULL);
        raws[i] = raw_connect(shared.servers[i]);
        check(raws[i], "cannot connect");
    }
    check(change(raws[0], "stays", 0, STAYING, true), "keys are not set");
    workers_start(1, come_and_go, NULL);
    unsigned scans = harness_scaled(SCANS);
    unsigned before = atomic_load(&shared.changes);
    for (unsigned i = 0; i < scans; i++) {
        /* However the map grows and shrinks, each scan meets at least one change. */
        struct patience patience = {0};
        while (atomic_load(&shared.changes) == before && !workers_failed() &&
               patience_left(&patience))
            ;
        before = atomic_load(&shared.changes);
        scan_all(raws, scanned_servers, &random, counts[i % 4]);
    }
    atomic_store(&shared.scanned, true);
    workers_join();
    print_message("%u scans, %u changes of %u keys each\n", scans, atomic_load(&shared.changes),
                  BATCH);
    for (unsigned i = 0; i < SERVERS; i++)
        raw_close(raws[i]);
}

static void scan_on_one_server(struct harness *harness)
{
    scan_while_keys_come_and_go(harness, 1);
}

static void scan_on_several_servers(struct harness *harness)
{
    scan_while_keys_come_and_go(harness, SERVERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(scan_on_one_server),
        HARNESS_TEST(scan_on_several_servers),
    };
    return harness_main("client_scan_test", tests, sizeof tests / sizeof *tests);
}
