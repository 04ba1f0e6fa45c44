/* SPDX-License-Identifier: MIT */
/* Protects how a line becomes words: Redis's rules for quotes and escapes, on which configuration
 * files and inline requests depend. */
#include "resp/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MAX_WORDS 8

struct word {
    const char *data;
    size_t size;
};

#define WORD(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

struct sample {
    struct word line;
    size_t argc;
    struct word argv[MAX_WORDS];
};

static const struct sample samples[] = {
    {WORD(""), 0, {{0}}},
    {WORD(" \t\r\n\v\f"), 0, {{0}}},
    {WORD("a"), 1, {WORD("a")}},
    {WORD("  a  "), 1, {WORD("a")}},
    {WORD("port 6379"), 2, {WORD("port"), WORD("6379")}},
    {WORD("a\tb\rc\nd"), 4, {WORD("a"), WORD("b"), WORD("c"), WORD("d")}},
    {WORD("a\vb a\fb"), 2, {WORD("a\vb"), WORD("a\fb")}},
    {WORD("\va \fb"), 2, {WORD("a"), WORD("b")}},
    {WORD("a\0b c"), 1, {WORD("a")}},
    {WORD("\0a"), 0, {{0}}},
    {WORD("\xff\xa0\x85 \x80"), 2, {WORD("\xff\xa0\x85"), WORD("\x80")}},
    {WORD("a\\nb \\"), 2, {WORD("a\\nb"), WORD("\\")}},
    {WORD("#a b"), 2, {WORD("#a"), WORD("b")}},

    {WORD("\"\""), 1, {WORD("")}},
    {WORD("''"), 1, {WORD("")}},
    {WORD("save \"\""), 2, {WORD("save"), WORD("")}},
    {WORD("\"a b\"\t'c d'"), 2, {WORD("a b"), WORD("c d")}},
    {WORD("foo\"bar baz\""), 1, {WORD("foobar baz")}},
    {WORD("foo'bar baz'"), 1, {WORD("foobar baz")}},
    {WORD("\"a\"\v\"b\""), 2, {WORD("a"), WORD("b")}},
    {WORD("\"it's\" 'a \"b\"'"), 2, {WORD("it's"), WORD("a \"b\"")}},
    {WORD("\"\\n\\r\\t\\b\\a\\\\\\\"\\q\""), 1, {WORD("\n\r\t\b\a\\\"q")}},
    {WORD("\"\\x00\\xfF\\x4a\\x4A\""), 1, {WORD("\x00\xff\x4a\x4a")}},
    {WORD("\"\\x4\""), 1, {WORD("x4")}},
    {WORD("\"\\x\""), 1, {WORD("x")}},
    {WORD("\"\\xg0\\x0g\""), 1, {WORD("xg0x0g")}},
    {WORD("\"\\X41\""), 1, {WORD("X41")}},
    {WORD("'\\n\\x41\\\\ '"), 1, {WORD("\\n\\x41\\\\ ")}},
    {WORD("'\\'a\\''"), 1, {WORD("'a'")}},
    {WORD("\"a\"\0b"), 1, {WORD("a")}},
    {WORD("\"a\nb\""), 1, {WORD("a\nb")}},
};

static const struct word unbalanced[] = {
    WORD("\""),         WORD("'"),        WORD("a \"b"),    WORD("a 'b"),    WORD("\"a\"b"),
    WORD("'a'b"),       WORD("\"\"\"\""), WORD("''''"),     WORD("\"a\\\""), WORD("'a\\'"),
    WORD("\"a\\"),      WORD("'a\\"),     WORD("\"a\0\""),  WORD("'a\0'"),   WORD("\"\\\0\""),
    WORD("\"\\x4\0\""), WORD("foo\"bar"), WORD("\"a\"'b'"), WORD("'a\\\\'"), WORD("ok \"a\"#"),
    WORD("\"\\x"),
};

/* A copy of the exact size, so that a sanitizer sees any access beyond it. */
static uint8_t *copy_new(const struct word *word)
{
    uint8_t *copy = malloc(word->size > 0 ? word->size : 1);

    assert_non_null(copy);
    memcpy(copy, word->data, word->size);
    return copy;
}

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const struct sample *sample = &samples[i];
        uint8_t *line = copy_new(&sample->line);
        struct resp_arg *argv = NULL;
        size_t argc = 99;

        assert_true(resp_split_words(line, sample->line.size, &argv, &argc));
        free(line); /* the words are copies */
        assert_non_null(argv);
        assert_int_equal(argc, sample->argc);
        for (size_t j = 0; j < argc; j++) {
            assert_int_equal(argv[j].size, sample->argv[j].size);
            assert_memory_equal(argv[j].data, sample->argv[j].data, argv[j].size);
            assert_int_equal(argv[j].data[argv[j].size], '\0');
        }
        free(argv);
    }
}

static void test_unbalanced(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof unbalanced / sizeof unbalanced[0]; i++) {
        uint8_t *line = copy_new(&unbalanced[i]);
        struct resp_arg none;
        struct resp_arg *argv = &none;
        size_t argc = 99;

        assert_false(resp_split_words(line, unbalanced[i].size, &argv, &argc));
        assert_null(argv);
        assert_int_equal(argc, 0);
        free(line);
    }
}

static void test_odd_sizes(void **state)
{
    struct resp_arg *argv = NULL;
    size_t argc = 99;

    (void)state;
    assert_true(resp_split_words(NULL, 0, &argv, &argc));
    assert_non_null(argv);
    assert_int_equal(argc, 0);
    free(argv);

    /* More than any memory has. */
    assert_false(resp_split_words((const uint8_t *)"", SIZE_MAX, &argv, &argc));
    assert_null(argv);
}

/* Any words, quoted in any way that keeps them, come back. */
static void test_quoted_words_come_back(void **state)
{
    const char *given = getenv("ANYSTORE_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

    (void)state;
    printf("ANYSTORE_TEST_SEED=%u\n", seed);
    for (int round = 0; round < 5000; round++) {
        uint8_t words[MAX_WORDS][16];
        size_t sizes[MAX_WORDS];
        uint8_t line[MAX_WORDS * (4 * 16 + 4)];
        size_t size = 0;
        const size_t count = (size_t)rand_r(&seed) % (MAX_WORDS + 1);
        struct resp_arg *argv;
        size_t argc;

        for (size_t i = 0; i < count; i++) {
            line[size++] = (uint8_t) " \t\n\v\f\r"[rand_r(&seed) % 6];
            line[size++] = '"';
            sizes[i] = (size_t)rand_r(&seed) % 16;
            for (size_t j = 0; j < sizes[i]; j++) {
                const uint8_t byte = (uint8_t)(rand_r(&seed) >> 4);

                words[i][j] = byte;
                if (byte == '\0' || byte == '"' || byte == '\\' || rand_r(&seed) % 4 == 0) {
                    size += (size_t)snprintf((char *)line + size, 5, "\\x%02x", byte);
                } else {
                    line[size++] = byte;
                }
            }
            line[size++] = '"';
        }
        assert_true(resp_split_words(line, size, &argv, &argc));
        assert_int_equal(argc, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(argv[i].size, sizes[i]);
            assert_memory_equal(argv[i].data, words[i], sizes[i]);
        }
        free(argv);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_unbalanced),
        cmocka_unit_test(test_odd_sizes),
        cmocka_unit_test(test_quoted_words_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
