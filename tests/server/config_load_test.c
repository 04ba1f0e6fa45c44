/* SPDX-License-Identifier: MIT */
/* Protects configuration files: their syntax and includes, the messages for all mistakes, and that
 * the sample file tells the truth about the table. */
#include "server/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "server/config/internal.h"
#include "tests/server/config_support.h"

/* ---- files ---- */

static void test_syntax(void **state)
{
    (void)state;
    struct config *config = load_text("# a comment\n"
                                      "\n"
                                      "   \t \r\n"
                                      "port 7000\r\n"
                                      "  # another one\n"
                                      "\tTimeOut\t 5  \n"
                                      "requirepass \"a b\\x21\\n\"\n"
                                      "logfile 'it\\'s'\n"
                                      "bind ::1 10.0.0.1 \"-*\"\n"
                                      "maxclients 1\n"
                                      "maxclients 2\n"
                                      "client-output-buffer-limit normal 1 2 3 pubsub 4 5 6\n"
                                      "client-output-buffer-limit \"pubsub 7kb 8 9\"\n"
                                      "save \"\"\n"
                                      "appendonly no\n"
                                      "unixsocketperm 700\n"
                                      "proto-max-bulk-len 2MB\n"
                                      "loglevel warning");
    assert_value(config, CONFIG_PORT, "7000");
    assert_value(config, CONFIG_TIMEOUT, "5");
    assert_value(config, CONFIG_REQUIREPASS, "a b!\n");
    assert_value(config, CONFIG_LOGFILE, "it's");
    assert_value(config, CONFIG_BIND, "::1 10.0.0.1 -*");
    assert_value(config, CONFIG_MAXCLIENTS, "2");
    assert_value(config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT,
                 "normal 1 2 3 slave 268435456 67108864 60 pubsub 7168 8 9");
    assert_value(config, CONFIG_UNIXSOCKETPERM, "700");
    assert_value(config, CONFIG_PROTO_MAX_BULK_LEN, "2097152");
    assert_value(config, CONFIG_LOGLEVEL, "warning");
    config_free(config);

    config_free(load_text(""));
    config_free(load_text("\n\n"));
}

static void test_wrong_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *cause;
    } cases[] = {
        {"port 1\n\n#\nport 70000\nport 2\n", "test.conf:4: port 70000: must be between 0 and "
                                              "65535"},
        {"Port x", "test.conf:1: Port x: couldn't be parsed into an integer"},
        {"port \"\"", "test.conf:1: port \"\": couldn't be parsed into an integer"},
        {"persistence true", "test.conf:1: persistence true: must be 'yes' or 'no'"},
        {"fsync everysec", "test.conf:1: fsync everysec: must be one of the following: always, "
                           "no"},
        {"proto-max-bulk-len 1", "test.conf:1: proto-max-bulk-len 1: must be between 1048576 and "
                                 "9223372036854775807"},
        {"proto-max-bulk-len 1q", "test.conf:1: proto-max-bulk-len 1q: must be a memory value"},
        {"databases 65", "test.conf:1: databases 65: must be between 1 and 64"},
        {"dbfilename a/b", "test.conf:1: dbfilename a/b: dbfilename can't be a path, just a "
                           "filename"},
        {"save 3600 1", "test.conf:1: save 3600 1: must be \"\": there are no snapshots, every "
                        "write is already durable in the one file"},
        {"appendonly yes", "test.conf:1: appendonly yes: must be 'no': there is no second file to "
                           "append to, every write is already durable in the one file"},
        {"client-output-buffer-limit normal 1 2",
         "test.conf:1: client-output-buffer-limit normal 1 2: Wrong number of arguments in buffer "
         "limit configuration."},
        {"port", "test.conf:1: port: wrong number of arguments: a value is missing"},
        {"bind", "test.conf:1: bind: wrong number of arguments: a value is missing"},
        {"include", "test.conf:1: include: wrong number of arguments: a value is missing"},
        {"port 1 2", "test.conf:1: port: wrong number of arguments: one value is expected (blanks "
                     "in it need quotes)"},
        {"port 6379 # the usual one", "test.conf:1: port: wrong number of arguments: one value is "
                                      "expected (blanks in it need quotes)"},
        {"\nlogfile \"a", "test.conf:2: the quotes do not balance"},
        {"logfile \"a\"b", "test.conf:1: the quotes do not balance"},
        {"logfile \"a\\x00b\"", "test.conf:1: logfile: the value holds a NUL byte"},
        /* Whatever the line says, the message is one line of sane length. */
        {"port \"1\\n2\\x1b\\x7f\"",
         "test.conf:1: port 1\\x0a2\\x1b\\x7f: couldn't be parsed into an integer"},
        {"port 0123456789012345678901234567890123456789012345678901234567890123456789012345678901",
         "test.conf:1: port 01234567890123456789012345678901234567890123456789012345678901234567"
         "890123456789...: couldn't be parsed into an integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_text_fails(cases[i].text, cases[i].cause);

    write_bytes("test.conf", "port 1\nport 2\0\n", 15);
    assert_load_fails("test.conf", "test.conf:2: the line holds a NUL byte");
}

static void test_unknown_directives(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *near; /* NULL: none */
    } cases[] = {
        {"prot", "port"},
        {"ports", "port"},
        {"pot", "port"},
        {"BINT", "bind"},
        {"logflie", "logfile"},
        {"log-level", "loglevel"},
        {"inclde", "include"},
        {"unixsoket", "unixsocket"},
        {"max-clients", "maxclients"},
        {"require-pass", "requirepass"},
        {"client-output-bufer-limits", "client-output-buffer-limit"},
        {"bar", NULL},
        {"x", NULL},
        {"", NULL},
        {"colour", NULL},
        {"porridge", NULL},
        {"\\x01port\\n\\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        char cause[200];
        bool escaped = strchr(cases[i].name, '\\') != NULL;
        snprintf(text, sizeof text, "\"%s\" 1", cases[i].name);
        snprintf(cause, sizeof cause, "test.conf:1: unknown directive \"%s\"%s%s%s",
                 escaped ? "\\x01port\\x0a\\x0a" : cases[i].name,
                 cases[i].near ? ", did you mean \"" : "", cases[i].near ? cases[i].near : "",
                 cases[i].near ? "\"?" : "");
        assert_text_fails(text, cause);
    }

    char text[300];
    char cause[300];
    snprintf(text, sizeof text, "%0200d 1", 7);
    snprintf(cause, sizeof cause, "test.conf:1: unknown directive \"%080d...\"", 0);
    assert_text_fails(text, cause);
}

static void test_directives_of_redis(void **state)
{
    (void)state;
    static const char *const names[] = {"hz",          "appendfilename", "tls-port",
                                        "loadmodule",  "rename-command", "activedefrag",
                                        "RDBchecksum", "sentinel",       "oom-score-adj"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[100];
        char cause[200];
        snprintf(text, sizeof text, "%s 1 2 3", names[i]);
        snprintf(cause, sizeof cause,
                 "test.conf:1: %s: is a Redis directive that AnyStore does not have", names[i]);
        assert_text_fails(text, cause);
    }
    assert_text_fails("appendfsync everysec",
                      "test.conf:1: appendfsync: is a Redis directive that AnyStore does not have "
                      "(see fsync)");
    assert_text_fails("daemonize yes",
                      "test.conf:1: daemonize: is a Redis directive that AnyStore does not have "
                      "(let a service manager or a container run the server)");
    assert_text_fails("replicaof 10.0.0.1 6379",
                      "test.conf:1: replicaof: is a Redis directive that AnyStore does not have "
                      "(servers that open the same file share its data)");
    assert_text_fails("cluster-enabled no",
                      "test.conf:1: cluster-enabled: is a Redis directive that AnyStore does not "
                      "have (servers that open the same file share its data)");

    /* An option that a later version gets must leave that list. */
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        const char *name = config_row(id)->name;
        const char *instead;
        assert_false(config_hint_redis(name, strlen(name), &instead));
    }
}

/* Known to Redis and to ours, with one value each that means what ours does. */
static void test_policies_of_redis(void **state)
{
    (void)state;
    static const char *const names[] = {"allkeys-lru", "ALLKEYS-LFU", "volatile-ttl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[100], cause[250];
        snprintf(text, sizeof text, "maxmemory-policy %s", names[i]);
        snprintf(cause, sizeof cause,
                 "test.conf:1: maxmemory-policy %s: must be 'noeviction': acknowledged data "
                 "is never dropped, and it is the data of all servers of the file",
                 names[i]);
        assert_text_fails(text, cause);
    }
    assert_text_fails("maxmemory-samples 5",
                      "test.conf:1: maxmemory-samples: is a Redis directive that AnyStore does not "
                      "have (nothing is evicted)");
}

/* The password is in no message, whatever is wrong. */
static void test_password_is_not_shown(void **state)
{
    (void)state;
    assert_text_fails("requirepass hunter2 hunter3",
                      "test.conf:1: requirepass: wrong number of arguments: one value is expected "
                      "(blanks in it need quotes)");
    assert_text_fails("requirepass \"hunter2\\x00\"",
                      "test.conf:1: requirepass: the value holds a NUL byte");
    assert_text_fails("requirepas hunter2", "test.conf:1: unknown directive \"requirepas\", did "
                                            "you mean \"requirepass\"?");
    assert_text_fails("requirepass \"hunter2", "test.conf:1: the quotes do not balance");
    assert_args_fail("--requirepass: the quotes do not balance", "--requirepass 'hunter2", NULL);
    assert_args_fail("--requirepass: wrong number of arguments: one value is expected (blanks in "
                     "it need quotes)",
                     "--requirepass", "hunter2", "hunter3", NULL);
}

static void test_unreadable_files(void **state)
{
    (void)state;
    assert_load_fails("none.conf",
                      "configuration file none.conf does not exist (an option begins with --)");
    assert_load_fails("", "configuration file \"\" does not exist (an option begins with --)");
    assert_load_fails("a\nb",
                      "configuration file a\\x0ab does not exist (an option begins with --)");
    assert_int_equal(mkdir("sub", 0700), 0);
    assert_load_fails("sub", "configuration file sub: is a directory");
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_load_fails("loop", "configuration file loop: Too many levels of symbolic links");
    /* Nothing is mapped at address 0. */
    assert_load_fails("/proc/self/mem", "configuration file /proc/self/mem: Input/output error");
    assert_load_fails("/dev/zero", "configuration file /dev/zero: larger than 1 MiB");

    write_file("secret.conf", "port 1\n");
    assert_int_equal(chmod("secret.conf", 0), 0);
    if (geteuid() != 0)
        assert_load_fails("secret.conf", "configuration file secret.conf: Permission denied");
}

/* Beyond one read and one buffer, with the line number kept. */
static void test_long_file(void **state)
{
    (void)state;
    FILE *file = fopen("long.conf", "w");
    assert_non_null(file);
    for (int i = 1; i <= 9999; i++)
        fprintf(file, "# line %d, which says little, but that at length\n", i);
    fprintf(file, "port %%\n");
    assert_int_equal(fclose(file), 0);
    assert_load_fails("long.conf", "long.conf:10000: port %: couldn't be parsed into an integer");
}

static void test_include(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    write_file("sub/inner.conf", "port 2\ntimeout 3\n");
    char text[200];
    snprintf(text, sizeof text, "port 1\nInclude %s/sub/inner.conf\ntimeout 4\n", test_directory);
    struct config *config = load_text(text);
    assert_value(config, CONFIG_PORT, "2");
    assert_value(config, CONFIG_TIMEOUT, "4");
    config_free(config);

    /* Including a file twice is no recursion. */
    config = load_text("include sub/inner.conf\nport 5\ninclude sub/inner.conf");
    assert_value(config, CONFIG_PORT, "2");
    config_free(config);

    write_file("sub/inner.conf", "\n\nport -2\n");
    assert_text_fails("include sub/inner.conf",
                      "sub/inner.conf:3: port -2: must be between 0 and 65535");
    assert_text_fails("\ninclude none.conf", "test.conf:2: include: none.conf: No such file or "
                                             "directory");
    assert_text_fails("include sub", "test.conf:1: include: sub: is a directory");
    assert_text_fails("include a b", "test.conf:1: include: wrong number of arguments: one value "
                                     "is expected (blanks in it need quotes)");
    /* Standard input belongs to the command line: here it is a name like any other. */
    assert_text_fails("include -", "test.conf:1: include: -: No such file or directory");
}

static void test_include_recursion(void **state)
{
    (void)state;
    assert_text_fails("\n\ninclude test.conf",
                      "test.conf:3: include: test.conf: the file includes itself");
    write_file("b.conf", "include ./c.conf\n");
    assert_int_equal(symlink("test.conf", "c.conf"), 0);
    assert_text_fails("include b.conf", "b.conf:1: include: ./c.conf: the file includes itself");
    assert_text_fails("include *.conf", "b.conf:1: include: ./c.conf: the file includes itself");

    /* Different files, but many. */
    for (int i = 1; i <= 20; i++) {
        char path[20];
        char text[30];
        snprintf(path, sizeof path, "deep%d", i);
        snprintf(text, sizeof text, i < 20 ? "include deep%d" : "port %d", i + 1);
        write_file(path, text);
    }
    struct config *config = load("deep5");
    assert_value(config, CONFIG_PORT, "21");
    config_free(config);
    assert_load_fails("deep4", "deep19:1: include: deep20: includes are nested too deep");
    assert_load_fails("deep1", "deep16:1: include: deep17: includes are nested too deep");
}

static void test_include_patterns(void **state)
{
    (void)state;
    assert_int_equal(mkdir("conf.d", 0700), 0);
    assert_int_equal(mkdir("conf.d/1", 0700), 0);
    assert_int_equal(mkdir("conf.d/2", 0700), 0);
    write_file("conf.d/b.conf", "port 2\nmaxclients 2");
    write_file("conf.d/a.conf", "port 1\ntimeout 1");
    write_file("conf.d/.hidden.conf", "port 3");
    write_file("conf.d/c.conf~", "port 4");
    write_file("conf.d/2/x", "port 22\n");
    write_file("conf.d/1/x", "port 11\n");
    write_file("conf.d/1/y", "port 12\n");

    /* In alphabetical order, each with its own line numbers. */
    struct config *config = load_text("include conf.d/*.conf");
    assert_value(config, CONFIG_PORT, "2");
    assert_value(config, CONFIG_MAXCLIENTS, "2");
    assert_value(config, CONFIG_TIMEOUT, "1");
    config_free(config);

    static const struct {
        const char *pattern;
        const char *port;
    } cases[] = {
        {"conf.d/[a].conf", "1"},
        {"conf.d/[^b].conf", "1"},
        {"conf.d/?.conf", "2"},
        {"conf.d/.h*", "3"},
        {"./conf.d/*/x", "22"},
        {"conf.d/*/y", "12"},
        {"con?.d/[1-2]/[x]", "22"},
        {"conf.d//[1]///x", "11"},
        {"*/*.conf~", "4"},
        /* Nothing there is nothing to include. */
        {"conf.d/*.none", "6379"},
        {"none.d/*.conf", "6379"},
        {"conf.d/*/z", "6379"},
        {"conf.d/a.conf/*", "6379"},
        {"conf.d/[", "6379"},
        {"*/none/*", "6379"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[100];
        snprintf(text, sizeof text, "include %s", cases[i].pattern);
        config = load_text(text);
        assert_value(config, CONFIG_PORT, cases[i].port);
        config_free(config);
        snprintf(text, sizeof text, "include %s/%s", test_directory, cases[i].pattern);
        config = load_text(text);
        assert_value(config, CONFIG_PORT, cases[i].port);
        config_free(config);
    }

    assert_text_fails("include conf.d/*", "test.conf:1: include: conf.d/1: is a directory");
    write_file("conf.d/b.conf", "\nport\n");
    assert_text_fails("include conf.d/*.conf",
                      "conf.d/b.conf:2: port: wrong number of arguments: a value is missing");
    /* What is there but cannot be read is not passed over. */
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_text_fails("include loop/*", "test.conf:1: include: loop/: Too many levels of symbolic "
                                        "links");
    assert_text_fails("include l*p/x", "test.conf:1: include: loop/x: Too many levels of symbolic "
                                       "links");
    assert_int_equal(symlink("none", "conf.d/a0.conf"), 0);
    assert_text_fails("include conf.d/a*.conf",
                      "test.conf:1: include: conf.d/a0.conf: No such file or directory");
}

/* ---- standard input ---- */

/* Feeds a text to standard input through a pipe; returns the descriptor to restore. */
static int replace_stdin(const char *text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
    close(ends[1]);
    int saved = dup(STDIN_FILENO);
    assert_true(saved >= 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    return saved;
}

static void restore_stdin(int saved)
{
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
    close(saved);
}

static void test_standard_input(void **state)
{
    (void)state;
    int saved = replace_stdin("port 7\n\ntimeout 8");
    struct config *config = load("-");
    restore_stdin(saved);
    assert_value(config, CONFIG_PORT, "7");
    assert_value(config, CONFIG_TIMEOUT, "8");
    config_free(config);

    saved = replace_stdin("port 7\n\ntimeout x");
    assert_load_fails("-", "standard input:3: timeout x: couldn't be parsed into an integer");
    restore_stdin(saved);

    /* The file, standard input, the options: the last one wins, wherever "-" stands. */
    write_file("test.conf", "port 1\ntimeout 1\nmaxclients 1\n");
    saved = replace_stdin("timeout 2\nmaxclients 2\n");
    config = load_args("", "test.conf", "--maxclients", "3", "-", NULL);
    restore_stdin(saved);
    assert_value(config, CONFIG_PORT, "1");
    assert_value(config, CONFIG_TIMEOUT, "2");
    assert_value(config, CONFIG_MAXCLIENTS, "3");
    config_free(config);

    saved = replace_stdin("timeout 2\nmaxclients 2\n");
    config = load_args("", "-", "--maxclients", "3", NULL);
    restore_stdin(saved);
    assert_value(config, CONFIG_TIMEOUT, "2");
    assert_value(config, CONFIG_MAXCLIENTS, "3");
    config_free(config);

    saved = replace_stdin("timeout 2\n");
    config = load_args("", "-", NULL);
    restore_stdin(saved);
    assert_value(config, CONFIG_TIMEOUT, "2");
    config_free(config);
}

/* ---- the sample file ---- */

static void strip_newline(char *line)
{
    line[strcspn(line, "\n")] = '\0';
}

/* Each option stands in it once, with the default of the table as the table writes it.  The comment
 * above it says "changeable" if CONFIG SET can change it, and only then. */
static void test_sample_file(void **state)
{
    (void)state;
    FILE *file = fopen(ANYSTORE_CONF, "r");
    assert_non_null(file);
    size_t seen[CONFIG_COUNT] = {0};
    char line[300];
    bool changeable = false;
    while (fgets(line, sizeof line, file)) {
        strip_newline(line);
        if (strlen(line) > 100)
            fail_msg("too wide: %s", line);
        if (!*line)
            changeable = false;
        if (*line == '#' && strstr(line, "hangeable."))
            changeable = true;
        if (!*line || *line == '#')
            continue;
        size_t name_size = strcspn(line, " ");
        enum config_id id = config_find(line, name_size);
        if (id == CONFIG_COUNT)
            fail_msg("not in the table: %s", line);
        if (config_row(id)->mutable != changeable)
            fail_msg("changeable, or not? %s", line);
        const char *expected = config_row(id)->default_text;
        assert_string_equal(line + name_size + 1, *expected ? expected : "\"\"");
        seen[id]++;
    }
    assert_int_equal(fclose(file), 0);
    for (enum config_id id = 0; id < CONFIG_COUNT; id++)
        if (seen[id] != 1)
            fail_msg("%s stands %zu times in the sample file", config_row(id)->name, seen[id]);

    struct config *defaults = config_new();
    assert_non_null(defaults);
    struct config *sample = load(ANYSTORE_CONF);
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        char *expected = config_format(defaults, id);
        assert_value(sample, id, expected);
        free(expected);
    }
    config_free(sample);
    config_free(defaults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_syntax),
        TEST(test_wrong_lines),
        TEST(test_unknown_directives),
        TEST(test_directives_of_redis),
        TEST(test_policies_of_redis),
        TEST(test_password_is_not_shown),
        TEST(test_unreadable_files),
        TEST(test_long_file),
        TEST(test_include),
        TEST(test_include_recursion),
        TEST(test_include_patterns),
        TEST(test_standard_input),
        TEST(test_sample_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
