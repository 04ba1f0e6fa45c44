/* SPDX-License-Identifier: MIT */
/* Protects durations: when somebody sets the wall clock of a running server, back or ahead, nothing
 * that is measured in seconds since goes wrong: uptime, the age of clients, timeouts, pauses. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/client/harness/bytes.h"
#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

#define DAY_S INT64_C(86400)

struct shifted {
    char *path; /* of the file with the shift */
    struct server *server;
    redisContext *client;
};

static void shift_clock(const struct shifted *shifted, int64_t seconds)
{
    int fd = open(shifted->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0 && pwrite(fd, &seconds, sizeof seconds, 0) == sizeof seconds, "%s",
          shifted->path);
    close(fd);
}

/* Starts a server whose wall clock the test may set. */
static struct shifted start(struct harness *harness, const char *const *args)
{
    struct shifted shifted = {.path = text_format("%s/shift", harness->dir)};
    const char *sanitizer = getenv("ASAN_OPTIONS");
    char *file = text_format("SHIFTED_CLOCK=%s", shifted.path);
    char *options =
        text_format("ASAN_OPTIONS=%s:verify_asan_link_order=0", sanitizer ? sanitizer : "");
    const char *const env[] = {"LD_PRELOAD=" SHIFTED_CLOCK_LIBRARY, file, options, NULL};
    shift_clock(&shifted, 0);
    shifted.server = server_start(harness, &(struct server_options){.args = args, .env = env});
    shifted.client = client_connect(shifted.server);
    free(file);
    free(options);
    return shifted;
}

static void end(struct shifted *shifted)
{
    redisFree(shifted->client);
    free(shifted->path);
}

static long long uptime(const struct shifted *shifted)
{
    return client_info(shifted->client, "server", "uptime_in_seconds");
}

/* The clock that TIME tells is the shifted one, so the test tests something. */
static void expect_shift(const struct shifted *shifted, int64_t seconds)
{
    redisReply *reply = redisCommand(shifted->client, "TIME");
    check(reply && reply->elements == 2, "TIME");
    int64_t difference = atoll(reply->element[0]->str) - wall_ms() / 1000 - seconds;
    check(llabs(difference) < DAY_S / 2, "TIME is off by %lld s", (long long)difference);
    freeReplyObject(reply);
}

/* A field of the first line of CLIENT LIST. */
static long long listed(const struct shifted *shifted, const char *field)
{
    char *list = client_text(shifted->client, "CLIENT LIST");
    const char *place = strstr(list, field);
    check(place, "no %s in %s", field, list);
    long long value = atoll(place + strlen(field));
    free(list);
    return value;
}

static void ages_never_go_back(struct harness *harness)
{
    struct shifted shifted = start(harness, NULL);
    const int64_t shifts[] = {-DAY_S, DAY_S, 0};
    long long last = 0;
    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        shift_clock(&shifted, shifts[i]);
        expect_shift(&shifted, shifts[i]);
        long long now = uptime(&shifted);
        check(now >= last && now < DAY_S / 2, "uptime %lld after %lld", now, last);
        last = now;
        check(client_info(shifted.client, "server", "uptime_in_days") == 0, "days");
        long long age = listed(&shifted, " age="), idle = listed(&shifted, " idle=");
        check(age >= 0 && age < DAY_S / 2, "age %lld", age);
        check(idle >= 0 && idle < DAY_S / 2, "idle %lld", idle);
    }
    end(&shifted);
}

static void no_client_is_closed_for_idling(struct harness *harness)
{
    static const char *const args[] = {"--timeout", "20000", NULL};
    struct shifted shifted = start(harness, args);
    redisContext *idle = client_connect(shifted.server);
    client_expect(idle, "+PONG", "PING");
    shift_clock(&shifted, DAY_S);
    expect_shift(&shifted, DAY_S);
    struct patience patience = {0};
    long long begin = uptime(&shifted);
    while (uptime(&shifted) < begin + 3 && patience_left(&patience)) /* looks are once a second */
        ;
    client_expect(idle, "+PONG", "PING");
    redisFree(idle);
    end(&shifted);
}

static void a_pause_lasts(struct harness *harness)
{
    struct shifted shifted = start(harness, NULL);
    struct raw *writer = raw_connect(shifted.server);
    client_expect(shifted.client, "+OK", "CLIENT PAUSE 40000000 WRITE");
    shift_clock(&shifted, DAY_S);
    expect_shift(&shifted, DAY_S);
    raw_send_text(writer, "SET k v\r\n");
    struct patience patience = {0};
    while (client_info(shifted.client, "clients", "blocked_clients") != 1 &&
           patience_left(&patience))
        ;
    check(client_info(shifted.client, "clients", "blocked_clients") == 1, "the pause is over");
    client_expect(shifted.client, "_", "GET k");
    client_expect(shifted.client, "+OK", "CLIENT UNPAUSE");
    raw_expect_reply(writer, "+OK");
    raw_close(writer);
    end(&shifted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(ages_never_go_back),
        HARNESS_TEST(no_client_is_closed_for_idling),
        HARNESS_TEST(a_pause_lasts),
    };
    return harness_main("client_clock_test", tests, sizeof tests / sizeof *tests);
}
