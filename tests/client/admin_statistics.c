/* SPDX-License-Identifier: MIT */
/* The counts and notes that a server keeps of its commands: INFO, SLOWLOG, LATENCY. */
#include <stdlib.h>
#include <string.h>

#include "tests/client/admin.h"
#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

/* The text of a section of INFO; the caller frees. */
static char *section(redisContext *client, const char *name)
{
    redisReply *reply = redisCommand(client, "INFO %s", name);
    check(reply && reply->type == REDIS_REPLY_STRING, "INFO %s", name);
    char *text = text_format("%s", reply->str);
    freeReplyObject(reply);
    return text;
}

static void expect_in_section(redisContext *client, const char *name, const char *expected,
                              bool there)
{
    char *text = section(client, name);
    check(!strstr(text, expected) == !there, "INFO %s: %s %s:\n%s", name, expected,
          there ? "is missing" : "is there", text);
    free(text);
}

static void count(struct server *server, redisContext *client, struct raw *raw)
{
    (void)server;
    client_expect(client, "+OK", "CONFIG RESETSTAT");
    client_expect(client, "+OK", "SET a x");
    client_expect(client, "$x", "GET a");
    client_expect(client, "_", "GET b");
    raw_expect(raw, "-ERR value is not an integer or out of range", "INCR a");
    raw_expect(raw, "-ERR wrong number of arguments for 'get' command", "GET");
    raw_expect(raw, "-ERR unknown command 'nosuch', with args beginning with: ", "nosuch");
    raw_expect(raw, "+OK", "MULTI");
    raw_expect(raw, "+QUEUED", "GET a");
    raw_expect(raw, "+QUEUED", "INCR a");
    raw_expect(raw, "[$x -ERR value is not an integer or out of range]", "EXEC");
    expect_in_section(client, "commandstats", "cmdstat_get:calls=3,", true);
    expect_in_section(client, "commandstats", ",rejected_calls=1,failed_calls=0\r\n", true);
    expect_in_section(client, "commandstats", "cmdstat_incr:calls=2,", true);
    expect_in_section(client, "commandstats", ",rejected_calls=0,failed_calls=2\r\n", true);
    expect_in_section(client, "commandstats", "cmdstat_config|resetstat:calls=1,", true);
    expect_in_section(client, "errorstats", "errorstat_ERR:count=4\r\n", true);
    expect_in_section(client, "latencystats", "latency_percentiles_usec_get:p50=", true);
    check(client_info(client, "stats", "total_error_replies") == 4, "total_error_replies");
    struct reply *histogram =
        raw_command(raw, "LATENCY", "HISTOGRAM", "get", "nosuch", "set", NULL);
    check(histogram && histogram->type == '%' && histogram->count == 4, "LATENCY HISTOGRAM");
    const struct reply *calls = reply_find(reply_find(histogram, "get"), "calls");
    check(!strcmp(reply_string(calls), "3"), "calls of GET");
    reply_free(histogram);
    client_expect(client, "+OK", "CONFIG SET latency-tracking-info-percentiles 25.50");
    expect_in_section(client, "latencystats", "latency_percentiles_usec_get:p25.5=", true);
    expect_in_section(client, "latencystats", ",", false);
    client_expect(client, "+OK", "CONFIG SET latency-tracking-info-percentiles %s", "");
    expect_in_section(client, "latencystats", "latency_percentiles_usec_get:\r\n", true);
    client_expect(client, "+OK", "CONFIG SET latency-tracking-info-percentiles %s", "0 100 50");
    expect_in_section(client, "latencystats", "latency_percentiles_usec_get:p0=", true);
    expect_in_section(client, "latencystats", ",p100=", true);
    client_expect(client, "+OK", "CONFIG RESETSTAT");
    expect_in_section(client, "commandstats", "cmdstat_get:", false);
    expect_in_section(client, "errorstats", "errorstat_", false);
    expect_in_section(client, "latencystats", "usec_get:", false);
    check(client_info(client, "stats", "total_error_replies") == 0, "total_error_replies");
    raw_expect(raw, "$x", "GET a");
    expect_in_section(client, "commandstats", "cmdstat_get:calls=1,", true);
}

void calls_are_counted(struct harness *harness)
{
    admin_with_both(harness, count);
}

static void slow(struct server *server, redisContext *client, struct raw *raw)
{
    (void)server;
    client_expect(client, "+OK", "CLIENT SETNAME me");
    client_expect(client, "+OK", "CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3");
    client_expect(client, "+OK", "SLOWLOG RESET");
    char lengthy[200];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = 0;
    client_expect(client, "+OK", "SET k %s", lengthy);
    client_expect_start(client, "-WRONGPASS", "AUTH nobody secret");
    client_expect(client, "+OK", "CONFIG SET slowlog-log-slower-than -1");
    client_expect(client, "+PONG", "PING");
    struct reply *log = raw_command(raw, "SLOWLOG", "GET", "-1", NULL);
    check(log && log->count == 3, "SLOWLOG GET has %zu entries", log ? log->count : 0);
    static const char *const expected[] = {"[$AUTH $(redacted) $(redacted)]", NULL,
                                           "[$SLOWLOG $RESET]"};
    for (size_t i = 0; i < log->count; i++) {
        const struct reply *entry = &log->items[i];
        check(entry->count == 6, "an entry has %zu fields", entry->count);
        char *text = reply_text(&entry->items[3]);
        if (expected[i])
            check(!strcmp(text, expected[i]), "entry %zu: %s", i, text);
        else
            check(strstr(text, "xxx... (71 more bytes)]"), "entry %zu: %s", i, text);
        check(!strcmp(reply_string(&entry->items[5]), "me"), "the client's name");
        free(text);
    }
    reply_free(log);
    client_expect(client, ":3", "SLOWLOG LEN");
    log = raw_command(raw, "SLOWLOG", "GET", "2", NULL);
    check(log && log->count == 2, "SLOWLOG GET 2");
    reply_free(log);
    client_expect(client, "+OK", "SLOWLOG RESET");
    client_expect(client, ":0", "SLOWLOG LEN");
    client_expect(client, "+OK", "CONFIG SET slowlog-log-slower-than 20000");
    client_expect(client, "+OK", "DEBUG SLEEP 0.03");
    client_expect(client, ":1", "SLOWLOG LEN");
}

void slow_commands_are_noted(struct harness *harness)
{
    admin_with_both(harness, slow);
}

static void latency(struct server *server, redisContext *client, struct raw *raw)
{
    (void)server;
    client_expect(client, "+OK", "CONFIG SET latency-monitor-threshold 20");
    client_expect(client, "+OK", "DEBUG SLEEP 0.03");
    struct reply *history = raw_command(raw, "LATENCY", "HISTORY", "command", NULL);
    check(history && history->count == 1 && history->items[0].count == 2, "LATENCY HISTORY");
    check(strtol(reply_string(&history->items[0].items[1]), NULL, 10) >= 30, "its latency");
    reply_free(history);
    struct reply *latest = raw_command(raw, "LATENCY", "LATEST", NULL);
    check(latest && latest->count >= 1 && latest->items[0].count == 4, "LATENCY LATEST");
    reply_free(latest);
    client_expect_start(client, "$command - high ", "LATENCY GRAPH command");
    char *doctor = client_text(client, "LATENCY DOCTOR");
    check(strstr(doctor, "command: 1 latency spikes"), "%s", doctor);
    free(doctor);
    client_expect(client, ":1", "LATENCY RESET COMMAND nosuch");
    client_expect(client, "[]", "LATENCY HISTORY command");
}

void latency_is_noted(struct harness *harness)
{
    admin_with_both(harness, latency);
}
