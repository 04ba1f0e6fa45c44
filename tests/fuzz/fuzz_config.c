/* SPDX-License-Identifier: MIT */
/* Any text as a configuration file, and as the value of any option: nothing may crash, a failure
 * gives a reason in one line, and an accepted value is the same again after CONFIG GET and CONFIG
 * REWRITE. The first byte of an input is the number of an option, and the rest its value; 255: the
 * rest is a file.  Files that include others are left out, as the fuzzer would find those of this
 * machine. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "server/config/config.h"

#define IS_FILE 255

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static struct config *new_config(void)
{
    struct config *config = config_new();
    require(config, "out of memory");
    return config;
}

/* A reason is one line of text. */
static void check_cause(char *cause)
{
    require(cause && *cause && !strpbrk(cause, "\r\n"), "no reason is given, or not one line");
    free(cause);
}

static void require_same(const struct config *one, const struct config *other, const char *what)
{
    for (enum config_id id = 0; id < CONFIG_COUNT; id++) {
        char *first = config_format(one, id), *second = config_format(other, id);
        require(first && second, "out of memory");
        if (strcmp(first, second) != 0)
            fprintf(stderr, "%s: \"%s\" and \"%s\"\n", config_row(id)->name, first, second);
        require(strcmp(first, second) == 0, what);
        free(first);
        free(second);
    }
}

/* ---- A file ------------------------------------------------------------------------------- */

static char directory[] = "/dev/shm/fuzz_config.XXXXXX", path[sizeof directory + sizeof "/conf"];

static void remove_directory(void)
{
    unlink(path);
    rmdir(directory);
}

static void write_file(const void *data, size_t size)
{
    if (!*path) {
        require(mkdtemp(directory), "no directory");
        snprintf(path, sizeof path, "%s/conf", directory);
        atexit(remove_directory);
    }
    FILE *file = fopen(path, "wb");
    require(file && fwrite(data, 1, size, file) == size, "cannot write");
    require(fclose(file) == 0, "cannot write");
}

static void check_rewritten(const struct config *config, const char *what)
{
    struct config *again = new_config();
    char *cause = NULL;
    mode_t exposed = 0;
    require(config_rewrite(config, path, &exposed), "a rewrite failed");
    bool good = config_load_file(again, path, &cause);
    if (!good)
        fprintf(stderr, "%s\n", cause);
    require(good, "what a rewrite wrote is refused");
    require_same(config, again, what);
    config_free(again);
}

static bool includes(const uint8_t *data, size_t size)
{
    static const char word[] = "include";
    for (size_t i = 0; i + strlen(word) <= size; i++) {
        if (strncasecmp((const char *)data + i, word, strlen(word)) == 0 || data[i] == '\\')
            return true; /* it can be written with \x, too */
    }
    return false;
}

static void run_file(const uint8_t *data, size_t size)
{
    struct config *config = new_config();
    char *cause = NULL;
    write_file(data, size);
    if (config_load_file(config, path, &cause)) {
        check_rewritten(config, "a rewritten file is another");
        write_file("", 0);
        check_rewritten(config, "a file of its own is another");
    } else {
        check_cause(cause);
    }
    config_free(config);
}

/* ---- A value ------------------------------------------------------------------------------ */

static void run_value(enum config_id id, const char *value)
{
    struct config *config = new_config(), *untouched = new_config();
    char *cause = NULL;
    if (config_set(config, id, value, &cause)) {
        char *answer = config_format(config, id);
        struct config *again = new_config();
        require(answer && config_set(again, id, answer, NULL), "what CONFIG GET says is refused");
        require_same(config, again, "what CONFIG GET says means another value");
        config_free(again);
        free(answer);
        write_file("", 0);
        check_rewritten(config, "a value is another after CONFIG REWRITE");
    } else {
        check_cause(cause);
        require_same(config, untouched, "a refused value changes something");
    }
    config_free(config);
    config_free(untouched);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return -1;
    unsigned first = *data++;
    size--;
    if (first == IS_FILE) {
        if (includes(data, size))
            return -1;
        run_file(data, size);
        return 0;
    }
    char *value = calloc(1, size + 1);
    require(value, "out of memory");
    memcpy(value, data, size);
    run_value((enum config_id)(first % CONFIG_COUNT), value);
    free(value);
    return 0;
}
