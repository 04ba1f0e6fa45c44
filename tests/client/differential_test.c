/* SPDX-License-Identifier: MIT */
/* Sends the same random commands to redis-server and to ours, singly and in pipelines, in RESP2 and
 * RESP3, and compares the replies byte for byte; also compares what both report about each command.
 * ANYSTORE_SEED repeats a run, ANYSTORE_DIFFERENTIAL_COMMANDS sets the number of commands. */
#include "tests/client/differential.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"

#define COMMANDS  20000
#define BATCH_MAX 50
#define HISTORY   30 /* commands shown when one fails */

struct peers {
    struct raw *redis, *ours;
    int64_t started;
};

static int by_text(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* An array's elements as sorted text; the caller frees. */
static char *sorted_text(const struct reply *reply)
{
    char **items = calloc(reply->count + 1, sizeof *items);
    check(items, "out of memory");
    for (size_t i = 0; i < reply->count; i++)
        items[i] = reply_text(&reply->items[i]);
    if (reply->count)
        qsort(items, reply->count, sizeof *items, by_text);
    struct bytes text = {0};
    bytes_appendf(&text, "%c%zu", reply->type, reply->count);
    for (size_t i = 0; i < reply->count; i++) {
        bytes_appendf(&text, " %s", items[i]);
        free(items[i]);
    }
    free(items);
    return (char *)text.data;
}

static bool same_texts(char *one, char *other)
{
    bool same = !strcmp(one, other);
    free(one);
    free(other);
    return same;
}

static bool same_hello(const struct reply *redis, const struct reply *ours)
{
    if (redis->type != ours->type || redis->count != ours->count)
        return false;
    for (size_t i = 0; i + 1 < redis->count; i += 2) {
        const char *field = reply_string(&redis->items[i]);
        const struct reply *one = &redis->items[i + 1], *other = &ours->items[i + 1];
        bool own = !strcmp(field, "server") || !strcmp(field, "version") || !strcmp(field, "id");
        if (strcmp(field, reply_string(&ours->items[i])) != 0 || one->type != other->type)
            return false;
        if (!own && !same_texts(reply_text(one), reply_text(other)))
            return false;
    }
    return true;
}

/* TTL counts whole seconds, so that two clocks may differ by one. */
static bool same_times(const struct peers *peers, const struct command *command,
                       const struct reply *redis, const struct reply *ours)
{
    long long one = strtoll(reply_string(redis), NULL, 10);
    long long other = strtoll(reply_string(ours), NULL, 10);
    long long allowed = clock_ms() - peers->started + 1000;
    if (command_is(command, "TTL") || command_is(command, "EXPIRETIME"))
        allowed = allowed / 1000 + 1;
    return redis->type == ours->type &&
           (one < 0 || other < 0 ? one == other : llabs(one - other) <= allowed);
}

static bool is_all(const struct reply *scan)
{
    return !strcmp(reply_string(&scan->items[0]), "0");
}

/* Each server's tables have sizes and orders of their own. */
static bool same_scan(const struct command *command, const struct reply *redis,
                      const struct reply *ours)
{
    if (redis->type != '*' || ours->type != '*' || redis->count != 2 || ours->count != 2 ||
        redis->items[0].type != '$' || ours->items[0].type != '$' || redis->items[1].type != '*' ||
        ours->items[1].type != '*')
        return false;
    bool from_start = command->count > 1 && !strcmp(bytes_text(&command->args[1]), "0");
    return !from_start || !is_all(redis) || !is_all(ours) ||
           same_texts(sorted_text(&redis->items[1]), sorted_text(&ours->items[1]));
}

static bool is_null(const struct bytes *reply)
{
    return reply->data[0] == '_' || (reply->data[0] == '$' && reply->data[1] == '-');
}

/* The reply to DUMP of a string in LZF. */
static bool is_compressed(const struct bytes *reply)
{
    const char *line_end = memchr(reply->data, '\n', reply->size);
    return reply->data[0] == '$' && line_end && !memcmp(line_end + 1, "\0\xc3", 2);
}

static bool same(const struct peers *peers, const struct command *command,
                 const struct bytes *redis, const struct bytes *ours)
{
    enum compare compare = command_compare(command);
    if (bytes_equal(redis, ours))
        return true;
    if (compare == COMPARE_BYTES || redis->data[0] == '-' || ours->data[0] == '-')
        return false;
    if (compare == COMPARE_KIND)
        return redis->data[0] == ours->data[0] && is_null(redis) == is_null(ours);
    if (compare == COMPARE_DUMP)
        return is_compressed(redis) && ours->data[0] == '$' && !is_null(ours);
    struct reply *one = reply_parse(redis->data, redis->size);
    struct reply *other = reply_parse(ours->data, ours->size);
    bool result = compare == COMPARE_SORTED  ? same_texts(sorted_text(one), sorted_text(other))
                  : compare == COMPARE_SCAN  ? same_scan(command, one, other)
                  : compare == COMPARE_HELLO ? same_hello(one, other)
                                             : same_times(peers, command, one, other);
    reply_free(one);
    reply_free(other);
    return result;
}

static void read_reply(struct raw *raw, struct bytes *reply)
{
    const uint8_t *data;
    size_t size;
    bytes_clear(reply);
    if (raw_read(raw, &data, &size))
        bytes_append(reply, data, size);
    else
        bytes_append_text(reply, raw->garbled ? "(no reply but garbage)" : "(connection lost)");
}

static void print_reply(const char *who, const struct bytes *reply)
{
    struct bytes text = {0};
    bytes_append_escaped(&text, reply->data, reply->size < 2000 ? reply->size : 2000);
    fprintf(stderr, "%s: %s\n", who, bytes_text(&text));
    bytes_free(&text);
}

/* Runs a batch on both servers and compares; `history` has the commands before it. */
static void run_batch(struct peers *peers, struct command *commands, size_t count,
                      struct bytes *history, size_t *history_count)
{
    struct bytes request = {0}, redis = {0}, ours = {0};
    for (size_t i = 0; i < count; i++)
        command_encode(&commands[i], &request);
    check(raw_send(peers->redis, request.data, request.size), "redis-server is gone");
    if (!raw_send(peers->ours, request.data, request.size))
        fprintf(stderr, "our server closed the connection\n");
    for (size_t i = 0; i < count; i++) {
        struct bytes *description = &history[(*history_count)++ % HISTORY];
        bytes_clear(description);
        command_describe(&commands[i], description);
        read_reply(peers->redis, &redis);
        read_reply(peers->ours, &ours);
        if (same(peers, &commands[i], &redis, &ours))
            continue;
        fprintf(stderr, "Replies differ. The commands before (a batch of %zu), the last is it:\n",
                count);
        size_t first = *history_count > HISTORY ? *history_count - HISTORY : 0;
        for (size_t j = first; j < *history_count; j++)
            fprintf(stderr, "%zu: %s\n", j, bytes_text(&history[j % HISTORY]));
        print_reply("redis-server   ", &redis);
        print_reply("anystore-server", &ours);
        fail_test("command %zu: replies differ", *history_count - 1);
    }
    bytes_free(&request);
    bytes_free(&redis);
    bytes_free(&ours);
}

/* Adds commands to a batch until it is full or has reached its size. */
static size_t fill_batch(struct generator *generator, struct command *commands, size_t wanted)
{
    size_t count = 0;
    while (count < wanted && count + 2 <= BATCH_MAX) {
        generator_next(generator, &commands[count++]);
        if (command_is(&commands[count - 1], "DBSIZE")) {
            generator_touch_all(&commands[count - 1]);
            command_set(&commands[count++], "DBSIZE");
        }
    }
    if (count + 2 <= BATCH_MAX && random_chance(&generator->random, 1)) {
        command_set(&commands[count++], "RESET");
        command_set(&commands[count++], generator->protocol == 3 ? "HELLO 3" : "HELLO 2");
    }
    return count;
}

static void compare_protocol(struct harness *harness, int protocol)
{
    uint64_t seed = random_run_seed("differential");
    unsigned total = harness_number("ANYSTORE_DIFFERENTIAL_COMMANDS", harness_scaled(COMMANDS));
    /* On a busy machine any command may be slow: neither server notes that. */
    static const char *const args[] = {"--slowlog-log-slower-than", "-1", NULL};
    struct server *redis =
        server_start(harness, &(struct server_options){.kind = SERVER_REDIS, .args = args});
    struct server *ours = server_start(harness, &(struct server_options){.args = args});
    struct peers peers = {raw_connect(redis), raw_connect(ours), clock_ms()};
    check(peers.redis && peers.ours, "cannot connect");

    static struct command commands[BATCH_MAX];
    struct bytes history[HISTORY] = {{0}};
    size_t done = 0;
    struct generator generator;
    generator_start(&generator, seed, protocol);
    command_set(&commands[0], protocol == 3 ? "HELLO 3" : "HELLO 2");
    run_batch(&peers, commands, 1, history, &done);
    while (done < total) {
        struct random *random = &generator.random;
        size_t wanted = random_chance(random, 50) ? 1 : 1 + random_below(random, BATCH_MAX - 2);
        size_t count = fill_batch(&generator, commands, wanted);
        run_batch(&peers, commands, count, history, &done);
    }
    /* The data at the end are the same, too. */
    generator_touch_all(&commands[0]);
    generator_touch_all(&commands[1]);
    bytes_clear(&commands[1].args[0]);
    bytes_append_text(&commands[1].args[0], "MGET");
    command_set(&commands[2], "KEYS *");
    command_set(&commands[3], "DBSIZE");
    run_batch(&peers, commands, 4, history, &done);
    print_message("%zu commands in RESP%d compared\n", done, protocol);

    for (size_t i = 0; i < HISTORY; i++)
        bytes_free(&history[i]);
    for (size_t i = 0; i < BATCH_MAX; i++)
        command_free(&commands[i]);
    raw_close(peers.redis);
    raw_close(peers.ours);
}

static void replies_in_resp2(struct harness *harness)
{
    compare_protocol(harness, 2);
}

static void replies_in_resp3(struct harness *harness)
{
    compare_protocol(harness, 3);
}

/* Name, arity, flags, first key, last key, step: clients and proxies route by these. */
static char *essence(const struct reply *info)
{
    struct bytes text = {0};
    check(info->count >= 6, "COMMAND INFO is too short");
    bytes_appendf(&text, "%s arity %s", reply_string(&info->items[0]),
                  reply_string(&info->items[1]));
    char *flags = sorted_text(&info->items[2]);
    bytes_appendf(&text, " flags %s keys %s %s %s", flags, reply_string(&info->items[3]),
                  reply_string(&info->items[4]), reply_string(&info->items[5]));
    free(flags);
    return (char *)text.data;
}

static const struct reply *first_of(const struct reply *info, const char *name)
{
    check(info && info->count == 1, "COMMAND INFO %s does not answer", name);
    return &info->items[0];
}

/* Each of our commands that Redis has is the same there; each also reports its subcommands. */
static void command_table(struct harness *harness)
{
    struct server *redis = server_start(harness, &(struct server_options){.kind = SERVER_REDIS});
    struct server *ours = server_start(harness, NULL);
    struct raw *one = raw_connect(redis), *other = raw_connect(ours);
    check(one && other, "cannot connect");
    struct reply *all = raw_command(other, "COMMAND", NULL);
    check(all && all->count >= 38, "COMMAND lists too little");
    unsigned wrong = 0;
    for (size_t i = 0; i < all->count; i++) {
        const char *name = reply_string(&all->items[i].items[0]);
        struct reply *theirs = raw_command(one, "COMMAND", "INFO", name, NULL);
        const struct reply *info = first_of(theirs, name);
        if (info->type == '_') {
            print_message("%s: only ours\n", name);
        } else {
            char *expected = essence(info), *text = essence(&all->items[i]);
            if (strcmp(expected, text) != 0) {
                fprintf(stderr, "redis-server:    %s\nanystore-server: %s\n", expected, text);
                wrong++;
            }
            free(expected);
            free(text);
        }
        reply_free(theirs);
    }
    check(!wrong, "%u commands are not described as by redis-server", wrong);
    print_message("%zu commands compared\n", all->count);
    reply_free(all);
    raw_close(one);
    raw_close(other);
}

/* COMMAND DOCS: the same group, first version, and notes on deprecated commands. */
static void command_documentation(struct harness *harness)
{
    struct server *redis = server_start(harness, &(struct server_options){.kind = SERVER_REDIS});
    struct server *ours = server_start(harness, NULL);
    struct raw *one = raw_connect(redis), *other = raw_connect(ours);
    check(one && other, "cannot connect");
    struct reply *theirs = raw_command(one, "COMMAND", "DOCS", NULL);
    struct reply *all = raw_command(other, "COMMAND", "DOCS", NULL);
    check(theirs && all && all->count >= 2 * 38, "COMMAND DOCS lists too little");
    unsigned wrong = 0;
    for (size_t i = 0; i + 1 < all->count; i += 2) {
        const char *name = reply_string(&all->items[i]);
        const struct reply *docs = reply_find(theirs, name);
        const char *const fields[] = {"group", "since", "deprecated_since", "replaced_by"};
        for (size_t j = 0; docs && j < sizeof fields / sizeof *fields; j++) {
            const char *expected = reply_string(reply_find(docs, fields[j]));
            const char *text = reply_string(reply_find(&all->items[i + 1], fields[j]));
            if (strcmp(expected, text) != 0) {
                fprintf(stderr, "%s: %s is %s, not %s\n", name, fields[j], text, expected);
                wrong++;
            }
        }
        char *flags = docs ? reply_text(reply_find(docs, "doc_flags")) : NULL;
        char *our_flags = reply_text(reply_find(&all->items[i + 1], "doc_flags"));
        if (flags && strcmp(flags, our_flags) != 0) {
            fprintf(stderr, "%s: doc_flags are %s, not %s\n", name, our_flags, flags);
            wrong++;
        }
        free(flags);
        free(our_flags);
        if (!*reply_string(reply_find(&all->items[i + 1], "summary"))) {
            fprintf(stderr, "%s: no summary\n", name);
            wrong++;
        }
    }
    check(!wrong, "%u differences", wrong);
    reply_free(theirs);
    reply_free(all);
    raw_close(one);
    raw_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(replies_in_resp2),
        HARNESS_TEST(replies_in_resp3),
        HARNESS_TEST(command_table),
        HARNESS_TEST(command_documentation),
    };
    return harness_main("client_differential_test", tests, sizeof tests / sizeof *tests);
}
