/* SPDX-License-Identifier: MIT */
/* The load of the soak test: random commands of all kinds, through connections that come and go. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"
#include "tests/client/harness/workers.h"
#include "tests/client/soak.h"

#define KEYS        300 /* of each database */
#define WORDS       24
#define VALUE_LARGE 200000

/* %k key, %v value, %n small number, %t milliseconds, %l a long time in seconds, %d database, %c
 * channel. */
struct pattern {
    unsigned weight;
    const char *words;
};

static const struct pattern reads[] = {
    {40, "GET %k"},
    {10, "MGET %k %k %k"},
    {5, "EXISTS %k %k"},
    {5, "STRLEN %k"},
    {5, "GETRANGE %k %n %n"},
    {2, "SUBSTR %k 0 %n"},
    {2, "GETBIT %k %n"},
    {2, "BITCOUNT %k"},
    {2, "BITPOS %k 1"},
    {2, "BITFIELD_RO %k GET u8 %n"},
    {2, "LCS counter:a counter:b LEN"},
    {3, "TTL %k"},
    {3, "PTTL %k"},
    {1, "EXPIRETIME %k"},
    {1, "PEXPIRETIME %k"},
    {3, "TYPE %k"},
    {2, "TOUCH %k %k"},
    {2, "DUMP %k"},
    {1, "OBJECT ENCODING %k"},
    {1, "MEMORY USAGE %k"},
    {2, "RANDOMKEY"},
    {3, "SCAN %n COUNT 50"},
    {1, "KEYS key1*"},
    {2, "DBSIZE"},
    {1, "SORT_RO %k"},
    {1, "PING"},
    {1, "ECHO %v"},
    {1, "TIME"},
    {1, "INFO"},
    {1, "COMMAND COUNT"},
    {1, "CONFIG GET *"},
    {1, "CLIENT LIST"},
    {1, "ACL WHOAMI"},
    {1, "ROLE"},
    {1, "LASTSAVE"},
    {1, "SLOWLOG GET 10"},
    {1, "LATENCY LATEST"},
    {1, "PUBSUB CHANNELS"},
    {1, "LOLWUT"},
    {1, "WAIT 0 0"},
    {1, "HELLO 2"},
    {1, "READONLY"},
    {1, "READWRITE"},
    {1, "MODULE LIST"},
};

static const struct pattern writes[] = {
    {30, "SET %k %v"},
    {1, "SWAPDB 0 1"},
    {10, "SET %k %v PX %t"},
    {5, "SET %k %v EX %l"},
    {5, "SET %k %v XX KEEPTTL"},
    {5, "SETNX %k %v"},
    {3, "SETEX %k %l %v"},
    {3, "PSETEX %k %t %v"},
    {3, "GETSET %k %v"},
    {5, "GETDEL %k"},
    {3, "GETEX %k PX %t"},
    {5, "MSET %k %v %k %v %k %v"},
    {3, "MSETNX %k %v %k %v"},
    {5, "APPEND %k %v"},
    {3, "SETRANGE %k %n %v"},
    {3, "INCR counter:a"},
    {2, "DECR counter:a"},
    {2, "INCRBY counter:b %n"},
    {2, "DECRBY counter:b %n"},
    {2, "INCRBYFLOAT counter:f 1.5"},
    {2, "SETBIT %k %n 1"},
    {2, "BITOP XOR %k %k %k"},
    {2, "BITFIELD %k INCRBY u16 %n 7"},
    {10, "DEL %k %k"},
    {5, "UNLINK %k"},
    {5, "EXPIRE %k %l"},
    {5, "PEXPIRE %k %t"},
    {2, "EXPIREAT %k 4000000000"},
    {2, "PEXPIREAT %k 4000000000000"},
    {3, "PERSIST %k"},
    {3, "RENAME %k %k"},
    {2, "RENAMENX %k %k"},
    {3, "COPY %k %k REPLACE"},
    {2, "COPY %k %k DB %d REPLACE"},
    {2, "MOVE %k %d"},
    {1, "SORT %k STORE %k"},
    {2, "RESTORE %k 0 garbage REPLACE"},
    {5, "PUBLISH %c %v"},
    {1, "FLUSHDB"},
    {1, "SAVE"},
    {1, "BGSAVE"},
    {1, "BGREWRITEAOF"},
    {1, "WAITAOF 1 0 1000"},
};

/* Commands that are sent in other ways here, or that would end or change servers, their options or
 * the connection. */
static const char *const others[] = {
    "select",    "multi",      "exec",        "discard",      "watch",    "unwatch",
    "subscribe", "psubscribe", "unsubscribe", "punsubscribe", "debug",    "shutdown",
    "monitor",   "quit",       "reset",       "auth",         "failover", "replicaof",
    "slaveof",   "sync",       "psync",       "replconf",     "flushall", "asking",
};

static const struct pattern *choose(struct random *random, const struct pattern *patterns,
                                    size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += patterns[i].weight;
    uint64_t dice = random_below(random, sum);
    for (; dice >= patterns->weight; patterns++)
        dice -= patterns->weight;
    return patterns;
}

static void append_value(struct random *random, struct bytes *to)
{
    uint64_t dice = random_below(random, 1000);
    uint64_t limit = dice < 900 ? 100 : dice < 997 ? 4000 : VALUE_LARGE;
    size_t size = random_below(random, limit);
    memset(bytes_reserve(to, size), 'a' + (int)random_below(random, 26), size);
    to->size += size;
}

static void append_word(struct soak_client *client, const char *word, size_t size, struct bytes *to)
{
    struct random *random = &client->random;
    if (*word != '%') {
        bytes_append(to, word, size);
        return;
    }
    switch (word[1]) {
    case 'k':
        bytes_appendf(to, "key%u", (unsigned)random_below(random, KEYS));
        break;
    case 'n':
        bytes_appendf(to, "%u", (unsigned)random_below(random, 1000));
        break;
    case 't':
        bytes_appendf(to, "%u", 1 + (unsigned)random_below(random, 1500));
        break;
    case 'l':
        bytes_appendf(to, "%u", 100000 + (unsigned)random_below(random, 1000));
        break;
    case 'd':
        bytes_appendf(to, "%u", (unsigned)random_below(random, SOAK_COUNTERS));
        break;
    case 'c':
        bytes_appendf(to, "channel%u", (unsigned)random_below(random, 3));
        break;
    default:
        append_value(random, to);
    }
}

/* Appends a command made from a pattern. */
static void encode(struct soak_client *client, const char *pattern, struct bytes *out)
{
    struct bytes words[WORDS] = {0};
    struct raw_arg args[WORDS] = {0};
    size_t count = 0;
    for (const char *word = pattern; *word && count < WORDS; count++) {
        size_t size = strcspn(word, " ");
        append_word(client, word, size, &words[count]);
        args[count] = (struct raw_arg){words[count].data, words[count].size};
        word += size;
        word += strspn(word, " ");
    }
    raw_encode(out, args, count);
    for (size_t i = 0; i < count; i++)
        bytes_free(&words[i]);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void lose(struct soak_client *client)
{
    raw_close(client->raw);
    client->raw = NULL;
    client->lost++;
}

/* Sends what was encoded and reads so many replies; the latency is that of all together. */
static bool exchange(struct worker *worker, struct bytes *out, size_t count,
                     struct soak_latency *latency)
{
    struct soak_load *load = worker->shared;
    struct soak_client *client = &load->clients[worker->index];
    uint64_t begin = now_us();
    bool good = raw_send(client->raw, out->data, out->size) || raw_pending(client->raw);
    for (size_t i = 0; i < count && good; i++) {
        struct reply *reply = raw_reply(client->raw);
        good = reply;
        if (reply && reply->type == '-') {
            client->errors++;
            if (strstr(reply_string(reply), "ot persisted"))
                worker_fail(worker, "on a good disk: %s", reply_string(reply));
        }
        reply_free(reply);
        client->commands++;
    }
    bytes_free(out);
    if (good)
        soak_latency_add(latency, now_us() - begin);
    else
        lose(client);
    return good;
}

static void connect_any(struct worker *worker)
{
    struct soak_load *load = worker->shared;
    struct soak_client *client = &load->clients[worker->index];
    struct patience patience = {0};
    while (!client->raw && !atomic_load(&load->stop) && !workers_failed()) {
        client->raw = raw_connect(load->servers[random_below(&client->random, SOAK_SERVERS)]);
        if (!client->raw && !patience_left(&patience))
            worker_fail(worker, "no server answers any more");
    }
    client->database = 0;
}

static void select_database(struct worker *worker, unsigned database)
{
    struct soak_load *load = worker->shared;
    struct soak_client *client = &load->clients[worker->index];
    struct bytes out = {0};
    char number[16];
    snprintf(number, sizeof number, "%u", database);
    raw_encode_texts(&out, "SELECT", number, NULL);
    if (exchange(worker, &out, 1, &client->reads))
        client->database = database;
}

/* Its counter is at least what was acknowledged, and at most what it asked for. */
static void count_up(struct worker *worker)
{
    struct soak_load *load = worker->shared;
    struct soak_client *client = &load->clients[worker->index];
    struct bytes out = {0};
    char name[16];
    select_database(worker, SOAK_COUNTERS);
    if (!client->raw)
        return;
    snprintf(name, sizeof name, "client%u", worker->index);
    raw_encode_texts(&out, "INCR", name, NULL);
    if (exchange(worker, &out, 1, &client->writes))
        client->counted++;
    else
        client->unanswered++;
    if (client->raw)
        select_database(worker, 0);
}

static void send_some(struct worker *worker)
{
    struct soak_load *load = worker->shared;
    struct soak_client *client = &load->clients[worker->index];
    struct random *random = &client->random;
    struct bytes out = {0};
    bool write = random_chance(random, 40), transaction = random_chance(random, 8);
    size_t count = transaction || random_chance(random, 10) ? 2 + random_below(random, 8) : 1;
    if (transaction)
        raw_encode_texts(&out, "WATCH", "counter:a", NULL);
    if (transaction)
        raw_encode_texts(&out, "MULTI", NULL);
    for (size_t i = 0; i < count; i++)
        encode(client,
               (write ? choose(random, writes, sizeof writes / sizeof *writes)
                      : choose(random, reads, sizeof reads / sizeof *reads))
                   ->words,
               &out);
    if (transaction)
        raw_encode_texts(&out, random_chance(random, 90) ? "EXEC" : "DISCARD", NULL);
    exchange(worker, &out, count + (transaction ? 3 : 0), write ? &client->writes : &client->reads);
}

void soak_run_client(struct worker *worker)
{
    struct soak_load *load = worker->shared;
    struct soak_client *client = &load->clients[worker->index];
    for (;;) {
        connect_any(worker);
        if (!client->raw)
            return;
        uint64_t dice = random_below(&client->random, 100);
        if (dice < 5)
            count_up(worker);
        else if (dice < 8)
            select_database(worker, (unsigned)random_below(&client->random, SOAK_COUNTERS));
        else
            send_some(worker);
        if (atomic_load(&load->stop) || workers_failed() || random_chance(&client->random, 1)) {
            raw_close(client->raw); /* for another server, or none */
            client->raw = NULL;
        }
    }
}

static bool is_sent(const char *name)
{
    const struct pattern *tables[] = {reads, writes};
    const size_t counts[] = {sizeof reads / sizeof *reads, sizeof writes / sizeof *writes};
    size_t size = strlen(name);
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < counts[i]; j++) {
            const char *words = tables[i][j].words;
            if (!strncasecmp(words, name, size) && (words[size] == ' ' || !words[size]))
                return true;
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (!strcmp(others[i], name))
            return true;
    }
    return false;
}

char *soak_commands_left_out(const struct server *server)
{
    struct bytes names = {0};
    bytes_append_text(&names, "");
    struct raw *raw = raw_connect(server);
    struct reply *reply = raw ? raw_command(raw, "COMMAND", "LIST", NULL) : NULL;
    for (size_t i = 0; reply && i < reply->count; i++) {
        const char *name = reply_string(&reply->items[i]);
        if (!strchr(name, '|') && !is_sent(name)) /* not subcommands */
            bytes_appendf(&names, " %s", name);
    }
    reply_free(reply);
    raw_close(raw);
    return (char *)names.data;
}
