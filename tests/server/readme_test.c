/* SPDX-License-Identifier: MIT */
/* The README's table of commands is the command table: every command is there, in its group, in the
 * order of the alphabet, and nothing else. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "command/table.h"

/* The README's row for a group: "| group | A B C |"; false if there is none. */
static bool find_row(const char *group, char *row, size_t size)
{
    FILE *file = fopen(README, "r");
    assert_non_null(file);
    char start[64];
    bool found = false;
    snprintf(start, sizeof start, "| %s | ", group);
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

static void test_rows_are_the_commands(void **state)
{
    (void)state;
    struct command_table *table = command_table_new();
    assert_non_null(table);
    for (size_t i = 0; i < command_count(table); i++) {
        const char *group = command_at(table, i)->group;
        char expected[4000] = "", row[4000] = "", name[64];
        for (size_t j = 0; j < command_count(table); j++) {
            if (strcmp(command_at(table, j)->group, group) != 0)
                continue;
            upper(name, sizeof name, command_at(table, j)->name);
            strncat(expected, name, sizeof expected - strlen(expected) - 1);
            strncat(expected, " ", sizeof expected - strlen(expected) - 1);
        }
        strncat(expected, "|\n", sizeof expected - strlen(expected) - 1);
        if (!find_row(group, row, sizeof row))
            fail_msg("the README has no row for the group %s: | %s | %s", group, group, expected);
        assert_string_equal(row, expected);
    }
    command_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_are_the_commands)};
    return cmocka_run_group_tests_name("readme", tests, NULL, NULL);
}
