/* SPDX-License-Identifier: MIT */
/* The tools people have: redis-cli (RESP2, RESP3, scripts, mass insertion) and redis-benchmark. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/client.h"
#include "tests/client/harness/harness.h"
#include "tests/client/harness/raw.h"
#include "tests/client/harness/server.h"

/* Runs a tool with "-s <socket>" and up to 20 more arguments, with blanks between; returns its
 * output. */
static int run_tool(const struct server *server, const char *program, const char *input,
                    struct bytes *output, const char *words)
{
    char *copy = text_format("%s", words);
    const char *args[24] = {"-s", server->socket};
    size_t count = 2;
    char *save = NULL;
    for (char *word = strtok_r(copy, " ", &save); word && count < 22;
         word = strtok_r(NULL, " ", &save))
        args[count++] = word;
    struct process_options options = {.program = program, .args = args, .input = input};
    bytes_clear(output);
    int status = process_run(&options, output);
    free(copy);
    return status;
}

static void cli_expect(const struct server *server, const char *expected, const char *words)
{
    struct bytes output = {0};
    int status = run_tool(server, HARNESS_REDIS_CLI, NULL, &output, words);
    check(status == 0, "redis-cli %s: exit status %d: %s", words, status, bytes_text(&output));
    check(!strcmp(bytes_text(&output), expected), "redis-cli %s\nexpected %s     got %s", words,
          expected, bytes_text(&output));
    bytes_free(&output);
}

static void cli_commands(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    cli_expect(server, "PONG\n", "PING");
    cli_expect(server, "OK\n", "SET greeting hello EX 1000");
    cli_expect(server, "hello\n", "GET greeting");
    cli_expect(server, "\n", "GET missing");
    cli_expect(server, "1\n", "INCR counter");
    cli_expect(server, "OK\n", "MSET a 1 b 2");
    cli_expect(server, "1\n2\n\n", "MGET a b c");
    cli_expect(server, "1) \"1\"\n2) \"2\"\n3) (nil)\n", "--no-raw MGET a b c");
    cli_expect(server, "1) \"1\"\n2) (nil)\n", "-3 --no-raw MGET a c");
    cli_expect(server, "1# \"timeout\" => \"0\"\n", "-3 --no-raw CONFIG GET timeout");
    cli_expect(server, "(integer) 4\n", "--no-raw DBSIZE");
    cli_expect(server, "ERR unknown command 'nosuch', with args beginning with: \n\n", "nosuch");
    cli_expect(server, "{\"timeout\":\"0\"}\n", "-3 --json CONFIG GET timeout");
    struct bytes output = {0};
    check(run_tool(server, HARNESS_REDIS_CLI, NULL, &output, "-3 HELLO") == 0, "HELLO fails");
    check(strstr(bytes_text(&output), "proto\n3\n") || strstr(bytes_text(&output), "proto 3"),
          "HELLO: %s", bytes_text(&output));
    check(run_tool(server, HARNESS_REDIS_CLI, NULL, &output, "INFO") == 0, "INFO fails");
    check(strstr(bytes_text(&output), "# AnyStore"), "INFO: %s", bytes_text(&output));
    check(run_tool(server, HARNESS_REDIS_CLI, NULL, &output, "CLIENT LIST") == 0, "CLIENT LIST");
    check(strstr(bytes_text(&output), "id="), "CLIENT LIST: %s", bytes_text(&output));
    check(run_tool(server, HARNESS_REDIS_CLI, NULL, &output, "-r 50 INCR counter") == 0, "-r");
    check(strstr(bytes_text(&output), "\n51\n"), "50 INCR: %s", bytes_text(&output));
    bytes_free(&output);
}

/* A session as typed: commands on standard input. */
static void cli_session(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    char *path = text_format("%s/session", harness->dir);
    static const char session[] = "SET key \"a value with blanks\"\n"
                                  "GET key\n"
                                  "APPEND key \"!\"\n"
                                  "STRLEN key\n"
                                  "\n"
                                  "INCR key\n"
                                  "SELECT 0\n"
                                  "GET key\n"
                                  "DEL key\n"
                                  "EXISTS key\n";
    check(bytes_write_file(path, session, sizeof session - 1, 0600), "%s", strerror(errno));
    struct bytes output = {0};
    check(run_tool(server, HARNESS_REDIS_CLI, path, &output, "") == 0, "redis-cli fails");
    check(
        !strcmp(bytes_text(&output),
                "OK\na value with blanks\n20\n20\n"
                "ERR value is not an integer or out of range\n\nOK\na value with blanks!\n1\n0\n"),
        "the session gave: %s", bytes_text(&output));
    bytes_free(&output);
    free(path);
}

static void cli_with_password(struct harness *harness)
{
    struct server_options options = {.args =
                                         (const char *const[]){"--requirepass", "secret", NULL}};
    struct server *server = server_start(harness, &options);
    cli_expect(server, "NOAUTH Authentication required.\n\n", "GET a");
    cli_expect(server, "OK\n", "--no-auth-warning -a secret SET a 1");
    cli_expect(server, "1\n", "--no-auth-warning --user default --pass secret GET a");
    cli_expect(server, "1\n", "-3 --no-auth-warning -a secret GET a");
}

/* Mass insertion: redis-cli --pipe sends a file of raw commands and counts the replies. */
static void cli_pipe(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    unsigned count = harness_scaled(50000);
    struct bytes commands = {0};
    for (unsigned i = 0; i < count; i++) {
        char key[32], value[64];
        snprintf(key, sizeof key, "key:%u", i);
        snprintf(value, sizeof value, "the value of key number %u", i);
        raw_encode_texts(&commands, "SET", key, value, NULL);
    }
    char *path = text_format("%s/commands", harness->dir);
    check(bytes_write_file(path, commands.data, commands.size, 0600), "%s", strerror(errno));
    bytes_free(&commands);
    struct bytes output = {0};
    int status = run_tool(server, HARNESS_REDIS_CLI, path, &output, "--pipe");
    char *expected = text_format("errors: 0, replies: %u\n", count);
    check(status == 0 && strstr(bytes_text(&output), expected), "--pipe: %d: %s", status,
          bytes_text(&output));
    free(expected);
    redisContext *client = client_connect(server);
    check(client_integer(client, "DBSIZE") == (long long)count, "not all keys are there");
    print_message("%u SET through --pipe: %lld commits\n", count,
                  client_info(client, "anystore", "commits"));
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
    server_restart(server);
    client = client_connect(server);
    check(client_integer(client, "DBSIZE") == (long long)count, "not all keys after a restart");
    client_expect(client, "$the value of key number 17", "GET key:17");
    redisFree(client);
    bytes_free(&output);
    free(path);
}

static void benchmark(const struct server *server, unsigned count, const char *more)
{
    static const char *const tests[] = {"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET"};
    struct bytes output = {0};
    char *words =
        text_format("-t set,get,incr,mset,ping -c 50 -n %u -q %s", harness_scaled(count), more);
    int status = run_tool(server, HARNESS_REDIS_BENCHMARK, NULL, &output, words);
    /* Progress overwrites itself with CR; the results end their lines. */
    for (size_t i = 0; i < output.size; i++) {
        if (output.data[i] == '\r')
            output.data[i] = '\n';
    }
    const char *text = bytes_text(&output);
    check(status == 0, "redis-benchmark %s: exit status %d: %s", words, status, text);
    check(!strstr(text, "rror") && !strstr(text, "WARN"), "redis-benchmark %s: %s", words, text);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        char *result = text_format("\n%s", tests[i]);
        const char *found = strstr(text, result);
        check(found || !strncmp(text, tests[i], strlen(tests[i])), "%s did not run: %s", tests[i],
              text);
        free(result);
    }
    for (const char *line = text; *line;
         line += strcspn(line, "\n") + (strchr(line, '\n') != NULL)) {
        size_t length = strcspn(line, "\n");
        const char *found = memmem(line, length, "requests per second", 19);
        if (found)
            print_message("%s %.*s\n", *more ? more : "     ", (int)length, line);
    }
    free(words);
    bytes_free(&output);
}

static void benchmarks(struct harness *harness)
{
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    benchmark(server, 20000, "");
    long long commands = 3 * (long long)harness_scaled(20000); /* SET, INCR, MSET */
    long long commits = client_info(client, "anystore", "commits");
    print_message("%lld writes in %lld commits\n", commands, commits);
    check(commits <= commands / 10, "%lld commits for %lld writes", commits, commands);
    benchmark(server, 20000, "-P 16");
    benchmark(server, 4000, "-r 1000 -d 1000");
    client_expect(client, "+PONG", "PING");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
}

/* Two servers on one file under redis-benchmark at the same time. */
static void benchmarks_on_two(struct harness *harness)
{
    struct server *one = server_start(harness, NULL), *other = server_start(harness, NULL);
    char *count = text_format("%u", harness_scaled(10000));
    struct process processes[2];
    const struct server *servers[] = {one, other};
    for (int i = 0; i < 2; i++) {
        const char *args[] = {
            "-s", servers[i]->socket, "-t", "incr", "-c", "25", "-P", "4", "-n", count, "-q", NULL};
        struct process_options options = {.program = HARNESS_REDIS_BENCHMARK, .args = args};
        check(process_start(&processes[i], &options), "cannot run redis-benchmark");
    }
    for (int i = 0; i < 2; i++)
        check(process_wait(&processes[i]) == 0, "redis-benchmark fails");
    /* redis-benchmark may send up to a pipeline more than it was told to. */
    long long least = 2 * strtoll(count, NULL, 10);
    redisContext *client = client_connect(one);
    long long sum = client_integer(client, "GET counter:__rand_int__");
    check(sum >= least && sum <= least + 2 * 25 * 4, "%lld of %lld INCR", sum, least);
    redisFree(client);
    client = client_connect(other);
    check(client_integer(client, "GET counter:__rand_int__") == sum, "two sums");
    redisFree(client);
    free(count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(cli_commands), HARNESS_TEST(cli_session), HARNESS_TEST(cli_with_password),
        HARNESS_TEST(cli_pipe),     HARNESS_TEST(benchmarks),  HARNESS_TEST(benchmarks_on_two),
    };
    return harness_main("client_tools_test", tests, sizeof tests / sizeof *tests);
}
