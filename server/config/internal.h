/* SPDX-License-Identifier: MIT */
/* Private to the files of the options: the rules of a row that only they need, values as text and
 * as numbers, and the messages about directives. */
#ifndef SERVER_CONFIG_INTERNAL_H
#define SERVER_CONFIG_INTERNAL_H

#include <sys/types.h>

#include <resp/parser.h>

#include "server/config/config.h"

struct config_definition {
    struct config_row row;
    bool words;  /* takes several words, kept with one blank between them */
    bool secret; /* its value never stands in a message */
    /* A check beyond that of the type; NULL: there is none.  It returns NULL if the value fits,
     * else the reason, in CONFIG SET's words. */
    const char *(*check)(const char *value);
    /* Gives a value that fits the form that CONFIG GET shows (allocated; NULL if memory is short).
     * NULL: values keep their form. */
    char *(*tidy)(const char *value);
};

const struct config_definition *config_definition(enum config_id id);

/* Sets *cause to the text (allocated; NULL if memory is short) and answers false, so that a
 * function can fail in one statement.  `cause` may be NULL. */
bool config_fail(char **cause, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Values of all types but text: from the text in a file, whose range is checked, and back to the
 * text that CONFIG GET answers (allocated; NULL if memory is short). */
bool config_value_parse(const struct config_row *row, const char *text, int64_t *value,
                        char **cause);
char *config_value_format(const struct config_row *row, int64_t value);

/* "<class> <hard> <soft> <seconds>", any number of times.  A class that is not named keeps its
 * limit. Nothing changes on failure. */
bool config_limits_parse(const char *text, struct config_output_limit limits[CONFIG_CLASS_COUNT],
                         char **cause);
char *config_limits_format(const struct config_output_limit limits[CONFIG_CLASS_COUNT]);

/* Numbers from 0 to 100 with one blank between.  The check returns the reason why a text is none,
 * or NULL; the other function gives Redis's form (allocated; NULL if memory is short). */
const char *config_percentiles_check(const char *text);
char *config_percentiles_tidy(const char *text);

/* A directive that is no option: it stands in files and on the command line only. */
bool config_is_include(const char *name, size_t size);

/* Whether Redis 7.0 has a directive of that name that is not in the table.  *instead is then the
 * option that takes its place, or NULL. */
bool config_hint_redis(const char *name, size_t size, const char **instead);

/* The directive that an unknown name most likely means; NULL if none is near. */
const char *config_hint_near(const char *name, size_t size);

/* A name and its values, and where they stand. */
struct config_directive {
    const char *path;             /* NULL: the command line */
    size_t line;                  /* of the file, from 1 */
    const struct resp_arg *words; /* the name first */
    size_t count;
};

/* The part of a directive that a message names, besides the file and the line. */
enum config_subject {
    CONFIG_SUBJECT_LINE,  /* no more */
    CONFIG_SUBJECT_NAME,  /* the directive */
    CONFIG_SUBJECT_VALUES /* the directive and its values */
};

/* Each sets *cause to the place and the reason in one line, and answers false. */

bool config_fail_directive(char **cause, const struct config_directive *directive,
                           enum config_subject subject, const char *reason);

/* `reason` is in CONFIG SET's words (NULL: memory is short).  Behind a name and a value they say
 * too much, so they are cut: "port 70000: must be between 0 and 65535". */
bool config_fail_value(char **cause, const struct config_directive *directive,
                       const struct config_definition *definition, const char *reason);

bool config_fail_unknown(char **cause, const struct config_directive *directive);

/* A file could not be read.  `includer`: the directive that named the file; NULL: it is the first
 * one, or CONFIG_STANDARD_INPUT.  `reason` may be NULL then: there is no such file. */
bool config_fail_file(char **cause, const struct config_directive *includer, const char *path,
                      const char *reason);
#define CONFIG_STANDARD_INPUT "standard input"

/* An argument of the command line cannot be used. */
bool config_fail_argument(char **cause, const char *argument, const char *reason);

enum { CONFIG_INCLUDE_DEPTH = 16 };

/* One run over a file and all that it includes. */
struct config_load {
    struct config *config;
    char **cause;
    size_t depth; /* files that are open: each includes the next one */
    struct {
        dev_t device;
        ino_t inode;
    } open[CONFIG_INCLUDE_DEPTH];
};

/* Applies a directive of at least one word. */
bool config_load_directive(struct config_load *load, const struct config_directive *directive);

/* A file that no other one includes; "-" is standard input. */
bool config_load_first(struct config_load *load, const char *path);

#endif
