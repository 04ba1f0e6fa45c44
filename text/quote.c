/* SPDX-License-Identifier: MIT */
/* Writes runs of plain bytes at once and the other bytes one by one. */
#include "text/quote.h"

#include <stdbool.h>
#include <stdint.h>

#include "resp/buffer.h"

/* Where the pieces go. */
struct sink {
    void (*put)(const struct sink *sink, const void *bytes, size_t size);
    struct resp_buffer *buffer;
    FILE *file;
};

static void put_in_buffer(const struct sink *sink, const void *bytes, size_t size)
{
    resp_buffer_append(sink->buffer, bytes, size);
}

static void put_in_file(const struct sink *sink, const void *bytes, size_t size)
{
    fwrite(bytes, 1, size, sink->file);
}

/* The letter that stands for a byte behind a backslash; 0 if there is none. */
static char escape_letter(uint8_t byte)
{
    static const char letters[][2] = {{'\\', '\\'}, {'"', '"'},  {'\n', 'n'}, {'\r', 'r'},
                                      {'\t', 't'},  {'\a', 'a'}, {'\b', 'b'}};
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        if (byte == (uint8_t)letters[i][0])
            return letters[i][1];
    }
    return 0;
}

static void put_escaped(const struct sink *sink, uint8_t byte, bool with_letters)
{
    static const char digits[] = "0123456789abcdef";
    char letter = '\0';
    if (with_letters)
        letter = escape_letter(byte);
    if (letter)
        sink->put(sink, (const char[]){'\\', letter}, 2);
    else
        sink->put(sink, (const char[]){'\\', 'x', digits[byte >> 4], digits[byte & 15]}, 4);
}

static bool is_plain(uint8_t byte)
{
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

static bool is_no_control(uint8_t byte)
{
    return byte >= ' ' && byte != 0x7f;
}

static void put_pieces(const struct sink *sink, const uint8_t *bytes, size_t size,
                       bool (*stays)(uint8_t), bool with_letters)
{
    for (size_t i = 0; i < size;) {
        size_t end = i;
        while (end < size && stays(bytes[end]))
            end++;
        if (end > i)
            sink->put(sink, bytes + i, end - i);
        if (end < size)
            put_escaped(sink, bytes[end++], with_letters);
        i = end;
    }
}

static void put_quoted(const struct sink *sink, const void *bytes, size_t size)
{
    sink->put(sink, "\"", 1);
    put_pieces(sink, bytes, size, is_plain, true);
    sink->put(sink, "\"", 1);
}

void quote_to_buffer(struct resp_buffer *out, const void *bytes, size_t size)
{
    put_quoted(&(struct sink){.put = put_in_buffer, .buffer = out}, bytes, size);
}

void quote_to_file(FILE *out, const void *bytes, size_t size)
{
    put_quoted(&(struct sink){.put = put_in_file, .file = out}, bytes, size);
}

void quote_controls_to_file(FILE *out, const void *bytes, size_t size)
{
    put_pieces(&(struct sink){.put = put_in_file, .file = out}, bytes, size, is_no_control, false);
}
