/* SPDX-License-Identifier: MIT */
/* Protects the command line: options before and after a file, values that look like options, and
 * the messages for all mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/server/config_support.h"

static void test_arguments(void **state)
{
    (void)state;
    config_free(load_args("none", NULL));

    struct config *config =
        load_args("options only", "--port", "7000", "--Bind", "::1", "-::2", "--timeout", "5",
                  "--timeout", "6", "--save", "", "--requirepass", "a b", NULL);
    assert_value(config, CONFIG_PORT, "7000");
    assert_value(config, CONFIG_BIND, "::1 -::2");
    assert_value(config, CONFIG_TIMEOUT, "6");
    assert_value(config, CONFIG_REQUIREPASS, "a b");
    config_free(config);

    write_file("test.conf", "port 1\nmaxclients 2\n");
    config = load_args("over a file", "test.conf", "--port", "3", NULL);
    assert_value(config, CONFIG_PORT, "3");
    assert_value(config, CONFIG_MAXCLIENTS, "2");
    config_free(config);
    config = load_args("a file only", "test.conf", NULL);
    assert_value(config, CONFIG_PORT, "1");
    config_free(config);
    config = load_args("as an include", "--port", "3", "--include", "test.conf", NULL);
    assert_value(config, CONFIG_PORT, "1");
    config_free(config);

    config = load_args("name and value in one", "--port 8", "--bind '::1' ::2", "::3",
                       "--client-output-buffer-limit", "normal 1 2 3", NULL);
    assert_value(config, CONFIG_PORT, "8");
    assert_value(config, CONFIG_BIND, "::1 ::2 ::3");
    assert_value(config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT,
                 "normal 1 2 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
    config_free(config);

    /* A value is taken literally, quotes and all. */
    config = load_args("quotes", "--requirepass", "\"x\\x41 '", NULL);
    assert_value(config, CONFIG_REQUIREPASS, "\"x\\x41 '");
    config_free(config);
}

/* As Redis's own tests have it. */
static void test_values_with_dashes(void **state)
{
    (void)state;
    struct config *config =
        load_args("", "--logfile", "--my--log--file", "--loglevel", "verbose", NULL);
    assert_value(config, CONFIG_LOGFILE, "--my--log--file");
    assert_value(config, CONFIG_LOGLEVEL, "verbose");
    config_free(config);
    config = load_args("", "--logfile --my--log--file", "--loglevel verbose", NULL);
    assert_value(config, CONFIG_LOGFILE, "--my--log--file");
    assert_value(config, CONFIG_LOGLEVEL, "verbose");
    config_free(config);
    config = load_args("", "--bind", "-::1", "--port", "1", NULL);
    assert_value(config, CONFIG_BIND, "-::1");
    config_free(config);

    config = load_args("", "--save", "--loglevel", "verbose", NULL);
    assert_value(config, CONFIG_LOGLEVEL, "verbose");
    config_free(config);
    config = load_args("", "--loglevel", "verbose", "--save", NULL);
    assert_value(config, CONFIG_SAVE, "");
    config_free(config);
    config = load_args("", "--save", "", "--loglevel", "verbose", NULL);
    assert_value(config, CONFIG_LOGLEVEL, "verbose");
    config_free(config);
}

static void test_wrong_arguments(void **state)
{
    (void)state;
    static const char missing[] = "wrong number of arguments: a value is missing";
    static const char several[] = "wrong number of arguments: one value is expected (blanks in it "
                                  "need quotes)";
    static const char expected[] = "an option is expected here: --name value";
    char cause[200];
    assert_args_fail("--port 70000: must be between 0 and 65535", "--port", "70000", NULL);
    assert_args_fail("--loglevel --bla: must be one of the following: debug, verbose, notice, "
                     "warning",
                     "--logfile", "--my--log--file", "--loglevel", "--bla", NULL);
    assert_args_fail("--save 3600 1: must be \"\": there are no snapshots, every write is already "
                     "durable in the one file",
                     "--save", "3600", "1", NULL);

    snprintf(cause, sizeof cause, "--port: %s", missing);
    assert_args_fail(cause, "--port", NULL);
    assert_args_fail(cause, "--port", "--loglevel", "verbose", NULL);
    assert_args_fail(cause, "--port", "--include", "x", NULL);
    snprintf(cause, sizeof cause, "--persistence: %s", missing);
    assert_args_fail(cause, "--persistence", NULL);
    assert_args_fail(cause, "--persistence", "--port", "1", NULL);
    snprintf(cause, sizeof cause, "--loglevel: %s", missing);
    assert_args_fail(cause, "--port", "6380", "--loglevel", NULL);
    snprintf(cause, sizeof cause, "--bind: %s", missing);
    assert_args_fail(cause, "--bind", "--port", "1", NULL);
    snprintf(cause, sizeof cause, "--port: %s", several);
    assert_args_fail(cause, "--port", "6379", "6380", NULL);
    snprintf(cause, sizeof cause, "--logfile: %s", several);
    assert_args_fail(cause, "--logfile", "--a", "b", NULL);

    assert_args_fail("--prot: unknown directive \"prot\", did you mean \"port\"?", "--prot", "1",
                     NULL);
    assert_args_fail("--foo: unknown directive \"foo\"", "--foo", "--bar", NULL);
    assert_args_fail("--daemonize: is a Redis directive that AnyStore does not have (let a service "
                     "manager or a container run the server)",
                     "--daemonize", "yes", NULL);
    assert_args_fail("--include: none.conf: No such file or directory", "--include", "none.conf",
                     NULL);
    assert_args_fail("configuration file none.conf does not exist (an option begins with --)",
                     "none.conf", "--port", "1", NULL);
    assert_args_fail("configuration file foo does not exist (an option begins with --)", "foo",
                     NULL);
    assert_args_fail("configuration file /nope.conf does not exist (an option begins with --)",
                     "/nope.conf", NULL);

    write_file("test.conf", "port 1\n");
    snprintf(cause, sizeof cause, "extra: %s", expected);
    assert_args_fail(cause, "test.conf", "extra", "--port", "1", NULL);
    snprintf(cause, sizeof cause, "-p: %s", expected);
    assert_args_fail(cause, "-p", "1", NULL);
    snprintf(cause, sizeof cause, "--: %s", expected);
    assert_args_fail(cause, "--", NULL);
    assert_args_fail(cause, "-- ", NULL);
    assert_args_fail("--logfile: the quotes do not balance", "--logfile 'x", NULL);
    write_file("test.conf", "\nport -1\n");
    assert_args_fail("test.conf:2: port -1: must be between 0 and 65535", "test.conf", "--port",
                     "1", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_arguments),
        TEST(test_values_with_dashes),
        TEST(test_wrong_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
