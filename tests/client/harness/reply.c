/* SPDX-License-Identifier: MIT */
/* Measures and reads replies in RESP2 and RESP3 and writes them as text. */
#include "tests/client/harness/reply.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client/harness/bytes.h"

#define DEPTH_MAX 32

/* A line "<sign>text\r\n": the size of its text, or no line yet, or a CR without LF. */
static size_t line_size(const uint8_t *data, size_t size, bool *bad)
{
    const uint8_t *cr = memchr(data, '\r', size);
    if (!cr || cr + 1 == data + size)
        return SIZE_MAX;
    *bad = cr[1] != '\n';
    return (size_t)(cr - data);
}

static bool line_number(const uint8_t *data, size_t size, long long *value)
{
    char digits[24];
    if (!size || size >= sizeof digits)
        return false;
    memcpy(digits, data, size);
    digits[size] = 0;
    char *end = NULL;
    *value = strtoll(digits, &end, 10);
    return *end == 0 && *value >= -1;
}

static size_t measure(const uint8_t *data, size_t size, int depth)
{
    if (!size)
        return REPLY_MORE;
    if (depth > DEPTH_MAX || !strchr("+-:$*_,#(=%~>!|", data[0]) || !data[0])
        return REPLY_BAD;
    bool bad = false;
    size_t line = line_size(data, size, &bad);
    if (line == SIZE_MAX)
        return REPLY_MORE;
    if (bad)
        return REPLY_BAD;
    size_t used = line + 2;
    if (strchr("+-:_,#(", data[0]))
        return used;
    long long count = 0;
    if (!line_number(data + 1, line - 1, &count))
        return REPLY_BAD;
    if (count < 0)
        return used;
    if (strchr("$=!", data[0])) {
        if (size - used < (size_t)count + 2)
            return REPLY_MORE;
        used += (size_t)count + 2;
        return memcmp(data + used - 2, "\r\n", 2) ? REPLY_BAD : used;
    }
    if (data[0] == '%' || data[0] == '|')
        count *= 2;
    if (data[0] == '|') /* attributes come before the reply they belong to */
        count++;
    for (long long i = 0; i < count; i++) {
        size_t item = measure(data + used, size - used, depth + 1);
        if (item == REPLY_MORE || item == REPLY_BAD)
            return item;
        used += item;
    }
    return used;
}

size_t reply_measure(const uint8_t *data, size_t size)
{
    return measure(data, size, 0);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        abort();
    return memory;
}

static size_t parse(struct reply *reply, const uint8_t *data, size_t size)
{
    bool bad = false;
    size_t line = line_size(data, size, &bad);
    size_t used = line + 2;
    *reply = (struct reply){.type = (char)data[0]};
    if (strchr("+-:,#(", data[0])) {
        reply->size = line - 1;
        reply->data = allocate(line, 1);
        memcpy(reply->data, data + 1, line - 1);
        return used;
    }
    long long count = -1;
    if (data[0] != '_')
        (void)line_number(data + 1, line - 1, &count);
    if (count < 0) {
        reply->type = '_';
        return used;
    }
    if (strchr("$=!", data[0])) {
        reply->size = (size_t)count;
        reply->data = allocate((size_t)count + 1, 1);
        memcpy(reply->data, data + used, (size_t)count);
        return used + (size_t)count + 2;
    }
    reply->count = (size_t)count * (data[0] == '%' ? 2 : 1);
    reply->items = allocate(reply->count, sizeof *reply->items);
    for (size_t i = 0; i < reply->count; i++)
        used += parse(&reply->items[i], data + used, size - used);
    return used;
}

struct reply *reply_parse(const uint8_t *data, size_t size)
{
    size_t whole = reply_measure(data, size);
    if (whole == REPLY_MORE || whole == REPLY_BAD)
        return NULL;
    struct reply *reply = allocate(1, sizeof *reply);
    (void)parse(reply, data, whole);
    return reply;
}

static void free_inside(struct reply *reply)
{
    for (size_t i = 0; i < reply->count; i++)
        free_inside(&reply->items[i]);
    free(reply->items);
    free(reply->data);
}

void reply_free(struct reply *reply)
{
    if (!reply)
        return;
    free_inside(reply);
    free(reply);
}

static void append_text(struct bytes *text, const struct reply *reply)
{
    switch (reply->type) {
    case '*':
    case '~':
    case '>':
        if (reply->type != '*')
            bytes_append(text, &reply->type, 1);
        bytes_append_text(text, "[");
        break;
    case '%':
        bytes_append_text(text, "{");
        break;
    default:
        bytes_append(text, &reply->type, 1);
        bytes_append_escaped(text, reply->data, reply->size);
        return;
    }
    for (size_t i = 0; i < reply->count; i++) {
        if (i)
            bytes_append_text(text, " ");
        append_text(text, &reply->items[i]);
    }
    bytes_append_text(text, reply->type == '%' ? "}" : "]");
}

char *reply_text(const struct reply *reply)
{
    struct bytes text = {0};
    if (reply)
        append_text(&text, reply);
    else
        bytes_append_text(&text, "(connection lost)");
    return (char *)text.data;
}

static void append_hiredis(struct bytes *text, const struct redisReply *reply)
{
    switch (reply->type) {
    case REDIS_REPLY_INTEGER:
        bytes_appendf(text, ":%lld", reply->integer);
        break;
    case REDIS_REPLY_NIL:
        bytes_append_text(text, "_");
        break;
    case REDIS_REPLY_ARRAY:
        bytes_append_text(text, "[");
        for (size_t i = 0; i < reply->elements; i++) {
            if (i)
                bytes_append_text(text, " ");
            append_hiredis(text, reply->element[i]);
        }
        bytes_append_text(text, "]");
        break;
    default:
        bytes_append_text(text, reply->type == REDIS_REPLY_STATUS  ? "+"
                                : reply->type == REDIS_REPLY_ERROR ? "-"
                                                                   : "$");
        bytes_append_escaped(text, reply->str, (size_t)reply->len);
    }
}

char *reply_text_hiredis(const struct redisReply *reply)
{
    struct bytes text = {0};
    if (reply)
        append_hiredis(&text, reply);
    else
        bytes_append_text(&text, "(connection lost)");
    return (char *)text.data;
}

const struct reply *reply_find(const struct reply *map, const char *key)
{
    for (size_t i = 0; i + 1 < map->count; i += 2) {
        if (!strcmp(reply_string(&map->items[i]), key))
            return &map->items[i + 1];
    }
    return NULL;
}

const char *reply_string(const struct reply *reply)
{
    return reply && reply->data ? (const char *)reply->data : "";
}
