/* SPDX-License-Identifier: MIT */
#include "tests/server/config_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "server/config/internal.h"

char test_directory[64];

int enter_directory(void **state)
{
    (void)state;
    strcpy(test_directory, "/tmp/anystore-config-XXXXXX");
    return mkdtemp(test_directory) && chdir(test_directory) == 0 ? 0 : -1;
}

int leave_directory(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", test_directory);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

void write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void write_file(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

void assert_value(const struct config *config, enum config_id id, const char *expected)
{
    char *value = config_format(config, id);
    assert_non_null(value);
    assert_string_equal(value, expected);
    free(value);
}

struct config *load(const char *path)
{
    struct config *config = config_new();
    assert_non_null(config);
    char *cause = NULL;
    if (!config_load_file(config, path, &cause))
        fail_msg("%s", cause);
    assert_null(cause);
    return config;
}

struct config *load_text(const char *text)
{
    write_file("test.conf", text);
    return load("test.conf");
}

void assert_load_fails(const char *path, const char *expected)
{
    struct config *config = config_new();
    assert_non_null(config);
    char *cause = NULL;
    assert_false(config_load_file(config, path, &cause));
    assert_non_null(cause);
    assert_string_equal(cause, expected);
    free(cause);
    config_free(config);
}

void assert_text_fails(const char *text, const char *expected)
{
    write_file("test.conf", text);
    assert_load_fails("test.conf", expected);
}

/* The arguments end with NULL.  The result is the configuration, or NULL and *cause. */
static struct config *parse_args(char **cause, va_list list)
{
    char *argv[20];
    int argc = 0;
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): both callers have started it */
    for (char *argument; (argument = va_arg(list, char *)) != NULL; argc++)
        argv[argc] = argument;
    struct config *config = config_new();
    assert_non_null(config);
    *cause = NULL;
    if (config_load_args(config, argc, argv, cause))
        return config;
    config_free(config);
    return NULL;
}

struct config *load_args(const char *first, ...)
{
    (void)first; /* a label, so that there may be no arguments at all */
    va_list list;
    va_start(list, first);
    char *cause;
    struct config *config = parse_args(&cause, list);
    va_end(list);
    if (!config)
        fail_msg("%s", cause);
    assert_null(cause);
    return config;
}

void assert_args_fail(const char *expected, ...)
{
    va_list list;
    va_start(list, expected);
    char *cause;
    struct config *config = parse_args(&cause, list);
    va_end(list);
    assert_null(config);
    assert_non_null(cause);
    assert_string_equal(cause, expected);
    free(cause);
}
