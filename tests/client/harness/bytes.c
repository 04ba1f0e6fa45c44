/* SPDX-License-Identifier: MIT */
/* Growing byte memory, and whole files in it. */
#include "tests/client/harness/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint8_t *bytes_reserve(struct bytes *bytes, size_t size)
{
    size_t needed = bytes->size + size + 1;
    if (needed > bytes->capacity) {
        size_t capacity = bytes->capacity ? bytes->capacity : 256;
        while (capacity < needed)
            capacity *= 2;
        uint8_t *data = realloc(bytes->data, capacity);
        if (!data) {
            fprintf(stderr, "out of memory\n");
            abort();
        }
        bytes->data = data;
        bytes->capacity = capacity;
    }
    return bytes->data + bytes->size;
}

void bytes_append(struct bytes *bytes, const void *data, size_t size)
{
    uint8_t *to = bytes_reserve(bytes, size);
    if (size)
        memcpy(to, data, size);
    bytes->size += size;
    bytes->data[bytes->size] = 0;
}

void bytes_append_text(struct bytes *bytes, const char *text)
{
    bytes_append(bytes, text, strlen(text));
}

static char *format_text(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static char *format_text(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return text;
}

void bytes_appendf(struct bytes *bytes, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    bytes_append_text(bytes, text);
    free(text);
}

char *text_format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_text(format, args);
    va_end(args);
    return text;
}

void bytes_append_escaped(struct bytes *bytes, const void *data, size_t size)
{
    const uint8_t *from = data;
    for (size_t i = 0; i < size; i++) {
        switch (from[i]) {
        case '\n':
            bytes_append_text(bytes, "\\n");
            break;
        case '\r':
            bytes_append_text(bytes, "\\r");
            break;
        case '\t':
            bytes_append_text(bytes, "\\t");
            break;
        case '\\':
            bytes_append_text(bytes, "\\\\");
            break;
        default:
            if (from[i] >= 0x20 && from[i] < 0x7f)
                bytes_append(bytes, from + i, 1);
            else
                bytes_appendf(bytes, "\\x%02x", from[i]);
        }
    }
}

void bytes_consume(struct bytes *bytes, size_t size)
{
    bytes->size -= size;
    if (bytes->size)
        memmove(bytes->data, bytes->data + size, bytes->size);
    if (bytes->data)
        bytes->data[bytes->size] = 0;
}

void bytes_clear(struct bytes *bytes)
{
    bytes->size = 0;
    if (bytes->data)
        bytes->data[0] = 0;
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

bool bytes_equal(const struct bytes *one, const struct bytes *other)
{
    return one->size == other->size && (!one->size || !memcmp(one->data, other->data, one->size));
}

const char *bytes_text(const struct bytes *bytes)
{
    if (bytes->size == 0)
        return "";
    bytes->data[bytes->size] = 0; /* there is room: bytes_reserve sees to it */
    return (const char *)bytes->data;
}

bool bytes_read_file(struct bytes *bytes, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got;
    do {
        uint8_t *to = bytes_reserve(bytes, 65536);
        got = read(fd, to, 65536);
        if (got > 0) {
            bytes->size += (size_t)got;
            bytes->data[bytes->size] = 0;
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    int error = errno;
    close(fd);
    errno = error;
    return got == 0;
}

bool bytes_write_file(const char *path, const void *data, size_t size, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return false;
    const uint8_t *from = data;
    bool good = fchmod(fd, (mode_t)mode) == 0;
    while (good && size) {
        ssize_t put = write(fd, from, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            good = false;
            break;
        }
        from += put;
        size -= (size_t)put;
    }
    int error = errno;
    close(fd);
    errno = error;
    return good;
}
