/* SPDX-License-Identifier: MIT */
/* Protects the command table: every row is complete and consistent; each spelling of a command's
 * name finds it, and nothing else does. */
#include "command/args.h"
#include "command/families.h"
#include "command/keys.h"
#include "command/table.h"
#include "server/family/families.h"

#include <ctype.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "server/server.h"
#include "server/session/session.h"
#include "tests/resp/reply_reader.h"

static int setup(void **state)
{
    *state = command_table_new(command_families, server_families);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    command_table_free(*state);
    return 0;
}

#define check_row(row, condition)                                                                  \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fail_msg("%s: %s", command_full_name(row), #condition);                                \
            abort(); /* not reached, which cmocka does not declare */                              \
        }                                                                                          \
    } while (0)

static bool is_one_of(const char *word, size_t size, const char *const *words)
{
    for (; *words; words++) {
        if (strlen(*words) == size && !memcmp(word, *words, size))
            return true;
    }
    return false;
}

/* Words of the list, each followed by one blank or the end. */
static bool all_are_of(const char *text, const char *const *words)
{
    for (;;) {
        size_t size = strcspn(text, " ");
        if (!is_one_of(text, size, words))
            return false;
        if (!text[size])
            return true;
        text += size + 1;
    }
}

static bool is_lower_case(const char *name)
{
    for (; *name; name++) {
        if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) && *name != '-' &&
            *name != '_')
            return false;
    }
    return true;
}

static bool is_version(const char *text)
{
    unsigned parts[3];
    char more;
    return sscanf(text, "%u.%u.%u%c", &parts[0], &parts[1], &parts[2], &more) == 3;
}

static const char *const key_flag_words[] = {
    "RO",     "RW",     "OW",      "RM",         "access",         "update",
    "insert", "delete", "not_key", "incomplete", "variable_flags", NULL};

/* The known ranges come first and are adjacent, so that one span covers them. */
static void check_key_ranges(const struct command *row)
{
    const struct key_range *ranges = row->keys;
    struct key_span span = command_key_span(row);
    size_t count = 0;
    bool unknown = false, varies = false;
    int end = ranges[0].first;
    for (; ranges[count].flags; count++) {
        const struct key_range *range = &ranges[count];
        check_row(row, all_are_of(range->flags, key_flag_words));
        /* The access comes first, and a command that reads changes no key. */
        check_row(row, (row->flags & COMMAND_WRITE) || !strncmp(range->flags, "RO", 2));
        varies = strstr(range->flags, "variable_flags") || range->first == 0;
        unknown = unknown || range->first == 0;
        check_row(row, unknown == (range->first == 0));
        if (unknown) {
            check_row(row, range->last == 0 && range->step == 0 && range->notes);
            continue;
        }
        check_row(row, range->first == end && range->step == span.step);
        end = range->last < 0 ? range->last : range->first + range->last + range->step;
    }
    check_row(row, count > 0);
    check_row(row, span.last < 0 ? end == span.last : end == span.last + span.step);
    check_row(row, varies || !row->call_keys); /* the last range, which the function computes */
    check_row(row, command_has_movable_keys(row) == unknown);
}

static void check_keys(const struct command *row)
{
    bool writes = row->flags & COMMAND_WRITE;
    bool reads = row->flags & (COMMAND_READONLY | COMMAND_VIEW);
    struct key_span span = command_key_span(row);
    if (!row->keys) {
        check_row(row, span.first == 0 && span.last == 0 && span.step == 0 && !row->call_keys);
        check_row(row, !command_has_movable_keys(row));
        check_row(row, !(writes && reads));
        return;
    }
    int least = abs(row->arity);
    check_row(row, writes != reads);
    check_row(row, span.first > 0 && span.step > 0);
    check_row(row, span.first < least);
    if (span.last < 0)
        check_row(row, row->arity < 0);
    else
        check_row(row, span.last >= span.first && span.last < least);
    check_row(row, !strstr(row->keys[0].flags, "variable_flags") || row->call_keys);
    check_key_ranges(row);
}

static void check_row_itself(const struct command *row)
{
    static const char *const groups[] = {
        "generic",      "string",    "connection", "server",  "pubsub",
        "transactions", "scripting", "bitmap",     "cluster", NULL};
    check_row(row, *row->name && is_lower_case(row->name));
    check_row(row, row->arity != 0);
    check_row(row, row->run || row->subcommands);
    check_row(row, row->since && is_version(row->since));
    check_row(row, row->group && is_one_of(row->group, strlen(row->group), groups));
    /* Redis 7.0 says nothing about MONITOR's. */
    check_row(row, row->complexity ? *row->complexity != '\0' : strcmp(row->name, "monitor") == 0);
    check_row(row, row->summary && isupper((unsigned char)*row->summary));
    check_row(row, row->summary[strlen(row->summary) - 1] == '.');
    check_row(row, !row->complexity || row->complexity[strlen(row->complexity) - 1] != '.');
    check_row(row, !row->tips || *row->tips);
    check_row(row, !(row->flags & COMMAND_DENYOOM) || (row->flags & COMMAND_WRITE));
    check_keys(row);
}

static void check_subcommands(const struct command *container)
{
    const struct command *rows = container->subcommands;
    /* Without arguments it must be refused by its arity, unless it can run. */
    check_row(container, container->run || container->arity <= -2);
    check_row(container, rows->name);
    for (size_t i = 0; rows[i].name; i++) {
        const struct command *row = &rows[i];
        char full[64];
        snprintf(full, sizeof full, "%s|%s", container->name, row->name);
        check_row_itself(row);
        check_row(row, row->full_name && !strcmp(row->full_name, full));
        check_row(row, row->run && !row->subcommands);
        check_row(row, abs(row->arity) >= 2);
        check_row(row, i == 0 || strcmp(rows[i - 1].name, row->name) < 0);
        assert_ptr_equal(command_find_sub(container, row->name, strlen(row->name)), row);
    }
    assert_null(command_find_sub(container, "no-such", 7));
    assert_null(command_find_sub(container, NULL, 0));
    assert_null(command_find_sub(container, rows->name, strlen(rows->name) + 1));
}

/* Each number below the total belongs to one command or subcommand. */
static void test_numbers(void **state)
{
    const struct command_table *table = *state;
    size_t total = command_total(table);
    bool *seen = calloc(total, sizeof *seen);
    assert_non_null(seen);
    size_t count = 0;
    for (size_t i = 0; i < command_count(table); i++) {
        const struct command *row = command_at(table, i);
        assert_true(row->number < total && !seen[row->number]);
        seen[row->number] = true;
        count++;
        for (const struct command *sub = row->subcommands; sub && sub->name; sub++, count++) {
            assert_true(sub->number < total && !seen[sub->number]);
            seen[sub->number] = true;
        }
    }
    assert_int_equal(count, total);
    free(seen);
}

/* A program without a server has only the commands on data. */
static void test_data_families(void **state)
{
    (void)state;
    struct command_table *table = command_table_new(command_families, NULL);
    assert_non_null(table);
    assert_non_null(command_find(table, "get", 3));
    assert_null(command_find(table, "config", 6));
    command_table_free(table);
}

static void test_rows(void **state)
{
    const struct command_table *table = *state;
    assert_true(command_count(table) > 30);
    for (size_t i = 0; i < command_count(table); i++) {
        const struct command *row = command_at(table, i);
        check_row_itself(row);
        check_row(row, !row->full_name);
        if (row->subcommands)
            check_subcommands(row);
        if (i > 0)
            assert_true(strcmp(command_at(table, i - 1)->name, row->name) < 0);
    }
}

/* A subcommand of COMMAND, with one argument or none, makes one reply, in which no text is empty or
 * missing. */
static void check_description(const struct command_table *table, const char *subcommand,
                              const char *argument, int version)
{
    struct server server = {.commands = (struct command_table *)table};
    struct resp_buffer out = {0};
    struct resp_writer reply = {&out, version};
    const struct resp_arg argv[] = {{(const uint8_t *)"command", 7},
                                    {(const uint8_t *)subcommand, strlen(subcommand)},
                                    {(const uint8_t *)argument, argument ? strlen(argument) : 0}};
    struct session session = {.server = &server};
    struct call call = {
        .session = &session, .argc = argument ? 3 : 2, .argv = argv, .reply = &reply};
    const struct command *container = command_find(table, "command", 7);
    command_find_sub(container, subcommand, strlen(subcommand))->run(&call);
    assert_false(out.failed);
    const uint8_t *bytes = resp_buffer_bytes(&out);
    size_t size = resp_buffer_size(&out);
    if (reply_size(bytes, size, version) != size)
        fail_msg("COMMAND %s %s: not one reply in RESP%d", subcommand, argument ? argument : "",
                 version);
    if (memmem(bytes, size, "\n$-1\r\n", 6) || memmem(bytes, size, "\n_\r\n", 4) ||
        memmem(bytes, size, "\n$0\r\n", 5))
        fail_msg("COMMAND %s %s has an empty field", subcommand, argument ? argument : "");
    resp_buffer_free(&out);
}

/* COMMAND INFO and COMMAND DOCS of every row, singly and all together, whatever a row leaves
 * out. */
static void test_descriptions(void **state)
{
    const struct command_table *table = *state;
    for (int version = 2; version <= 3; version++) {
        check_description(table, "info", NULL, version);
        check_description(table, "docs", NULL, version);
        for (size_t i = 0; i < command_count(table); i++) {
            const struct command *row = command_at(table, i);
            check_description(table, "info", row->name, version);
            check_description(table, "docs", row->name, version);
            for (const struct command *sub = row->subcommands; sub && sub->name; sub++) {
                check_description(table, "info", sub->full_name, version);
                check_description(table, "docs", sub->full_name, version);
            }
        }
    }
}

/* Random capitals: case does not matter in names. */
static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void test_find(void **state)
{
    const struct command_table *table = *state;
    const char *fixed = getenv("ANYSTORE_TEST_SEED");
    uint64_t seed = fixed ? strtoull(fixed, NULL, 10) : (uint64_t)time(NULL);
    print_message("ANYSTORE_TEST_SEED=%" PRIu64 "\n", seed);
    for (size_t i = 0; i < command_count(table); i++) {
        const struct command *row = command_at(table, i);
        char name[64] = "";
        size_t size = strlen(row->name);
        memcpy(name, row->name, size);
        assert_ptr_equal(command_find(table, name, size), row);
        for (int round = 0; round < 20; round++) {
            for (size_t at = 0; at < size; at++) {
                if (next_random(&seed) % 2)
                    name[at] = (char)toupper((unsigned char)row->name[at]);
                else
                    name[at] = row->name[at];
            }
            assert_ptr_equal(command_find(table, name, size), row);
        }
        /* Every byte counts, including those that differ from a letter by the bit of its case. */
        for (size_t at = 0; at < size; at++) {
            char kept = name[at];
            for (int byte = 0; byte < 256; byte++) {
                name[at] = (char)byte;
                const struct command *found = command_find(table, name, size);
                bool same = tolower(byte) == row->name[at];
                if (same)
                    assert_ptr_equal(found, row);
                else
                    assert_ptr_not_equal(found, row);
            }
            name[at] = kept;
        }
        /* One NUL byte more is another name. */
        assert_null(command_find(table, name, size + 1));
    }
}

static void test_find_nothing(void **state)
{
    const struct command_table *table = *state;
    char lengthy[1000];
    memset(lengthy, 'x', sizeof lengthy);
    assert_null(command_find(table, NULL, 0));
    assert_null(command_find(table, "", 0));
    assert_null(command_find(table, "nosuch", 6));
    assert_null(command_find(table, "get ", 4));
    assert_null(command_find(table, "config|get", 10));
    for (size_t size = 1; size <= sizeof lengthy; size++)
        assert_null(command_find(table, lengthy, size));
}

static void test_arity(void **state)
{
    const struct command_table *table = *state;
    const struct command *get = command_find(table, "get", 3);
    const struct command *mget = command_find(table, "mget", 4);
    assert_false(command_arity_fits(get, 1));
    assert_true(command_arity_fits(get, 2));
    assert_false(command_arity_fits(get, 3));
    assert_false(command_arity_fits(mget, 1));
    assert_true(command_arity_fits(mget, 2));
    assert_true(command_arity_fits(mget, 1000000));
}

/* The keys of a call, "1-3/2 RO access", range by range. */
static void assert_call_keys(const struct command_table *table, const char *line,
                             const char *expected)
{
    struct resp_arg *argv = NULL;
    size_t argc = 0;
    char text[200] = "";
    assert_true(resp_split_words((const uint8_t *)line, strlen(line), &argv, &argc));
    const struct command *container;
    const struct command *row = command_find_call(table, argc, argv, &container);
    assert_non_null(row);
    for (const struct key_range *range = row->keys; range->flags; range++) {
        struct call_keys keys;
        size_t size = strlen(text);
        if (command_call_keys(row, range, argc, argv, &keys))
            snprintf(text + size, sizeof text - size, "%s%zu-%zu/%zu %s", size > 0 ? ", " : "",
                     keys.first, keys.last, keys.step, keys.flags);
    }
    assert_string_equal(text, expected);
    free(argv);
}

static void test_call_keys(void **state)
{
    static const char *const cases[][2] = {
        {"GET k", "1-1/1 RO access"},
        {"SET get get NX", "1-1/1 OW update"},
        {"SET get get NX gEt", "1-1/1 RW access update"},
        {"MGET a b c", "1-3/1 RO access"},
        {"MSET a 1 b 2", "1-4/2 OW update"},
        {"RENAME a b", "1-1/1 RW access delete, 2-2/1 OW update"},
        {"BITOP AND d a b", "2-2/1 OW update, 3-4/1 RO access"},
        {"OBJECT ENCODING k", "2-2/1 RO"},
        {"SORT k BY STORE GET b", "1-1/1 RO access"},
        {"SORT k STORE a LIMIT 0 STORE STORE b", "1-1/1 RO access, 8-8/1 OW update"},
        {"SORT k STORE", "1-1/1 RO access"},
        {"BITFIELD k GET u8 0", "1-1/1 RO access"},
        {"BITFIELD k GET u8 0 SET u8 0 1", "1-1/1 RW access update"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_call_keys(*state, cases[i][0], cases[i][1]);
}

static void test_words(void **state)
{
    (void)state;
    const struct resp_arg word = {(const uint8_t *)"KeepTTLx", 7};
    const struct resp_arg nul = {(const uint8_t *)"NX\0", 3};
    const struct resp_arg empty = {NULL, 0};
    assert_true(arg_is(&word, "KEEPTTL"));
    assert_true(arg_is(&word, "keepttl"));
    assert_false(arg_is(&word, "keepttlx"));
    assert_false(arg_is(&word, "keepttL "));
    assert_true(arg_is(&nul, "NX"));
    assert_false(arg_is(&nul, "N"));
    assert_false(arg_is(&nul, "NXX"));
    assert_true(arg_is(&empty, ""));
    assert_false(arg_is(&empty, "NX"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_data_families), cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_find),          cmocka_unit_test(test_find_nothing),
        cmocka_unit_test(test_arity),         cmocka_unit_test(test_call_keys),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
