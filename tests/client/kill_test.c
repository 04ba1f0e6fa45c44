/* SPDX-License-Identifier: MIT */
/* A storm of kill -9: two to eight servers on one file under load are killed at random moments, one
 * or all at once, also while they start.  Every acknowledged write is there through every other
 * server and after a restart; a write without a reply was done wholly or not at all; nothing else
 * changes; the data file always opens.  ANYSTORE_SEED repeats the choices (not the moments),
 * ANYSTORE_KILLS sets the number of kills of each storm. */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/random.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"

#define SERVERS_MAX 8
#define WRITERS     6
#define KEYS        8 /* of each writer */
#define VALUE_SIZE  64

/* A writer's knowledge of one of its keys, which nobody else writes. */
struct cell {
    bool exists;
    char value[VALUE_SIZE];
};

/* One command: the keys it sets and what they will be. */
struct change {
    size_t count;
    size_t keys[2];
    struct cell next[2];
};

struct writer {
    struct random random;
    struct raw *raw;
    unsigned serial;
    struct cell cells[KEYS];
};

/* Static, as workers may outlive the test's function. */
static struct {
    struct server *servers[SERVERS_MAX];
    unsigned server_count;
    struct writer writers[WRITERS];
    atomic_bool stop;
    atomic_uint acknowledged; /* writes */
    atomic_uint unanswered;
    atomic_uint checked; /* reads through another server */
    atomic_llong counter_acknowledged;
    atomic_llong counter_unanswered;
    atomic_llong last_ms,
        longest_ms; /* the time between an acknowledged write, by any writer, and the next */
} storm;

static void note_acknowledged(void)
{
    long long now_ms = clock_ms();
    long long waited_ms = now_ms - atomic_exchange(&storm.last_ms, now_ms);
    long long longest_ms = atomic_load(&storm.longest_ms);
    while (waited_ms > longest_ms &&
           !atomic_compare_exchange_weak(&storm.longest_ms, &longest_ms, waited_ms))
        ;
    atomic_fetch_add(&storm.acknowledged, 1);
}

static void key_name(const struct worker *worker, size_t key, char *name)
{
    snprintf(name, VALUE_SIZE, "writer%u:key%zu", worker->index, key);
}

/* Connects to a server chosen at random, to the first that answers; NULL when the test has
 * failed. */
static struct raw *connect_any(struct writer *writer)
{
    struct patience patience = {0};
    do {
        struct raw *raw =
            raw_connect(storm.servers[random_below(&writer->random, storm.server_count)]);
        if (raw)
            return raw;
    } while (!workers_failed() && patience_left(&patience));
    return NULL;
}

/* The reply of the first server that answers; NULL when the test has failed. */
static struct reply *ask_any(struct worker *worker, const char *command, const char *one,
                             const char *other)
{
    struct writer *writer = &storm.writers[worker->index];
    struct patience patience = {0};
    do {
        struct raw *raw = connect_any(writer);
        struct reply *reply = raw ? raw_command(raw, command, one, other, NULL) : NULL;
        raw_close(raw);
        if (reply)
            return reply;
    } while (!workers_failed() && patience_left(&patience));
    worker_fail(worker, "no server answers any more");
    return NULL;
}

static bool cell_is(const struct cell *cell, const struct reply *reply)
{
    return cell->exists ? reply->type == '$' && !strcmp(reply_string(reply), cell->value)
                        : reply->type == '_';
}

static const char *cell_text(const struct cell *cell)
{
    return cell->exists ? cell->value : "(no value)";
}

/* A read through any server must return what was acknowledged. */
static void verify(struct worker *worker, size_t key)
{
    const struct cell *cell = &storm.writers[worker->index].cells[key];
    char name[VALUE_SIZE];
    key_name(worker, key, name);
    struct reply *reply = ask_any(worker, "GET", name, NULL);
    if (reply && !cell_is(cell, reply)) {
        char *text = reply_text(reply);
        worker_fail(worker, "%s: %s was acknowledged, but there is %s", name, cell_text(cell),
                    text);
        free(text);
    }
    reply_free(reply);
    atomic_fetch_add(&storm.checked, 1);
}

static void apply(struct writer *writer, const struct change *change)
{
    for (size_t i = 0; i < change->count; i++)
        writer->cells[change->keys[i]] = change->next[i];
}

/* A write got no reply because its server was killed: finds out whether it was done.  The server
 * may have put its file in place before it could say so; the others notice only when one of them
 * writes.  So another write goes first, after which the outcome is final. */
static void resolve(struct worker *worker, const struct change *change)
{
    struct writer *writer = &storm.writers[worker->index];
    char names[2][VALUE_SIZE];
    snprintf(names[0], VALUE_SIZE, "writer%u:settle", worker->index);
    reply_free(ask_any(worker, "INCR", names[0], NULL));
    for (size_t i = 0; i < change->count; i++)
        key_name(worker, change->keys[i], names[i]);
    struct reply *reply = ask_any(worker, "MGET", names[0], change->count > 1 ? names[1] : NULL);
    if (!reply)
        return;
    bool done = reply->count == change->count, undone = done;
    for (size_t i = 0; i < change->count && i < reply->count; i++) {
        done = done && cell_is(&change->next[i], &reply->items[i]);
        undone = undone && cell_is(&writer->cells[change->keys[i]], &reply->items[i]);
    }
    if (done) {
        apply(writer, change);
    } else if (!undone) {
        char *text = reply_text(reply);
        worker_fail(worker, "%s: neither %s nor %s, but %s", names[0],
                    cell_text(&writer->cells[change->keys[0]]), cell_text(&change->next[0]), text);
        free(text);
    }
    reply_free(reply);
}

/* Appends a random command on keys from `first` on, which no other command of its pipeline uses. */
static void make_change(struct worker *worker, struct change *change, size_t first,
                        struct bytes *out)
{
    struct writer *writer = &storm.writers[worker->index];
    char name[VALUE_SIZE], value[VALUE_SIZE], other[VALUE_SIZE];
    const struct cell *cell = &writer->cells[first];
    unsigned serial = ++writer->serial;
    *change = (struct change){.count = 1, .keys = {first, first + 1}};
    struct cell *next = change->next;
    key_name(worker, first, name);
    snprintf(value, sizeof value, "value-%u-%u", worker->index, serial);
    next[0].exists = true;
    switch (random_below(&writer->random, 5)) {
    case 0:
        raw_encode_texts(out, "DEL", name, NULL);
        next[0].exists = false;
        break;
    case 1:
        snprintf(value, sizeof value, "+%u", serial);
        size_t before = cell->exists ? strlen(cell->value) : 0;
        if (before + strlen(value) < VALUE_SIZE) {
            raw_encode_texts(out, "APPEND", name, value, NULL);
            memcpy(next[0].value, cell->value, before);
            strcpy(next[0].value + before, value);
            break;
        }
        /* fall through */
    case 2:
        raw_encode_texts(out, "SET", name, value, "EX", "100000", NULL);
        strcpy(next[0].value, value);
        break;
    case 3:
        if (first + 1 < KEYS) {
            key_name(worker, first + 1, other);
            raw_encode_texts(out, "MSET", name, value, other, value, NULL);
            change->count = 2;
            next[1].exists = true;
            strcpy(next[0].value, value);
            strcpy(next[1].value, value);
            break;
        }
        /* fall through */
    default:
        raw_encode_texts(out, "SET", name, value, NULL);
        strcpy(next[0].value, value);
    }
}

/* A pipeline of one to three commands on different keys, and the outcome of each. */
static void write_some(struct worker *worker)
{
    struct writer *writer = &storm.writers[worker->index];
    struct change changes[3];
    struct bytes out = {0};
    size_t count = 1 + random_below(&writer->random, 3);
    for (size_t i = 0; i < count; i++)
        make_change(worker, &changes[i], i * 3 + random_below(&writer->random, 2), &out);
    size_t answered = 0;
    if (raw_send(writer->raw, out.data, out.size) || raw_pending(writer->raw)) {
        for (; answered < count; answered++) {
            struct reply *reply = raw_reply(writer->raw);
            if (!reply)
                break;
            if (reply->type != '+' && reply->type != ':')
                worker_fail(worker, "a write was refused: %s", reply_string(reply));
            reply_free(reply);
            apply(writer, &changes[answered]);
            note_acknowledged();
        }
    }
    bytes_free(&out);
    if (answered == count)
        return;
    raw_close(writer->raw);
    writer->raw = NULL;
    for (size_t i = answered; i < count && !workers_failed(); i++) {
        resolve(worker, &changes[i]);
        atomic_fetch_add(&storm.unanswered, 1);
    }
}

/* All writers share the counter: it never falls below what was acknowledged. */
static void count_up(struct worker *worker)
{
    struct writer *writer = &storm.writers[worker->index];
    long long floor = atomic_load(&storm.counter_acknowledged);
    struct reply *reply = raw_command(writer->raw, "INCR", "counter", NULL);
    if (!reply) {
        atomic_fetch_add(&storm.counter_unanswered, 1);
        raw_close(writer->raw);
        writer->raw = NULL;
        return;
    }
    long long value = strtoll(reply_string(reply), NULL, 10);
    if (reply->type != ':' || value <= floor)
        worker_fail(worker, "INCR gave %s after %lld were acknowledged", reply_string(reply),
                    floor);
    reply_free(reply);
    atomic_fetch_add(&storm.counter_acknowledged, 1);
    note_acknowledged();
}

static void write_in_storm(struct worker *worker)
{
    struct writer *writer = &storm.writers[worker->index];
    while (!atomic_load(&storm.stop) && !workers_failed()) {
        if (!writer->raw && !(writer->raw = connect_any(writer)))
            break;
        if (random_chance(&writer->random, 20))
            count_up(worker);
        else
            write_some(worker);
        if (random_chance(&writer->random, 30))
            verify(worker, random_below(&writer->random, KEYS));
        if (writer->raw && random_chance(&writer->random, 2)) {
            raw_close(writer->raw); /* moves to another server */
            writer->raw = NULL;
        }
    }
    raw_close(writer->raw);
    writer->raw = NULL;
}

/* Waits until so many more writes were acknowledged: the storm is measured in work, not in time. */
static void let_work(unsigned writes)
{
    unsigned until = atomic_load(&storm.acknowledged) + writes;
    struct patience patience = {0};
    while ((int)(until - atomic_load(&storm.acknowledged)) > 0 && !workers_failed()) {
        if (!patience_left(&patience))
            fail_test("no progress");
    }
}

static void kill_some(struct random *random)
{
    uint64_t dice = random_below(random, 10);
    unsigned count = dice < 6 ? 1 : dice < 8 ? 2 : storm.server_count;
    unsigned first = (unsigned)random_below(random, storm.server_count);
    for (unsigned i = 0; i < count; i++)
        process_signal(&storm.servers[(first + i) % storm.server_count]->process, SIGKILL);
    for (unsigned i = 0; i < count; i++) {
        struct server *server = storm.servers[(first + i) % storm.server_count];
        server_kill(server);
        if (random_chance(random, 25)) { /* one more kill while it starts */
            server_restart_pending(server);
            poll(NULL, 0, (int)random_below(random, 30));
            server_kill(server);
        }
        server_restart_pending(server);
    }
    for (unsigned i = 0; i < count; i++)
        server_wait_ready(storm.servers[(first + i) % storm.server_count]);
}

static void check_all(const struct server *server)
{
    redisContext *client = client_connect(server);
    for (unsigned i = 0; i < WRITERS; i++) {
        for (unsigned j = 0; j < KEYS; j++) {
            const struct cell *cell = &storm.writers[i].cells[j];
            char *expected = cell->exists ? text_format("$%s", cell->value) : text_format("_");
            client_expect(client, expected, "GET writer%u:key%u", i, j);
            free(expected);
        }
    }
    long long least = atomic_load(&storm.counter_acknowledged);
    long long most = least + atomic_load(&storm.counter_unanswered);
    char *text = client_text(client, "GET counter");
    long long value = strtoll(text + (text[0] == '$'), NULL, 10);
    check(value >= least && value <= most, "the counter is %lld, not %lld to %lld", value, least,
          most);
    free(text);
    redisFree(client);
}

static void run_storm(struct harness *harness, unsigned servers, unsigned kills)
{
    uint64_t seed = random_run_seed("kill storm");
    kills = harness_number("ANYSTORE_KILLS", harness_scaled(kills));
    struct random random;
    random_start(&random, seed, 1000);
    memset(&storm, 0, sizeof storm);
    storm.server_count = servers;
    for (unsigned i = 0; i < storm.server_count; i++)
        storm.servers[i] = server_start(harness, NULL);
    for (unsigned i = 0; i < WRITERS; i++)
        random_start(&storm.writers[i].random, seed, i);
    atomic_store(&storm.last_ms, clock_ms());
    workers_start(WRITERS, write_in_storm, NULL);
    for (unsigned i = 0; i < kills && !workers_failed(); i++) {
        let_work(5 + (unsigned)random_below(&random, 150));
        kill_some(&random);
    }
    let_work(50);
    atomic_store(&storm.stop, true);
    workers_join();
    for (unsigned i = 0; i < storm.server_count; i++)
        check_all(storm.servers[i]);

    for (unsigned i = 0; i < storm.server_count; i++)
        server_kill(storm.servers[i]);
    for (unsigned i = 0; i < storm.server_count; i++) {
        server_restart(storm.servers[i]);
        check_all(storm.servers[i]);
    }
    /* After a last write and a clean stop only the files that belong there remain, and names of
     * killed servers that no other server has met since. */
    redisContext *client = client_connect(storm.servers[0]);
    client_expect(client, "+OK", "SET last 1");
    redisFree(client);
    for (unsigned i = 0; i < storm.server_count; i++)
        check(server_stop(storm.servers[i]) == 0, "a server does not stop cleanly");
    char *names = directory_names(harness->data);
    static const char *const fine[] = {"", " anystore.db.spare", " anystore.db.peers",
                                       " anystore.db.peers anystore.db.spare"};
    static const char always[] = "anystore.db anystore.db.lock";
    bool good = false;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        good = good || (!strncmp(names, always, strlen(always)) &&
                        !strcmp(names + strlen(always), fine[i]));
    check(good, "left in the data directory: %s", names);
    free(names);
    print_message(
        "%u kills of %u servers: %u writes acknowledged, %u unanswered, %u reads compared; "
        "longest time without a write: %lld ms\n",
        kills, servers, atomic_load(&storm.acknowledged), atomic_load(&storm.unanswered),
        atomic_load(&storm.checked), atomic_load(&storm.longest_ms));
}

static void kill_storm_of_two(struct harness *harness)
{
    run_storm(harness, 2, 60);
}

static void kill_storm(struct harness *harness)
{
    run_storm(harness, 3, 180);
}

static void kill_storm_of_eight(struct harness *harness)
{
    run_storm(harness, SERVERS_MAX, 60);
}

/* Killed while it makes key and data for the first time: the next start works, and everything that
 * an earlier one acknowledged is there. */
static void killed_at_first_start(struct harness *harness)
{
    struct random random;
    random_start(&random, random_run_seed("first start"), 0);
    unsigned rounds = harness_scaled(30);
    for (unsigned i = 0; i < rounds; i++) {
        char *data = text_format("%s/data%u", harness->dir, i);
        check(!mkdir(data, 0700), "%s", data);
        char *key = text_format("%s/key%u", harness->dir, i);
        struct server_options options = {
            .data = data,
            .no_key_file = true,
            .args = (const char *const[]){"--encryption-key-file", key, NULL},
            .pending = true,
        };
        struct server *server = server_start(harness, &options);
        poll(NULL, 0, (int)random_below(&random, 20));
        server_kill(server);
        server_restart(server);
        redisContext *client = client_connect(server);
        client_expect(client, "+OK", "SET round %u", i);
        redisFree(client);
        server_kill(server);
        server_restart(server);
        client = client_connect(server);
        char *expected = text_format("$%u", i);
        client_expect(client, expected, "GET round");
        free(expected);
        redisFree(client);
        check(server_stop(server) == 0, "the server does not stop cleanly");
        free(data);
        free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(kill_storm_of_two),
        HARNESS_TEST(kill_storm),
        HARNESS_TEST(kill_storm_of_eight),
        HARNESS_TEST(killed_at_first_start),
    };
    return harness_main("client_kill_test", tests, sizeof tests / sizeof *tests);
}
