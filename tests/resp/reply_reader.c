/* SPDX-License-Identifier: MIT */
/* Reads replies by recursive descent, after the specification of RESP. */
#include "tests/resp/reply_reader.h"

#include <stdbool.h>
#include <string.h>

enum { DEEPEST = 16 };

struct reader {
    const uint8_t *at, *end;
    int version;
};

/* The text up to CR LF; neither may appear in it alone. */
static bool read_line(struct reader *reader, const uint8_t **text, size_t *size)
{
    *text = reader->at;
    while (reader->at < reader->end && *reader->at != '\r' && *reader->at != '\n')
        reader->at++;
    *size = (size_t)(reader->at - *text);
    if (reader->end - reader->at < 2 || reader->at[0] != '\r' || reader->at[1] != '\n')
        return false;
    reader->at += 2;
    return true;
}

static bool all_digits(const uint8_t *text, size_t size)
{
    size_t i = size > 0 && (text[0] == '-' || text[0] == '+');
    if (i == size)
        return false;
    for (; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
    }
    return true;
}

/* -1 is "nothing", -2 no length. */
static long read_length(struct reader *reader)
{
    const uint8_t *text;
    size_t size;
    long length = 0;
    if (!read_line(reader, &text, &size) || size == 0 || size > 10)
        return -2;
    if (size == 2 && memcmp(text, "-1", 2) == 0)
        return -1;
    if (text[0] == '-' || text[0] == '+' || !all_digits(text, size))
        return -2;
    for (size_t i = 0; i < size; i++)
        length = 10 * length + (text[i] - '0');
    return length;
}

static bool read_bytes(struct reader *reader, long length)
{
    if (length < 0 || reader->end - reader->at < length + 2)
        return false;
    reader->at += length;
    bool ends = reader->at[0] == '\r' && reader->at[1] == '\n';
    reader->at += 2;
    return ends;
}

static bool is_double(const uint8_t *text, size_t size)
{
    static const char *const words[] = {"inf", "-inf", "nan"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (size == strlen(words[i]) && memcmp(text, words[i], size) == 0)
            return true;
    }
    for (size_t i = 0; i < size; i++) {
        if (!memchr("0123456789+-.eE", text[i], 15))
            return false;
    }
    return size > 0;
}

static bool read_simple(struct reader *reader, uint8_t type)
{
    const uint8_t *text;
    size_t size;
    if (!read_line(reader, &text, &size))
        return false;
    switch (type) {
    case '+':
    case '-':
        return true;
    case ':':
    case '(':
        return all_digits(text, size);
    case '_':
        return size == 0;
    case '#':
        return size == 1 && (text[0] == 't' || text[0] == 'f');
    default: /* ',' */
        return is_double(text, size);
    }
}

static bool read_reply(struct reader *reader, unsigned depth);

static bool read_items(struct reader *reader, uint8_t type, unsigned depth)
{
    long count = read_length(reader);
    if (count == -1)
        return type == '*' && reader->version != 3; /* the null array */
    if (count < 0)
        return false;
    if (type == '%' || type == '|')
        count *= 2;
    while (count-- > 0) {
        if (!read_reply(reader, depth + 1))
            return false;
    }
    return type != '|' || read_reply(reader, depth); /* the value that the attribute belongs to */
}

static bool read_reply(struct reader *reader, unsigned depth)
{
    if (depth > DEEPEST || reader->at == reader->end)
        return false;
    uint8_t type = *reader->at++;
    if (!type || !strchr(reader->version == 2 ? "+-:$*" : "+-:$*_#,(=%~>|", type))
        return false;
    if (strchr("*%~>|", type))
        return read_items(reader, type, depth);
    if (type != '$' && type != '=')
        return read_simple(reader, type);
    long length = read_length(reader);
    if (length == -1)
        return type == '$' && reader->version != 3;
    if (type == '=' && (length < 4 || reader->end - reader->at < 4 || reader->at[3] != ':'))
        return false;
    return read_bytes(reader, length);
}

size_t reply_size(const uint8_t *data, size_t size, int version)
{
    struct reader reader = {data, data + size, version};
    return size > 0 && read_reply(&reader, 0) ? (size_t)(reader.at - data) : 0;
}
