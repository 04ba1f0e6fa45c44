/* SPDX-License-Identifier: MIT */
/* Reads options from the command line, as Redis does. */
#include "server/config/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/internal.h"

static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] == '-';
}

static bool is_stdin(const char *argument)
{
    return !strcmp(argument, "-");
}

/* Whether "--text" is an option, not a value that happens to begin with two dashes. */
static bool names_option(const char *argument)
{
    const char *name = argument + 2;
    size_t size = strlen(name);
    return config_find(name, size) != CONFIG_COUNT || config_is_include(name, size);
}

/* The number of arguments behind an option that are its values: all before the next option.
 * `optional`: there may be none.  A value that must be there may begin with "--", as in Redis (a
 * password, for example), unless it is an option's name: then the value was forgotten. */
static size_t count_values(char *const argv[], size_t count, bool optional)
{
    size_t values = 0;
    if (count > 0 && !optional && !(is_option(argv[0]) && names_option(argv[0])))
        values = 1;
    while (values < count && (values > 0 || optional) && !is_option(argv[values]))
        values++;
    return values;
}

static bool is_save(const struct resp_arg *name)
{
    return config_find((const char *)name->data, name->size) == CONFIG_SAVE;
}

/* Applies an option that is already split, at least its name, and the values behind it. */
static bool apply_words(struct config_load *load, const struct resp_arg *head, size_t head_count,
                        char *const values[], size_t value_count)
{
    struct resp_arg *words = calloc(head_count + value_count + 1, sizeof *words);
    if (!words)
        return config_fail(load->cause, "out of memory");
    memcpy(words, head, head_count * sizeof *words);
    for (size_t i = 0; i < value_count; i++)
        words[head_count + i] = (struct resp_arg){(const uint8_t *)values[i], strlen(values[i])};

    struct config_directive directive = {.words = words, .count = head_count + value_count};
    /* Scripts write --save with an empty value and no quotes around it: Redis allows that. */
    if (directive.count == 1 && is_save(head))
        words[directive.count++] = (struct resp_arg){(const uint8_t *)"", 0};
    bool ok = config_load_directive(load, &directive);
    free(words);
    return ok;
}

/* Names an argument that cannot be used, up to its first blank: a password might stand behind
 * it. */
static bool fail_argument(const struct config_load *load, const char *argument, const char *reason)
{
    char *start = strndup(argument, strcspn(argument, " "));
    if (!start)
        return config_fail(load->cause, "out of memory");
    config_fail_argument(load->cause, start, reason);
    free(start);
    return false;
}

/* Applies argv[0] and its values; *used is the number of these arguments. */
static bool apply_option(struct config_load *load, char *const argv[], size_t count, size_t *used)
{
    static const char expected[] = "an option is expected here: --name value";
    if (!is_option(argv[0]))
        return fail_argument(load, argv[0], expected);

    /* "--port 6379" may also come as one argument. */
    const char *option = argv[0] + 2;
    struct resp_arg *head = NULL;
    size_t head_count = 0;
    if (!resp_split_words((const uint8_t *)option, strlen(option), &head, &head_count))
        return fail_argument(load, argv[0], "the quotes do not balance");
    if (head_count == 0) {
        free(head);
        return fail_argument(load, argv[0], expected);
    }
    size_t values = count_values(argv + 1, count - 1, head_count > 1 || is_save(&head[0]));
    bool ok = apply_words(load, head, head_count, argv + 1, values);
    *used = values + 1;
    free(head);
    return ok;
}

bool config_load_args(struct config *config, int argc, char *const argv[], char **cause)
{
    struct config_load load = {.config = config, .cause = cause};
    assert(argc >= 0);
    size_t count = (size_t)argc;
    size_t at = 0;
    bool has_stdin = false;
    if (count > 0 && is_stdin(argv[count - 1])) {
        has_stdin = true;
        count--;
    }
    if (count > 0 && is_stdin(argv[0])) {
        has_stdin = true;
        at++;
    } else if (count > 0 && argv[0][0] != '-') {
        at++;
        if (!config_load_first(&load, argv[0]))
            return false;
    }
    if (has_stdin && !config_load_first(&load, "-"))
        return false;
    while (at < count) {
        size_t used = 0;
        if (!apply_option(&load, argv + at, count - at, &used))
            return false;
        at += used;
    }
    return true;
}
