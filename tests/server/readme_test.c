/* SPDX-License-Identifier: MIT */
/* Protects the reader of README.md and docs/ from outdated documents: the tables of commands match
 * the command table, every relative link and every named file exists, and every named option can be
 * set. */
#include <ctype.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "command/families.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/family/families.h"

/* ---- Documents ---------------------------------------------------------------------------- */

/* Paths are relative to the project's root. */
static int enter_root(void **state)
{
    (void)state;
    return chdir(PROJECT_ROOT);
}

static char *read_document(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    struct stat st;
    assert_int_equal(fstat(fileno(file), &st), 0);
    char *text = malloc((size_t)st.st_size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)st.st_size, file), st.st_size);
    text[st.st_size] = '\0';
    fclose(file);
    return text;
}

/* Calls fn with each document that matches one of the patterns; each pattern must match at least
 * one. */
static void for_each_document(const char *const *patterns,
                              void (*fn)(const char *path, const char *text))
{
    for (; *patterns; patterns++) {
        glob_t found;
        assert_int_equal(glob(*patterns, 0, NULL, &found), 0);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char *text = read_document(found.gl_pathv[i]);
            fn(found.gl_pathv[i], text);
            free(text);
        }
        globfree(&found);
    }
}

static const char *const pages[] = {"README.md", "docs/*.md", NULL};
static const char *const all_documents[] = {
    "README.md",         "docs/*.md",           "*/README.md", "*/DESIGN.md",
    "tests/*/DESIGN.md", "tests/*/*/DESIGN.md", NULL};

/* Copies the next code span, `...` within one line, that begins at or after `text`.  Returns the
 * text behind it, or NULL if there is no more. */
static const char *next_span(const char *text, char *span, size_t size)
{
    for (const char *begin; (begin = strchr(text, '`')) != NULL;) {
        size_t length = strcspn(begin + 1, "`\n");
        text = begin + 1 + length;
        if (*text != '`')
            continue;
        text++;
        if (length == 0 || length >= size)
            continue;
        memcpy(span, begin + 1, length);
        span[length] = '\0';
        return text;
    }
    return NULL;
}

/* ---- Commands ----------------------------------------------------------------------------- */

/* The row of a table that begins with this cell: "| first | A B C |"; false if there is none. */
static bool find_row(const char *document, const char *first, char *row, size_t size)
{
    FILE *file = fopen(document, "r");
    assert_non_null(file);
    char start[64];
    bool found = false;
    snprintf(start, sizeof start, "| %s | ", first);
    while (!found && fgets(row, (int)size, file))
        found = strncmp(row, start, strlen(start)) == 0;
    fclose(file);
    if (found)
        memmove(row, row + strlen(start), strlen(row + strlen(start)) + 1);
    return found;
}

static void upper(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; from[i] && i + 1 < size; i++)
        to[i] = (char)toupper((unsigned char)from[i]);
    to[i] = '\0';
}

static void add_word(char *row, size_t size, const char *name)
{
    char word[64];
    upper(word, sizeof word, name);
    strncat(row, word, size - strlen(row) - 1);
    strncat(row, " ", size - strlen(row) - 1);
}

static void assert_row(const char *document, const char *first, const char *expected)
{
    char row[4000] = "";
    if (!find_row(document, first, row, sizeof row))
        fail_msg("%s has no row for %s: | %s | %s", document, first, first, expected);
    assert_string_equal(row, expected);
}

/* Every command is there, in its group, in alphabetical order, and nothing else. */
static void test_rows_are_the_commands(void **state)
{
    (void)state;
    struct command_table *table = command_table_new(command_families, server_families);
    assert_non_null(table);
    for (size_t i = 0; i < command_count(table); i++) {
        const char *group = command_at(table, i)->group;
        char expected[4000] = "";
        for (size_t j = 0; j < command_count(table); j++) {
            if (strcmp(command_at(table, j)->group, group) == 0)
                add_word(expected, sizeof expected, command_at(table, j)->name);
        }
        strncat(expected, "|\n", sizeof expected - strlen(expected) - 1);
        assert_row("README.md", group, expected);
    }
    command_table_free(table);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The same of the subcommands of each command that has some. */
static void test_rows_are_the_subcommands(void **state)
{
    (void)state;
    struct command_table *table = command_table_new(command_families, server_families);
    assert_non_null(table);
    for (size_t i = 0; i < command_count(table); i++) {
        const struct command *command = command_at(table, i);
        const char *names[100];
        size_t count = 0;
        for (const struct command *sub = command->subcommands; sub && sub->name; sub++) {
            assert_true(count < sizeof names / sizeof *names);
            names[count++] = sub->name;
        }
        if (count == 0)
            continue;
        qsort(names, count, sizeof *names, compare_names);
        char first[64], expected[4000] = "";
        upper(first, sizeof first, command->name);
        for (size_t j = 0; j < count; j++)
            add_word(expected, sizeof expected, names[j]);
        strncat(expected, "|\n", sizeof expected - strlen(expected) - 1);
        assert_row("docs/differences.md", first, expected);
    }
    command_table_free(table);
}

/* ---- Links and names of files ------------------------------------------------------------- */

/* Whether the document has a heading to which GitHub and others give this name. */
static bool has_heading(const char *text, const char *name)
{
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (*line != '#')
            continue;
        const char *from = line + strspn(line, "# ");
        const char *to = name;
        for (; *from && *from != '\n'; from++) {
            if (*from != ' ' && *from != '-' && *from != '_' && !isalnum((unsigned char)*from))
                continue;
            if (*to != (*from == ' ' ? '-' : (char)tolower((unsigned char)*from)))
                break;
            to++;
        }
        if (*to == '\0' && (*from == '\0' || *from == '\n'))
            return true;
    }
    return false;
}

static void check_link(const char *path, const char *text, const char *link)
{
    char target[1000], directory[500];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    directory[slash ? slash + 1 - directory : 0] = '\0';
    int size = (int)strcspn(link, "#");
    snprintf(target, sizeof target, "%s%.*s", directory, size, link);
    if (size > 0 && access(target, F_OK) != 0)
        fail_msg("%s: the link %s leads nowhere", path, link);
    if (link[size] != '#')
        return;
    char *other = size > 0 ? read_document(target) : NULL;
    if (!has_heading(other ? other : text, link + size + 1))
        fail_msg("%s: the link %s leads to no heading", path, link);
    free(other);
}

static void check_links(const char *path, const char *text)
{
    for (const char *at = text; (at = strstr(at, "](")) != NULL;) {
        char link[500];
        at += 2;
        size_t size = strcspn(at, ")\n");
        assert_true(size < sizeof link && at[size] == ')');
        snprintf(link, sizeof link, "%.*s", (int)size, at);
        if (!strstr(link, "://"))
            check_link(path, text, link);
    }
}

static void test_links_lead_somewhere(void **state)
{
    (void)state;
    for_each_document(all_documents, check_links);
}

/* `store/store.c`, `script/lint --deep`: a path from the root that is named must exist. */
static void check_paths(const char *path, const char *text)
{
    static const char *const folders[] = {"bench",  "cmake",  "command", "docker", "docs", "resp",
                                          "script", "server", "store",   "tests",  "text"};
    char span[500];
    /* script/lint-rooms knows more of its table. */
    const char *rooms = strstr(text, "<!-- rooms -->");
    const char *rooms_end = rooms ? strstr(rooms, "<!-- end of rooms -->") : NULL;
    for (const char *at = text; (at = next_span(at, span, sizeof span)) != NULL;) {
        if (rooms_end && at > rooms && at < rooms_end)
            continue;
        size_t first = strcspn(span, "/");
        bool is_path = false;
        for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
            is_path = is_path || (strlen(folders[i]) == first && span[first] == '/' &&
                                  strncmp(span, folders[i], first) == 0);
        span[strcspn(span, " ")] = '\0';
        glob_t found;
        if (is_path && glob(span, 0, NULL, &found) != 0)
            fail_msg("%s names %s, which is not there", path, span);
        if (is_path)
            globfree(&found);
    }
}

static void test_files_that_are_named_are_there(void **state)
{
    (void)state;
    for_each_document(all_documents, check_paths);
}

/* ---- Options ------------------------------------------------------------------------------ */

static bool is_option(const char *name, size_t size)
{
    return config_find(name, size) != CONFIG_COUNT;
}

/* `fsync no`: in a code span, a word with a hyphen is an option or one of these. */
static void check_spans(const char *path, const char *text)
{
    static const char *const others[] = {"redis-cli", "redis-server", "redis-benchmark",
                                         "anystore-server", "anystore-bench"};
    char span[500];
    for (const char *at = text; (at = next_span(at, span, sizeof span)) != NULL;) {
        size_t size = strspn(span, "abcdefghijklmnopqrstuvwxyz-");
        if (!memchr(span, '-', size) || *span == '-' || (span[size] != '\0' && span[size] != ' '))
            continue;
        bool known = is_option(span, size);
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            known = known || (strlen(others[i]) == size && strncmp(span, others[i], size) == 0);
        if (!known)
            fail_msg("%s names the option %.*s, which does not exist", path, (int)size, span);
    }
}

/* anystore-server --port 7001: on such a line, what begins with two hyphens is an option. */
static void check_command_lines(const char *path, const char *text)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char copy[1000];
        snprintf(copy, sizeof copy, "%.*s", (int)strcspn(line, "\n"), line);
        if (!strstr(copy, "anystore-server ") && !strstr(copy, "script/server "))
            continue;
        for (char *at = copy; (at = strstr(at, "--")) != NULL;) {
            at += 2;
            size_t size = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
            bool is_other = (size == 4 && strncmp(at, "help", 4) == 0) ||
                            (size == 7 && strncmp(at, "version", 7) == 0);
            if (size > 0 && !is_other && !is_option(at, size))
                fail_msg("%s names the option --%.*s, which does not exist", path, (int)size, at);
        }
    }
}

/* The last column of the README's table of files: options, and variables in capital letters. */
static void check_set_by(void)
{
    char *text = read_document("README.md");
    const char *row = strstr(text, "| set by |\n");
    assert_non_null(row);
    size_t options = 0;
    for (row = strchr(row, '\n') + 1; *row == '|'; row = strchr(row, '\n') + 1) {
        char cell[1000], span[500];
        size_t end = strcspn(row, "\n");
        while (end > 0 && row[end - 1] != ' ') /* the closing bar */
            end--;
        size_t begin = end;
        while (begin > 0 && row[begin - 1] != '|')
            begin--;
        snprintf(cell, sizeof cell, "%.*s", (int)(end - begin), row + begin);
        for (const char *at = cell; (at = next_span(at, span, sizeof span)) != NULL;) {
            if (isupper((unsigned char)*span))
                continue;
            if (!is_option(span, strlen(span)))
                fail_msg("README.md names the option %s, which does not exist", span);
            options++;
        }
    }
    assert_int_equal(options, 4);
    free(text);
}

static void test_options_that_are_named_exist(void **state)
{
    (void)state;
    static const char *const with_command_lines[] = {"README.md", "docs/*.md", "docker/README.md",
                                                     "anystore.conf", NULL};
    for_each_document(pages, check_spans);
    for_each_document(with_command_lines, check_command_lines);
    check_set_by();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_the_commands),
        cmocka_unit_test(test_rows_are_the_subcommands),
        cmocka_unit_test(test_links_lead_somewhere),
        cmocka_unit_test(test_files_that_are_named_are_there),
        cmocka_unit_test(test_options_that_are_named_exist),
    };
    return cmocka_run_group_tests_name("readme", tests, enter_root, NULL);
}
