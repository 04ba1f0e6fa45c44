/* SPDX-License-Identifier: MIT */
/* Protects the log: the form of a line, levels, whole lines from many threads, that no text can
 * forge a line, and the behaviour when files are rotated or cannot be opened. */
#include "server/observe/log.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static char directory[64];

static int enter_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/anystore-log-XXXXXX");
    return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave_directory(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static struct log *open_log(const char *path, enum log_level level)
{
    char *cause = NULL;
    struct log *log = log_open(path, level, &cause);
    if (!log)
        fail_msg("%s", cause);
    assert_null(cause);
    return log;
}

/* The whole file as a text; the caller frees. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = NULL;
    size_t room = 0;
    /* No file here holds a NUL. */
    if (getdelim(&text, &room, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    assert_non_null(text);
    assert_int_equal(fclose(file), 0);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* The text of the line behind process id, role, time and mark. */
static const char *text_of(const char *line)
{
    for (int blanks = 0; blanks < 6; blanks++) {
        line = strchr(line, ' ');
        assert_non_null(line);
        line++;
    }
    return line;
}

static void assert_only_text(const char *path, const char *expected)
{
    char *content = read_file(path);
    assert_int_equal(count_lines(content), 1);
    assert_string_equal(text_of(content), expected);
    free(content);
}

/* "<pid>:M 22 Nov 2026 07:38:16.123 * text", in local time. */
static void test_line(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZ", "TST-05:30", 1), 0);
    tzset();
    struct log *log = open_log("log", LOG_DEBUG);
    time_t before = time(NULL);
    log_write(log, LOG_NOTICE, "listens on port %d", 6379);
    time_t after = time(NULL);
    log_close(log);

    char *content = read_file("log");
    char head[40];
    snprintf(head, sizeof head, "%ld:M ", (long)getpid());
    assert_int_equal(strncmp(content, head, strlen(head)), 0);

    struct tm local = {.tm_isdst = -1};
    const char *rest = strptime(content + strlen(head), "%d %b %Y %H:%M:%S", &local);
    assert_non_null(rest);
    time_t logged = mktime(&local);
    assert_true(logged >= before && logged <= after);
    assert_int_equal(rest[0], '.');
    assert_int_equal(strspn(rest + 1, "0123456789"), 3);
    assert_string_equal(rest + 4, " * listens on port 6379\n");

    /* And not in UTC. */
    struct tm utc;
    assert_non_null(gmtime_r(&logged, &utc));
    assert_int_not_equal(utc.tm_min, local.tm_min);
    free(content);
    assert_int_equal(unsetenv("TZ"), 0);
    tzset();
}

static void write_all_levels(struct log *log)
{
    log_write(log, LOG_DEBUG, "d");
    log_write(log, LOG_VERBOSE, "v");
    log_write(log, LOG_NOTICE, "n");
    log_write(log, LOG_WARNING, "w");
}

/* The marks and texts of all lines in a row. */
static void assert_marks(const char *expected)
{
    char *content = read_file("log");
    char marks[40] = "";
    size_t size = 0;
    for (const char *line = content; *line; line = strchr(line, '\n') + 1) {
        assert_true(size + 3 < sizeof marks);
        const char *text = text_of(line);
        marks[size++] = text[-2];
        marks[size++] = text[0];
        marks[size] = '\0';
    }
    assert_string_equal(marks, expected);
    free(content);
}

static void test_levels(void **state)
{
    (void)state;
    struct log *log = open_log("log", LOG_DEBUG);
    write_all_levels(log);
    assert_marks(".d-v*n#w");
    log_set_level(log, LOG_WARNING);
    write_all_levels(log);
    assert_marks(".d-v*n#w#w");
    log_set_level(log, LOG_NOTICE);
    write_all_levels(log);
    assert_marks(".d-v*n#w#w*n#w");
    log_close(log);

    log = open_log("log", LOG_VERBOSE);
    write_all_levels(log);
    assert_marks(".d-v*n#w#w*n#w-v*n#w");
    log_close(log);
}

static void test_control_characters(void **state)
{
    (void)state;
    struct log *log = open_log("log", LOG_DEBUG);
    log_write(log, LOG_NOTICE, "%s", "a\n1:M 01 Jan 2026 00:00:00.000 # forged\r\t\x1b[2J\x7f");
    log_close(log);
    assert_only_text("log", "a\\x0a1:M 01 Jan 2026 00:00:00.000 # forged\\x0d\\x09\\x1b[2J\\x7f\n");

    /* Those of UTF-8 too, but no other character. */
    assert_int_equal(unlink("log"), 0);
    log = open_log("log", LOG_DEBUG);
    log_write(log, LOG_NOTICE, "%s",
              "\xc2\x85 \xc2\x9b \xc2\xa0 \xc3\xa9 \xe2\x82\xac \\ \xff \xc2");
    log_close(log);
    assert_only_text("log", "\\xc2\\x85 \\xc2\\x9b \xc2\xa0 \xc3\xa9 \xe2\x82\xac \\ \xff \xc2\n");
}

static void test_long_text(void **state)
{
    (void)state;
    enum { LIMIT = 4096 };
    char text[2 * LIMIT];
    char expected[4 * LIMIT + 2];
    struct log *log = open_log("log", LOG_DEBUG);
    memset(text, 'x', sizeof text);
    text[LIMIT] = '\0';
    log_write(log, LOG_NOTICE, "%s", text);
    snprintf(expected, sizeof expected, "%s\n", text);
    assert_only_text("log", expected);

    assert_int_equal(truncate("log", 0), 0);
    text[LIMIT] = 'x';
    text[2 * LIMIT - 1] = '\0';
    log_write(log, LOG_NOTICE, "%s", text);
    snprintf(expected, sizeof expected, "%.*s...\n", LIMIT - 3, text);
    assert_only_text("log", expected);

    /* The longest possible line. */
    assert_int_equal(truncate("log", 0), 0);
    memset(text, '\n', LIMIT);
    text[LIMIT] = '\0';
    log_write(log, LOG_NOTICE, "%s", text);
    for (size_t i = 0; i < LIMIT; i++)
        memcpy(expected + 4 * i, "\\x0a", 4);
    memcpy(expected + (size_t)4 * LIMIT, "\n", 2);
    assert_only_text("log", expected);

    assert_int_equal(truncate("log", 0), 0);
    log_write(log, LOG_NOTICE, "%s", "");
    assert_only_text("log", "\n");
    log_close(log);
}

static void test_no_log(void **state)
{
    (void)state;
    log_write(NULL, LOG_WARNING, "dropped %d", 1);
    log_close(NULL);
}

static void test_errno_stays(void **state)
{
    (void)state;
    struct log *log = open_log("/dev/full", LOG_DEBUG);
    errno = EXDEV;
    log_write(log, LOG_WARNING, "not written");
    assert_int_equal(errno, EXDEV);
    log_close(log);
}

static void test_open(void **state)
{
    (void)state;
    mode_t mask = umask(0);
    log_close(open_log("log", LOG_DEBUG));
    umask(mask);
    struct stat status;
    assert_int_equal(stat("log", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);

    /* The contents stay. */
    struct log *log = open_log("log", LOG_DEBUG);
    log_write(log, LOG_NOTICE, "first");
    log_close(log);
    log = open_log("log", LOG_DEBUG);
    log_write(log, LOG_NOTICE, "second");
    log_close(log);
    char *content = read_file("log");
    assert_int_equal(count_lines(content), 2);
    free(content);

    char *cause = NULL;
    assert_null(log_open("none/log", LOG_DEBUG, &cause));
    assert_string_equal(cause, "cannot open the log file none/log: No such file or directory");
    free(cause);
    assert_null(log_open(directory, LOG_DEBUG, &cause));
    char expected[150];
    snprintf(expected, sizeof expected, "cannot open the log file %s: Is a directory", directory);
    assert_string_equal(cause, expected);
    free(cause);
}

static void write_to_stdout(const char *path, const char *text)
{
    struct log *log = open_log(path, LOG_NOTICE);
    log_write(log, LOG_NOTICE, "%s", text);
    assert_true(log_reopen(log));
    log_write(log, LOG_NOTICE, "%s", text);
    log_close(log);
}

static void test_standard_output(void **state)
{
    (void)state;
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(saved >= 0);
    FILE *file = fopen("out", "a");
    assert_non_null(file);
    assert_int_equal(dup2(fileno(file), STDOUT_FILENO), STDOUT_FILENO);
    write_to_stdout(NULL, "one");
    write_to_stdout("", "two");
    /* Closing the log leaves standard output open. */
    ssize_t written = write(STDOUT_FILENO, "end\n", 4);
    assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    close(saved);
    assert_int_equal(fclose(file), 0);

    assert_int_equal(written, 4);
    char *content = read_file("out");
    assert_int_equal(count_lines(content), 5);
    assert_string_equal(strrchr(content, ' '), " two\nend\n");
    free(content);
}

static void test_reopen(void **state)
{
    (void)state;
    struct log *log = open_log("log", LOG_NOTICE);
    log_write(log, LOG_NOTICE, "one");
    assert_int_equal(rename("log", "log.1"), 0);
    log_write(log, LOG_NOTICE, "two");
    assert_true(log_reopen(log));
    log_write(log, LOG_NOTICE, "three");
    log_close(log);

    char *content = read_file("log.1");
    assert_int_equal(count_lines(content), 2);
    assert_string_equal(strrchr(content, ' '), " two\n");
    free(content);
    assert_only_text("log", "three\n");
}

static void test_reopen_fails(void **state)
{
    (void)state;
    assert_int_equal(mkdir("sub", 0700), 0);
    struct log *log = open_log("sub/log", LOG_WARNING);
    assert_int_equal(rename("sub", "gone"), 0);
    assert_false(log_reopen(log));
    assert_only_text("gone/log", "cannot open the log file sub/log again: No such file or "
                                 "directory; the old one stays in use\n");
    log_write(log, LOG_WARNING, "still");
    assert_int_equal(rename("gone", "sub"), 0);
    assert_true(log_reopen(log));
    log_write(log, LOG_WARNING, "again");
    log_close(log);
    char *content = read_file("sub/log");
    assert_int_equal(count_lines(content), 3);
    free(content);
}

/* ---- threads ---- */

enum { WRITERS = 4, LINES = 2000 };

struct writer {
    struct log *log;
    int number;
};

static void *write_lines(void *argument)
{
    const struct writer *writer = argument;
    for (int i = 0; i < LINES; i++)
        log_write(writer->log, LOG_NOTICE, "writer %d line %d end", writer->number, i);
    return NULL;
}

/* Counts the lines of one file, each of them whole and the next of its writer. */
static void read_lines(const char *path, int next[WRITERS])
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[200];
    while (fgets(line, sizeof line, file)) {
        int writer;
        int number;
        int end = 0;
        assert_int_equal(sscanf(text_of(line), "writer %d line %d end%n", &writer, &number, &end),
                         2);
        assert_string_equal(text_of(line) + end, "\n");
        assert_true(writer >= 0 && writer < WRITERS);
        assert_int_equal(number, next[writer]);
        next[writer]++;
    }
    assert_int_equal(fclose(file), 0);
}

/* While the file is rotated and the level changes, no line is lost, torn or out of order. */
static void test_threads(void **state)
{
    (void)state;
    enum { ROTATIONS = 20 };
    struct log *log = open_log("log", LOG_NOTICE);
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){log, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    char path[20];
    for (int i = 0; i < ROTATIONS; i++) {
        snprintf(path, sizeof path, "log.%d", i);
        assert_int_equal(rename("log", path), 0);
        assert_true(log_reopen(log));
        log_set_level(log, i % 2 == 0 ? LOG_DEBUG : LOG_NOTICE);
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    log_close(log);

    int next[WRITERS] = {0};
    for (int i = 0; i < ROTATIONS; i++) {
        snprintf(path, sizeof path, "log.%d", i);
        read_lines(path, next);
    }
    read_lines("log", next);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(next[i], LINES);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, enter_directory, leave_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_line),         TEST(test_levels),          TEST(test_control_characters),
        TEST(test_long_text),    TEST(test_no_log),          TEST(test_errno_stays),
        TEST(test_open),         TEST(test_standard_output), TEST(test_reopen),
        TEST(test_reopen_fails), TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
