/* SPDX-License-Identifier: MIT */
/* Several servers on one file: each returns what another has acknowledged; commands are atomic
 * across all of them; servers come and go. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"

#define SERVERS_MAX 4

/* What the workers of one test share; static, as they may outlive the test's function. */
static struct {
    struct server *servers[SERVERS_MAX];
    unsigned server_count;
    unsigned rounds;
    unsigned writers; /* workers below this index write */
    atomic_uint writers_left;
    atomic_llong acknowledged; /* the highest value that a client has seen */
    atomic_ullong reads;
    atomic_uint writes;
    unsigned *seen; /* how often each value was returned */
    atomic_uint winners;
    pthread_barrier_t barrier;
} shared;

static void start_servers(struct harness *harness, unsigned count)
{
    memset(&shared, 0, sizeof shared);
    shared.server_count = count;
    for (unsigned i = 0; i < count; i++)
        shared.servers[i] = server_start(harness, NULL);
}

static struct server *server_of(const struct worker *worker)
{
    return shared.servers[worker->index % shared.server_count];
}

static struct raw *connect_worker(struct worker *worker)
{
    struct raw *raw = raw_connect(server_of(worker));
    if (!raw)
        worker_fail(worker, "cannot connect");
    return raw;
}

/* A command whose reply is a number; records an error and returns -1 if it is something else. */
static long long number_of(struct worker *worker, struct reply *reply)
{
    long long value = -1;
    if (reply && (reply->type == ':' || reply->type == '$')) {
        value = strtoll(reply_string(reply), NULL, 10);
    } else {
        char *text = reply_text(reply);
        worker_fail(worker, "expected a number, got %s", text);
        free(text);
    }
    reply_free(reply);
    return value;
}

static void raise_acknowledged(long long value)
{
    long long known = atomic_load(&shared.acknowledged);
    while (known < value && !atomic_compare_exchange_weak(&shared.acknowledged, &known, value))
        ;
}

/* SET at one, GET at each of the others at once. */
static void set_get(struct harness *harness, unsigned count)
{
    start_servers(harness, count);
    redisContext *clients[SERVERS_MAX];
    for (unsigned i = 0; i < count; i++)
        clients[i] = client_connect(shared.servers[i]);
    unsigned rounds = harness_scaled(200);
    for (unsigned round = 0; round < rounds; round++) {
        char expected[32];
        snprintf(expected, sizeof expected, "$%u", round);
        client_expect(clients[round % count], "+OK", "SET key %u", round);
        for (unsigned i = 0; i < count; i++)
            client_expect(clients[(round + i) % count], expected, "GET key");
        client_expect(clients[(round + 1) % count], ":1", "DEL key");
        for (unsigned i = 0; i < count; i++)
            client_expect(clients[i], ":0", "EXISTS key");
    }
    print_message("%u rounds through %u servers\n", rounds, count);
    for (unsigned i = 0; i < count; i++)
        redisFree(clients[i]);
}

static void set_get_two(struct harness *harness)
{
    set_get(harness, 2);
}

static void set_get_four(struct harness *harness)
{
    set_get(harness, 4);
}

/* Keeps readers from taking the processor away from the writers they watch: waits after some reads
 * until there is something new. */
static void pace(unsigned *writes, unsigned *reads)
{
    unsigned now = atomic_load(&shared.writes);
    if (now != *writes)
        *reads = 0;
    *writes = now;
    if (++*reads > 20)
        poll(NULL, 0, 1);
    atomic_fetch_add(&shared.reads, 1);
}

static void write_counter(struct worker *worker)
{
    struct raw *raw = connect_worker(worker);
    for (unsigned i = 0; raw && i < shared.rounds && !workers_failed(); i++) {
        long long floor = atomic_load(&shared.acknowledged);
        long long value = number_of(worker, raw_command(raw, "INCR", "counter", NULL));
        if (value <= floor) {
            worker_fail(worker, "INCR gave %lld after %lld was acknowledged", value, floor);
            break;
        }
        raise_acknowledged(value);
        atomic_fetch_add(&shared.writes, 1);
    }
    raw_close(raw);
    atomic_fetch_sub(&shared.writers_left, 1);
}

static void read_counter(struct worker *worker)
{
    struct raw *raw = connect_worker(worker);
    unsigned writes = 0, reads = 0;
    long long last = 0;
    while (raw && atomic_load(&shared.writers_left) && !workers_failed()) {
        long long floor = atomic_load(&shared.acknowledged);
        long long value = number_of(worker, raw_command(raw, "GET", "counter", NULL));
        if (value < floor || value < last) {
            worker_fail(worker, "GET gave %lld after %lld was acknowledged and %lld read", value,
                        floor, last);
            break;
        }
        last = value;
        pace(&writes, &reads);
    }
    raw_close(raw);
}

static void read_or_write_counter(struct worker *worker)
{
    if (worker->index < shared.writers)
        write_counter(worker);
    else
        read_counter(worker);
}

static void counter(struct harness *harness, unsigned count)
{
    start_servers(harness, count);
    redisContext *client = client_connect(shared.servers[0]);
    client_expect(client, "+OK", "SET counter 0");
    shared.rounds = harness_scaled(300);
    shared.writers = count;
    atomic_store(&shared.writers_left, shared.writers);
    workers_run(shared.writers + count, read_or_write_counter, NULL);
    long long total = (long long)shared.rounds * shared.writers;
    check(client_integer(client, "GET counter") == total, "the counter does not sum up");
    print_message("%lld INCR and %llu GET through %u servers\n", total, atomic_load(&shared.reads),
                  count);
    redisFree(client);
}

static void counter_never_goes_back_two(struct harness *harness)
{
    counter(harness, 2);
}

static void counter_never_goes_back_four(struct harness *harness)
{
    counter(harness, 4);
}

/* Pipelines of INCR: no value is given twice, none is left out. */
static void count_values(struct worker *worker)
{
    enum { PIPELINE = 10 };
    struct raw *raw = connect_worker(worker);
    struct bytes requests = {0};
    for (int i = 0; i < PIPELINE; i++)
        raw_encode_texts(&requests, "INCR", "counter", NULL);
    for (unsigned round = 0; raw && round < shared.rounds && !workers_failed(); round++) {
        long long last = 0;
        bool sent = raw_send(raw, requests.data, requests.size);
        for (int i = 0; sent && i < PIPELINE; i++) {
            long long value = number_of(worker, raw_reply(raw));
            long long total = (long long)shared.rounds * PIPELINE * shared.writers;
            if (value <= last || value > total) {
                worker_fail(worker, "INCR gave %lld after %lld", value, last);
                break;
            }
            /* If the servers are right, every value belongs to one worker only: no lock. */
            __atomic_fetch_add(&shared.seen[value], 1, __ATOMIC_RELAXED);
            last = value;
        }
    }
    bytes_free(&requests);
    raw_close(raw);
}

static void increments_sum_up(struct harness *harness)
{
    start_servers(harness, 4);
    shared.rounds = harness_scaled(60);
    shared.writers = 8;
    size_t total = (size_t)shared.rounds * shared.writers * 10;
    static unsigned *seen;
    free(seen);
    seen = calloc(total + 1, sizeof *seen);
    check(seen, "out of memory");
    shared.seen = seen;
    workers_run(shared.writers, count_values, NULL);
    for (size_t i = 1; i <= total; i++)
        check(seen[i] == 1, "INCR gave %zu %u times", i, seen[i]);
    for (unsigned i = 0; i < 4; i++) {
        redisContext *client = client_connect(shared.servers[i]);
        check(client_integer(client, "GET counter") == (long long)total, "not the sum");
        redisFree(client);
    }
    print_message("%zu INCR\n", total);
    free(seen);
    seen = NULL;
}

/* Several clients SET NX at the same moment: one wins, and all see its value. */
static void race_for_lock(struct worker *worker)
{
    struct raw *raw = connect_worker(worker);
    char own[16], lock[32];
    snprintf(own, sizeof own, "%u", worker->index);
    for (unsigned round = 0; round < shared.rounds; round++) {
        snprintf(lock, sizeof lock, "lock:%u", round);
        pthread_barrier_wait(&shared.barrier);
        struct reply *reply = raw ? raw_command(raw, "SET", lock, own, "NX", NULL) : NULL;
        bool won = reply && reply->type == '+';
        if (!reply || (!won && reply->type != '_'))
            worker_fail(worker, "SET NX is not answered");
        reply_free(reply);
        if (won)
            atomic_fetch_add(&shared.winners, 1);
        reply = raw ? raw_command(raw, "GET", lock, NULL) : NULL;
        if (won != !strcmp(reply_string(reply), own))
            worker_fail(worker, "%s is %s although %s %s", lock, reply_string(reply), own,
                        won ? "won" : "did not win");
        reply_free(reply);
        pthread_barrier_wait(&shared.barrier);
        /* All pass both barriers in each round, so that nobody waits for ever. */
        if (worker->index == 0 && atomic_load(&shared.winners) != round + 1)
            worker_fail(worker, "%u winners in %u rounds", atomic_load(&shared.winners), round + 1);
        pthread_barrier_wait(&shared.barrier);
    }
    raw_close(raw);
}

static void set_nx_has_one_winner(struct harness *harness)
{
    start_servers(harness, 4);
    shared.rounds = harness_scaled(150);
    check(!pthread_barrier_init(&shared.barrier, NULL, 8), "no barrier");
    workers_run(8, race_for_lock, NULL);
    pthread_barrier_destroy(&shared.barrier);
    print_message("%u rounds\n", shared.rounds);
}

/* A lock made of SET NX and DEL guards a counter that two commands read and set. */
static void count_under_lock(struct worker *worker)
{
    struct raw *raw = connect_worker(worker);
    for (unsigned i = 0; raw && i < shared.rounds && !workers_failed(); i++) {
        bool locked = false;
        while (!locked && !workers_failed()) {
            struct reply *reply = raw_command(raw, "SET", "lock", "1", "NX", NULL);
            locked = reply && reply->type == '+';
            if (!reply || (!locked && reply->type != '_'))
                worker_fail(worker, "SET NX is not answered");
            reply_free(reply);
        }
        struct reply *reply = raw_command(raw, "GET", "guarded", NULL);
        char next[24];
        snprintf(next, sizeof next, "%lld", strtoll(reply_string(reply), NULL, 10) + 1);
        reply_free(reply);
        reply_free(raw_command(raw, "SET", "guarded", next, NULL));
        if (number_of(worker, raw_command(raw, "DEL", "lock", NULL)) != 1)
            worker_fail(worker, "the lock was gone");
    }
    raw_close(raw);
}

static void lock_guards_counter(struct harness *harness)
{
    start_servers(harness, 4);
    shared.rounds = harness_scaled(40);
    workers_run(4, count_under_lock, NULL);
    redisContext *client = client_connect(shared.servers[0]);
    check(client_integer(client, "GET guarded") == (long long)shared.rounds * 4,
          "an update under the lock was lost");
    redisFree(client);
}

/* MSET through any server, MGET through any: never a value of one beside a value of another. */
static void set_or_get_pair(struct worker *worker)
{
    struct raw *raw = connect_worker(worker);
    unsigned writes = 0, reads = 0;
    if (worker->index < shared.writers) {
        for (unsigned i = 0; raw && i < shared.rounds && !workers_failed(); i++) {
            char value[32];
            snprintf(value, sizeof value, "%u:%u", worker->index, i);
            struct reply *reply =
                i % 10 == 9 ? raw_command(raw, "DEL", "x", "y", "z", NULL)
                            : raw_command(raw, "MSET", "x", value, "y", value, "z", value, NULL);
            if (!reply || reply->type == '-')
                worker_fail(worker, "MSET: %s", reply_string(reply));
            reply_free(reply);
            atomic_fetch_add(&shared.writes, 1);
        }
        atomic_fetch_sub(&shared.writers_left, 1);
    } else {
        while (raw && atomic_load(&shared.writers_left) && !workers_failed()) {
            struct reply *reply = raw_command(raw, "MGET", "x", "y", "z", NULL);
            bool same = reply && reply->count == 3;
            for (size_t i = 1; same && i < 3; i++)
                same = reply->items[i].type == reply->items[0].type &&
                       !strcmp(reply_string(&reply->items[i]), reply_string(&reply->items[0]));
            if (!same) {
                char *text = reply_text(reply);
                worker_fail(worker, "half an MSET: %s", text);
                free(text);
            }
            reply_free(reply);
            pace(&writes, &reads);
        }
    }
    raw_close(raw);
}

static void mset_is_atomic(struct harness *harness)
{
    start_servers(harness, 4);
    shared.rounds = harness_scaled(200);
    shared.writers = 4;
    atomic_store(&shared.writers_left, shared.writers);
    workers_run(8, set_or_get_pair, NULL);
    print_message("%u MSET, %llu MGET\n", shared.rounds * shared.writers,
                  atomic_load(&shared.reads));
}

static void flush_and_expiry_are_seen(struct harness *harness)
{
    start_servers(harness, 4);
    redisContext *clients[SERVERS_MAX];
    for (unsigned i = 0; i < 4; i++)
        clients[i] = client_connect(shared.servers[i]);
    for (unsigned round = 0; round < harness_scaled(40); round++) {
        redisContext *one = clients[round % 4];
        client_expect(one, "+OK", "MSET a 1 b 2 c 3");
        for (unsigned i = 0; i < 4; i++)
            client_expect(clients[i], ":3", "DBSIZE");
        client_expect(clients[(round + 1) % 4], "+OK", round % 2 ? "FLUSHALL" : "FLUSHDB");
        for (unsigned i = 0; i < 4; i++) {
            client_expect(clients[i], ":0", "DBSIZE");
            client_expect(clients[i], "[]", "KEYS *");
        }
    }
    /* The time of expiry is the same for all: one server sets it, others read, remove and move
     * it. */
    client_expect(clients[0], "+OK", "SET k v EX 1000");
    for (unsigned i = 0; i < 4; i++)
        check(client_integer(clients[i], "TTL k") > 800, "server %u knows no expiry", i);
    client_expect(clients[1], ":1", "PERSIST k");
    for (unsigned i = 0; i < 4; i++)
        client_expect(clients[i], ":-1", "TTL k");
    client_expect(clients[2], ":1", "PEXPIRE k 30");
    struct patience patience = {0};
    while (client_integer(clients[3], "EXISTS k") && patience_left(&patience))
        ;
    /* A key that has expired for one server has expired for all, as all have the same clock. */
    for (unsigned i = 0; i < 4; i++) {
        client_expect(clients[i], "_", "GET k");
        client_expect(clients[i], ":-2", "TTL k");
    }
    client_expect(clients[0], "+OK", "SET k new NX");
    for (unsigned i = 0; i < 4; i++)
        client_expect(clients[i], "$new", "GET k");
    for (unsigned i = 0; i < 4; i++)
        redisFree(clients[i]);
}

/* A new server finds everything that was acknowledged before its start, while others write. */
static void join_under_load(struct harness *harness)
{
    start_servers(harness, 3);
    redisContext *client = client_connect(shared.servers[0]);
    client_expect(client, "+OK", "SET counter 0");
    redisFree(client);
    shared.rounds = harness_scaled(1000);
    shared.writers = 3;
    atomic_store(&shared.writers_left, shared.writers);
    workers_start(shared.writers, write_counter, NULL);
    unsigned starts = 0;
    while (atomic_load(&shared.writers_left) && starts < 20) {
        struct server *late = server_start(harness, NULL);
        client = client_connect(late);
        for (int i = 0; i < 20; i++) {
            long long floor = atomic_load(&shared.acknowledged);
            long long value = client_integer(client, i % 2 ? "INCRBY counter 0" : "GET counter");
            check(value >= floor, "a new server answers %lld after %lld", value, floor);
        }
        redisFree(client);
        check(server_stop(late) == 0, "a server does not stop cleanly");
        starts++;
    }
    workers_join();
    print_message("%u servers joined during %u INCR\n", starts, shared.rounds * shared.writers);
}

/* kill -9 of one server: the others go on without a pause that a client would see as an error;
 * everything acknowledged stays, and is still there after all have been killed and started
 * again. */
static void killed_server_is_not_missed(struct harness *harness)
{
    start_servers(harness, 4);
    redisContext *client = client_connect(shared.servers[0]);
    client_expect(client, "+OK", "SET counter 0");
    client_expect(client, "+OK", "SET witness alive");
    redisFree(client);
    /* Workers use servers 0 to 2; server 3 has a client of its own and is killed. */
    struct raw *doomed = raw_connect(shared.servers[3]);
    check(doomed, "cannot connect");
    shared.server_count = 3;
    shared.rounds = harness_scaled(500);
    shared.writers = 3;
    atomic_store(&shared.writers_left, shared.writers);
    workers_start(shared.writers, write_counter, NULL);
    long long extra = 0;
    for (unsigned i = 0; i < 10; i++) {
        struct reply *reply = raw_command(doomed, "INCR", "counter", NULL);
        check(reply && reply->type == ':', "no answer before the kill");
        reply_free(reply);
        extra++;
    }
    struct bytes pipeline = {0};
    for (unsigned i = 0; i < 100; i++)
        raw_encode_texts(&pipeline, "INCR", "counter", NULL);
    (void)raw_send(doomed, pipeline.data, pipeline.size);
    bytes_free(&pipeline);
    server_kill(shared.servers[3]);
    long long unknown = 100;
    for (struct reply *reply; (reply = raw_reply(doomed)); reply_free(reply)) {
        extra++;
        unknown--;
    }
    raw_close(doomed);
    workers_join();

    long long least = (long long)shared.rounds * shared.writers + extra;
    client = client_connect(shared.servers[1]);
    /* The killed server may have put its file in place before it could say so: a write makes the
     * others notice. */
    client_expect(client, "+OK", "SET settled 1");
    long long value = client_integer(client, "GET counter");
    redisFree(client);
    check(value >= least && value <= least + unknown, "%lld, not %lld to %lld", value, least,
          least + unknown);
    for (unsigned i = 0; i < 3; i++)
        server_kill(shared.servers[i]);
    for (unsigned i = 0; i < 4; i++) {
        server_restart(shared.servers[i]);
        client = client_connect(shared.servers[i]);
        check(client_integer(client, "GET counter") == value, "another value after a restart");
        client_expect(client, "$alive", "GET witness");
        redisFree(client);
    }
}

/* One server writes big pipelines without pause; the other still gets its small writes in. */
static void write_light_or_heavy(struct worker *worker)
{
    struct raw *raw = connect_worker(worker);
    if (worker->index == 0) {
        for (unsigned i = 0; raw && i < shared.rounds && !workers_failed(); i++)
            (void)number_of(worker, raw_command(raw, "INCR", "light", NULL));
        atomic_fetch_sub(&shared.writers_left, 1);
    } else {
        struct bytes pipeline = {0};
        for (unsigned i = 0; i < 100; i++)
            raw_encode_texts(&pipeline, "INCR", "heavy", NULL);
        while (raw && atomic_load(&shared.writers_left) && !workers_failed()) {
            bool sent = raw_send(raw, pipeline.data, pipeline.size);
            for (unsigned i = 0; sent && i < 100; i++)
                (void)number_of(worker, raw_reply(raw));
        }
        bytes_free(&pipeline);
    }
    raw_close(raw);
}

static void light_writer_is_not_starved(struct harness *harness)
{
    start_servers(harness, 2);
    shared.rounds = harness_scaled(200);
    atomic_store(&shared.writers_left, 1);
    shared.server_count = 2;
    workers_run(2, write_light_or_heavy, NULL);
    redisContext *client = client_connect(shared.servers[0]);
    print_message("%lld writes beside %lld\n", client_integer(client, "GET light"),
                  client_integer(client, "GET heavy"));
    redisFree(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(set_get_two),
        HARNESS_TEST(set_get_four),
        HARNESS_TEST(counter_never_goes_back_two),
        HARNESS_TEST(counter_never_goes_back_four),
        HARNESS_TEST(increments_sum_up),
        HARNESS_TEST(set_nx_has_one_winner),
        HARNESS_TEST(lock_guards_counter),
        HARNESS_TEST(mset_is_atomic),
        HARNESS_TEST(flush_and_expiry_are_seen),
        HARNESS_TEST(join_under_load),
        HARNESS_TEST(killed_server_is_not_missed),
        HARNESS_TEST(light_writer_is_not_starved),
    };
    return harness_main("client_sharing_test", tests, sizeof tests / sizeof *tests);
}
