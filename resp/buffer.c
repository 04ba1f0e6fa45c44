/* SPDX-License-Identifier: MIT */
/* Allocates, moves and frees the memory of the byte queue. */
#include "resp/buffer.h"

#include <stdlib.h>

/* The first allocation: a few small replies or requests. */
#define SMALLEST_CAPACITY ((size_t)256)

void resp_buffer_init(struct resp_buffer *buffer)
{
    *buffer = (struct resp_buffer){0};
}

void resp_buffer_free(struct resp_buffer *buffer)
{
    free(buffer->data);
    resp_buffer_init(buffer);
}

static uint8_t *grow_failed(struct resp_buffer *buffer)
{
    buffer->failed = true;
    return NULL;
}

uint8_t *resp_buffer_grow(struct resp_buffer *buffer, size_t size)
{
    const size_t used = resp_buffer_size(buffer);
    size_t capacity;
    uint8_t *data;

    assert(buffer->data || buffer->start == 0);
    if (buffer->failed) {
        return NULL;
    }
    if (buffer->data && buffer->capacity - buffer->end >= size) {
        return buffer->data + buffer->end;
    }
    /* Moving pays only if there is at least as much to gain: else a long queue that is eaten in
     * small bites would be moved at every bite. */
    if (buffer->start > 0 && buffer->start >= used && buffer->capacity - used >= size) {
        memmove(buffer->data, buffer->data + buffer->start, used);
        buffer->start = 0;
        buffer->end = used;
        return buffer->data + used;
    }

    if (buffer->most > 0 && (size > buffer->most || used > buffer->most - size)) {
        buffer->overrun = true;
        return grow_failed(buffer);
    }
    if (size > SIZE_MAX / 2 - used || buffer->capacity > SIZE_MAX / 4) {
        return grow_failed(buffer);
    }
    capacity = buffer->capacity > 0 ? 2 * buffer->capacity : SMALLEST_CAPACITY;
    if (buffer->most > 0 && capacity > buffer->most) {
        capacity = buffer->most;
    }
    if (capacity < used + size) {
        capacity = used + size;
    }
    if (buffer->start == 0) {
        data = realloc(buffer->data, capacity); /* a large block may grow without a copy */
        if (!data) {
            return grow_failed(buffer);
        }
    } else {
        data = malloc(capacity);
        if (!data) {
            return grow_failed(buffer);
        }
        memcpy(data, buffer->data + buffer->start, used);
        free(buffer->data);
    }
    buffer->data = data;
    buffer->start = 0;
    buffer->end = used;
    buffer->capacity = capacity;
    return data + used;
}

void resp_buffer_truncate(struct resp_buffer *buffer, size_t size)
{
    if (size == 0) {
        buffer->start = 0;
        buffer->end = 0;
    } else if (size < resp_buffer_size(buffer)) {
        buffer->end = buffer->start + size;
    }
}

void resp_buffer_trim(struct resp_buffer *buffer, size_t keep)
{
    if (resp_buffer_size(buffer) == 0 && buffer->capacity > keep) {
        free(buffer->data);
        buffer->data = NULL;
        buffer->start = 0;
        buffer->end = 0;
        buffer->capacity = 0;
    }
}
