/* SPDX-License-Identifier: MIT */
/* Every command with its edge cases and error texts, by hand: first against redis-server, which
 * proves that Redis does what the case expects, then against ours. */
#include "tests/client/commands.h"

#include <stdlib.h>

#define CASES_MAX 128

void commands_arity(redisContext *client, const char *command, const char *words)
{
    char *expected = text_format("-ERR wrong number of arguments for '%s' command", command);
    client_expect(client, expected, words);
    free(expected);
}

static void run_against(struct harness *harness, enum server_kind kind)
{
    const struct commands_case *row = harness->row->argument;
    bool ours = kind == SERVER_ANYSTORE;
    harness->stage = ours ? "against anystore-server" : "against redis-server";
    struct commands commands = {.ours = ours};
    commands.server = server_start(harness, &(struct server_options){.kind = kind});
    commands.client = client_connect(commands.server);
    commands.raw = raw_connect(commands.server);
    check(commands.raw, "cannot connect");
    struct reply *hello = raw_command(commands.raw, "HELLO", "3", NULL);
    check(hello && hello->type == '%', "HELLO 3 does not answer with a map");
    reply_free(hello);
    row->run(&commands);
    raw_close(commands.raw);
    redisFree(commands.client);
}

static void run_case(struct harness *harness)
{
    const struct commands_case *row = harness->row->argument;
    if (!row->only_ours)
        run_against(harness, SERVER_REDIS);
    run_against(harness, SERVER_ANYSTORE);
}

int main(void)
{
    static struct harness_case cases[CASES_MAX];
    static struct CMUnitTest tests[CASES_MAX];
    const struct commands_case *const tables[] = {
        commands_strings, commands_string_parts, commands_bits,  commands_keys,
        commands_generic, commands_connection,   commands_server};
    size_t count = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const struct commands_case *row = tables[i]; row->name && count < CASES_MAX; row++) {
            cases[count] = (struct harness_case){.test = run_case, .argument = row};
            tests[count] = (struct CMUnitTest){row->name, harness_run, harness_setup,
                                               harness_teardown, &cases[count]};
            count++;
        }
    }
    return harness_main("client_commands_test", tests, count);
}
