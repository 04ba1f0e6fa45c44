/* SPDX-License-Identifier: MIT */
/* Bytes that are not the protocol, or only just. */
#include "tests/client/hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/random.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

void hostile_inline(struct harness *harness)
{
    static const char *const lines[] = {
        "PING\r\n",
        "PING\n",
        "  PING  \r\n",
        "\tPING\t\r\n",
        "PING hello\r\n",
        "ping \"hello world\"\r\n",
        "ECHO 'hello world'\r\n",
        "ECHO \"\\x41\\x00\\xff\\n\\r\\t\\a\\b\\\\\\\"\\q\"\r\n",
        "ECHO \"\\xg1\\x4\"\r\n",
        "ECHO 'it\\'s \\n'\r\n",
        "ECHO \"\"\r\n",
        "ECHO ''\r\n",
        "ECHO a\"b\"\r\n",
        "ECHO a'b c'\r\n",
        "ECHO \"a\"b\r\n",
        "ECHO 'a'b\r\n",
        "ECHO \"a\r\n",
        "ECHO 'a\r\n",
        "ECHO a\\ b\r\n",
        "ECHO \"a\\\r\n",
        "ECHO \"a\"\t\"b\"\r\n",
        "ECHO \"a\" \r\n",
        "\r\n",
        "\n",
        "\n\n\r\n",
        "   \r\n",
        "PING",
        "PI",
        "\"PING\"\r\n",
        "\"\"\r\n",
        "'nosuch' arg\r\n",
        "SET a 1\r\nINCR a\r\nGET a\r\nDEL a\r\nGET a\r\n",
        "PING\r\nPING\nPING a b\r\nnosuch\r\nPING\r\n",
        "PING\v\r\n",
        "PING\f\r\n",
        "$4\r\nPING\r\n",
        "+OK\r\n",
        ":1\r\n",
        "-ERR\r\n",
        "{\"json\": 1}\r\n",
        "\xff\xfe\r\n",
        "QUIT\r\nPING\r\n",
        " *1\r\n",
    };
    struct hostile hostile;
    hostile_start(harness, &hostile, NULL);
    for (size_t i = 0; i < COUNT(lines); i++)
        hostile_compare_text(&hostile, lines[i]);
    print_message("%zu inline requests\n", COUNT(lines));
}

void hostile_requests(struct harness *harness)
{
    static const char *const requests[] = {
        "*1\r\n$4\r\nPING\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*-1000\r\n",
        "*00\r\n",
        "*\r\n",
        "*a\r\n",
        "*1a\r\n",
        "* 1\r\n",
        "*+1\r\n",
        "*01\r\n",
        "*1.0\r\n",
        "*1 \r\n$4\r\nPING\r\n",
        "*1\r\nPING\r\n",
        "*1\r\n\r\n",
        "*1\r\n+PING\r\n",
        "*1\r\n:4\r\n",
        "*1\r\n*1\r\n$4\r\nPING\r\n",
        "*1\r\n\x01\r\n",
        "*1\r\n\xff\r\n",
        "*1\r\n$\r\n",
        "*1\r\n$a\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\n$-5\r\n",
        "*1\r\n$+4\r\nPING\r\n",
        "*1\r\n$04\r\nPING\r\n",
        "*1\r\n$4 \r\nPING\r\n",
        "*1\r\n$0\r\n\r\n",
        "*2\r\n$0\r\n\r\n$0\r\n\r\n",
        "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
        "*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n",
        "*2\r\n$4\r\nECHO\r\n",
        "*2\r\n$4\r\nEC",
        "*2\r\n$4",
        "*2\r\n$4\r",
        "*2",
        "*2\r",
        "*",
        "*2\r\n$4\r\nECHO\r\n$4\r\nabc",
        "*2\r\n$4\r\nECHO\r\nabcd\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n:1\r\n*1\r\n$4\r\nPING\r\n",
        "*0\r\n*1\r\n$4\r\nPING\r\n*0\r\n*-1\r\nPING\r\n",
        "SET a 1\r\nINCR a\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\nDEL a\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*x\r\n",
        "*1\r\n$6\r\nnosuch\r\n*1\r\n$3\r\nGET\r\n*1\r\n$4\r\nPING\r\n",
        "*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n",
    };
    struct hostile hostile;
    hostile_start(harness, &hostile, NULL);
    for (size_t i = 0; i < COUNT(requests); i++)
        hostile_compare_text(&hostile, requests[i]);
    print_message("%zu requests\n", COUNT(requests));
}

static void repeat(struct bytes *out, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes_append_text(out, text);
}

/* "before", `count` times "filling", "after". */
static void compare_long(const struct hostile *hostile, const char *before, const char *filling,
                         size_t count, const char *after)
{
    struct bytes request = {0};
    char *name = text_format("%.20s + %zu times %s + %.20s", before, count, filling, after);
    bytes_append_text(&request, before);
    repeat(&request, filling, count);
    bytes_append_text(&request, after);
    hostile_compare(hostile, name, request.data, request.size);
    bytes_free(&request);
    free(name);
}

/* Redis drops a reply of megabytes when the client has said that no more will come. */
static void expect_many_values(const struct server *server, size_t count)
{
    struct bytes request = {0};
    struct raw *raw = raw_connect(server);
    bytes_appendf(&request, "*%zu\r\n$4\r\nMGET\r\n", count + 1);
    repeat(&request, "$1\r\nk\r\n", count);
    check(raw && raw_send(raw, request.data, request.size), "cannot send");
    struct reply *reply = raw_reply(raw);
    check(reply && reply->type == '*' && reply->count == count, "no reply with %zu values", count);
    reply_free(reply);
    raw_close(raw);
    bytes_free(&request);
}

void hostile_lengths(struct harness *harness)
{
    static const char *const announcements[] = {
        "*2147483648\r\n",
        "*9223372036854775807\r\n",
        "*9223372036854775808\r\n",
        "*-9223372036854775808\r\n",
        "*99999999999999999999999999\r\n",
        "*2147483647\r\n",
        "*1048577\r\n$4\r\nPING\r\n",
        "*1\r\n$536870912\r\n",
        "*1\r\n$536870912\r\nPING\r\n",
        "*1\r\n$536870913\r\n",
        "*1\r\n$2147483647\r\n",
        "*1\r\n$4294967296\r\n",
        "*1\r\n$9223372036854775807\r\n",
        "*1\r\n$9223372036854775808\r\n",
        "*1\r\n$99999999999999999999999999\r\n",
        "*2\r\n$4\r\nECHO\r\n$536870913\r\n",
    };
    struct hostile hostile;
    hostile_start(harness, &hostile, NULL);
    for (size_t i = 0; i < COUNT(announcements); i++)
        hostile_compare_text(&hostile, announcements[i]);

    /* Lines without end. */
    compare_long(&hostile, "", "x", 200000, "");
    compare_long(&hostile, "ECHO ", "x", 60000, "\r\n");
    compare_long(&hostile, "ECHO ", "x", 200000, "");
    compare_long(&hostile, "*", "1", 200000, "");
    compare_long(&hostile, "*1\r\n$", "1", 200000, "");
    compare_long(&hostile, "*1\r\n", "y", 200000, "");
    compare_long(&hostile, "*2\r\n$4\r\nECHO\r\n$", "1", 200000, "");
    compare_long(&hostile, "*1\r\n$4\r\nPING\r\n", "z", 200000, "");
    /* Many good commands, then a bad one; a bad one, then many good ones. */
    compare_long(&hostile, "", "*1\r\n$4\r\nPING\r\n", 5000, "*x\r\n");
    compare_long(&hostile, "*x\r\n", "*1\r\n$4\r\nPING\r\n", 50000, "");
    compare_long(&hostile, "*1\r\n$x\r\n", "garbage ", 100000, "\r\n");
    compare_long(&hostile, "", "PING\r\n", 5000, "\"\r\n");
    compare_long(&hostile, "", "*0\r\n", 20000, "PING\r\n");
    compare_long(&hostile, "", "\r\n", 20000, "PING\r\n");
    /* Many arguments. */
    compare_long(&hostile, "*100001\r\n$6\r\nEXISTS\r\n", "$1\r\nk\r\n", 100000, "");
    compare_long(&hostile, "*100000\r\n$4\r\nMSET\r\n", "$1\r\nk\r\n", 99999, "");
    compare_long(&hostile, "EXISTS", " k", 30000, "\r\n");

    /* More than Redis accepted before 7.0. */
    compare_long(&hostile, "*1048578\r\n$3\r\nDEL\r\n", "$1\r\nk\r\n", 1048577, "");
    compare_long(&hostile, "*1048579\r\n$4\r\nMSET\r\n", "$1\r\nk\r\n", 1048578, "");
    expect_many_values(hostile.redis, 1048577);
    expect_many_values(hostile.ours, 1048577);

    /* A limit set by the test. */
    struct hostile small;
    hostile_start(harness, &small, (const char *const[]){"--proto-max-bulk-len", "1mb", NULL});
    hostile_compare_text(&small, "*1\r\n$1048577\r\n");
    hostile_compare_text(&small, "*1\r\n$1048576\r\n");
    compare_long(&small, "*2\r\n$6\r\nSTRLEN\r\n$1048576\r\n", "x", 1048576, "\r\n");
    hostile_alive(hostile.ours);
    hostile_alive(small.ours);
}

void hostile_unauthenticated(struct harness *harness)
{
    static const char *const requests[] = {
        "*11\r\n",
        "*1000000\r\n",
        "*10\r\n",
        "*1\r\n$16385\r\n",
        "*2\r\n$4\r\nAUTH\r\n$16385\r\n",
        "*2\r\n$4\r\nAUTH\r\n$16384\r\nxxx",
        "*1\r\n$4\r\nPING\r\n",
        "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        "*1\r\n$3\r\nGET\r\n",
        "*1\r\n$6\r\nnosuch\r\n",
        "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n",
        "*2\r\n$4\r\nAUTH\r\n$5\r\nwrong\r\n*1\r\n$4\r\nPING\r\n",
        "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*1\r\n$4\r\nPING\r\n*11\r\n",
        "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*1\r\n$16385\r\n",
        "*3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$6\r\nsecret\r\nPING\r\n",
        "*3\r\n$4\r\nAUTH\r\n$5\r\nother\r\n$6\r\nsecret\r\nPING\r\n",
        "AUTH secret\r\nPING\r\n",
        "AUTH secret\r\nRESET\r\nPING\r\n*11\r\n",
        "GET a\r\nAUTH secret\r\nGET a\r\n",
        "*1\r\n$5\r\nHELLO\r\nPING\r\n",
        "HELLO 3\r\nPING\r\n",
        "HELLO 9\r\nHELLO 3 AUTH default wrong\r\nPING\r\n",
        "QUIT\r\nPING\r\n",
        "RESET\r\nPING\r\n",
        "SHUTDOWN NOSAVE\r\nCONFIG SET requirepass x\r\nFLUSHALL\r\n",
        "COMMAND\r\nINFO\r\nCONFIG GET requirepass\r\n",
    };
    struct hostile hostile;
    hostile_start(harness, &hostile, (const char *const[]){"--requirepass", "secret", NULL});
    for (size_t i = 0; i < COUNT(requests); i++)
        hostile_compare_text(&hostile, requests[i]);
    print_message("%zu requests\n", COUNT(requests));
    /* Authenticated in RESP3: the error of a HELLO comes in the old protocol, the rest in the new
     * one. */
    for (int i = 0; i < 2; i++) {
        struct raw *raw = raw_connect(i ? hostile.ours : hostile.redis);
        check(raw, "cannot connect");
        struct reply *reply =
            raw_command(raw, "HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me", NULL);
        check(reply && reply->type == '%', "HELLO 3 AUTH does not answer with a map");
        reply_free(reply);
        raw_expect(raw, "$me", "CLIENT GETNAME");
        raw_expect(raw, "_", "GET missing");
        raw_close(raw);
    }
}

/* Pieces of requests, good and bad, in any order. redis-server ignores some mistakes, which are
 * therefore missing here: a NUL in a line, a CR without LF, an argument without CR LF. */
void hostile_garbage(struct harness *harness)
{
    static const char *const pieces[] = {
        "*1\r\n$4\r\nPING\r\n",
        "*2\r\n$4\r\nECHO\r\n$5\r\nhowdy\r\n", /* HELLO would tell the client's number */
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n",
        "*2\r\n$4\r\nINCR\r\n$1\r\na\r\n",
        "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
        "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n",
        "*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n",
        "PING\r\n",
        "SET a \"x\\ty\"\r\n",
        "GET a\r\n",
        "APPEND a z\n",
        "\r\n",
        "\n",
        "*0\r\n",
        "*-1\r\n",
        "nosuch command\r\n",
        "$5\r\n",
        "garbage\r\n",
        "\"\r\n",
        "'a'b\r\n",
        "*x\r\n",
        "*1\r\n$x\r\n",
        "*1\r\n$-1\r\n",
        "*2\r\n$3\r\nGET\r\n",
        "*1\r\n",
        "$4\r\nPING\r\n",
        "\xff\xfe\xfd\r\n",
        "QUIT\r\n",
        "*1\r\n$4\r\nQUIT\r\n",
        "*99999999999\r\n",
    };
    struct random random;
    random_start(&random, random_run_seed("garbage"), 0);
    struct hostile hostile;
    hostile_start(harness, &hostile, NULL);
    unsigned rounds = harness_scaled(400);
    for (unsigned i = 0; i < rounds; i++) {
        struct bytes request = {0};
        uint64_t count = 1 + random_below(&random, 12);
        for (uint64_t j = 0; j < count; j++) {
            /* The first ones are good, so that the parser gets past the first error. */
            uint64_t limit = random_chance(&random, 75) ? 16 : COUNT(pieces);
            bytes_append_text(&request, pieces[random_below(&random, limit)]);
        }
        if (random_chance(&random, 30) && request.size > 1) {
            request.size -= random_below(&random, request.size);
            request.data[request.size] = 0;
            if (request.data[request.size - 1] == '\r')
                bytes_append_text(&request, "\n");
        }
        struct bytes redis = {0}, ours = {0};
        size_t piece = random_chance(&random, 30) ? 1 + random_below(&random, 7) : 0;
        hostile_exchange(hostile.redis, request.data, request.size, piece, &redis);
        hostile_exchange(hostile.ours, request.data, request.size, piece, &ours);
        if (!bytes_equal(&redis, &ours)) {
            struct bytes text = {0};
            bytes_append_escaped(&text, request.data, request.size);
            bytes_append_text(&text, "\nredis-server:    ");
            bytes_append_escaped(&text, redis.data, redis.size);
            bytes_append_text(&text, "\nanystore-server: ");
            bytes_append_escaped(&text, ours.data, ours.size);
            fprintf(stderr, "%s\n", bytes_text(&text));
            fail_test("round %u (%zu bytes at a time): answers differ", i, piece);
        }
        bytes_free(&redis);
        bytes_free(&ours);
        bytes_free(&request);
    }
    print_message("%u requests\n", rounds);
}

/* A web page makes a browser post to the server.  Redis closes at once and may or may not send an
 * answer to an earlier line; none of the commands that follow may run. */
void hostile_http(struct harness *harness)
{
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: localhost:6379\r\n\r\nSET a 1\r\nPING\r\n",
        "GET / HTTP/1.1\r\nHost: localhost:6379\r\n\r\nSET a 1\r\nPING\r\n",
        "Host: localhost\r\nSET a 1\r\nPING\r\n",
        "post\r\nSET a 1\r\nPING\r\n",
        "*1\r\n$4\r\nPOST\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\nPING\r\n",
    };
    struct hostile hostile;
    hostile_start(harness, &hostile, NULL);
    for (size_t i = 0; i < 2 * COUNT(requests); i++) {
        const char *request = requests[i / 2];
        const struct server *server = i % 2 ? hostile.ours : hostile.redis;
        struct bytes answer = {0};
        hostile_exchange(server, request, strlen(request), 0, &answer);
        check(!answer.size || !strcmp(bytes_text(&answer),
                                      "-ERR wrong number of arguments for 'get' command\r\n"),
              "%s is answered: %s", request, bytes_text(&answer));
        bytes_free(&answer);
        struct raw *raw = raw_connect(server);
        check(raw, "cannot connect");
        raw_expect(raw, ":0", "EXISTS a");
        raw_close(raw);
    }
}
