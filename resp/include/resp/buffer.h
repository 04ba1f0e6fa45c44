/* SPDX-License-Identifier: MIT */
/* A byte queue in one contiguous piece: appended at the end, consumed at the front.
 *
 * Not thread-safe; one owner at a time.  Growth that fails, for lack of memory or because of the
 * owner's limit, sets `failed`, which stays set until resp_buffer_free: later appends do nothing,
 * so that a writer may check once at the end instead of at every append. */
#ifndef RESP_BUFFER_H
#define RESP_BUFFER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Invariants: start <= end <= capacity; data is NULL if and only if capacity is 0; start is 0 if
 * there are no bytes. */
struct resp_buffer {
    uint8_t *data;
    size_t start;    /* first byte not consumed yet */
    size_t end;      /* one past the last byte */
    size_t capacity; /* bytes allocated at data */
    size_t most;     /* it must not hold more bytes than this, as the owner says; 0: no limit */
    bool failed;     /* growing failed; the contents are not complete */
    bool overrun;    /* that was for the limit */
};

/* All bytes zero is an empty buffer too. */
void resp_buffer_init(struct resp_buffer *buffer);

/* Frees the memory; the buffer is empty and usable afterwards. */
void resp_buffer_free(struct resp_buffer *buffer);

/* resp_buffer_reserve where it is not as simple as in most cases. */
uint8_t *resp_buffer_grow(struct resp_buffer *buffer, size_t size);

/* Makes room for at least `size` more bytes after the end and returns where they go (valid until
 * the next call on the buffer), or NULL if memory is short or the limit is passed, with `failed`
 * set, or if it was set before.  The limit is looked at when memory is to be allocated.  The space
 * of consumed bytes is used again before memory is allocated, if it is at least as large as what
 * would have to move; the capacity at least doubles when it grows.  So a byte costs constant time,
 * however it comes and goes. */
static inline uint8_t *resp_buffer_reserve(struct resp_buffer *buffer, size_t size)
{
    if (buffer->capacity - buffer->end <= size || buffer->failed) {
        return resp_buffer_grow(buffer, size);
    }
    return buffer->data + buffer->end;
}

/* Declares `size` bytes, written to where resp_buffer_reserve pointed, to be part of the buffer. */
static inline void resp_buffer_commit(struct resp_buffer *buffer, size_t size)
{
    assert(size <= buffer->capacity - buffer->end);
    buffer->end += size;
}

static inline void resp_buffer_append(struct resp_buffer *buffer, const void *data, size_t size)
{
    uint8_t *room = size > 0 ? resp_buffer_reserve(buffer, size) : NULL;

    if (room) {
        memcpy(room, data, size);
        buffer->end += size;
    }
}

static inline size_t resp_buffer_size(const struct resp_buffer *buffer)
{
    return buffer->end - buffer->start;
}

/* The unconsumed bytes; NULL only if there are none. */
static inline const uint8_t *resp_buffer_bytes(const struct resp_buffer *buffer)
{
    return buffer->data ? buffer->data + buffer->start : NULL;
}

/* Drops `size` bytes (all, if there are not so many) from the front.  When nothing is left, the
 * space is used from its beginning again; no memory is freed. */
static inline void resp_buffer_consume(struct resp_buffer *buffer, size_t size)
{
    if (size < resp_buffer_size(buffer)) {
        buffer->start += size;
    } else {
        buffer->start = 0;
        buffer->end = 0;
    }
}

/* Drops everything behind the first `size` unconsumed bytes. */
void resp_buffer_truncate(struct resp_buffer *buffer, size_t size);

/* Frees the memory if the buffer is empty and holds more than `keep` bytes of it. */
void resp_buffer_trim(struct resp_buffer *buffer, size_t keep);

#endif
