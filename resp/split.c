/* SPDX-License-Identifier: MIT */
/* Splits a line into words, with quotes and escapes as redis-cli users know them. */
#include "resp/split_internal.h"

#include <stdlib.h>
#include <string.h>

/* What separates words: isspace() of the C locale, whatever locale the program runs in. */
static bool is_blank(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* What ends a word outside quotes: Redis leaves out \v and \f, though it skips them between
 * words. */
static bool ends_word(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\0';
}

/* The byte at p; behind the end 0, which ends words and lines anyway. */
static uint8_t peek(const uint8_t *p, const uint8_t *end)
{
    return p < end ? *p : '\0';
}

/* 0 to 15, or -1 if the byte is no hexadecimal digit. */
static int hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    if (byte >= 'a' && byte <= 'f') {
        return byte - 'a' + 10;
    }
    if (byte >= 'A' && byte <= 'F') {
        return byte - 'A' + 10;
    }
    return -1;
}

static uint8_t unescape(uint8_t byte)
{
    switch (byte) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return byte;
    }
}

/* Copies what is quoted, p being behind the opening quote, and returns the place of the closing
 * one, or NULL if there is none. */
static const uint8_t *copy_double_quoted(const uint8_t *p, const uint8_t *end, uint8_t **room)
{
    for (;; p++) {
        uint8_t byte = peek(p, end);

        if (byte == '\0') {
            return NULL;
        }
        if (byte == '"') {
            return p;
        }
        /* A backslash in front of the end stands for itself; the quote stays open then. */
        if (byte == '\\' && peek(p + 1, end) != '\0') {
            p++;
            byte = unescape(*p);
            if (*p == 'x' && end - p > 2 && hex_value(p[1]) >= 0 && hex_value(p[2]) >= 0) {
                byte = (uint8_t)(16 * hex_value(p[1]) + hex_value(p[2]));
                p += 2;
            }
        }
        *(*room)++ = byte;
    }
}

static const uint8_t *copy_single_quoted(const uint8_t *p, const uint8_t *end, uint8_t **room)
{
    for (;; p++) {
        uint8_t byte = peek(p, end);

        if (byte == '\0') {
            return NULL;
        }
        if (byte == '\'') {
            return p;
        }
        if (byte == '\\' && peek(p + 1, end) == '\'') {
            p++;
            byte = '\'';
        }
        *(*room)++ = byte;
    }
}

enum split_result split_next(const uint8_t **at, const uint8_t *end, uint8_t *room,
                             struct resp_arg *word)
{
    const uint8_t *start = *at;
    const uint8_t *p;
    uint8_t *out = room;
    uint8_t quote;

    while (start < end && is_blank(*start)) {
        start++;
    }
    if (peek(start, end) == '\0') {
        return SPLIT_END;
    }
    p = start;
    while (p < end && !ends_word(*p) && *p != '"' && *p != '\'') {
        p++;
    }
    quote = peek(p, end);
    if (ends_word(quote)) {
        *word = (struct resp_arg){start, (size_t)(p - start)};
        *at = p;
        return SPLIT_WORD;
    }

    memcpy(out, start, (size_t)(p - start));
    out += p - start;
    p = quote == '"' ? copy_double_quoted(p + 1, end, &out) : copy_single_quoted(p + 1, end, &out);
    if (!p) {
        return SPLIT_UNBALANCED;
    }
    p++;
    if (peek(p, end) != '\0' && !is_blank(*p)) {
        return SPLIT_UNBALANCED;
    }
    *word = (struct resp_arg){room, (size_t)(out - room)};
    *at = p;
    return SPLIT_WORD;
}

/* At least as many as the line has words: quotes only ever join what blanks separate. */
static size_t count_runs(const uint8_t *line, size_t size)
{
    size_t runs = 0;
    bool blank = true;

    for (size_t i = 0; i < size; i++) {
        if (blank && !is_blank(line[i])) {
            runs++;
        }
        blank = is_blank(line[i]);
    }
    return runs;
}

bool resp_split_words(const uint8_t *line, size_t size, struct resp_arg **argv, size_t *argc)
{
    const uint8_t *at = line;
    const uint8_t *end;
    struct resp_arg *words;
    struct resp_arg word;
    enum split_result result;
    uint8_t *room;
    size_t most;

    *argv = NULL;
    *argc = 0;
    if (size > SIZE_MAX / (2 * sizeof *words)) {
        return false;
    }
    end = size > 0 ? line + size : line;
    most = count_runs(line, size);
    /* The array, then the words' bytes, each word with the NUL byte behind it. */
    words = malloc((most + 1) * sizeof *words + size + most);
    if (!words) {
        return false;
    }
    room = (uint8_t *)(words + most + 1);
    while ((result = split_next(&at, end, room, &word)) == SPLIT_WORD) {
        if (word.data != room) {
            memcpy(room, word.data, word.size);
        }
        room[word.size] = '\0';
        words[(*argc)++] = (struct resp_arg){room, word.size};
        room += word.size + 1;
    }
    if (result == SPLIT_UNBALANCED) {
        free(words);
        *argc = 0;
        return false;
    }
    *argv = words;
    return true;
}
