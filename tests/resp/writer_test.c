/* SPDX-License-Identifier: MIT */
/* Protects the bytes of every type of reply in RESP2 and RESP3, as redis-server 7.0.15 sends
 * them. */
#include "resp/writer.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A writer with a buffer of its own; writers[0] is RESP2, writers[1] RESP3. */
struct fixture {
    struct resp_buffer buffers[2];
    struct resp_writer writers[2];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    if (!fixture) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        fixture->writers[i] = (struct resp_writer){&fixture->buffers[i], 2 + i};
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    resp_buffer_free(&fixture->buffers[0]);
    resp_buffer_free(&fixture->buffers[1]);
    free(fixture);
    return 0;
}

/* Exactly this was written; empties the buffer. */
static void expect_bytes(struct resp_writer *writer, const void *bytes, size_t size)
{
    assert_false(writer->out->failed);
    assert_int_equal(resp_buffer_size(writer->out), size);
    if (size > 0) {
        assert_memory_equal(resp_buffer_bytes(writer->out), bytes, size);
    }
    resp_buffer_consume(writer->out, size);
}

static void expect(struct resp_writer *writer, const char *reply)
{
    resp_buffer_append(writer->out, "", 1); /* for a text that a failure can show */
    assert_string_equal((const char *)resp_buffer_bytes(writer->out), reply);
    assert_int_equal(resp_buffer_size(writer->out), strlen(reply) + 1);
    assert_false(writer->out->failed);
    resp_buffer_consume(writer->out, strlen(reply) + 1);
}

/* RUN(resp_write_x(w, ...), RESP2, RESP3) */
#define RUN(call, resp2, resp3)                                                                    \
    do {                                                                                           \
        struct resp_writer *w = &((struct fixture *)*state)->writers[0];                           \
        call;                                                                                      \
        expect(w, resp2);                                                                          \
        w++;                                                                                       \
        call;                                                                                      \
        expect(w, resp3);                                                                          \
    } while (0)

#define RUN_SAME(call, reply) RUN(call, reply, reply)

static void test_simple(void **state)
{
    RUN_SAME(resp_write_simple(w, "OK"), "+OK\r\n");
    RUN_SAME(resp_write_simple(w, ""), "+\r\n");
}

static void test_error(void **state)
{
    char long_text[1000];
    char long_reply[1000 + 3];

    RUN_SAME(resp_write_error(w, "ERR syntax error"), "-ERR syntax error\r\n");
    RUN_SAME(resp_write_error(w, "ERR a\r\nb\nc\r"), "-ERR a  b c\r\n");
    RUN_SAME(resp_write_error(w, "ERR a\r\n\r\n"), "-ERR a\r\n");
    RUN_SAME(resp_write_error(w, "\r\n"), "-\r\n");
    RUN_SAME(resp_write_errorf(w, "ERR unknown command '%s'", "x"), "-ERR unknown command 'x'\r\n");
    RUN_SAME(resp_write_errorf(w, "ERR '%.*s' %d", 4, "a\r\nbc", 7), "-ERR 'a  b' 7\r\n");
    RUN_SAME(resp_write_errorf(w, "ERR %s", "\n+OK\r\n+OK\r\n"), "-ERR  +OK  +OK\r\n");
    RUN_SAME(resp_write_errorf(w, "%s", ""), "-\r\n");

    /* Around the size that is tried first. */
    for (size_t size = 250; size < sizeof long_text; size = size < 262 ? size + 1 : size + 100) {
        memset(long_text, 'x', size);
        long_text[size] = '\0';
        snprintf(long_reply, sizeof long_reply, "-%s\r\n", long_text);
        RUN_SAME(resp_write_errorf(w, "%s", long_text), long_reply);
        RUN_SAME(resp_write_error(w, long_text), long_reply);
        long_text[size - 1] = '\n';
        snprintf(long_reply, sizeof long_reply, "-%.*s\r\n", (int)size - 1, long_text);
        RUN_SAME(resp_write_errorf(w, "%s", long_text), long_reply);
        long_text[size - 1] = 'x';
        long_text[0] = '\n';
        snprintf(long_reply, sizeof long_reply, "- %s\r\n", long_text + 1);
        RUN_SAME(resp_write_errorf(w, "%s", long_text), long_reply);
    }
}

static void test_integer(void **state)
{
    static const int64_t values[] = {
        0, -1, 9, 10, -10, 99, 100, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    char digits[32];
    char reply[64];

    for (size_t i = 0; i < COUNT(values); i++) {
        snprintf(reply, sizeof reply, ":%" PRId64 "\r\n", values[i]);
        RUN_SAME(resp_write_integer(w, values[i]), reply);
    }
    /* Each power of ten and of two, one less and one more, with both signs, in each form. */
    for (int power = 0; power < 19 + 63; power++) {
        int64_t base = 1;

        for (int i = 0; i < (power < 19 ? power : power - 19); i++) {
            base *= power < 19 ? 10 : 2;
        }
        for (int64_t value = base - 1; value <= base + 1; value++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                const int length = snprintf(digits, sizeof digits, "%" PRId64, sign * value);

                snprintf(reply, sizeof reply, ":%s\r\n", digits);
                RUN_SAME(resp_write_integer(w, sign * value), reply);
                snprintf(reply, sizeof reply, "$%d\r\n%s\r\n", length, digits);
                RUN_SAME(resp_write_bulk_integer(w, sign * value), reply);
            }
            snprintf(reply, sizeof reply, "*%" PRId64 "\r\n", value);
            RUN_SAME(resp_write_array(w, (size_t)value), reply);
        }
    }
    RUN_SAME(resp_write_array(w, SIZE_MAX), "*18446744073709551615\r\n");
}

static void test_bulk(void **state)
{
    static const char binary[] = "$6\r\na\0\r\n\xff"
                                 "b\r\n";
    static uint8_t large[1 << 20];
    struct fixture *fixture = *state;
    char text[600];
    char reply[640];

    RUN_SAME(resp_write_bulk(w, "hello", 5), "$5\r\nhello\r\n");
    RUN_SAME(resp_write_bulk(w, "", 0), "$0\r\n\r\n");
    RUN_SAME(resp_write_bulk(w, NULL, 0), "$0\r\n\r\n");
    RUN_SAME(resp_write_bulk_text(w, "0123456789"), "$10\r\n0123456789\r\n");
    RUN_SAME(resp_write_bulk_text(w, ""), "$0\r\n\r\n");
    RUN_SAME(resp_write_bulkf(w, "%s:%d", "a\r\n", 12), "$6\r\na\r\n:12\r\n");
    RUN_SAME(resp_write_bulkf(w, "%s", ""), "$0\r\n\r\n");
    resp_write_bulk(&fixture->writers[0],
                    "a\0\r\n\xff"
                    "b",
                    6);
    expect_bytes(&fixture->writers[0], binary, sizeof binary - 1);

    for (size_t size = 250; size < sizeof text; size = size < 262 ? size + 1 : size + 100) {
        memset(text, 'x', size);
        text[size] = '\0';
        snprintf(reply, sizeof reply, "$%zu\r\n%s\r\n", size, text);
        RUN_SAME(resp_write_bulkf(w, "%s", text), reply);
        RUN_SAME(resp_write_bulk_text(w, text), reply);
    }

    resp_write_bulk(&fixture->writers[1], large, sizeof large);
    assert_int_equal(resp_buffer_size(&fixture->buffers[1]), 10 + sizeof large + 2);
    assert_memory_equal(resp_buffer_bytes(&fixture->buffers[1]), "$1048576\r\n", 10);
    assert_memory_equal(resp_buffer_bytes(&fixture->buffers[1]) + 10, large, sizeof large);
    assert_memory_equal(resp_buffer_bytes(&fixture->buffers[1]) + 10 + sizeof large, "\r\n", 2);
}

static void test_null(void **state)
{
    RUN(resp_write_null(w), "$-1\r\n", "_\r\n");
    RUN(resp_write_null_array(w), "*-1\r\n", "_\r\n");
}

static void test_aggregates(void **state)
{
    RUN(resp_write_array(w, 0), "*0\r\n", "*0\r\n");
    RUN(resp_write_array(w, 12), "*12\r\n", "*12\r\n");
    RUN(resp_write_map(w, 0), "*0\r\n", "%0\r\n");
    RUN(resp_write_map(w, 3), "*6\r\n", "%3\r\n");
    RUN(resp_write_map(w, 5), "*10\r\n", "%5\r\n");
    RUN(resp_write_set(w, 2), "*2\r\n", "~2\r\n");
    RUN(resp_write_push(w, 3), "*3\r\n", ">3\r\n");
}

static void test_boolean(void **state)
{
    RUN(resp_write_boolean(w, true), ":1\r\n", "#t\r\n");
    RUN(resp_write_boolean(w, false), ":0\r\n", "#f\r\n");
}

/* DEBUG PROTOCOL's examples. */
static void test_big_number_and_verbatim(void **state)
{
    struct fixture *fixture = *state;

    RUN(resp_write_big_number(w, "1234567999999999999999999999999999999"),
        "$37\r\n1234567999999999999999999999999999999\r\n",
        "(1234567999999999999999999999999999999\r\n");
    RUN(resp_write_verbatim(w, "txt", "This is a verbatim\nstring", 25),
        "$25\r\nThis is a verbatim\nstring\r\n", "=29\r\ntxt:This is a verbatim\nstring\r\n");
    RUN(resp_write_verbatim(w, "mkd", "", 0), "$0\r\n\r\n", "=4\r\nmkd:\r\n");
    resp_write_verbatim(&fixture->writers[1], "txt", "a\0b", 3);
    expect_bytes(&fixture->writers[1], "=7\r\ntxt:a\0b\r\n", 14 - 1);
}

/* Each value as redis-server 7.0.15 answered "ZADD key INCR value member" for it. */
static void test_double(void **state)
{
    static const struct {
        double value;
        const char *text;
    } samples[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1, "-1"},
        {7, "7"},
        {10, "10"},
        {99, "99"},
        {100, "100"},
        {123456789, "123456789"},
        {0.1, "0.10000000000000001"},
        {-0.1, "-0.10000000000000001"},
        {0.2, "0.20000000000000001"},
        {0.3, "0.29999999999999999"},
        {0.5, "0.5"},
        {0.7, "0.69999999999999996"},
        {1.5, "1.5"},
        {2.5, "2.5"},
        {-2.75, "-2.75"},
        {100.001, "100.001"},
        {3.14159265358979, "3.14159265358979"},
        {0.333333333333333333, "0.33333333333333331"},
        {1e-5, "1.0000000000000001e-05"},
        {0.0001, "0.0001"},
        {0.00012345, "0.00012344999999999999"},
        {1e-7, "9.9999999999999995e-08"},
        {1e5, "100000"},
        {1e6, "1000000"},
        {999999999999999, "999999999999999"},
        {999999999999999.9, "999999999999999.88"},
        {1e15, "1000000000000000"},
        {-1e15, "-1000000000000000"},
        {1000000000000000.1, "1000000000000000.1"},
        {1000000000000001, "1000000000000001"},
        {4503599627370497.5, "4503599627370498"},
        {9007199254740991, "9007199254740991"},
        {9007199254740992, "9007199254740992"},
        {1e16, "10000000000000000"},
        {12345678901234568.0, "12345678901234568"},
        {1e17, "1e+17"},
        {123456789012345678.0, "1.2345678901234568e+17"},
        {1e18, "1e+18"},
        {1e20, "1e+20"},
        {1e21, "1e+21"},
        {1e22, "1e+22"},
        {1e100, "1e+100"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {5e-324, "4.9406564584124654e-324"},
        {-2.2250738585072014e-308, "-2.2250738585072014e-308"},
        {(double)INFINITY, "inf"},
        {-(double)INFINITY, "-inf"},
        {(double)NAN, "nan"},
        {-(double)NAN, "nan"},
    };
    char replies[2][64];

    for (size_t i = 0; i < COUNT(samples); i++) {
        snprintf(replies[0], sizeof replies[0], "$%zu\r\n%s\r\n", strlen(samples[i].text),
                 samples[i].text);
        snprintf(replies[1], sizeof replies[1], ",%s\r\n", samples[i].text);
        RUN(resp_write_double(w, samples[i].value), replies[0], replies[1]);
    }
}

/* Numbers of any size read back as themselves and look like printf's. */
static void test_random_doubles(void **state)
{
    const char *given = getenv("ANYSTORE_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    char reply[64];

    printf("ANYSTORE_TEST_SEED=%u\n", seed);
    for (int i = 0; i < 100000; i++) {
        struct fixture *fixture = *state;
        uint64_t bits =
            (uint64_t)rand_r(&seed) << 62 ^ (uint64_t)rand_r(&seed) << 31 ^ (uint64_t)rand_r(&seed);
        double value;

        if (i % 2 == 0) {
            memcpy(&value, &bits, sizeof value);
        } else { /* near the whole numbers, where the fast path ends */
            value = (double)(int64_t)bits / pow(2, rand_r(&seed) % 64);
            value = i % 4 == 1 ? floor(value) : value;
        }
        if (!isfinite(value)) {
            continue;
        }
        snprintf(reply, sizeof reply, ",%.17g\r\n", value);
        resp_write_double(&fixture->writers[1], value);
        expect(&fixture->writers[1], reply);
    }
}

static void test_deferred_header(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 2; i++) {
        struct resp_writer *w = &fixture->writers[i];
        size_t mark;

        resp_write_simple(w, "before");
        mark = resp_write_begin(w);
        resp_write_integer(w, 1);
        resp_write_bulk_text(w, "two");
        resp_write_end(w, mark, '*', 2);
        resp_write_simple(w, "behind");
        expect(w, "+before\r\n*2\r\n:1\r\n$3\r\ntwo\r\n+behind\r\n");

        mark = resp_write_begin(w);
        resp_write_end(w, mark, '%', 0);
        expect(w, i == 0 ? "*0\r\n" : "%0\r\n");
        mark = resp_write_begin(w);
        resp_write_end(w, mark, '%', 6);
        expect(w, i == 0 ? "*12\r\n" : "%6\r\n");
        mark = resp_write_begin(w);
        resp_write_end(w, mark, '~', 123);
        expect(w, i == 0 ? "*123\r\n" : "~123\r\n");
        mark = resp_write_begin(w);
        resp_write_end(w, mark, '>', 10);
        expect(w, i == 0 ? "*10\r\n" : ">10\r\n");
    }
}

static void test_nested_deferred_headers(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 2; i++) {
        struct resp_writer *w = &fixture->writers[i];
        size_t outer;
        size_t inner;

        resp_write_simple(w, "sent already");
        resp_buffer_consume(w->out, 15);
        resp_write_null(w);
        resp_buffer_consume(w->out, 1);
        outer = resp_write_begin(w);
        resp_write_integer(w, 1);
        inner = resp_write_begin(w);
        resp_write_end(w, inner, '~', 0);
        inner = resp_write_begin(w);
        for (int n = 0; n < 11; n++) {
            resp_write_integer(w, n);
        }
        resp_write_end(w, inner, '*', 11);
        resp_write_end(w, outer, '*', 3);
        expect(w, i == 0
                      ? "-1\r\n*3\r\n:1\r\n*0\r\n*11\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n"
                        ":7\r\n:8\r\n:9\r\n:10\r\n"
                      : "\r\n*3\r\n:1\r\n~0\r\n*11\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n"
                        ":7\r\n:8\r\n:9\r\n:10\r\n");
    }
}

/* More than any memory has is not written, and the buffer notes it. */
static void test_too_large(void **state)
{
    struct fixture *fixture = *state;
    volatile size_t size = SIZE_MAX; /* the compiler would complain, and rightly */

    resp_write_bulk(&fixture->writers[0], "", size);
    assert_true(fixture->buffers[0].failed);
    resp_write_verbatim(&fixture->writers[1], "txt", "", size);
    assert_true(fixture->buffers[1].failed);
    assert_int_equal(resp_buffer_size(&fixture->buffers[1]), 0);
}

/* The same array, deferred at 60 levels, and with its length known in advance. */
static void test_deep_nesting(void **state)
{
    enum { LEVELS = 60 };
    struct fixture *fixture = *state;
    struct resp_writer *deferred = &fixture->writers[0];
    struct resp_writer *told = &fixture->writers[1];
    size_t marks[LEVELS];

    for (int i = 0; i < LEVELS; i++) {
        marks[i] = resp_write_begin(deferred);
        resp_write_array(told, i < LEVELS - 1 ? 2 : 1);
        resp_write_bulk_text(deferred, "an element of some length");
        resp_write_bulk_text(told, "an element of some length");
    }
    for (int i = LEVELS - 1; i >= 0; i--) {
        resp_write_end(deferred, marks[i], '*', i < LEVELS - 1 ? 2 : 1);
    }
    expect_bytes(deferred, resp_buffer_bytes(told->out), resp_buffer_size(told->out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_simple, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_integer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bulk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_null, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_aggregates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_boolean, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_big_number_and_verbatim, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_double, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random_doubles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deferred_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nested_deferred_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deep_nesting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_large, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
