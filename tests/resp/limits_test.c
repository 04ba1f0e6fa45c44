/* SPDX-License-Identifier: MIT */
/* Protects the limits: streams just below, at and above each of them, in any pieces; that an
 * announced length alone is never believed, and that the largest allowed request works. */
#include "resp/buffer.h"
#include "resp/parser.h"

#include "tests/resp/transcript.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Pieces of 256 bytes, with which even a long line does not take too long. */
static const uint8_t piece_256[] = {UINT8_MAX};

/* One piece, pieces of 256 bytes and, if the stream is short, of one byte. */
static void check(const struct resp_limits *limits, const void *stream, size_t size,
                  const char *expected)
{
    const struct transcript_cuts cuts[] = {{NULL, 0}, {piece_256, 1}, transcript_bytewise};
    const size_t ways = size <= 4096 ? 3 : 2;

    for (size_t i = 0; i < ways; i++) {
        char *text = transcript_new(limits, stream, size, &cuts[i]);

        assert_string_equal(text, expected);
        free(text);
    }
}

static void check_text(const struct resp_limits *limits, const char *stream, const char *expected)
{
    check(limits, stream, strlen(stream), expected);
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(resp_limits_default.max_bulk, 536870912);
    assert_int_equal(resp_limits_default.max_args, 2147483647);
    assert_int_equal(resp_limits_default.max_inline, 65536);
    assert_false(resp_limits_default.unauthenticated);
    assert_int_equal(resp_limits_unauthenticated.max_bulk, 536870912);
    assert_int_equal(resp_limits_unauthenticated.max_args, 2147483647);
    assert_int_equal(resp_limits_unauthenticated.max_inline, 65536);
    assert_true(resp_limits_unauthenticated.unauthenticated);
}

static void test_argument_count(void **state)
{
    struct resp_limits limits = resp_limits_default;

    (void)state;
    check_text(&limits, "*1048577\r\n", "+10");
    check_text(&limits, "*2147483646\r\n", "+13");
    check_text(&limits, "*2147483647\r\n", "+13");
    check_text(&limits, "*2147483648\r\n", "!Protocol error: invalid multibulk length");
    limits.max_args = 3;
    check_text(&limits, "*2\r\n$1\r\na\r\n$1\r\nb\r\n", "[a|b]");
    check_text(&limits, "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", "[a|b|c]");
    check_text(&limits, "*4\r\n", "!Protocol error: invalid multibulk length");
    check_text(&limits, "*-4\r\n*0\r\n", "()()");
    check_text(&limits, "a b c d\n", "[a|b|c|d]"); /* a line is its own limit */
    limits.max_args = SIZE_MAX;
    check_text(&limits, "*9223372036854775807\r\n", "+22");
    check_text(&limits, "*9223372036854775808\r\n", "!Protocol error: invalid multibulk length");
}

static void test_argument_size(void **state)
{
    struct resp_limits limits = resp_limits_default;

    (void)state;
    check_text(&limits, "*1\r\n$536870911\r\n", "+16");
    check_text(&limits, "*1\r\n$536870912\r\n", "+16");
    check_text(&limits, "*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length");
    limits.max_bulk = 3;
    check_text(&limits, "*1\r\n$2\r\nab\r\n", "[ab]");
    check_text(&limits, "*1\r\n$3\r\nabc\r\n", "[abc]");
    check_text(&limits, "*1\r\n$4\r\n", "!Protocol error: invalid bulk length");
    check_text(&limits, "abcd\n", "[abcd]");
    limits.max_bulk = 0;
    check_text(&limits, "*1\r\n$0\r\n\r\n", "[]");
    check_text(&limits, "*1\r\n$1\r\n", "!Protocol error: invalid bulk length");
    limits.max_bulk = SIZE_MAX;
    check_text(&limits, "*1\r\n$9223372036854775807\r\nabc", "+29");
    check_text(&limits, "*1\r\n$9223372036854775808\r\n", "!Protocol error: invalid bulk length");
}

/* A line of `size` bytes: `begin`, then many of `filler`. */
static char *line_new(const char *begin, char filler, size_t size, const char *end)
{
    char *line = malloc(size + strlen(end) + 1);

    assert_non_null(line);
    memset(line, filler, size);
    memcpy(line, begin, strlen(begin));
    memcpy(line + size, end, strlen(end) + 1);
    return line;
}

/* The outcome of a line of `size` bytes with and without its end. */
static void check_line(const struct resp_limits *limits, const char *before, const char *begin,
                       char filler, size_t size, const char *ended, const char *open)
{
    const size_t before_size = strlen(before);
    char *line = line_new(begin, filler, size, "\r\n\n");
    char *stream = malloc(before_size + size + 2);

    assert_non_null(stream);
    memcpy(stream, before, before_size);
    memcpy(stream + before_size, line, size + 2);
    if (ended) {
        check(limits, stream, before_size + size + 2, ended);
    }
    check(limits, stream, before_size + size, open);
    free(line);
    free(stream);
}

static void test_line_size(void **state)
{
    static const char big_inline[] = "!Protocol error: too big inline request";
    static const char big_count[] = "!Protocol error: too big mbulk count string";
    static const char big_length[] = "!Protocol error: too big bulk count string";
    static const char bad_count[] = "!Protocol error: invalid multibulk length";
    static const char bad_length[] = "!Protocol error: invalid bulk length";
    struct resp_limits limits = resp_limits_default;

    (void)state;
    /* The line is counted up to the byte that ends it: CR, and LF if inline. */
    check_line(&limits, "", "*1", '1', 65535, bad_count, "+65535");
    check_line(&limits, "", "*1", '1', 65536, bad_count, "+65536");
    check_line(&limits, "", "*1", '1', 65537, big_count, big_count);
    check_line(&limits, "", "*1", '1', 100000, big_count, big_count);
    check_line(&limits, "*1\r\n", "$1", '1', 65535, bad_length, "+65539");
    check_line(&limits, "*1\r\n", "$1", '1', 65536, bad_length, "+65540");
    check_line(&limits, "*1\r\n", "$1", '1', 65537, big_length, big_length);
    check_line(&limits, "*1\r\n", "x1", '1', 65536, "!Protocol error: expected '$', got 'x'",
               "+65540");
    check_line(&limits, "*1\r\n", "x1", '1', 65537, big_length, big_length);
    check_line(&limits, "", " ", ' ', 65534, "()", "+65534");
    check_line(&limits, "", " ", ' ', 65535, "()", "+65535");
    check_line(&limits, "", " ", ' ', 65536, big_inline, "+65536");
    check_line(&limits, "", " ", ' ', 65537, big_inline, big_inline);
    check_line(&limits, "PING\r\n", " ", ' ', 65537,
               "[PING]!Protocol error: too big inline request",
               "[PING]!Protocol error: too big inline request");

    /* Small limits, each of which the fast path through a line must notice. */
    for (size_t most = 0; most <= 16; most++) {
        limits.max_inline = most;
        for (size_t size = 2; size <= 18; size++) {
            char expected[64];
            char *line = line_new("$", '1', size, "\r\n");
            char stream[64];

            /* 1 to 17 digits: 1111111111 is too large for a length, 11111111111 for a count. */
            snprintf(stream, sizeof stream, "*1\r\n%s", line);
            if (most < 2) {
                check_text(&limits, stream, big_count);
            } else if (size > most) {
                check_text(&limits, stream, big_length);
            } else if (size > 10) {
                check_text(&limits, stream, bad_length);
            } else {
                snprintf(expected, sizeof expected, "+%zu", strlen(stream));
                check_text(&limits, stream, expected);
            }
            line[0] = '*';
            if (size > most) {
                check_text(&limits, line, big_count);
            } else if (size > 11) {
                check_text(&limits, line, bad_count);
            } else {
                snprintf(expected, sizeof expected, "+%zu", strlen(line));
                check_text(&limits, line, expected);
            }
            free(line);
        }
    }
    limits.max_inline = 0;
    check_text(&limits, "\n", "()");
    check_text(&limits, "\r\n", big_inline);
    check_text(&limits, "a\n", big_inline);
    limits.max_inline = SIZE_MAX;
    check_line(&limits, "", " ", ' ', 70000, "()", "+70000");
}

/* The limit finds a hidden end of line; see the parser. */
static void test_line_with_nul_byte(void **state)
{
    struct resp_limits limits = resp_limits_default;

    (void)state;
    limits.max_inline = 20;
    check(&limits, "\0aaaaaaaaa\naaaaaaa\r\n", 20, "+20");
    check(&limits, "\0aaaaaaaaa\naaaaaaa\r\na", 21, "!Protocol error: too big inline request");
    check(&limits, "*\0aaaaaaaaa\raaaaaa\r\n", 20, "+20");
    check(&limits, "*\0aaaaaaaaa\raaaaaa\r\na", 21, "!Protocol error: too big mbulk count string");
    check(&limits, "*1\r\n\0aaaaaaaaa\raaaaaaa\r\n", 24, "+24");
    check(&limits, "*1\r\n\0aaaaaaaaa\raaaaaaa\r\na", 25,
          "!Protocol error: too big bulk count string");
}

static void test_unauthenticated(void **state)
{
    struct resp_limits limits = resp_limits_unauthenticated;
    char *value = line_new("*1\r\n$16384\r\n", 'x', 12 + 16384, "\r\n");
    char *expected = line_new("[", 'x', 1 + 16384, "]");

    (void)state;
    check_text(&limits, "*9\r\n", "+4");
    check_text(&limits, "*10\r\n", "+5");
    check_text(&limits, "*11\r\n", "!Protocol error: unauthenticated multibulk length");
    check_text(&limits, "*2147483647\r\n", "!Protocol error: unauthenticated multibulk length");
    check_text(&limits, "*2147483648\r\n", "!Protocol error: invalid multibulk length");
    check_text(&limits, "*1\r\n$16383\r\n", "+12");
    check_text(&limits, "*1\r\n$16384\r\n", "+12");
    check_text(&limits, "*1\r\n$16385\r\n", "!Protocol error: unauthenticated bulk length");
    check_text(&limits, "*1\r\n$536870912\r\n", "!Protocol error: unauthenticated bulk length");
    check_text(&limits, "*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length");
    check_text(&limits, "1 2 3 4 5 6 7 8 9 10 11\n", "[1|2|3|4|5|6|7|8|9|10|11]");
    check(&limits, value, 12 + 16384 + 2, expected);
    limits.max_bulk = 4; /* the smaller limit has its own text */
    limits.max_args = 2;
    check_text(&limits, "*2\r\n$4\r\nAUTH\r\n$4\r\npass\r\n", "[AUTH|pass]");
    check_text(&limits, "*3\r\n", "!Protocol error: invalid multibulk length");
    check_text(&limits, "*1\r\n$5\r\n", "!Protocol error: invalid bulk length");
    free(value);
    free(expected);
}

/* AUTH in a pipeline: the rest has the limits of the call that meets it. */
static void test_limits_may_change(void **state)
{
    static const char stream[] = "*2\r\n$4\r\nAUTH\r\n$4\r\npass\r\n*1\r\n$20000\r\n";
    const uint8_t *bytes = (const uint8_t *)stream;
    const size_t size = sizeof stream - 1;
    struct resp_parser *parser = resp_parser_new();
    size_t consumed;
    size_t taken;

    (void)state;
    assert_non_null(parser);
    assert_int_equal(resp_parse(parser, &resp_limits_unauthenticated, bytes, size, &taken),
                     RESP_PARSE_REQUEST);
    assert_int_equal(
        resp_parse(parser, &resp_limits_default, bytes + taken, size - taken, &consumed),
        RESP_PARSE_MORE);
    assert_int_equal(resp_parser_wanted(parser), 20002);
    /* Bytes that have passed once are not checked again. */
    assert_int_equal(
        resp_parse(parser, &resp_limits_unauthenticated, bytes + taken, size - taken, &consumed),
        RESP_PARSE_MORE);
    resp_parser_free(parser);
}

/* More arguments than Redis up to 6.2 took, through a buffer as a connection has it. */
static void test_many_arguments(void **state)
{
    const size_t most = 1048577;
    const size_t stream_size = 10 + 7 * most;
    char *stream = malloc(stream_size);
    struct resp_parser *parser = resp_parser_new();
    struct resp_buffer buffer = {0};
    size_t consumed = 0;
    size_t sent = 0;

    (void)state;
    assert_true(stream && parser);
    memcpy(stream, "*1048577\r\n", 10);
    for (size_t i = 0; i < most; i++) {
        const char argument[] = {'$', '1', '\r', '\n', (char)('a' + i % 26), '\r', '\n'};

        memcpy(stream + 10 + 7 * i, argument, 7);
    }
    for (int pass = 0; pass < 2; pass++) {
        const size_t piece = pass == 0 ? 16384 - 1 : stream_size;
        enum resp_parse_result result = RESP_PARSE_MORE;

        for (sent = 0; sent < stream_size && result == RESP_PARSE_MORE;) {
            const size_t size = piece < stream_size - sent ? piece : stream_size - sent;

            resp_buffer_append(&buffer, stream + sent, size);
            sent += size;
            result = resp_parse(parser, &resp_limits_default, resp_buffer_bytes(&buffer),
                                resp_buffer_size(&buffer), &consumed);
        }
        assert_int_equal(result, RESP_PARSE_REQUEST);
        assert_int_equal(sent, stream_size);
        assert_int_equal(consumed, stream_size);
        assert_int_equal(resp_parser_argc(parser), most);
        for (size_t i = 0; i < most; i++) {
            const struct resp_arg *arg = &resp_parser_argv(parser)[i];

            if (arg->size != 1 || arg->data != resp_buffer_bytes(&buffer) + 14 + 7 * i) {
                fail_msg("argument %zu is not where it should be", i);
            }
        }
        resp_buffer_consume(&buffer, consumed);
    }
    resp_buffer_free(&buffer);
    resp_parser_free(parser);
    free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),           cmocka_unit_test(test_argument_count),
        cmocka_unit_test(test_argument_size),      cmocka_unit_test(test_line_size),
        cmocka_unit_test(test_line_with_nul_byte), cmocka_unit_test(test_unauthenticated),
        cmocka_unit_test(test_limits_may_change),  cmocka_unit_test(test_many_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
