/* SPDX-License-Identifier: MIT */
/* Protects quoting: the forms that Redis writes, that both ways to write agree, that every text is
 * read back as it was, and that a text without quotes stays on its line. */
#include "text/quote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "resp/buffer.h"
#include "resp/parser.h"

typedef void write_text(FILE *out, const void *bytes, size_t size);

/* The text that a function writes; the caller frees. */
static char *written(write_text *write, const void *bytes, size_t size, size_t *written_size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, written_size);
    assert_non_null(out);
    write(out, bytes, size);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void assert_written(write_text *write, const void *bytes, size_t size, const char *expected)
{
    size_t written_size = 0;
    char *text = written(write, bytes, size, &written_size);
    assert_string_equal(text, expected);
    assert_int_equal(written_size, strlen(expected));
    free(text);
}

static void test_forms(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *quoted, *line;
    } cases[] = {
        {"", 0, "\"\"", ""},
        {"plain text ~", 12, "\"plain text ~\"", "plain text ~"},
        {"\n\r\t\a\b", 5, "\"\\n\\r\\t\\a\\b\"", "\\x0a\\x0d\\x09\\x07\\x08"},
        {"a\"b\\c'd", 7, "\"a\\\"b\\\\c'd\"", "a\"b\\c'd"},
        {"\0\x1f\x7f", 3, "\"\\x00\\x1f\\x7f\"", "\\x00\\x1f\\x7f"},
        {"\xc3\xa9\xff", 3, "\"\\xc3\\xa9\\xff\"", "\xc3\xa9\xff"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_written(quote_to_file, cases[i].bytes, cases[i].size, cases[i].quoted);
        assert_written(quote_controls_to_file, cases[i].bytes, cases[i].size, cases[i].line);
    }
    assert_written(quote_to_file, NULL, 0, "\"\"");
    assert_written(quote_controls_to_file, NULL, 0, "");
}

/* Both ways to write agree, and resp_split_words reads one word of the same bytes. */
static void check_read_back(const uint8_t *bytes, size_t size)
{
    size_t written_size = 0, argc = 0;
    char *text = written(quote_to_file, bytes, size, &written_size);
    struct resp_buffer buffer = {0};
    struct resp_arg *argv = NULL;
    quote_to_buffer(&buffer, bytes, size);
    assert_false(buffer.failed);
    assert_int_equal(resp_buffer_size(&buffer), written_size);
    assert_memory_equal(resp_buffer_bytes(&buffer), text, written_size);
    assert_true(resp_split_words((const uint8_t *)text, written_size, &argv, &argc));
    assert_int_equal(argc, 1);
    assert_int_equal(argv[0].size, size);
    assert_memory_equal(argv[0].data, bytes, size);
    free(argv);
    resp_buffer_free(&buffer);
    free(text);
}

static void test_read_back(void **state)
{
    (void)state;
    uint8_t bytes[3 * 256];
    for (unsigned i = 0; i < 256; i++) {
        bytes[0] = bytes[2] = 'x';
        bytes[1] = (uint8_t)i;
        check_read_back(bytes, 3);
        check_read_back(bytes + 1, 1);
    }
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    check_read_back(bytes, sizeof bytes);
}

static void test_one_line(void **state)
{
    (void)state;
    uint8_t bytes[256];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    size_t size = 0;
    char *text = written(quote_controls_to_file, bytes, sizeof bytes, &size);
    for (size_t i = 0; i < size; i++)
        assert_true((uint8_t)text[i] >= ' ' && text[i] != 0x7f);
    assert_int_equal(size, sizeof bytes + 33 * 3); /* 33 control characters, four bytes each */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
