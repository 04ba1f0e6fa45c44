/* SPDX-License-Identifier: MIT */
/* Sends the same random sequences around MULTI, EXEC and WATCH to redis-server and to ours, over
 * several connections each in turn, and compares every reply byte for byte, in RESP2 and RESP3.
 *
 * ANYSTORE_SEED repeats a run, ANYSTORE_DIFFERENTIAL_COMMANDS sets the number of commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/differential.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"

#define COMMANDS  20000
#define CLIENTS   4
#define BATCH_MAX 12
#define HISTORY   60 /* commands shown when one fails */

/* Commands that reply the same whenever they run, as their replies may come within EXEC's. %k is a
 * key, %v a small value.  Each stands for its own weight. */
static const struct {
    unsigned weight;
    const char *words;
} templates[] = {
    {60, "MULTI"},
    {60, "EXEC"},
    {12, "DISCARD"},
    {50, "WATCH %k"},
    {20, "WATCH %k %k %k"},
    {10, "UNWATCH"},
    {40, "GET %k"},
    {50, "SET %k %v"},
    {10, "SET %k %v NX"},
    {10, "SET %k %v XX GET"},
    {10, "SET %k %v EX 100000"},
    {10, "SET %k %v KEEPTTL"},
    {25, "DEL %k"},
    {10, "DEL %k %k"},
    {25, "INCR %k"},
    {10, "INCRBY %k 0"},
    {10, "INCRBY %k x"},
    {15, "APPEND %k %v"},
    {10, "EXPIRE %k 100000"},
    {6, "EXPIRE %k 100000 NX"},
    {6, "EXPIRE %k -1"},
    {6, "PEXPIRE %k 0 XX"},
    {8, "PERSIST %k"},
    {10, "MGET %k %k"},
    {10, "MSET %k %v %k %v"},
    {10, "EXISTS %k %k"},
    {6, "STRLEN %k"},
    {6, "TYPE %k"},
    {10, "DBSIZE"},
    {3, "FLUSHALL"},
    {2, "FLUSHDB ASYNC"},
    {10, "PING"},
    {6, "PING %v"},
    {6, "ECHO %v"},
    {2, "SELECT 0"},
    {2, "CLIENT GETNAME"},
    {2, "CLIENT SETNAME %v"},
    {2, "HELLO 4"},
    {2, "CONFIG GET timeout"},
    {3, "RESET"},
    /* Commands that spoil a transaction, and some that do not. */
    {6, "nosuch %v"},
    {4, "GET"},
    {4, "SET %k"},
    {3, "MULTI %v"},
    {3, "EXEC %v"},
    {2, "DISCARD %v"},
    {3, "WATCH"},
    {2, "UNWATCH %v"},
    {2, "SET %k %v foo"},
    {2, "SHUTDOWN NOSAVE"}, /* only after MULTI, which refuses it */
    {2, "SAVE"},            /* the same */
    {3, "CLIENT nosuch"},
    {2, "CLIENT"},
};

static const char *const keys[] = {"a", "b", "c", "counter", "n"};
static const char *const values[] = {"0", "1", "17", "x", "some-text"};

struct run {
    struct random random;
    int protocol;
    struct raw *redis[CLIENTS], *ours[CLIENTS];
    bool in_multi[CLIENTS]; /* a lower bound */
    struct bytes history[HISTORY];
    size_t done;
};

static void fill_command(struct run *run, struct command *command, const char *words)
{
    struct random *random = &run->random;
    command_set(command, words);
    for (size_t i = 0; i < command->count; i++) {
        struct bytes *arg = &command->args[i];
        const char *text = bytes_text(arg);
        const char *with = !strcmp(text, "%k")   ? keys[random_below(random, 5)]
                           : !strcmp(text, "%v") ? values[random_below(random, 5)]
                                                 : NULL;
        if (with) {
            bytes_clear(arg);
            bytes_append_text(arg, with);
        }
    }
}

static void random_command(struct run *run, size_t client, struct command *command)
{
    unsigned total = 0;
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++)
        total += templates[i].weight;
    for (;;) {
        uint64_t pick = random_below(&run->random, total);
        size_t i = 0;
        while (pick >= templates[i].weight)
            pick -= templates[i++].weight;
        fill_command(run, command, templates[i].words);
        bool ends = command_is(command, "SHUTDOWN") || command_is(command, "SAVE");
        if (!ends || run->in_multi[client])
            break;
    }
    if (command_is(command, "MULTI") && command->count == 1)
        run->in_multi[client] = true;
    else if (command_is(command, "EXEC") || command_is(command, "DISCARD") ||
             command_is(command, "RESET"))
        run->in_multi[client] = false;
}

static void describe(struct run *run, size_t client, const struct command *command)
{
    struct bytes *text = &run->history[run->done++ % HISTORY];
    bytes_clear(text);
    bytes_appendf(text, "client %zu: ", client);
    command_describe(command, text);
}

static void print_reply(const char *who, const struct bytes *reply)
{
    struct bytes text = {0};
    bytes_append_escaped(&text, reply->data, reply->size);
    fprintf(stderr, "%s: %s\n", who, bytes_text(&text));
    bytes_free(&text);
}

static void read_reply(struct raw *raw, struct bytes *reply)
{
    const uint8_t *data;
    size_t size;
    bytes_clear(reply);
    if (raw_read(raw, &data, &size))
        bytes_append(reply, data, size);
    else
        bytes_append_text(reply, "(connection lost)");
}

/* Sends a batch over one connection to each server and compares the replies. */
static void run_batch(struct run *run, size_t client, struct command *commands, size_t count)
{
    struct bytes request = {0}, redis = {0}, ours = {0};
    for (size_t i = 0; i < count; i++)
        command_encode(&commands[i], &request);
    check(raw_send(run->redis[client], request.data, request.size), "redis-server is gone");
    (void)raw_send(run->ours[client], request.data, request.size);
    for (size_t i = 0; i < count; i++) {
        describe(run, client, &commands[i]);
        read_reply(run->redis[client], &redis);
        read_reply(run->ours[client], &ours);
        if (bytes_equal(&redis, &ours))
            continue;
        fprintf(stderr, "Replies differ. The commands before, the last is it:\n");
        for (size_t j = run->done > HISTORY ? run->done - HISTORY : 0; j < run->done; j++)
            fprintf(stderr, "%zu: %s\n", j, bytes_text(&run->history[j % HISTORY]));
        print_reply("redis-server   ", &redis);
        print_reply("anystore-server", &ours);
        fail_test("command %zu: replies differ", run->done - 1);
    }
    bytes_free(&request);
    bytes_free(&redis);
    bytes_free(&ours);
}

static void compare_protocol(struct harness *harness, int protocol)
{
    static struct command commands[BATCH_MAX];
    static struct run run;
    uint64_t seed = random_run_seed("differential transactions");
    unsigned total = harness_number("ANYSTORE_DIFFERENTIAL_COMMANDS", harness_scaled(COMMANDS));
    struct server *redis = server_start(harness, &(struct server_options){.kind = SERVER_REDIS});
    struct server *ours = server_start(harness, NULL);
    memset(&run, 0, sizeof run);
    random_start(&run.random, seed, 10 + (uint64_t)protocol);
    for (size_t i = 0; i < CLIENTS; i++) {
        run.redis[i] = raw_connect(redis);
        run.ours[i] = raw_connect(ours);
        check(run.redis[i] && run.ours[i], "cannot connect");
    }
    bool greeted[CLIENTS] = {false};
    while (run.done < total) {
        size_t client = random_below(&run.random, CLIENTS);
        size_t count = 1;
        if (random_chance(&run.random, 30))
            count += random_below(&run.random, BATCH_MAX - 1);
        /* RESET returns to RESP2; the reply to HELLO differs between servers, except for its
         * kind. */
        if (protocol == 3 && !greeted[client] && !run.in_multi[client]) {
            struct reply *one = raw_command(run.redis[client], "HELLO", "3", NULL);
            struct reply *other = raw_command(run.ours[client], "HELLO", "3", NULL);
            check(one && other && one->type == other->type, "HELLO 3 differs");
            greeted[client] = one->type == '%';
            reply_free(one);
            reply_free(other);
        }
        for (size_t i = 0; i < count; i++) {
            random_command(&run, client, &commands[i]);
            if (command_is(&commands[i], "RESET")) {
                greeted[client] = false;
                count = i + 1;
            }
        }
        run_batch(&run, client, commands, count);
    }
    print_message("%zu commands in RESP%d compared\n", run.done, protocol);
    for (size_t i = 0; i < CLIENTS; i++) {
        raw_close(run.redis[i]);
        raw_close(run.ours[i]);
    }
    for (size_t i = 0; i < HISTORY; i++)
        bytes_free(&run.history[i]);
    for (size_t i = 0; i < BATCH_MAX; i++)
        command_free(&commands[i]);
}

static void sequences_in_resp2(struct harness *harness)
{
    compare_protocol(harness, 2);
}

static void sequences_in_resp3(struct harness *harness)
{
    compare_protocol(harness, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(sequences_in_resp2),
        HARNESS_TEST(sequences_in_resp3),
    };
    return harness_main("client_differential_transactions_test", tests,
                        sizeof tests / sizeof *tests);
}
