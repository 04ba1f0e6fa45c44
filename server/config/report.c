/* SPDX-License-Identifier: MIT */
/* Says in one line which directive is wrong, where it stands and why. */
#include "server/config/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/quote.h"

enum { SHOWN_MAX = 80 }; /* bytes of a name or of values in a message */

/* A reason may quote any bytes of a file, and must stay one line. */
static void print_text(FILE *out, const char *text)
{
    quote_controls_to_file(out, text, strlen(text));
}

static void print_name(FILE *out, const struct config_directive *directive)
{
    size_t size = directive->words[0].size;
    quote_controls_to_file(out, directive->words[0].data, size < SHOWN_MAX ? size : SHOWN_MAX);
    if (size > SHOWN_MAX)
        fputs("...", out);
}

static void print_values(FILE *out, const struct config_directive *directive)
{
    size_t room = SHOWN_MAX;
    for (size_t i = 1; i < directive->count; i++) {
        const struct resp_arg *word = &directive->words[i];
        size_t shown = word->size < room ? word->size : room;
        putc(' ', out);
        if (word->size == 0)
            fputs("\"\"", out);
        quote_controls_to_file(out, word->data, shown);
        room -= shown;
        if (shown < word->size) {
            fputs("...", out);
            return;
        }
    }
}

static void print_place(FILE *out, const struct config_directive *directive,
                        enum config_subject subject)
{
    /* The command line has no line numbers: there the option's name is the place. */
    bool named = !directive->path || subject != CONFIG_SUBJECT_LINE;
    if (directive->path) {
        print_text(out, directive->path);
        fprintf(out, ":%zu: ", directive->line);
    } else {
        fputs("--", out);
    }
    if (named)
        print_name(out, directive);
    if (subject == CONFIG_SUBJECT_VALUES)
        print_values(out, directive);
    if (named)
        fputs(": ", out);
}

/* Makes the text of a memory stream the cause; always false. */
static bool finish(FILE *out, char **text, char **cause)
{
    bool complete = fclose(out) == 0;
    config_fail(cause, "%s", complete ? *text : "out of memory");
    free(*text);
    return false;
}

bool config_fail_directive(char **cause, const struct config_directive *directive,
                           enum config_subject subject, const char *reason)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return config_fail(cause, "out of memory");
    print_place(out, directive, subject);
    fputs(reason, out);
    return finish(out, &text, cause);
}

bool config_fail_value(char **cause, const struct config_directive *directive,
                       const struct config_definition *definition, const char *reason)
{
    static const char *const starts[] = {"argument ", "argument(s) "};
    static const char end[] = " inclusive";
    enum config_subject subject = definition->secret ? CONFIG_SUBJECT_NAME : CONFIG_SUBJECT_VALUES;

    char *shorter = strdup(reason ? reason : "out of memory");
    if (!shorter)
        return config_fail(cause, "out of memory");
    size_t size = strlen(shorter);
    if (size >= sizeof end && !strcmp(shorter + size - (sizeof end - 1), end))
        shorter[size - (sizeof end - 1)] = '\0';
    const char *start = shorter;
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (!strncmp(shorter, starts[i], strlen(starts[i])))
            start = shorter + strlen(starts[i]);
    }
    config_fail_directive(cause, directive, subject, start);
    free(shorter);
    return false;
}

bool config_fail_unknown(char **cause, const struct config_directive *directive)
{
    const char *name = (const char *)directive->words[0].data;
    size_t name_size = directive->words[0].size;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return config_fail(cause, "out of memory");

    const char *instead = NULL;
    if (config_hint_redis(name, name_size, &instead)) {
        print_place(out, directive, CONFIG_SUBJECT_NAME);
        fputs("is a Redis directive that AnyStore does not have", out);
        if (instead)
            fprintf(out, " (%s)", instead);
    } else {
        const char *near = config_hint_near(name, name_size);
        print_place(out, directive, CONFIG_SUBJECT_LINE);
        fputs("unknown directive \"", out);
        print_name(out, directive);
        putc('"', out);
        if (near)
            fprintf(out, ", did you mean \"%s\"?", near);
    }
    return finish(out, &text, cause);
}

bool config_fail_file(char **cause, const struct config_directive *includer, const char *path,
                      const char *reason)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return config_fail(cause, "out of memory");
    if (includer)
        print_place(out, includer, CONFIG_SUBJECT_NAME);
    else if (strcmp(path, CONFIG_STANDARD_INPUT) != 0)
        fputs("configuration file ", out);
    print_text(out, *path ? path : "\"\"");
    if (reason)
        fprintf(out, ": %s", reason);
    else /* an argument that may have been meant for something else */
        fputs(" does not exist (an option begins with --)", out);
    return finish(out, &text, cause);
}

bool config_fail_argument(char **cause, const char *argument, const char *reason)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return config_fail(cause, "out of memory");
    print_text(out, argument);
    fprintf(out, ": %s", reason);
    return finish(out, &text, cause);
}
