/* SPDX-License-Identifier: MIT */
/* Any bytes, in one piece, byte by byte and in pieces of the fuzzer's choice: the parser must find
 * the same requests and the same error, and resp_split_words the words of the inline ones.
 *
 * An input is
 *
 *   1 byte    bit 0: small limits, so that short streams reach them; bit 1: unauthenticated
 *   1 byte    the low 4 bits: n
 *   n bytes   the sizes of the pieces, less one, used in turn; n = 0: byte by byte
 *   the rest  the client's input */
#include "tests/fuzz/fuzz.h"

#include "resp/parser.h"

#include "tests/resp/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* transcript_new is quadratic. */
#define MAX_STREAM ((size_t)16384)

static const struct resp_limits small_limits = {
    .max_bulk = 20,
    .max_args = 5,
    .max_inline = 24,
};

static void expect_same(const struct resp_limits *limits, const uint8_t *stream, size_t size,
                        const struct transcript_cuts *cuts, const char *whole)
{
    char *text = transcript_new(limits, stream, size, cuts);

    if (strcmp(text, whole) != 0) {
        fprintf(stderr, "in one piece: %s\nin %zu kinds of pieces: %s\n", whole, cuts->count, text);
        abort();
    }
    free(text);
}

/* The stream's first line, if it ends: both ways to split it must agree. */
static void expect_same_words(const uint8_t *stream, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(stream, '\n', size) : NULL;
    const size_t length = end ? (size_t)(end - stream) : size;
    struct resp_parser *parser;
    enum resp_parse_result result;
    struct resp_arg *words;
    size_t count;
    size_t consumed;
    bool split;

    split = resp_split_words(stream, length, &words, &count);
    if (!end || stream[0] == '*' || memchr(stream, '\0', length)) {
        free(words);
        return;
    }
    parser = resp_parser_new();
    if (!parser) {
        abort();
    }
    result = resp_parse(parser, &resp_limits_default, stream, length + 1, &consumed);
    if (!split) {
        if (result != RESP_PARSE_ERROR) {
            abort();
        }
    } else if (count == 0) {
        if (result != RESP_PARSE_EMPTY) {
            abort();
        }
    } else {
        const struct resp_arg *argv = resp_parser_argv(parser);

        if (result != RESP_PARSE_REQUEST || consumed != length + 1 ||
            resp_parser_argc(parser) != count) {
            abort();
        }
        for (size_t i = 0; i < count; i++) {
            if (argv[i].size != words[i].size ||
                memcmp(argv[i].data, words[i].data, words[i].size) != 0 ||
                words[i].data[words[i].size] != '\0') {
                abort();
            }
        }
    }
    free(words);
    resp_parser_free(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resp_limits limits;
    struct transcript_cuts cuts;
    char *whole;

    if (size < 2 || size < 2 + (size_t)(data[1] & 15) || size > MAX_STREAM) {
        return -1;
    }
    limits = data[0] & 1 ? small_limits : resp_limits_default;
    limits.unauthenticated = (data[0] & 2) != 0;
    cuts = (struct transcript_cuts){data + 2, data[1] & 15};
    data += 2 + cuts.count;
    size -= 2 + cuts.count;

    whole = transcript_new(&limits, data, size, NULL);
    expect_same(&limits, data, size, cuts.count > 0 ? &cuts : &transcript_bytewise, whole);
    free(whole);
    expect_same_words(data, size);
    return 0;
}
