/* SPDX-License-Identifier: MIT */
/* Values go both ways between redis-server and ours by DUMP and RESTORE: every size and kind,
 * including those that Redis compresses. */
#include <string.h>

#include "tests/client/harness/harness.h"
#include "tests/client/harness/random.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

#define VALUES 2000

static struct reply *command(struct raw *raw, const struct raw_arg *args, size_t count)
{
    struct bytes request = {0};
    raw_encode(&request, args, count);
    struct reply *reply = raw_send(raw, request.data, request.size) ? raw_reply(raw) : NULL;
    bytes_free(&request);
    check(reply, "the server is gone");
    return reply;
}

#define KEY ((struct raw_arg){"k", 1})

static void expect_ok(struct reply *reply, const char *what)
{
    check(reply->type == '+', "%s is answered with %s", what, reply_string(reply));
    reply_free(reply);
}

/* Sets a value at one server, dumps it, restores it at the other, and compares it there. */
static void carry(struct raw *from, struct raw *to, const struct bytes *value)
{
    struct raw_arg data = {value->data, value->size};
    expect_ok(command(from, (struct raw_arg[]){{"SET", 3}, KEY, data}, 3), "SET");
    struct reply *dump = command(from, (struct raw_arg[]){{"DUMP", 4}, KEY}, 2);
    check(dump->type == '$' && dump->size > 10, "DUMP is not answered");
    struct raw_arg payload = {dump->data, dump->size};
    expect_ok(
        command(to, (struct raw_arg[]){{"RESTORE", 7}, KEY, {"0", 1}, payload, {"REPLACE", 7}}, 5),
        "RESTORE");
    struct reply *got = command(to, (struct raw_arg[]){{"GET", 3}, KEY}, 2);
    check(got->type == '$' && got->size == value->size &&
              !memcmp(got->data, value->data, got->size),
          "a value of %zu bytes has become another", value->size);
    reply_free(dump);
    reply_free(got);
}

static void append_value(struct random *random, struct bytes *value)
{
    static const size_t sizes[] = {0, 20, 21, 63, 64, 16383, 16384, 70000, 300000};
    bytes_clear(value);
    bytes_reserve(value, 1);
    if (random_chance(random, 30)) {
        int64_t number = (int64_t)random_next(random) >> random_below(random, 64);
        bytes_appendf(value, "%lld", (long long)number);
        return;
    }
    size_t size =
        random_chance(random, 20) ? sizes[random_below(random, 9)] : random_below(random, 2000);
    uint8_t *to = bytes_reserve(value, size);
    if (random_chance(random, 20)) {
        random_fill(random, to, size);
    } else { /* repeats at all distances: Redis compresses it */
        unsigned letters = 1 + (unsigned)random_below(random, 20);
        size_t period = 1 + random_below(random, 9000);
        for (size_t i = 0; i < size; i++)
            to[i] = i >= period && !random_chance(random, 1)
                        ? to[i - period]
                        : (uint8_t)('a' + random_below(random, letters));
    }
    value->size += size;
}

static void values_both_ways(struct harness *harness)
{
    struct random random;
    random_start(&random, random_run_seed("dump"), 0);
    struct server *redis = server_start(harness, &(struct server_options){.kind = SERVER_REDIS});
    struct server *ours = server_start(harness, NULL);
    struct raw *one = raw_connect(redis), *other = raw_connect(ours);
    check(one && other, "cannot connect");
    struct bytes value = {0};
    unsigned count = harness_scaled(VALUES);
    for (unsigned i = 0; i < count; i++) {
        append_value(&random, &value);
        carry(one, other, &value);
        carry(other, one, &value);
    }
    print_message("%u values carried each way\n", count);
    bytes_free(&value);
    raw_close(one);
    raw_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(values_both_ways),
    };
    return harness_main("client_dump_test", tests, sizeof tests / sizeof *tests);
}
