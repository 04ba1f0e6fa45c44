/* SPDX-License-Identifier: MIT */
/* Protects the promises of the option table: defaults, values that are accepted and refused, with
 * the texts of CONFIG SET and CONFIG GET, and that threads may read while one changes. */
#include "server/config/config.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "server/observe/log.h"

#define MIB (INT64_C(1) << 20)

static struct config *new_config(void)
{
    struct config *config = config_new();
    assert_non_null(config);
    return config;
}

static void assert_format(const struct config *config, enum config_id id, const char *expected)
{
    char *text = config_format(config, id);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_set(struct config *config, enum config_id id, const char *value,
                       const char *expected)
{
    char *cause = NULL;
    if (!config_set(config, id, value, &cause))
        fail_msg("%s %s: %s", config_row(id)->name, value, cause);
    assert_null(cause);
    assert_format(config, id, expected);
}

/* The value is refused with that text, and nothing changes. */
static void assert_refused(struct config *config, enum config_id id, const char *value,
                           const char *expected)
{
    char *before = config_format(config, id);
    assert_non_null(before);
    char *cause = NULL;
    if (config_set(config, id, value, &cause))
        fail_msg("%s takes \"%s\"", config_row(id)->name, value);
    assert_non_null(cause);
    assert_string_equal(cause, expected);
    assert_format(config, id, before);
    free(cause);
    free(before);

    assert_false(config_set(config, id, value, NULL));
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct {
        enum config_id id;
        const char *name;
        const char *value; /* as CONFIG GET answers */
    } expected[] = {
        {CONFIG_BIND, "bind", "127.0.0.1 -::1"},
        {CONFIG_PORT, "port", "6379"},
        {CONFIG_UNIXSOCKET, "unixsocket", ""},
        {CONFIG_UNIXSOCKETPERM, "unixsocketperm", "0"},
        {CONFIG_TCP_BACKLOG, "tcp-backlog", "511"},
        {CONFIG_TCP_KEEPALIVE, "tcp-keepalive", "300"},
        {CONFIG_TIMEOUT, "timeout", "0"},
        {CONFIG_MAXCLIENTS, "maxclients", "10000"},
        {CONFIG_PROTECTED_MODE, "protected-mode", "yes"},
        {CONFIG_REQUIREPASS, "requirepass", ""},
        {CONFIG_IO_THREADS, "io-threads", "0"},
        {CONFIG_DIR, "dir", ""},
        {CONFIG_DBFILENAME, "dbfilename", "anystore.db"},
        {CONFIG_ENCRYPTION_KEY_FILE, "encryption-key-file", ""},
        {CONFIG_PERSISTENCE, "persistence", "yes"},
        {CONFIG_FSYNC, "fsync", "always"},
        {CONFIG_DATABASES, "databases", "16"},
        {CONFIG_LOGLEVEL, "loglevel", "notice"},
        {CONFIG_LOGFILE, "logfile", ""},
        {CONFIG_PIDFILE, "pidfile", ""},
        {CONFIG_MAXMEMORY, "maxmemory", "0"},
        {CONFIG_MAXMEMORY_POLICY, "maxmemory-policy", "noeviction"},
        {CONFIG_MAXMEMORY_CLIENTS, "maxmemory-clients", "0"},
        {CONFIG_PROTO_MAX_BULK_LEN, "proto-max-bulk-len", "536870912"},
        {CONFIG_CLIENT_QUERY_BUFFER_LIMIT, "client-query-buffer-limit", "1073741824"},
        {CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT, "client-output-buffer-limit",
         "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
        {CONFIG_SLOWLOG_LOG_SLOWER_THAN, "slowlog-log-slower-than", "10000"},
        {CONFIG_SLOWLOG_MAX_LEN, "slowlog-max-len", "128"},
        {CONFIG_LATENCY_TRACKING, "latency-tracking", "yes"},
        {CONFIG_LATENCY_TRACKING_INFO_PERCENTILES, "latency-tracking-info-percentiles",
         "50 99 99.9"},
        {CONFIG_LATENCY_MONITOR_THRESHOLD, "latency-monitor-threshold", "0"},
        {CONFIG_NOTIFY_KEYSPACE_EVENTS, "notify-keyspace-events", ""},
        {CONFIG_ENABLE_DEBUG_COMMAND, "enable-debug-command", "no"},
        {CONFIG_SAVE, "save", ""},
        {CONFIG_APPENDONLY, "appendonly", "no"},
    };
    assert_int_equal(sizeof expected / sizeof *expected, CONFIG_COUNT);
    struct config *config = new_config();
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        assert_int_equal(expected[i].id, i);
        assert_string_equal(config_row(expected[i].id)->name, expected[i].name);
        assert_format(config, expected[i].id, expected[i].value);
    }
    config_free(config);
    config_free(NULL);
}

static void test_typed_values(void **state)
{
    (void)state;
    struct config *config = new_config();
    assert_int_equal(config_number(config, CONFIG_PORT), 6379);
    assert_int_equal(config_number(config, CONFIG_PROTO_MAX_BULK_LEN), 512 * MIB);
    assert_int_equal(config_number(config, CONFIG_FSYNC), CONFIG_FSYNC_ALWAYS);
    assert_int_equal(config_number(config, CONFIG_LOGLEVEL), LOG_NOTICE);
    assert_true(config_flag(config, CONFIG_PROTECTED_MODE));
    assert_false(config_flag(config, CONFIG_APPENDONLY));

    assert_set(config, CONFIG_FSYNC, "NO", "no");
    assert_int_equal(config_number(config, CONFIG_FSYNC), CONFIG_FSYNC_NO);
    assert_set(config, CONFIG_LOGLEVEL, "Debug", "debug");
    assert_int_equal(config_number(config, CONFIG_LOGLEVEL), LOG_DEBUG);
    assert_set(config, CONFIG_LOGLEVEL, "verbose", "verbose");
    assert_int_equal(config_number(config, CONFIG_LOGLEVEL), LOG_VERBOSE);
    assert_set(config, CONFIG_LOGLEVEL, "warning", "warning");
    assert_int_equal(config_number(config, CONFIG_LOGLEVEL), LOG_WARNING);
    assert_set(config, CONFIG_UNIXSOCKETPERM, "0770", "770");
    assert_int_equal(config_number(config, CONFIG_UNIXSOCKETPERM), 0770);

    assert_set(config, CONFIG_REQUIREPASS, "a b", "a b");
    char *text = config_text(config, CONFIG_REQUIREPASS);
    assert_string_equal(text, "a b");
    free(text);
    text = config_text(config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT);
    assert_string_equal(text,
                        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
    free(text);
    config_free(config);
}

static void test_mutable(void **state)
{
    (void)state;
    static const enum config_id expected[] = {CONFIG_TCP_KEEPALIVE,
                                              CONFIG_TIMEOUT,
                                              CONFIG_MAXCLIENTS,
                                              CONFIG_PROTECTED_MODE,
                                              CONFIG_REQUIREPASS,
                                              CONFIG_LOGLEVEL,
                                              CONFIG_MAXMEMORY,
                                              CONFIG_MAXMEMORY_POLICY,
                                              CONFIG_MAXMEMORY_CLIENTS,
                                              CONFIG_PROTO_MAX_BULK_LEN,
                                              CONFIG_CLIENT_QUERY_BUFFER_LIMIT,
                                              CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT,
                                              CONFIG_SLOWLOG_LOG_SLOWER_THAN,
                                              CONFIG_SLOWLOG_MAX_LEN,
                                              CONFIG_LATENCY_TRACKING,
                                              CONFIG_LATENCY_TRACKING_INFO_PERCENTILES,
                                              CONFIG_LATENCY_MONITOR_THRESHOLD,
                                              CONFIG_NOTIFY_KEYSPACE_EVENTS};
    size_t found = 0;
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        if (!config_row(id)->mutable)
            continue;
        assert_true(found < sizeof expected / sizeof *expected);
        assert_int_equal(id, expected[found]);
        found++;
    }
    assert_int_equal(found, sizeof expected / sizeof *expected);
}

static void test_find(void **state)
{
    (void)state;
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        const char *name = config_row(id)->name;
        assert_int_equal(config_find(name, strlen(name)), id);
    }
    assert_int_equal(config_find("PORT", 4), CONFIG_PORT);
    assert_int_equal(config_find("Port and more", 4), CONFIG_PORT);
    assert_int_equal(config_find("por", 3), CONFIG_COUNT);
    assert_int_equal(config_find("ports", 5), CONFIG_COUNT);
    assert_int_equal(config_find("por\0", 4), CONFIG_COUNT);
    assert_int_equal(config_find("", 0), CONFIG_COUNT);
}

static void test_booleans(void **state)
{
    (void)state;
    static const char text[] = "argument must be 'yes' or 'no'";
    struct config *config = new_config();
    assert_set(config, CONFIG_PERSISTENCE, "no", "no");
    assert_set(config, CONFIG_PERSISTENCE, "YES", "yes");
    assert_refused(config, CONFIG_PERSISTENCE, "", text);
    assert_refused(config, CONFIG_PERSISTENCE, "1", text);
    assert_refused(config, CONFIG_PERSISTENCE, "true", text);
    assert_refused(config, CONFIG_PERSISTENCE, "yes ", text);
    config_free(config);
}

static void test_numbers(void **state)
{
    (void)state;
    static const char no_integer[] = "argument couldn't be parsed into an integer";
    static const char *const strange[] = {"",
                                          "-",
                                          "+1",
                                          " 1",
                                          "1 ",
                                          "01",
                                          "-0",
                                          "00",
                                          "0x1",
                                          "1.0",
                                          "1e3",
                                          "1k",
                                          "six",
                                          "1\n",
                                          "--1",
                                          "9223372036854775808",
                                          "-9223372036854775809",
                                          "99999999999999999999999"};
    struct config *config = new_config();
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_refused(config, CONFIG_PORT, strange[i], no_integer);
    assert_set(config, CONFIG_PORT, "0", "0");
    assert_set(config, CONFIG_PORT, "65535", "65535");
    assert_refused(config, CONFIG_PORT, "65536", "argument must be between 0 and 65535 inclusive");
    assert_refused(config, CONFIG_PORT, "-1", "argument must be between 0 and 65535 inclusive");
    assert_refused(config, CONFIG_PORT, "-9223372036854775808",
                   "argument must be between 0 and 65535 inclusive");
    assert_refused(config, CONFIG_PORT, "9223372036854775807",
                   "argument must be between 0 and 65535 inclusive");

    assert_set(config, CONFIG_IO_THREADS, "128", "128");
    assert_refused(config, CONFIG_IO_THREADS, "129",
                   "argument must be between 0 and 128 inclusive");
    assert_set(config, CONFIG_MAXCLIENTS, "4294967295", "4294967295");
    assert_refused(config, CONFIG_MAXCLIENTS, "0",
                   "argument must be between 1 and 4294967295 inclusive");
    assert_set(config, CONFIG_TIMEOUT, "2147483647", "2147483647");
    assert_refused(config, CONFIG_TIMEOUT, "2147483648",
                   "argument must be between 0 and 2147483647 inclusive");
    assert_set(config, CONFIG_DATABASES, "1", "1");
    assert_set(config, CONFIG_DATABASES, "64", "64");
    assert_refused(config, CONFIG_DATABASES, "65", "argument must be between 1 and 64 inclusive");
    config_free(config);
}

static void test_memory(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *bytes;
    } sizes[] = {
        {"1048576", "1048576"},
        {"1048576b", "1048576"},
        {"2000k", "2000000"},
        {"2000KB", "2048000"},
        {"2m", "2000000"},
        {"2mb", "2097152"},
        {"3G", "3000000000"},
        {"3Gb", "3221225472"},
        {"0001mb", "1048576"},
        {"8589934591gb", "9223372035781033984"},
        {"9223372036854775807", "9223372036854775807"},
    };
    static const char *const strange[] = {"",     "mb",   "-1mb", "+1mb", "1.5mb", "1 mb",
                                          "1mb ", "1kib", "1t",   "one",  "1bb",   " 1mb"};
    static const char *const far[] = {"1048575",       "0",
                                      "1kb",           "9223372036854775808",
                                      "8589934592gb",  "18446744073709551616",
                                      "18446744073gb", "99999999999999999999999999gb"};
    struct config *config = new_config();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_set(config, CONFIG_PROTO_MAX_BULK_LEN, sizes[i].text, sizes[i].bytes);
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_refused(config, CONFIG_PROTO_MAX_BULK_LEN, strange[i],
                       "argument must be a memory value");
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        assert_refused(config, CONFIG_CLIENT_QUERY_BUFFER_LIMIT, far[i],
                       "argument must be between 1048576 and 9223372036854775807 inclusive");
    config_free(config);
}

static void test_octal(void **state)
{
    (void)state;
    static const char *const strange[] = {"", "8", "0x7", "7a", "-7", " 7", "rwx"};
    struct config *config = new_config();
    assert_set(config, CONFIG_UNIXSOCKETPERM, "777", "777");
    assert_set(config, CONFIG_UNIXSOCKETPERM, "00", "0");
    assert_set(config, CONFIG_UNIXSOCKETPERM, "0600", "600");
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        assert_refused(config, CONFIG_UNIXSOCKETPERM, strange[i],
                       "argument couldn't be parsed as an octal number");
    assert_refused(config, CONFIG_UNIXSOCKETPERM, "1000",
                   "argument must be between 0 and 777 inclusive");
    assert_refused(config, CONFIG_UNIXSOCKETPERM, "7777777777777777777777777",
                   "argument must be between 0 and 777 inclusive");
    config_free(config);
}

static void test_enums(void **state)
{
    (void)state;
    struct config *config = new_config();
    assert_refused(config, CONFIG_LOGLEVEL, "loud",
                   "argument(s) must be one of the following: debug, verbose, notice, warning");
    assert_refused(config, CONFIG_LOGLEVEL, "",
                   "argument(s) must be one of the following: debug, verbose, notice, warning");
    assert_refused(config, CONFIG_FSYNC, "everysec",
                   "argument(s) must be one of the following: always, no");
    config_free(config);
}

static void test_texts(void **state)
{
    (void)state;
    struct config *config = new_config();
    assert_set(config, CONFIG_BIND, "  ::1 \t 10.0.0.1  -* ", "::1 10.0.0.1 -*");
    assert_set(config, CONFIG_BIND, "", "");
    assert_refused(config, CONFIG_BIND, "::1 -", "an address must follow the '-'");
    assert_set(config, CONFIG_BIND, "a b c d e f g h i j k l m n o p",
               "a b c d e f g h i j k l m n o p");
    assert_refused(config, CONFIG_BIND, "a b c d e f g h i j k l m n o p q",
                   "Too many bind addresses specified.");

    assert_set(config, CONFIG_DBFILENAME, "..a b", "..a b");
    assert_refused(config, CONFIG_DBFILENAME, "", "dbfilename can't be empty");
    static const char path[] = "dbfilename can't be a path, just a filename";
    assert_refused(config, CONFIG_DBFILENAME, ".", path);
    assert_refused(config, CONFIG_DBFILENAME, "..", path);
    assert_refused(config, CONFIG_DBFILENAME, "/", path);
    assert_refused(config, CONFIG_DBFILENAME, "a/b", path);

    char longest[108 + 1];
    memset(longest, 'x', sizeof longest);
    longest[107] = '\0';
    assert_set(config, CONFIG_UNIXSOCKET, longest, longest);
    longest[107] = 'x';
    longest[108] = '\0';
    assert_refused(config, CONFIG_UNIXSOCKET, longest,
                   "argument must be shorter than 108 bytes, as every path of a UNIX socket");

    assert_set(config, CONFIG_SAVE, "", "");
    assert_set(config, CONFIG_SAVE, "  ", "");
    assert_refused(config, CONFIG_SAVE, "3600 1",
                   "argument must be \"\": there are no snapshots, every write is already durable "
                   "in the one file");
    assert_set(config, CONFIG_APPENDONLY, "No", "no");
    assert_refused(config, CONFIG_APPENDONLY, "yes",
                   "argument must be 'no': there is no second file to append to, every write is "
                   "already durable in the one file");
    assert_refused(config, CONFIG_APPENDONLY, "maybe", "argument must be 'yes' or 'no'");
    config_free(config);
}

static void assert_limit(const struct config *config, enum config_client_class class, uint64_t hard,
                         uint64_t soft, int64_t seconds)
{
    struct config_output_limit limit = config_output_limit(config, class);
    assert_int_equal(limit.hard_bytes, hard);
    assert_int_equal(limit.soft_bytes, soft);
    assert_int_equal(limit.soft_seconds, seconds);
}

static void test_output_limits(void **state)
{
    (void)state;
    static const char count[] = "Wrong number of arguments in buffer limit configuration.";
    static const char class[] = "Invalid client class specified in buffer limit configuration.";
    static const char number[] =
        "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    const enum config_id id = CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT;
    struct config *config = new_config();
    assert_limit(config, CONFIG_CLASS_NORMAL, 0, 0, 0);
    assert_limit(config, CONFIG_CLASS_REPLICA, 256 * MIB, 64 * MIB, 60);
    assert_limit(config, CONFIG_CLASS_PUBSUB, 32 * MIB, 8 * MIB, 60);

    /* Only the named classes change, and the last mention of a class counts. */
    assert_set(config, id, "pubsub 1 2 3", "normal 0 0 0 slave 268435456 67108864 60 pubsub 1 2 3");
    assert_set(config, id, "Replica 1kb 1k 0 normal 5 4 3",
               "normal 5 4 3 slave 1024 1000 0 pubsub 1 2 3");
    assert_set(config, id, "slave 1 1 1  slave 2 2 2 ", "normal 5 4 3 slave 2 2 2 pubsub 1 2 3");
    assert_set(config, id, "", "normal 5 4 3 slave 2 2 2 pubsub 1 2 3");
    assert_set(config, id, "normal 18446744073709551614 0 9223372036854775807",
               "normal 18446744073709551614 0 9223372036854775807 slave 2 2 2 pubsub 1 2 3");
    assert_limit(config, CONFIG_CLASS_NORMAL, UINT64_MAX - 1, 0, INT64_MAX);

    /* All or nothing, even if the mistake comes late. */
    assert_refused(config, id, "normal 0 0", count);
    assert_refused(config, id, "normal 0 0 0 pubsub", count);
    assert_refused(config, id, "normal 0 0 0 master 0 0 0", class);
    assert_refused(config, id, "normal 0 0 0 0 0 0 0", class);
    assert_refused(config, id, "normal 0 0 0 pubsub -1 0 0", number);
    assert_refused(config, id, "normal 0 0 0 pubsub 0 1x 0", number);
    assert_refused(config, id, "normal 0 0 0 pubsub 0 0 -1", number);
    assert_refused(config, id, "normal 0 0 0 pubsub 0 0 1mb", number);
    assert_refused(config, id, "normal 18446744073709551616 0 0", number);
    assert_refused(config, id, "normal 0 18446744073gb 0", number);
    config_free(config);
}

static void test_percentiles(void **state)
{
    (void)state;
    static const char invalid[] = "Invalid latency-tracking-info-percentiles parameters";
    static const char range[] =
        "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    const enum config_id id = CONFIG_LATENCY_TRACKING_INFO_PERCENTILES;
    struct config *config = new_config();
    assert_set(config, id, "0.0 50.0 100.0", "0 50 100");
    assert_set(config, id, " 99.990  5e1\t1 ", "99.99 50 1");
    assert_set(config, id, "0.0000001 33.33333333 1 1", "0 33.333333 1 1");
    assert_set(config, id, "", "");
    assert_set(config, id, "99.999999999 10", "100 10");
    assert_refused(config, id, "10 50 a", invalid);
    assert_refused(config, id, "10 50x", invalid);
    assert_refused(config, id, "nan", invalid);
    assert_refused(config, id, "10,50", invalid);
    assert_refused(config, id, "100.1", range);
    assert_refused(config, id, "50 -0.1 x", range);
    assert_refused(config, id, "inf", range);
    assert_refused(config, id, "1e999", range);
    assert_format(config, id, "100 10");
    config_free(config);
}

/* CONFIG GET's answer is a valid value for CONFIG SET: a command that sets several options uses it
 * to undo the first ones if a later one is refused. */
static void test_format_round_trip(void **state)
{
    (void)state;
    struct config *config = new_config();
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        char *value = config_format(config, id);
        assert_non_null(value);
        assert_set(config, id, value, value);
        free(value);
    }
    config_free(config);
}

static void test_help(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    config_print_help(out);
    assert_int_equal(fclose(out), 0);
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        const struct config_row *row = config_row(id);
        char line[200];
        snprintf(line, sizeof line, "  --%s %s\n      %s", row->name, row->argument, row->help);
        const char *place = strstr(text, line);
        assert_non_null(place);
        place += strlen(line);
        place += strspn(place, " \n");
        snprintf(line, sizeof line, "(default: %s)\n",
                 *row->default_text ? row->default_text : "\"\"");
        assert_int_equal(strncmp(place, line, strlen(line)), 0);
    }
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > 80)
            fail_msg("too wide: %.*s", (int)strcspn(line, "\n"), line);
    free(text);
}

/* ---- threads ---- */

enum { READERS = 3, CHANGES = 3000 };

struct shared {
    struct config *config;
    atomic_bool stop;
    atomic_int wrong; /* values that nobody set */
    atomic_int reads;
};

static bool limit_is_one_of_two(struct config_output_limit limit)
{
    bool first = limit.hard_bytes == 1000 && limit.soft_bytes == 100 && limit.soft_seconds == 10;
    bool second = limit.hard_bytes == 7000 && limit.soft_bytes == 700 && limit.soft_seconds == 70;
    return first || second;
}

static void *read_values(void *argument)
{
    struct shared *shared = argument;
    while (!atomic_load(&shared->stop)) {
        struct config *config = shared->config;
        int64_t seconds = config_number(config, CONFIG_TIMEOUT);
        char *password = config_text(config, CONFIG_REQUIREPASS);
        char *limits = config_format(config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT);
        bool right = seconds == 1 || seconds == INT_MAX;
        right &= password && (!strcmp(password, "short") || !strcmp(password, "a longer one"));
        right &= limits && (strstr(limits, " 1000 100 10") || strstr(limits, " 7000 700 70"));
        for (int i = 0; i < 20; i++)
            right &= limit_is_one_of_two(config_output_limit(config, CONFIG_CLASS_PUBSUB));
        config_flag(config, CONFIG_PROTECTED_MODE);
        free(password);
        free(limits);
        if (!right)
            atomic_fetch_add(&shared->wrong, 1);
        atomic_fetch_add(&shared->reads, 1);
    }
    return NULL;
}

static void change_values(struct config *config, bool first)
{
    assert_true(config_set(config, CONFIG_TIMEOUT, first ? "1" : "2147483647", NULL));
    assert_true(config_set(config, CONFIG_REQUIREPASS, first ? "short" : "a longer one", NULL));
    assert_true(config_set(config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT,
                           first ? "pubsub 1000 100 10" : "pubsub 7000 700 70", NULL));
    assert_true(config_set(config, CONFIG_PROTECTED_MODE, first ? "yes" : "no", NULL));
}

static void test_threads(void **state)
{
    (void)state;
    struct shared shared = {.config = new_config()};
    change_values(shared.config, true);
    pthread_t readers[READERS];
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_values, &shared), 0);
    for (int i = 0; i < CHANGES || atomic_load(&shared.reads) < 100; i++)
        change_values(shared.config, i % 2 == 0);
    atomic_store(&shared.stop, true);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(atomic_load(&shared.wrong), 0);
    config_free(shared.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_typed_values),
        cmocka_unit_test(test_mutable),       cmocka_unit_test(test_find),
        cmocka_unit_test(test_booleans),      cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_memory),        cmocka_unit_test(test_octal),
        cmocka_unit_test(test_enums),         cmocka_unit_test(test_texts),
        cmocka_unit_test(test_output_limits), cmocka_unit_test(test_format_round_trip),
        cmocka_unit_test(test_help),          cmocka_unit_test(test_threads),
        cmocka_unit_test(test_percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
