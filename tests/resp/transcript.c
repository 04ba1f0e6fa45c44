/* SPDX-License-Identifier: MIT */
/* Feeds streams to the parser and writes down the outcome. */
#include "tests/resp/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t one_byte[] = {0};

const struct transcript_cuts transcript_bytewise = {one_byte, 1};

/* A require() that no build leaves out. */
#define require(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct text {
    char *data;
    size_t size;
    size_t capacity;
};

static void put(struct text *text, const char *data, size_t size)
{
    if (text->capacity - text->size <= size) {
        text->capacity = 2 * (text->size + size + 1);
        text->data = realloc(text->data, text->capacity);
    }
    require(text->data);
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

static void put_escaped(struct text *text, const uint8_t *data, size_t size)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        if (data[i] >= ' ' && data[i] <= '~' && !strchr("\\[]|()!+", data[i])) {
            put(text, (const char *)&data[i], 1);
        } else {
            const char escaped[4] = {'\\', 'x', hex[data[i] >> 4], hex[data[i] & 15]};

            put(text, escaped, sizeof escaped);
        }
    }
}

static void put_request(struct text *text, const struct resp_parser *parser, const uint8_t *data,
                        size_t consumed)
{
    const struct resp_arg *argv = resp_parser_argv(parser);
    const size_t argc = resp_parser_argc(parser);
    const uint8_t *behind = data;

    require(argc > 0);
    put(text, "[", 1);
    for (size_t i = 0; i < argc; i++) {
        if (data[0] == '*') {
            require(argv[i].data >= behind + 4);
            behind = argv[i].data + argv[i].size + 2;
            require(behind <= data + consumed);
        }
        put(text, "|", i > 0);
        put_escaped(text, argv[i].data, argv[i].size);
    }
    if (data[0] == '*') {
        require(behind == data + consumed);
    }
    put(text, "]", 1);
}

/* Consumes what it can of the `size` bytes at `data`, and returns how many. */
static size_t feed(struct text *text, struct resp_parser *parser, const struct resp_limits *limits,
                   const uint8_t *data, size_t size, bool *failed)
{
    size_t taken = 0;
    size_t consumed = 0;

    for (;;) {
        const uint8_t *at = data + taken;
        enum resp_parse_result result = resp_parse(parser, limits, at, size - taken, &consumed);

        require(consumed <= size - taken);
        switch (result) {
        case RESP_PARSE_REQUEST:
            require(consumed > 0);
            put_request(text, parser, at, consumed);
            break;
        case RESP_PARSE_EMPTY:
            require(consumed > 0);
            put(text, "()", 2);
            break;
        case RESP_PARSE_ERROR:
            require(consumed == 0);
            put(text, "!", 1);
            put_escaped(text, (const uint8_t *)resp_parser_error(parser),
                        strlen(resp_parser_error(parser)));
            *failed = true;
            require(resp_parse(parser, limits, at, size - taken, &consumed) == RESP_PARSE_ERROR);
            return taken;
        case RESP_PARSE_MORE:
            require(consumed == 0);
            require(resp_parser_wanted(parser) < 2 ||
                    resp_parser_wanted(parser) - 2 <= limits->max_bulk);
            return taken;
        case RESP_PARSE_NOMEM:
        default:
            abort();
        }
        taken += consumed;
    }
}

char *transcript_new(const struct resp_limits *limits, const void *stream, size_t size,
                     const struct transcript_cuts *cuts)
{
    const uint8_t *bytes = stream;
    struct resp_parser *parser = resp_parser_new();
    struct text text = {0};
    size_t begin = 0; /* of the current request */
    size_t end = 0;   /* of the bytes that have arrived */
    size_t piece = 0;
    size_t wanted = 0;
    bool failed = false;

    require(parser);
    while (end < size && !failed) {
        size_t arrived =
            cuts && cuts->count > 0 ? cuts->sizes[piece++ % cuts->count] + (size_t)1 : size;
        uint8_t *copy;
        size_t taken;

        if (arrived > size - end) {
            arrived = size - end;
        }
        end += arrived;
        copy = malloc(end - begin);
        require(copy);
        memcpy(copy, bytes + begin, end - begin);
        taken = feed(&text, parser, limits, copy, end - begin, &failed);
        /* An argument that lacked more than has come now still lacks just the rest. */
        require(failed || wanted <= arrived || resp_parser_wanted(parser) == wanted - arrived);
        wanted = resp_parser_wanted(parser);
        begin += taken;
        free(copy);
    }
    if (!failed && begin < size) {
        char left[32];
        int length = snprintf(left, sizeof left, "+%zu", size - begin);

        put(&text, left, (size_t)length);
    }
    put(&text, "", 1);
    resp_parser_free(parser);
    return text.data;
}
