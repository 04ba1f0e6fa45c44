/* SPDX-License-Identifier: MIT */
/* Reads options from files in redis.conf's syntax. */
#include "server/config/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config/internal.h"
#include "text/glob.h"

static const char wildcards[] = "*?[";

/* A larger file is no configuration: it is a device or a data file. */
enum { FILE_SIZE_MAX = 1 << 20 };

/* The values as one text, blanks between them; NULL if memory is short. */
static char *join_values(const struct config_directive *directive)
{
    size_t size = 1;
    for (size_t i = 1; i < directive->count; i++)
        size += directive->words[i].size + 1;
    char *text = malloc(size);
    if (!text)
        return NULL;
    char *at = text;
    for (size_t i = 1; i < directive->count; i++) {
        const struct resp_arg *word = &directive->words[i];
        if (i > 1)
            *at++ = ' ';
        if (word->size > 0)
            memcpy(at, word->data, word->size);
        at += word->size;
    }
    *at = '\0';
    return text;
}

static bool load_include(struct config_load *load, const struct config_directive *directive,
                         const char *pattern);

static bool apply_value(struct config_load *load, const struct config_directive *directive,
                        enum config_id id, const char *value)
{
    if (id == CONFIG_COUNT)
        return load_include(load, directive, value);
    char *reason = NULL;
    bool ok = config_set(load->config, id, value, &reason);
    if (!ok)
        config_fail_value(load->cause, directive, config_definition(id), reason);
    free(reason);
    return ok;
}

bool config_load_directive(struct config_load *load, const struct config_directive *directive)
{
    const struct resp_arg *name = &directive->words[0];
    enum config_id id = config_find((const char *)name->data, name->size);
    if (id == CONFIG_COUNT && !config_is_include((const char *)name->data, name->size))
        return config_fail_unknown(load->cause, directive);

    const char *wrong = NULL;
    bool words = id != CONFIG_COUNT && config_definition(id)->words;
    if (directive->count < 2)
        wrong = "wrong number of arguments: a value is missing";
    else if (directive->count > 2 && !words)
        wrong = "wrong number of arguments: one value is expected (blanks in it need quotes)";
    for (size_t i = 1; i < directive->count; i++) {
        const struct resp_arg *word = &directive->words[i];
        if (word->size > 0 && memchr(word->data, '\0', word->size))
            wrong = "the value holds a NUL byte";
    }
    if (wrong)
        return config_fail_directive(load->cause, directive, CONFIG_SUBJECT_NAME, wrong);

    char *value = join_values(directive);
    if (!value)
        return config_fail(load->cause, "out of memory");
    bool ok = apply_value(load, directive, id, value);
    free(value);
    return ok;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool apply_line(struct config_load *load, const char *path, size_t number, const char *line,
                       size_t size)
{
    struct config_directive directive = {.path = path, .line = number};
    while (size > 0 && is_blank(*line)) {
        line++;
        size--;
    }
    while (size > 0 && is_blank(line[size - 1]))
        size--;
    if (size == 0 || *line == '#')
        return true;
    if (memchr(line, '\0', size))
        return config_fail_directive(load->cause, &directive, CONFIG_SUBJECT_LINE,
                                     "the line holds a NUL byte");

    struct resp_arg *words = NULL;
    if (!resp_split_words((const uint8_t *)line, size, &words, &directive.count))
        return config_fail_directive(load->cause, &directive, CONFIG_SUBJECT_LINE,
                                     "the quotes do not balance");
    directive.words = words;
    bool ok = directive.count == 0 || config_load_directive(load, &directive);
    free(words);
    return ok;
}

static bool apply_lines(struct config_load *load, const char *path, const char *text, size_t size)
{
    const char *end = text + size;
    for (size_t number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        if (!apply_line(load, path, number, text, (size_t)(line_end - text)))
            return false;
        text = newline ? newline + 1 : end;
    }
    return true;
}

/* Reads the whole file into allocated memory; NULL with *reason set on failure. */
static char *read_all(int fd, size_t *size, const char **reason)
{
    size_t room = 4096;
    char *text = malloc(room);
    *size = 0;
    while (text) {
        ssize_t got = read(fd, text + *size, room - *size);
        if (got == 0)
            return text;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            *reason = strerror(errno);
            break;
        }
        *size += (size_t)got;
        if (*size > FILE_SIZE_MAX) {
            *reason = "larger than 1 MiB";
            break;
        }
        if (*size < room)
            continue;
        room *= 2;
        char *larger = realloc(text, room);
        if (!larger) {
            *reason = "out of memory";
            break;
        }
        text = larger;
    }
    if (!text)
        *reason = "out of memory";
    free(text);
    return NULL;
}

/* Reads from an open descriptor, which stays open. */
static bool load_descriptor(struct config_load *load, const struct config_directive *includer,
                            const char *path, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return config_fail_file(load->cause, includer, path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return config_fail_file(load->cause, includer, path, "is a directory");
    for (size_t i = 0; i < load->depth; i++) {
        if (load->open[i].device == status.st_dev && load->open[i].inode == status.st_ino)
            return config_fail_file(load->cause, includer, path, "the file includes itself");
    }
    if (load->depth == CONFIG_INCLUDE_DEPTH)
        return config_fail_file(load->cause, includer, path, "includes are nested too deep");

    size_t size = 0;
    const char *reason = NULL;
    char *text = read_all(fd, &size, &reason);
    if (!text)
        return config_fail_file(load->cause, includer, path, reason);
    load->open[load->depth].device = status.st_dev;
    load->open[load->depth].inode = status.st_ino;
    load->depth++;
    bool ok = apply_lines(load, path, text, size);
    load->depth--;
    free(text);
    return ok;
}

static bool load_path(struct config_load *load, const struct config_directive *includer,
                      const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return config_fail_file(load->cause, includer, path,
                                includer || errno != ENOENT ? strerror(errno) : NULL);
    bool ok = load_descriptor(load, includer, path, fd);
    close(fd);
    return ok;
}

/* A directory that is not there matches nothing: a conf.d may be missing.  One that cannot be read
 * is an error, because a password may be set in it. */
static bool is_missing(int error)
{
    return error == ENOENT || error == ENOTDIR;
}

/* As in the shell, a name that begins with a dot matches only a pattern that begins with one. */
static bool name_matches(const char *pattern, size_t size, const char *name)
{
    if (!strcmp(name, ".") || !strcmp(name, "..") || (name[0] == '.' && pattern[0] != '.'))
        return false;
    return glob_match(pattern, size, name, strlen(name), false);
}

static bool load_matches(struct config_load *load, const struct config_directive *directive,
                         const char *prefix, const char *pattern);

/* `rest` is the part of the pattern behind the directory or file that was found; it is empty or
 * begins with a slash. */
static bool load_match(struct config_load *load, const struct config_directive *directive,
                       const char *found, const char *rest)
{
    if (!*rest)
        return load_path(load, directive, found);
    return load_matches(load, directive, found, rest);
}

/* Loads the files that match, in alphabetical order; `prefix` is the path that earlier parts of the
 * pattern matched.  (glob(3) cannot tell which directory it could not read, nor why.) */
static bool load_matches(struct config_load *load, const struct config_directive *directive,
                         const char *prefix, const char *pattern)
{
    size_t start = strcspn(pattern, wildcards);
    if (!pattern[start]) {
        char *path = NULL;
        if (asprintf(&path, "%s%s", prefix, pattern) < 0)
            return config_fail(load->cause, "out of memory");
        bool skip = access(path, F_OK) != 0 && is_missing(errno);
        bool ok = skip || load_path(load, directive, path);
        free(path);
        return ok;
    }
    size_t end = start + strcspn(pattern + start, "/");
    while (start > 0 && pattern[start - 1] != '/')
        start--;

    char *directory = NULL;
    if (asprintf(&directory, "%s%.*s", prefix, (int)start, pattern) < 0)
        return config_fail(load->cause, "out of memory");
    struct dirent **entries = NULL;
    int count = scandir(*directory ? directory : ".", &entries, NULL, alphasort);
    bool ok = count >= 0 || is_missing(errno) ||
              config_fail_file(load->cause, directive, directory, strerror(errno));
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (ok && name_matches(pattern + start, end - start, name)) {
            char *found = NULL;
            ok = asprintf(&found, "%s%s", directory, name) >= 0
                     ? load_match(load, directive, found, pattern + end)
                     : config_fail(load->cause, "out of memory");
            free(found);
        }
        free(entries[i]);
    }
    free(entries);
    free(directory);
    return ok;
}

/* As in Redis a pattern may match nothing, while a plain name must be there. */
static bool load_include(struct config_load *load, const struct config_directive *directive,
                         const char *pattern)
{
    if (strpbrk(pattern, wildcards))
        return load_matches(load, directive, "", pattern);
    return load_path(load, directive, pattern);
}

bool config_load_first(struct config_load *load, const char *path)
{
    if (!strcmp(path, "-"))
        return load_descriptor(load, NULL, CONFIG_STANDARD_INPUT, STDIN_FILENO);
    return load_path(load, NULL, path);
}

bool config_load_file(struct config *config, const char *path, char **cause)
{
    struct config_load load = {.config = config, .cause = cause};
    return config_load_first(&load, path);
}
