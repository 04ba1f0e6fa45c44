/* SPDX-License-Identifier: MIT */
/* Protects what the parser makes of a client's bytes, whole or in any pieces: requests, empty
 * requests, each error text of Redis 7.0, pipelines, and the state kept between calls. */
#include "resp/parser.h"

#include "tests/resp/transcript.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define CUTS_PER_STREAM 200

struct sample {
    const char *bytes;
    size_t size;
    const char *expected;
};

#define SAMPLE(bytes, expected)                                                                    \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, expected                                                         \
    }

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The outcome of the same bytes at redis-server 7.0.15. */
static const struct sample samples[] = {
    /* Multibulk. */
    SAMPLE("", ""),
    SAMPLE("*1\r\n$4\r\nPING\r\n", "[PING]"),
    SAMPLE("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", "[GET|key]"),
    SAMPLE("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\0\r\nb\r\n", "[SET||a\\x00\\x0d\\x0ab]"),
    SAMPLE("*1\r\n$12\r\nabcdefghijkl\r\n", "[abcdefghijkl]"),
    SAMPLE("*1\r\n$4\r\n\xff\xfe*$\r\n", "[\\xff\\xfe*$]"),
    SAMPLE("*12\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n"
           "$1\r\n8\r\n$1\r\n9\r\n$2\r\n10\r\n$2\r\n11\r\n$2\r\n12\r\n",
           "[1|2|3|4|5|6|7|8|9|10|11|12]"),
    SAMPLE(
        "*18\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n"
        "$1\r\n8\r\n$1\r\n9\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n"
        "$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n",
        "[1|2|3|4|5|6|7|8|9|a|b|c|d|e|f|g|h|i]"),

    /* Pipelines, also of both kinds. */
    SAMPLE("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n", "[PING][QUIT]"),
    SAMPLE("PING\r\n*1\r\n$4\r\nPING\r\nECHO a\n\r\n*0\r\nQUIT\n",
           "[PING][PING][ECHO|a]()()[QUIT]"),

    /* Nothing to run. */
    SAMPLE("*0\r\n", "()"),
    SAMPLE("*-1\r\n", "()"),
    SAMPLE("*-10\r\n", "()"),
    SAMPLE("*-9223372036854775808\r\n", "()"),
    SAMPLE("\r\n", "()"),
    SAMPLE("\n", "()"),
    SAMPLE("  \t\v\f \r\n", "()"),

    /* Not whole yet. */
    SAMPLE("*", "+1"),
    SAMPLE("*3", "+2"),
    SAMPLE("*3\r", "+3"),
    SAMPLE("*x\r", "+3"),
    SAMPLE("*3\r\n", "+4"),
    SAMPLE("*3\r\nfooz", "+8"),
    SAMPLE("*3\r\nfooz\r", "+9"),
    SAMPLE("*1\r\n$4\r\nPING", "+12"),
    SAMPLE("*1\r\n$4\r\nPING\r", "+13"),
    SAMPLE("*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI", "[PING]+10"),
    SAMPLE("PING\r", "+5"),
    SAMPLE("PING", "+4"),

    /* Neither the byte behind CR nor the two behind an argument are checked. */
    SAMPLE("*1\rX$4\rYPINGab", "[PING]"),
    SAMPLE("*1\r$4\r\nPING\r\n", "!Protocol error: expected '$', got '4'"),

    /* A NUL byte hides the end of its line. */
    SAMPLE("\0PING\r\nPING\r\n", "+13"),
    SAMPLE("ECHO a\0b\n", "+9"),
    SAMPLE("*\0"
           "1\r\n$4\r\nPING\r\n",
           "+15"),
    SAMPLE("*1\r\n$\0"
           "4\r\nPING\r\n",
           "+15"),
    SAMPLE("*1\r\n\0\r\nPING\r\n", "+13"),
    SAMPLE("*1\r\n$3\r\na\0b\r\n\0", "[a\\x00b]+1"),

    /* Counts and lengths. */
    SAMPLE("*\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*-\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*-0\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*+1\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*01\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*00\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("* 1\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*1 \r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*1\n\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*0x1\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*1e1\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*3000000000\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*9223372036854775807\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*9223372036854775808\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*-9223372036854775809\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*18446744073709551616\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*18446744073709551617\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*100000000000000000000000000001\r\n", "!Protocol error: invalid multibulk length"),
    SAMPLE("*1\r\n$\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*1\r\n$-1\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*1\r\n$-0\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*1\r\n$+4\r\nPING\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*1\r\n$04\r\nPING\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*1\r\n$4 \r\nPING\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*1\r\n$blabla\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*1\r\n$2000000000\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*1\r\n$9223372036854775807\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*1\r\n$18446744073709551620\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$-10\r\n", "!Protocol error: invalid bulk length"),
    SAMPLE("PING\r\n*1\r\n$-1\r\nPING\r\n", "[PING]!Protocol error: invalid bulk length"),

    /* Other things in the place of a length. */
    SAMPLE("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "!Protocol error: expected '$', got 'f'"),
    SAMPLE("*1\r\nfoo\r\n", "!Protocol error: expected '$', got 'f'"),
    SAMPLE("*1\r\n*1\r\n", "!Protocol error: expected '$', got '*'"),
    SAMPLE("*1\r\n\r\n", "!Protocol error: expected '$', got ' '"),
    SAMPLE("*1\r\n\nx\r\n", "!Protocol error: expected '$', got ' '"),
    SAMPLE("*1\r\n\xff\r\n", "!Protocol error: expected '$', got '\\xff'"),
    SAMPLE("*1\r\n$5\r\nPING\r\n*1\r\n$4\r\nPING\r\n", "[PING\\x0d][1][$4][PING]"),

    /* Inline requests. */
    SAMPLE("PING\n", "[PING]"),
    SAMPLE(" \t SET  key\tvalue \r\n", "[SET|key|value]"),
    SAMPLE("PING\r\r\n", "[PING]"),
    SAMPLE("a\rb\n", "[a|b]"),
    SAMPLE("ECHO a\vb\n", "[ECHO|a\\x0bb]"),
    SAMPLE("ECHO \va\n", "[ECHO|a]"),
    SAMPLE("$4\r\n", "[$4]"),
    SAMPLE("\xff\xfe x\n", "[\\xff\\xfe|x]"),
    SAMPLE("SET k \"a b\\x41\\n\\\"\" 'c\\'d\\n'\r\n", "[SET|k|a bA\\x0a\"|c'd\\x5cn]"),
    SAMPLE("ECHO \"\" ''\n", "[ECHO||]"),
    SAMPLE("ECHO foo\"bar\" foo'bar'\n", "[ECHO|foobar|foobar]"),
    SAMPLE("ECHO \"\\x00\\xff\"\n", "[ECHO|\\x00\\xff]"),
    SAMPLE("set \"\"\"test-key\"\"\" test-value\r\nping\r\n",
           "!Protocol error: unbalanced quotes in request"),
    SAMPLE("ECHO \"a\n", "!Protocol error: unbalanced quotes in request"),
    SAMPLE("ECHO 'a\n", "!Protocol error: unbalanced quotes in request"),
    SAMPLE("ECHO 'a'b\n", "!Protocol error: unbalanced quotes in request"),
    SAMPLE("ECHO \"a\\\n", "!Protocol error: unbalanced quotes in request"),
    SAMPLE("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "[GET|/|HTTP/1.1][Host:|a]()"),
};

static unsigned seed;

static unsigned random_below(unsigned bound)
{
    return (unsigned)rand_r(&seed) % bound;
}

/* Cuts into mostly small pieces. */
static struct transcript_cuts random_cuts(uint8_t sizes[static 64])
{
    struct transcript_cuts cuts = {sizes, 1 + random_below(64)};
    const unsigned largest = 1 + random_below(24);

    for (size_t i = 0; i < cuts.count; i++) {
        sizes[i] = (uint8_t)random_below(largest);
    }
    return cuts;
}

static void check(const struct resp_limits *limits, const char *bytes, size_t size,
                  const struct transcript_cuts *cuts, const char *expected)
{
    char *text = transcript_new(limits, bytes, size, cuts);

    assert_string_equal(text, expected);
    free(text);
}

static void test_in_one_piece(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        check(&resp_limits_default, samples[i].bytes, samples[i].size, NULL, samples[i].expected);
    }
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        check(&resp_limits_default, samples[i].bytes, samples[i].size, &transcript_bytewise,
              samples[i].expected);
    }
}

/* Cuts at every place once. */
static void test_in_two_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        for (size_t cut = 1; cut < samples[i].size; cut++) {
            const uint8_t sizes[] = {(uint8_t)(cut - 1), UINT8_MAX};
            const struct transcript_cuts cuts = {sizes, 2};

            check(&resp_limits_default, samples[i].bytes, samples[i].size, &cuts,
                  samples[i].expected);
        }
    }
}

static void test_in_random_pieces(void **state)
{
    uint8_t sizes[64];

    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        for (int n = 0; n < CUTS_PER_STREAM; n++) {
            const struct transcript_cuts cuts = random_cuts(sizes);

            check(&resp_limits_default, samples[i].bytes, samples[i].size, &cuts,
                  samples[i].expected);
        }
    }
}

/* Streams put together at random from samples and from bytes with a meaning: the pieces must not
 * matter. */
static void test_random_streams(void **state)
{
    static const char alphabet[] = "*$\r\n\r\n\r\n0123456789-ab\"'\\x \0\t";
    uint8_t sizes[64];
    char stream[4096];

    (void)state;
    for (int n = 0; n < 3000; n++) {
        size_t size = 0;
        char *whole;

        for (unsigned parts = 1 + random_below(8); parts > 0; parts--) {
            const struct sample *sample = &samples[random_below(COUNT(samples))];

            memcpy(stream + size, sample->bytes, sample->size);
            size += sample->size;
            if (random_below(4) == 0) {
                stream[size++] = alphabet[random_below(sizeof alphabet - 1)];
            }
        }
        for (unsigned changes = random_below(4); changes > 0 && size > 0; changes--) {
            stream[random_below((unsigned)size)] = alphabet[random_below(sizeof alphabet - 1)];
        }
        whole = transcript_new(&resp_limits_default, stream, size, NULL);
        check(&resp_limits_default, stream, size, &transcript_bytewise, whole);
        for (int m = 0; m < 5; m++) {
            const struct transcript_cuts cuts = random_cuts(sizes);

            check(&resp_limits_default, stream, size, &cuts, whole);
        }
        free(whole);
    }
}

/* Requests of random binary arguments come out as they went in. */
static void test_random_requests(void **state)
{
    uint8_t sizes[64];

    (void)state;
    for (int n = 0; n < 300; n++) {
        char *stream = NULL;
        char *expected = NULL;
        size_t size;
        size_t expected_size;
        FILE *out = open_memstream(&stream, &size);
        FILE *text = open_memstream(&expected, &expected_size);

        assert_true(out && text);
        for (unsigned requests = random_below(6); requests > 0; requests--) {
            const unsigned argc = 1 + random_below(random_below(8) == 0 ? 40 : 5);

            fprintf(out, "*%u\r\n", argc);
            fputc('[', text);
            for (unsigned i = 0; i < argc; i++) {
                const unsigned length = random_below(random_below(4) == 0 ? 300 : 20);

                fprintf(out, "$%u\r\n", length);
                fputs(i > 0 ? "|" : "", text);
                for (unsigned j = 0; j < length; j++) {
                    const unsigned byte = random_below(128) + (random_below(2) ? 128 : 0);

                    fputc((int)byte, out);
                    if (byte >= ' ' && byte <= '~' && !strchr("\\[]|()!+", (int)byte)) {
                        fputc((int)byte, text);
                    } else {
                        fprintf(text, "\\x%02x", byte);
                    }
                }
                fputs("\r\n", out);
            }
            fputc(']', text);
        }
        fclose(out);
        fclose(text);
        check(&resp_limits_default, stream, size, NULL, expected);
        for (int m = 0; m < 3; m++) {
            const struct transcript_cuts cuts = random_cuts(sizes);

            check(&resp_limits_default, stream, size, &cuts, expected);
        }
        free(stream);
        free(expected);
    }
}

/* The bytes may move between two calls, as those of a growing buffer do. */
static void test_arguments_follow_their_bytes(void **state)
{
    static const char request[] = "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n";
    const size_t size = sizeof request - 1;
    struct resp_parser *parser = resp_parser_new();
    uint8_t *first = malloc(size);
    uint8_t *second = malloc(size);
    const struct resp_arg *argv;
    size_t consumed;

    (void)state;
    assert_true(parser && first && second);
    memcpy(first, request, size - 8);
    assert_int_equal(resp_parse(parser, &resp_limits_default, first, size - 8, &consumed),
                     RESP_PARSE_MORE);
    memset(first, 'x', size);
    memcpy(second, request, size);
    assert_int_equal(resp_parse(parser, &resp_limits_default, second, size, &consumed),
                     RESP_PARSE_REQUEST);
    assert_int_equal(consumed, size);
    assert_int_equal(resp_parser_argc(parser), 3);
    argv = resp_parser_argv(parser);
    assert_ptr_equal(argv[0].data, second + 8);
    assert_ptr_equal(argv[1].data, second + 15);
    assert_ptr_equal(argv[2].data, second + 22);
    free(first);
    free(second);
    resp_parser_free(parser);
}

static void test_wanted(void **state)
{
    struct resp_parser *parser = resp_parser_new();
    const uint8_t *begin = (const uint8_t *)"*2\r\n$3\r\nGET\r\n$100000\r\nabc";
    size_t consumed;

    (void)state;
    assert_non_null(parser);
    resp_parse(parser, &resp_limits_default, begin, 2, &consumed);
    assert_int_equal(resp_parser_wanted(parser), 0);
    resp_parse(parser, &resp_limits_default, begin, 8, &consumed);
    assert_int_equal(resp_parser_wanted(parser), 5);
    resp_parse(parser, &resp_limits_default, begin, 16, &consumed);
    assert_int_equal(resp_parser_wanted(parser), 0);
    resp_parse(parser, &resp_limits_default, begin, 25, &consumed);
    assert_int_equal(resp_parser_wanted(parser), 100002 - 3);
    /* No room is made for an announced length beyond the limits. */
    resp_parser_reset(parser);
    begin = (const uint8_t *)"*1\r\n$536870913\r\n";
    assert_int_equal(resp_parse(parser, &resp_limits_default, begin, 16, &consumed),
                     RESP_PARSE_ERROR);
    assert_int_equal(resp_parser_wanted(parser), 0);
    resp_parser_free(parser);
}

/* After a reset, in the middle of anything, the next byte is a request's first. */
static void test_reset(void **state)
{
    struct resp_parser *parser = resp_parser_new();
    const uint8_t *ping = (const uint8_t *)"*1\r\n$4\r\nPING\r\n";
    const uint8_t *inlined = (const uint8_t *)"PING\r\n";
    size_t consumed;

    (void)state;
    assert_non_null(parser);
    assert_string_equal(resp_parser_error(parser), "");
    for (size_t i = 0; i < COUNT(samples); i++) {
        resp_parse(parser, &resp_limits_default, (const uint8_t *)samples[i].bytes, samples[i].size,
                   &consumed);
        resp_parser_reset(parser);
        assert_string_equal(resp_parser_error(parser), "");
        assert_int_equal(resp_parser_wanted(parser), 0);
        assert_int_equal(resp_parse(parser, &resp_limits_default, ping, 14, &consumed),
                         RESP_PARSE_REQUEST);
        assert_int_equal(consumed, 14);
        assert_int_equal(resp_parser_argc(parser), 1);
        assert_memory_equal(resp_parser_argv(parser)[0].data, "PING", 4);

        resp_parse(parser, &resp_limits_default, (const uint8_t *)samples[i].bytes, samples[i].size,
                   &consumed);
        resp_parser_reset(parser);
        assert_int_equal(resp_parse(parser, &resp_limits_default, inlined, 6, &consumed),
                         RESP_PARSE_REQUEST);
        assert_int_equal(consumed, 6);
    }
    resp_parser_free(parser);
}

/* No bytes: nothing happens, even with a null pointer and in the middle of a request. */
static void test_no_bytes(void **state)
{
    struct resp_parser *parser = resp_parser_new();
    const uint8_t *ping = (const uint8_t *)"*1\r\n$4\r\nPING\r\n";
    size_t consumed = 1;

    (void)state;
    assert_non_null(parser);
    assert_int_equal(resp_parse(parser, &resp_limits_default, NULL, 0, &consumed), RESP_PARSE_MORE);
    assert_int_equal(consumed, 0);
    for (size_t size = 1; size < 14; size++) {
        assert_int_equal(resp_parse(parser, &resp_limits_default, ping, size, &consumed),
                         RESP_PARSE_MORE);
        assert_int_equal(resp_parse(parser, &resp_limits_default, ping, size, &consumed),
                         RESP_PARSE_MORE); /* nor if nothing is new */
    }
    assert_int_equal(resp_parse(parser, &resp_limits_default, ping, 14, &consumed),
                     RESP_PARSE_REQUEST);
    resp_parser_free(parser);
    resp_parser_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_one_piece),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_in_two_pieces),
        cmocka_unit_test(test_in_random_pieces),
        cmocka_unit_test(test_random_streams),
        cmocka_unit_test(test_random_requests),
        cmocka_unit_test(test_arguments_follow_their_bytes),
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_no_bytes),
    };
    const char *given = getenv("ANYSTORE_TEST_SEED");

    seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("ANYSTORE_TEST_SEED=%u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
