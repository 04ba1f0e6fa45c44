/* SPDX-License-Identifier: MIT */
/* Protects what INFO says: a field that looks measured is measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/server.h"

#define MIB (1 << 20)

/* The peak is of the same kind as what it is the peak of: not of what is resident. */
static void the_peak_is_of_used_memory(struct harness *harness)
{
    struct server *server = server_start(harness, &(struct server_options){0});
    redisContext *client = client_connect(server);
    long long used = client_info(client, "memory", "used_memory");
    long long peak = client_info(client, "memory", "used_memory_peak");
    check(peak >= used && peak < used + MIB, "peak %lld, used %lld", peak, used);
    char *big = calloc(1, 8 * MIB);
    assert_non_null(big);
    redisReply *reply = redisCommand(client, "SET k %b", big, (size_t)8 * MIB);
    check(reply && reply->type == REDIS_REPLY_STATUS, "SET");
    freeReplyObject(reply);
    free(big);
    check(client_info(client, "memory", "used_memory_peak") >= 8 * MIB, "the peak did not follow");
    client_expect(client, ":1", "DEL k");
    struct patience patience = {0};
    while (client_info(client, "memory", "used_memory") > 4 * MIB && patience_left(&patience))
        ;
    check(client_info(client, "memory", "used_memory") <= 4 * MIB, "used memory stays");
    peak = client_info(client, "memory", "used_memory_peak");
    check(peak >= 8 * MIB && peak < 64 * MIB, "the peak is %lld then", peak);
    redisFree(client);
}

/* Nobody asks while the peak is there: it is noticed all the same. */
static void a_peak_is_seen_without_asking(struct harness *harness)
{
    struct server *server = server_start(harness, &(struct server_options){0});
    redisContext *client = client_connect(server);
    client_expect(client, ":8388608", "SETRANGE k 8388607 x");
    long long begin = client_info(client, "server", "uptime_in_seconds");
    struct patience patience = {0};
    while (client_info(client, "server", "uptime_in_seconds") < begin + 2 &&
           patience_left(&patience)) /* looks are ten times a second */
        ;
    client_expect(client, ":1", "DEL k");
    long long peak = client_info(client, "memory", "used_memory_peak");
    check(peak >= 8 * MIB, "the peak is %lld", peak);
    redisFree(client);
}

static void rates_are_measured(struct harness *harness)
{
    static const char *const fields[] = {"instantaneous_ops_per_sec", "instantaneous_input_kbps",
                                         "instantaneous_output_kbps"};
    struct server *server = server_start(harness, &(struct server_options){0});
    redisContext *client = client_connect(server);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct patience patience = {0};
        while (client_info(client, "stats", fields[i]) == 0 && patience_left(&patience)) {
            for (unsigned j = 0; j < 100; j++)
                client_expect(client, "+PONG", "PING");
        }
        check(client_info(client, "stats", fields[i]) > 0, "%s", fields[i]);
    }
    redisFree(client);
}

/* avg_ttl of database 0. */
static long long mean_ttl(redisContext *client)
{
    char *text = client_text(client, "INFO keyspace");
    const char *field = strstr(text, ",avg_ttl=");
    check(field, "%s", text);
    long long ms = atoll(field + strlen(",avg_ttl="));
    free(text);
    return ms;
}

static void the_mean_of_expiries_is_measured(struct harness *harness)
{
    struct server *server = server_start(harness, &(struct server_options){0});
    redisContext *client = client_connect(server);
    client_expect(client, "+OK", "SET never v");
    check(mean_ttl(client) == 0, "%lld without any", mean_ttl(client));
    client_expect(client, "+OK", "SET a v EX 100000");
    client_expect(client, "+OK", "SET b v EX 300000");
    long long ms = mean_ttl(client);
    check(ms > 199000000 && ms <= 200000000, "%lld of 100,000 s and 300,000 s", ms);
    client_expect(client, ":1", "EXPIRE b 500000");
    ms = mean_ttl(client);
    check(ms > 299000000 && ms <= 300000000, "%lld of 100,000 s and 500,000 s", ms);
    client_expect(client, ":1", "DEL a");
    ms = mean_ttl(client);
    check(ms > 499000000 && ms <= 500000000, "%lld of 500,000 s", ms);
    client_expect(client, ":1", "PERSIST b");
    check(mean_ttl(client) == 0, "%lld without any", mean_ttl(client));
    redisFree(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_peak_is_of_used_memory),
        HARNESS_TEST(a_peak_is_seen_without_asking),
        HARNESS_TEST(rates_are_measured),
        HARNESS_TEST(the_mean_of_expiries_is_measured),
    };
    return harness_main("client_info_test", tests, sizeof tests / sizeof *tests);
}
