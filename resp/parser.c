/* SPDX-License-Identifier: MIT */
/* Finds requests in the bytes that clients send, in one pass over whatever has arrived. */
#include "resp/parser.h"

#include "resp/split_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What Redis takes from a client that has yet to authenticate. */
#define UNAUTHENTICATED_ARGS ((size_t)10)
#define UNAUTHENTICATED_BULK ((size_t)16384)

/* Arguments there is room for from the start, and most room kept from one request to the next. */
#define FIRST_ARGS ((size_t)16)
#define KEPT_ARGS  ((size_t)1024)

/* Most room kept for the words of quoted inline requests. */
#define KEPT_ROOM ((size_t)1024)

/* The longest line that quick_number takes: a sign, nine digits and CR LF. */
#define QUICK_LINE ((size_t)12)

const struct resp_limits resp_limits_default = {
    .max_bulk = (size_t)512 << 20,
    .max_args = INT32_MAX,
    .max_inline = (size_t)64 << 10,
};

const struct resp_limits resp_limits_unauthenticated = {
    .max_bulk = (size_t)512 << 20,
    .max_args = INT32_MAX,
    .max_inline = (size_t)64 << 10,
    .unauthenticated = true,
};

enum stage {
    STAGE_NEW,    /* at the first byte of a request */
    STAGE_INLINE, /* in an inline request's line */
    STAGE_COUNT,  /* in the line "*count" */
    STAGE_LENGTH, /* in a line "$length" */
    STAGE_BULK,   /* in the bytes of an argument */
    STAGE_ERROR
};

/* Where a request stands between two calls.  Offsets count from its first byte.
 *
 * 1. argc <= capacity, settled <= argc <= expected (but for inline requests).
 * 2. The first `settled` of argv hold offsets where their pointers should be: the bytes may be
 *    somewhere else at the next call.  settled is 0 while there are arguments to be read by the
 *    caller, and in the common case that a request comes in one piece.
 * 3. In STAGE_COUNT and STAGE_LENGTH, and in STAGE_INLINE, where it is 0, `offset` is where the
 *    line that is not whole begins; in STAGE_BULK, where the argument begins.
 * 4. The bytes from `offset` to `scanned` do not hold the line's end.  A later line begins behind
 *    `scanned`, so that nobody has to set it back within a request. */
struct resp_parser {
    struct resp_arg *argv;
    size_t argc;
    size_t capacity;
    size_t expected; /* arguments announced */
    size_t settled;
    size_t offset;
    size_t scanned;
    size_t bulk_size; /* of the argument at offset, in STAGE_BULK */
    size_t wanted;
    enum stage stage;
    bool endless; /* a NUL byte in the line: its end will not be found, see find_line_end */

    uint8_t *room; /* for quoted words of an inline request */
    size_t room_size;

    const char *error;   /* a literal, or error_text */
    char error_text[40]; /* the one that says what it got */
};

struct resp_parser *resp_parser_new(void)
{
    struct resp_parser *parser = calloc(1, sizeof *parser);

    if (!parser) {
        return NULL;
    }
    parser->argv = malloc(FIRST_ARGS * sizeof *parser->argv);
    if (!parser->argv) {
        free(parser);
        return NULL;
    }
    parser->capacity = FIRST_ARGS;
    parser->error = "";
    return parser;
}

void resp_parser_free(struct resp_parser *parser)
{
    if (parser) {
        free(parser->argv);
        free(parser->room);
        free(parser);
    }
}

/* Gives back what a giant request needed; argv holds nothing any more.  Not by realloc, which would
 * leave a small piece in the middle of what was large: with thousands of parsers that tears the
 * heap. */
static void shrink(struct resp_parser *parser)
{
    struct resp_arg *argv;

    if (parser->capacity > KEPT_ARGS) {
        argv = malloc(FIRST_ARGS * sizeof *argv);
        if (argv) {
            free(parser->argv);
            parser->argv = argv;
            parser->capacity = FIRST_ARGS;
        }
    }
    if (parser->room_size > KEPT_ROOM) {
        free(parser->room);
        parser->room = NULL;
        parser->room_size = 0;
    }
}

/* A new request begins.  argv is not touched unless it is huge. */
static inline void begin(struct resp_parser *parser)
{
    parser->argc = 0;
    parser->offset = 0;
    parser->scanned = 0;
    parser->endless = false;
    if (parser->capacity > KEPT_ARGS || parser->room_size > KEPT_ROOM) {
        shrink(parser);
    }
}

void resp_parser_reset(struct resp_parser *parser)
{
    parser->stage = STAGE_NEW;
    parser->argc = 0;
    parser->settled = 0;
    parser->wanted = 0;
    parser->error = "";
    shrink(parser);
}

size_t resp_parser_argc(const struct resp_parser *parser)
{
    return parser->argc;
}

const struct resp_arg *resp_parser_argv(const struct resp_parser *parser)
{
    return parser->argv;
}

const char *resp_parser_error(const struct resp_parser *parser)
{
    return parser->error;
}

size_t resp_parser_wanted(const struct resp_parser *parser)
{
    return parser->wanted;
}

size_t resp_parser_memory(const struct resp_parser *parser)
{
    return sizeof *parser + parser->capacity * sizeof *parser->argv + parser->room_size;
}

static enum resp_parse_result fail(struct resp_parser *parser, const char *text)
{
    parser->stage = STAGE_ERROR;
    parser->error = text;
    return RESP_PARSE_ERROR;
}

/* Doubles the array: by what has arrived, never by what is announced. */
static bool grow_args(struct resp_parser *parser)
{
    const size_t capacity = 2 * parser->capacity;
    struct resp_arg *argv;

    assert(capacity > 0);
    if (capacity > SIZE_MAX / 2 / sizeof *argv) {
        return false;
    }
    argv = realloc(parser->argv, capacity * sizeof *argv);
    if (!argv) {
        return false;
    }
    parser->argv = argv;
    parser->capacity = capacity;
    return true;
}

/* Turns the pointers of the arguments found by this call into offsets, for the next call.  Every
 * argument is turned once here and once in unsettle_args, however many calls a request takes. */
static void settle_args(struct resp_parser *parser, const uint8_t *data)
{
    for (size_t i = parser->settled; i < parser->argc; i++) {
        parser->argv[i].data = (const uint8_t *)(uintptr_t)(parser->argv[i].data - data);
    }
    parser->settled = parser->argc;
}

static void unsettle_args(struct resp_parser *parser, const uint8_t *data)
{
    for (size_t i = 0; i < parser->settled; i++) {
        parser->argv[i].data = data + (uintptr_t)parser->argv[i].data;
    }
    parser->settled = 0;
}

enum line_result { LINE_WHOLE, LINE_PART, LINE_TOO_LONG };

/* Looks for the byte that ends the line that begins at `offset` of the request, and for `behind`
 * more bytes after it.  *length is that of the line without its end.  Remembers how far it looked.
 *
 * A line with a NUL byte in it never ends: Redis searches it as a C string, so such a client
 * waits until it has sent too much, and so it does here. */
static enum line_result find_line_end(struct resp_parser *parser, const struct resp_limits *limits,
                                      const uint8_t *data, size_t size, size_t offset, uint8_t byte,
                                      size_t behind, size_t *length)
{
    const bool too_long = size - offset > limits->max_inline;
    const size_t stop = too_long ? offset + limits->max_inline + 1 : size;
    const size_t from = parser->scanned > offset ? parser->scanned : offset;
    const uint8_t *end = NULL;

    if (!parser->endless && from < stop) {
        end = memchr(data + from, byte, stop - from);
    }
    if (end && memchr(data + offset, '\0', (size_t)(end - data) - offset)) {
        parser->endless = true;
        end = NULL;
    }
    if (!end) {
        parser->scanned = stop;
        return too_long ? LINE_TOO_LONG : LINE_PART;
    }
    *length = (size_t)(end - data) - offset;
    if (size - offset - *length <= behind) {
        parser->scanned = offset + *length;
        return LINE_PART;
    }
    return LINE_WHOLE;
}

/* Reads digits with a minus sign in front or none, no blanks, no leading zeros. */
static bool read_number(const uint8_t *digits, size_t size, int64_t *value)
{
    const bool negative = size > 0 && digits[0] == '-';
    const uint64_t most = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
    uint64_t number = 0;
    size_t i = negative ? 1 : 0;

    if (i == size || (digits[i] == '0' && size > 1)) {
        return false;
    }
    for (; i < size; i++) {
        const unsigned digit = (unsigned)digits[i] - '0';

        if (digit > 9 || number > (most - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

/* Reads the line that begins with a sign at `line`, if it is there as a whole and has what all but
 * odd ones have behind the sign: a number of at most nine digits.  Returns where the next line
 * begins, or NULL: then the line has to be looked at more closely. */
static inline const uint8_t *quick_number(const uint8_t *line, const uint8_t *end, size_t *value)
{
    const uint8_t *stop; /* where CR may no longer be */
    const uint8_t *p;
    unsigned digit;
    size_t number;

    if (end - line < 4) {
        return NULL;
    }
    number = (unsigned)line[1] - '0';
    if (line[2] == '\r' && number <= 9) {
        *value = number;
        return line + 4;
    }
    if (number - 1 > 8) { /* 0 too: it may not lead */
        return NULL;
    }
    stop = (size_t)(end - line) > QUICK_LINE ? line + QUICK_LINE - 1 : end - 1;
    for (p = line + 2; p < stop && (digit = (unsigned)*p - '0') <= 9; p++) {
        number = number * 10 + digit;
    }
    if (p >= stop || *p != '\r') {
        return NULL;
    }
    *value = number;
    return p + 2;
}

/* An inline request: one line, split into words. */
static enum resp_parse_result parse_inline(struct resp_parser *parser,
                                           const struct resp_limits *limits, const uint8_t *data,
                                           size_t size, size_t *consumed)
{
    const uint8_t *at = data;
    enum split_result result;
    struct resp_arg word;
    uint8_t *room;
    size_t length = 0;
    size_t text;

    parser->stage = STAGE_INLINE;
    switch (find_line_end(parser, limits, data, size, 0, '\n', 0, &length)) {
    case LINE_PART:
        return RESP_PARSE_MORE;
    case LINE_TOO_LONG:
        return fail(parser, "Protocol error: too big inline request");
    case LINE_WHOLE:
        break;
    }
    text = length > 0 && data[length - 1] == '\r' ? length - 1 : length;

    if (parser->room_size < text && (memchr(data, '"', text) || memchr(data, '\'', text))) {
        room = realloc(parser->room, text);
        if (!room) {
            return RESP_PARSE_NOMEM;
        }
        parser->room = room;
        parser->room_size = text;
    }
    room = parser->room;
    parser->argc = 0;
    while ((result = split_next(&at, data + text, room, &word)) == SPLIT_WORD) {
        if (parser->argc == parser->capacity && !grow_args(parser)) {
            return RESP_PARSE_NOMEM;
        }
        parser->argv[parser->argc++] = word;
        if (word.data == room) {
            room += word.size;
        }
    }
    if (result == SPLIT_UNBALANCED) {
        return fail(parser, "Protocol error: unbalanced quotes in request");
    }
    parser->stage = STAGE_NEW;
    *consumed = length + 1;
    return parser->argc > 0 ? RESP_PARSE_REQUEST : RESP_PARSE_EMPTY;
}

/* Numbers below this need no closer look than quick_number's: from here on a limit may say no. */
static inline size_t quick_limit(const struct resp_limits *limits, size_t limit,
                                 size_t unauthenticated_limit)
{
    if (limits->max_inline < QUICK_LINE) {
        return 0;
    }
    return limits->unauthenticated && unauthenticated_limit < limit ? unauthenticated_limit : limit;
}

/* Reads any line "*count" at the begin of the request.  On RESP_PARSE_REQUEST *count arguments
 * follow at *next. */
static enum resp_parse_result read_count(struct resp_parser *parser,
                                         const struct resp_limits *limits, const uint8_t *data,
                                         size_t size, const uint8_t **next, size_t *count)
{
    size_t length = 0;
    int64_t number;

    switch (find_line_end(parser, limits, data, size, 0, '\r', 1, &length)) {
    case LINE_PART:
        return RESP_PARSE_MORE;
    case LINE_TOO_LONG:
        return fail(parser, "Protocol error: too big mbulk count string");
    case LINE_WHOLE:
        break;
    }
    *next = data + length + 2;
    if (!read_number(data + 1, length - 1, &number) ||
        (number > 0 && (uint64_t)number > limits->max_args)) {
        return fail(parser, "Protocol error: invalid multibulk length");
    }
    if (number <= 0) {
        return RESP_PARSE_EMPTY;
    }
    if (limits->unauthenticated && (uint64_t)number > UNAUTHENTICATED_ARGS) {
        return fail(parser, "Protocol error: unauthenticated multibulk length");
    }
    *count = (size_t)number;
    return RESP_PARSE_REQUEST;
}

static enum resp_parse_result fail_expected(struct resp_parser *parser, uint8_t got)
{
    static const char text[] = "Protocol error: expected '$', got '";
    size_t size = sizeof text - 1;

    static_assert(sizeof text + 2 <= sizeof parser->error_text, "the text has its room");
    memcpy(parser->error_text, text, size);
    if (got == '\r' || got == '\n') {
        got = ' '; /* as everywhere in an error reply */
    }
    parser->error_text[size++] = (char)got;
    parser->error_text[size++] = '\'';
    parser->error_text[size] = '\0';
    return fail(parser, parser->error_text);
}

/* Reads any line "$length" at `offset` of the request.  On RESP_PARSE_REQUEST an argument of
 * *bulk_size bytes follows at *next. */
static enum resp_parse_result read_length(struct resp_parser *parser,
                                          const struct resp_limits *limits, const uint8_t *data,
                                          size_t size, size_t offset, const uint8_t **next,
                                          size_t *bulk_size)
{
    const uint8_t *line = data + offset;
    size_t length = 0;
    int64_t number;

    switch (find_line_end(parser, limits, data, size, offset, '\r', 1, &length)) {
    case LINE_PART:
        parser->stage = STAGE_LENGTH;
        return RESP_PARSE_MORE;
    case LINE_TOO_LONG:
        return fail(parser, "Protocol error: too big bulk count string");
    case LINE_WHOLE:
        break;
    }
    if (*line != '$') {
        return fail_expected(parser, *line);
    }
    if (!read_number(line + 1, length - 1, &number) || number < 0 ||
        (uint64_t)number > limits->max_bulk) {
        return fail(parser, "Protocol error: invalid bulk length");
    }
    if (limits->unauthenticated && (uint64_t)number > UNAUTHENTICATED_BULK) {
        return fail(parser, "Protocol error: unauthenticated bulk length");
    }
    *next = line + length + 2;
    *bulk_size = (size_t)number;
    return RESP_PARSE_REQUEST;
}

/* Leaves a request that has not arrived as a whole for a later call. */
static void suspend(struct resp_parser *parser, const uint8_t *data, const uint8_t *at, size_t argc)
{
    parser->offset = (size_t)(at - data);
    parser->argc = argc;
    settle_args(parser, data);
}

/* Goes through the arguments from where the request stands.  What the quick look does not take
 * (beyond the limits, malformed, not whole) goes to read_length, which knows all answers. */
static enum resp_parse_result parse_args(struct resp_parser *parser,
                                         const struct resp_limits *limits, const uint8_t *data,
                                         size_t size, size_t *consumed)
{
    const size_t quick_bulk = quick_limit(limits, limits->max_bulk, UNAUTHENTICATED_BULK);
    const size_t expected = parser->expected;
    const uint8_t *end = data + size;
    const uint8_t *at = data + parser->offset;
    const uint8_t *bulk;
    size_t argc = parser->argc;
    size_t bulk_size = parser->bulk_size;
    bool in_bulk = parser->stage == STAGE_BULK;
    enum resp_parse_result result;

    while (argc < expected) {
        if (in_bulk) {
            in_bulk = false;
            bulk = at;
        } else {
            bulk = at < end && *at == '$' ? quick_number(at, end, &bulk_size) : NULL;
            if (!bulk || bulk_size >= quick_bulk) {
                result =
                    read_length(parser, limits, data, size, (size_t)(at - data), &bulk, &bulk_size);
                if (result != RESP_PARSE_REQUEST) {
                    suspend(parser, data, at, argc);
                    return result;
                }
            }
        }
        if ((size_t)(end - bulk) < bulk_size + 2) {
            parser->stage = STAGE_BULK;
            parser->bulk_size = bulk_size;
            parser->wanted = bulk_size + 2 - (size_t)(end - bulk);
            suspend(parser, data, bulk, argc);
            return RESP_PARSE_MORE;
        }
        if (argc == parser->capacity && !grow_args(parser)) {
            parser->stage = STAGE_BULK;
            parser->bulk_size = bulk_size;
            suspend(parser, data, bulk, argc);
            return RESP_PARSE_NOMEM;
        }
        parser->argv[argc++] = (struct resp_arg){bulk, bulk_size};
        at = bulk + bulk_size + 2; /* whatever the two bytes are, as Redis does */
    }
    unsettle_args(parser, data);
    parser->argc = argc;
    parser->stage = STAGE_NEW;
    *consumed = (size_t)(at - data);
    return RESP_PARSE_REQUEST;
}

enum resp_parse_result resp_parse(struct resp_parser *parser, const struct resp_limits *limits,
                                  const uint8_t *data, size_t size, size_t *consumed)
{
    const uint8_t *next;
    size_t count;
    enum resp_parse_result result;

    *consumed = 0;
    parser->wanted = 0;
    if (parser->stage == STAGE_ERROR) {
        return RESP_PARSE_ERROR;
    }
    if (size == 0) {
        return RESP_PARSE_MORE;
    }
    if (parser->stage == STAGE_NEW) {
        begin(parser);
        parser->stage = *data == '*' ? STAGE_COUNT : STAGE_INLINE;
    }
    if (parser->stage == STAGE_INLINE) {
        return parse_inline(parser, limits, data, size, consumed);
    }
    if (parser->stage == STAGE_COUNT) {
        next = quick_number(data, data + size, &count);
        if (!next || count == 0 ||
            count >= quick_limit(limits, limits->max_args, UNAUTHENTICATED_ARGS)) {
            result = read_count(parser, limits, data, size, &next, &count);
            if (result == RESP_PARSE_EMPTY) {
                parser->stage = STAGE_NEW;
                *consumed = (size_t)(next - data);
            }
            if (result != RESP_PARSE_REQUEST) {
                return result;
            }
        }
        parser->expected = count;
        parser->offset = (size_t)(next - data);
        parser->stage = STAGE_LENGTH;
    }
    return parse_args(parser, limits, data, size, consumed);
}
