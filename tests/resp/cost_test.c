/* SPDX-License-Identifier: MIT */
/* Protects the cost of requests and replies, by counting calls into the C library: no allocation
 * per request, none for an announced length, no memory kept after a giant, no byte searched or
 * moved again and again.  Also, with every allocation failing in turn, that lack of memory is
 * reported and survived. */
#include "resp/parser.h"
#include "resp/writer.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The linker sends calls of malloc() and so on here, from the program but not from libraries. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__real_memchr(const void *memory, int byte, size_t size);
void *__real_memmove(void *to, const void *from, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);
void *__wrap_memchr(const void *memory, int byte, size_t size);
void *__wrap_memmove(void *to, const void *from, size_t size);

static size_t allocations;        /* so far */
static size_t held;               /* bytes allocated and not freed */
static size_t searched;           /* bytes given to memchr */
static size_t moved;              /* bytes given to memmove, if no sanitizer has its own */
static size_t failing = SIZE_MAX; /* allocations from this number on fail; the first has number 0 */

static bool refuse(void)
{
    return allocations++ >= failing;
}

static void *account(void *memory)
{
    held += malloc_usable_size(memory);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : account(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : account(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (refuse()) {
        return NULL;
    }
    held -= malloc_usable_size(memory);
    return account(__real_realloc(memory, size));
}

void __wrap_free(void *memory)
{
    held -= malloc_usable_size(memory);
    __real_free(memory);
}

void *__wrap_memchr(const void *memory, int byte, size_t size)
{
    searched += size;
    return __real_memchr(memory, byte, size);
}

void *__wrap_memmove(void *to, const void *from, size_t size)
{
    moved += size;
    return __real_memmove(to, from, size);
}

static const char set_request[] = "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";
static const char inline_request[] = "SET key value\r\n";
static const char quoted_request[] = "SET key \"value\"\r\n";

static enum resp_parse_result parse(struct resp_parser *parser, const void *data, size_t size)
{
    size_t consumed;

    return resp_parse(parser, &resp_limits_default, data, size, &consumed);
}

static void test_no_allocation_per_request(void **state)
{
    struct resp_parser *parser = resp_parser_new();
    size_t before;

    (void)state;
    assert_non_null(parser);
    parse(parser, quoted_request, sizeof quoted_request - 1); /* the room for quoted words */
    before = allocations;
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(parse(parser, set_request, sizeof set_request - 1), RESP_PARSE_REQUEST);
        assert_int_equal(parse(parser, inline_request, sizeof inline_request - 1),
                         RESP_PARSE_REQUEST);
        assert_int_equal(parse(parser, quoted_request, sizeof quoted_request - 1),
                         RESP_PARSE_REQUEST);
        assert_int_equal(parse(parser, set_request, 20), RESP_PARSE_MORE);
        assert_int_equal(parse(parser, set_request, sizeof set_request - 1), RESP_PARSE_REQUEST);
    }
    assert_int_equal(allocations, before);
    resp_parser_free(parser);
}

static void test_nothing_for_an_announcement(void **state)
{
    static const char announced[] = "*2147483647\r\n$536870912\r\n";
    struct resp_parser *parser = resp_parser_new();
    const size_t before = allocations;

    (void)state;
    assert_non_null(parser);
    assert_int_equal(parse(parser, announced, sizeof announced - 1), RESP_PARSE_MORE);
    assert_int_equal(allocations, before);
    resp_parser_free(parser);
}

static void test_giants_leave_nothing(void **state)
{
    const size_t argc = 100000;
    const size_t line_size = 60000;
    const size_t most_kept = 32768;
    struct resp_parser *parser = resp_parser_new();
    char *giant = malloc(9 + 6 * argc);
    char *line = malloc(line_size);
    size_t before;

    (void)state;
    assert_true(parser && giant && line);
    memcpy(giant, "*100000\r\n", 9);
    for (size_t i = 0; i < argc; i++) {
        memcpy(giant + 9 + 6 * i, "$0\r\n\r\n", 6);
    }
    memset(line, ' ', line_size);
    for (size_t i = 0; i + 2 < line_size; i += 2) {
        line[i] = 'x';
    }
    memcpy(line + line_size - 4, "\"\"\r\n", 4);

    before = held;
    assert_int_equal(parse(parser, giant, 9 + 6 * argc), RESP_PARSE_REQUEST);
    assert_true(held - before >= argc * sizeof(struct resp_arg));
    assert_int_equal(parse(parser, set_request, sizeof set_request - 1), RESP_PARSE_REQUEST);
    assert_true(held - before <= most_kept);

    assert_int_equal(parse(parser, line, line_size), RESP_PARSE_REQUEST);
    assert_true(held - before >= line_size);
    assert_int_equal(parse(parser, set_request, sizeof set_request - 1), RESP_PARSE_REQUEST);
    assert_true(held - before <= most_kept);

    /* An idle connection holds no memory for its next request. */
    assert_int_equal(parse(parser, giant, 9 + 6 * argc), RESP_PARSE_REQUEST);
    assert_true(held - before > most_kept);
    resp_parser_reset(parser);
    assert_true(held - before <= most_kept);
    free(giant);
    free(line);
    resp_parser_free(parser);
}

/* A line of any kind arrives byte by byte and does not end, perhaps only because of a NUL byte
 * before its ends: it is searched once for its end and once for the NUL byte. */
static void test_no_byte_is_searched_twice(void **state)
{
    static const struct {
        const char *begin;
        char end;
    } lines[] = {{"PING ", '\n'}, {"*1", '\r'}, {"*1\r\n$1", '\r'}};
    char stream[60000];

    (void)state;
    for (size_t i = 0; i < 2 * sizeof lines / sizeof lines[0]; i++) {
        struct resp_parser *parser = resp_parser_new();
        const size_t before = searched;

        assert_non_null(parser);
        memset(stream, '1', sizeof stream);
        memcpy(stream, lines[i / 2].begin, strlen(lines[i / 2].begin));
        if (i % 2 == 1) {
            memset(stream + sizeof stream / 2, lines[i / 2].end, sizeof stream / 2);
            stream[sizeof stream / 2 - 1] = '\0';
        }
        for (size_t size = 1; size <= sizeof stream; size++) {
            assert_int_equal(parse(parser, stream, size), RESP_PARSE_MORE);
        }
        assert_true(searched - before <= 2 * sizeof stream);
        resp_parser_free(parser);
    }
}

static void test_parser_without_memory(void **state)
{
    char request[5 + 7 * 99];
    char line[400];
    struct resp_parser *parser;

    (void)state;
    memcpy(request, "*99\r\n", 5);
    for (size_t i = 0; i < 99; i++) {
        memcpy(request + 5 + 7 * i, "$1\r\nx\r\n", 7);
    }
    for (size_t i = 0; i < sizeof line; i += 2) {
        memcpy(line + i, "x ", 2);
    }
    memcpy(line + sizeof line - 4, "\"\"\r\n", 4);

    for (size_t n = 0; n < 2; n++) {
        failing = allocations + n;
        parser = resp_parser_new();
        failing = SIZE_MAX;
        assert_null(parser);
    }
    /* The array grows 16, 32, 64, 128; after each failure the request continues from there. */
    for (size_t n = 0; n < 3; n++) {
        parser = resp_parser_new();
        assert_non_null(parser);
        failing = allocations + n;
        assert_int_equal(parse(parser, request, sizeof request), RESP_PARSE_NOMEM);
        assert_int_equal(parse(parser, request, sizeof request), RESP_PARSE_NOMEM);
        assert_int_equal(resp_parser_wanted(parser), 0);
        failing = SIZE_MAX;
        assert_int_equal(parse(parser, request, sizeof request), RESP_PARSE_REQUEST);
        assert_int_equal(resp_parser_argc(parser), 99);
        for (size_t i = 0; i < 99; i++) {
            assert_ptr_equal(resp_parser_argv(parser)[i].data, request + 9 + 7 * i);
        }
        resp_parser_free(parser);
    }
    /* The same for a line, which first needs its room for quoted words. */
    for (size_t n = 0; n < 4; n++) {
        parser = resp_parser_new();
        assert_non_null(parser);
        failing = allocations + n;
        assert_int_equal(parse(parser, line, sizeof line), RESP_PARSE_NOMEM);
        failing = SIZE_MAX;
        assert_int_equal(parse(parser, line, sizeof line), RESP_PARSE_REQUEST);
        assert_int_equal(resp_parser_argc(parser), 199);
        resp_parser_free(parser);
    }
}

static void test_split_without_memory(void **state)
{
    struct resp_arg *argv;
    size_t argc;
    bool split;

    (void)state;
    failing = allocations;
    split = resp_split_words((const uint8_t *)"a b", 3, &argv, &argc);
    failing = SIZE_MAX;
    assert_false(split);
    assert_null(argv);
    assert_int_equal(argc, 0);
}

/* Each kind of reply once. */
static void write_all(struct resp_writer *writer)
{
    const char *text = "a text that a small buffer soon has too little room for";
    size_t mark = resp_write_begin(writer);

    for (int i = 0; i < 10; i++) {
        resp_write_simple(writer, text);
        resp_write_error(writer, text);
        resp_write_errorf(writer, "%s%s%s%s%s%s", text, text, text, text, text, text);
        resp_write_integer(writer, INT64_MIN);
        resp_write_bulk_text(writer, text);
        resp_write_bulkf(writer, "%s%s%s%s%s%s", text, text, text, text, text, text);
        resp_write_bulk_integer(writer, INT64_MIN);
        resp_write_null(writer);
        resp_write_null_array(writer);
        resp_write_array(writer, 0);
        resp_write_map(writer, 0);
        resp_write_set(writer, 0);
        resp_write_push(writer, 0);
        resp_write_double(writer, 0.1);
        resp_write_boolean(writer, true);
        resp_write_big_number(writer, "1");
        resp_write_verbatim(writer, "txt", text, strlen(text));
        resp_write_end(writer, mark, '*', 1);
    }
}

static void test_writer_without_memory(void **state)
{
    struct resp_buffer whole = {0};
    size_t needed;

    (void)state;
    for (int version = 2; version <= 3; version++) {
        needed = allocations;
        write_all(&(struct resp_writer){&whole, version});
        needed = allocations - needed;
        assert_true(needed > 3);
        for (size_t n = 0; n < needed; n++) {
            struct resp_buffer buffer = {0};

            failing = allocations + n;
            write_all(&(struct resp_writer){&buffer, version});
            failing = SIZE_MAX;
            assert_true(buffer.failed);
            assert_true(buffer.end <= buffer.capacity);
            resp_buffer_free(&buffer);
        }
        assert_false(whole.failed);
        resp_buffer_free(&whole);
    }
}

/* Also when the memory cannot be allocated anew, because consumed bytes are in front. */
static void test_buffer_without_memory(void **state)
{
    struct resp_buffer buffer = {0};

    (void)state;
    resp_buffer_append(&buffer, "hello world", 11);
    resp_buffer_consume(&buffer, 6);
    failing = allocations;
    assert_null(resp_buffer_reserve(&buffer, 1000));
    failing = SIZE_MAX;
    assert_true(buffer.failed);
    assert_int_equal(resp_buffer_size(&buffer), 5);
    assert_memory_equal(resp_buffer_bytes(&buffer), "world", 5);
    resp_buffer_free(&buffer);
}

/* Room that a consumed byte leaves costs no allocation. */
static void test_buffer_in_steady_use(void **state)
{
    struct resp_buffer buffer = {0};
    size_t before;

    (void)state;
    resp_buffer_append(&buffer, set_request, sizeof set_request);
    before = allocations;
    for (int i = 0; i < 100000; i++) {
        resp_buffer_append(&buffer, set_request, sizeof set_request);
        resp_buffer_consume(&buffer, sizeof set_request);
    }
    assert_int_equal(allocations, before);
    resp_buffer_free(&buffer);
}

/* A long queue that is consumed in small bites while it is filled at its end is moved only now and
 * then. */
static void test_buffer_moves_little(void **state)
{
    enum { BITE = 10, BITES = 100000 };
    static uint8_t bytes[100000];
    struct resp_buffer buffer = {0};
    const size_t before = moved;

    (void)state;
    resp_buffer_append(&buffer, bytes, sizeof bytes);
    for (int i = 0; i < BITES; i++) {
        resp_buffer_consume(&buffer, BITE);
        resp_buffer_append(&buffer, bytes, BITE);
    }
    assert_true(moved - before <= 2 * BITE * BITES);
    resp_buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_allocation_per_request),
        cmocka_unit_test(test_nothing_for_an_announcement),
        cmocka_unit_test(test_giants_leave_nothing),
        cmocka_unit_test(test_no_byte_is_searched_twice),
        cmocka_unit_test(test_parser_without_memory),
        cmocka_unit_test(test_split_without_memory),
        cmocka_unit_test(test_writer_without_memory),
        cmocka_unit_test(test_buffer_without_memory),
        cmocka_unit_test(test_buffer_in_steady_use),
        cmocka_unit_test(test_buffer_moves_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
