/* SPDX-License-Identifier: MIT */
/* Writes each type of reply with one reservation and no formatting beyond what it needs. */
#include "resp/writer.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* Digits of UINT64_MAX, and of a signed number with its minus sign. */
#define MAX_DIGITS ((size_t)20)

/* A sign, a number and CR LF. */
#define MAX_HEADER (1 + MAX_DIGITS + 2)

/* "%.17g" at its longest: sign, digit, point, 16 digits, "e-308", NUL. */
#define MAX_DOUBLE ((size_t)32)

/* Whole numbers up to here have at most 15 digits, which %.17g writes like an integer. */
#define WHOLE_DOUBLE 1e15

/* What most formatted texts fit in. */
#define USUAL_TEXT ((size_t)256)

static const char digit_pairs[200] = "0001020304050607080910111213141516171819"
                                     "2021222324252627282930313233343536373839"
                                     "4041424344454647484950515253545556575859"
                                     "6061626364656667686970717273747576777879"
                                     "8081828384858687888990919293949596979899";

static size_t count_digits(uint64_t value)
{
    size_t count = 1;

    for (; value >= 10000; value /= 10000) {
        count += 4;
    }
    return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* These put something at `out` and return the place behind it. */

static uint8_t *put_bytes(uint8_t *out, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(out, data, size);
    }
    return out + size;
}

static uint8_t *put_line_end(uint8_t *out)
{
    out[0] = '\r';
    out[1] = '\n';
    return out + 2;
}

static uint8_t *put_unsigned(uint8_t *out, uint64_t value)
{
    uint8_t *const end = out + count_digits(value);
    uint8_t *p = end;

    while (value >= 10) {
        p -= 2;
        memcpy(p, &digit_pairs[2 * (value % 100)], 2);
        value /= 100;
    }
    if (p > out) { /* else the number of digits was even, and the pairs were all */
        *out = (uint8_t)('0' + value);
    }
    return end;
}

static uint8_t *put_signed(uint8_t *out, int64_t value)
{
    if (value < 0) {
        *out++ = '-';
        return put_unsigned(out, 0 - (uint64_t)value);
    }
    return put_unsigned(out, (uint64_t)value);
}

/* "*3", "$11" and the like. */
static uint8_t *put_header(uint8_t *out, char type, uint64_t number)
{
    out[0] = (uint8_t)type;
    if (number < 10) {
        out[1] = (uint8_t)('0' + number);
        return put_line_end(out + 2);
    }
    return put_line_end(put_unsigned(out + 1, number));
}

static bool is_resp3(const struct resp_writer *writer)
{
    return writer->version >= 3;
}

/* Makes room for `fixed` bytes of protocol and `size` bytes of a caller's. */
static uint8_t *reserve(struct resp_writer *writer, size_t fixed, size_t size)
{
    if (size > SIZE_MAX - fixed) { /* nobody has that much memory; the buffer says so */
        size = SIZE_MAX - fixed;
    }
    return resp_buffer_reserve(writer->out, fixed + size);
}

/* Makes what is between the reserved room and `end` part of the reply. */
static void commit(struct resp_writer *writer, const uint8_t *room, const uint8_t *end)
{
    resp_buffer_commit(writer->out, (size_t)(end - room));
}

static void write_literal(struct resp_writer *writer, const char *reply)
{
    resp_buffer_append(writer->out, reply, strlen(reply));
}

/* A sign, a text and CR LF. */
static void write_line(struct resp_writer *writer, char type, const char *text, size_t size)
{
    uint8_t *room = reserve(writer, 3, size);

    if (room) {
        room[0] = (uint8_t)type;
        commit(writer, room, put_line_end(put_bytes(room + 1, text, size)));
    }
}

/* The number of bytes of the text without line ends behind it. */
static size_t size_without_line_end(const uint8_t *text, size_t size)
{
    while (size > 0 && (text[size - 1] == '\r' || text[size - 1] == '\n')) {
        size--;
    }
    return size;
}

static void blank_line_ends(uint8_t *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r' || text[i] == '\n') {
            text[i] = ' ';
        }
    }
}

void resp_write_simple(struct resp_writer *writer, const char *text)
{
    write_line(writer, '+', text, strlen(text));
}

void resp_write_error(struct resp_writer *writer, const char *text)
{
    const size_t size = size_without_line_end((const uint8_t *)text, strlen(text));
    uint8_t *room = reserve(writer, 3, size);

    if (room) {
        room[0] = '-';
        put_bytes(room + 1, text, size);
        blank_line_ends(room + 1, size);
        commit(writer, room, put_line_end(room + 1 + size));
    }
}

/* The size of the text without the NUL byte that vsnprintf puts behind it. */
static size_t formatted_size(int result)
{
    return result > 0 ? (size_t)result : 0;
}

void resp_write_errorf(struct resp_writer *writer, const char *format, ...)
{
    size_t room_size = USUAL_TEXT;
    uint8_t *room;
    size_t size;
    va_list args;

    for (;;) {
        /* The sign, and CR in the place of the NUL byte, LF. */
        room = reserve(writer, 3, room_size);
        if (!room) {
            return;
        }
        va_start(args, format);
        size = formatted_size(vsnprintf((char *)room + 1, room_size + 1, format, args));
        va_end(args);
        if (size <= room_size) {
            break;
        }
        room_size = size;
    }
    room[0] = '-';
    size = size_without_line_end(room + 1, size);
    blank_line_ends(room + 1, size);
    commit(writer, room, put_line_end(room + 1 + size));
}

void resp_write_integer(struct resp_writer *writer, int64_t value)
{
    uint8_t *room = reserve(writer, MAX_HEADER, 0);

    if (room) {
        room[0] = ':';
        commit(writer, room, put_line_end(put_signed(room + 1, value)));
    }
}

void resp_write_bulk(struct resp_writer *writer, const void *data, size_t size)
{
    uint8_t *room = reserve(writer, MAX_HEADER + 2, size);

    if (room) {
        uint8_t *out = put_header(room, '$', size);

        commit(writer, room, put_line_end(put_bytes(out, data, size)));
    }
}

void resp_write_bulk_text(struct resp_writer *writer, const char *text)
{
    resp_write_bulk(writer, text, strlen(text));
}

void resp_write_bulkf(struct resp_writer *writer, const char *format, ...)
{
    char usual[USUAL_TEXT];
    uint8_t *room;
    uint8_t *out;
    size_t size;
    va_list args;

    va_start(args, format);
    size = formatted_size(vsnprintf(usual, sizeof usual, format, args));
    va_end(args);
    if (size < sizeof usual) {
        resp_write_bulk(writer, usual, size);
        return;
    }
    room = reserve(writer, MAX_HEADER + 2, size);
    if (room) {
        out = put_header(room, '$', size);
        va_start(args, format);
        (void)vsnprintf((char *)out, size + 1, format, args); /* CR takes the place of NUL */
        va_end(args);
        commit(writer, room, put_line_end(out + size));
    }
}

void resp_write_bulk_integer(struct resp_writer *writer, int64_t value)
{
    uint8_t digits[MAX_DIGITS];
    const uint8_t *end = put_signed(digits, value);

    resp_write_bulk(writer, digits, (size_t)(end - digits));
}

void resp_write_null(struct resp_writer *writer)
{
    write_literal(writer, is_resp3(writer) ? "_\r\n" : "$-1\r\n");
}

void resp_write_null_array(struct resp_writer *writer)
{
    write_literal(writer, is_resp3(writer) ? "_\r\n" : "*-1\r\n");
}

/* The header of an aggregate, `type` being its RESP3 sign, in the writer's version. */
static uint8_t *put_aggregate(const struct resp_writer *writer, uint8_t *out, char type,
                              size_t count)
{
    if (is_resp3(writer)) {
        return put_header(out, type, count);
    }
    return put_header(out, '*', type == '%' ? 2 * (uint64_t)count : count);
}

static void write_aggregate(struct resp_writer *writer, char type, size_t count)
{
    uint8_t *room = reserve(writer, MAX_HEADER, 0);

    if (room) {
        commit(writer, room, put_aggregate(writer, room, type, count));
    }
}

void resp_write_array(struct resp_writer *writer, size_t count)
{
    write_aggregate(writer, '*', count);
}

void resp_write_map(struct resp_writer *writer, size_t count)
{
    write_aggregate(writer, '%', count);
}

void resp_write_set(struct resp_writer *writer, size_t count)
{
    write_aggregate(writer, '~', count);
}

void resp_write_push(struct resp_writer *writer, size_t count)
{
    write_aggregate(writer, '>', count);
}

size_t resp_write_begin(struct resp_writer *writer)
{
    return resp_buffer_size(writer->out);
}

void resp_write_end(struct resp_writer *writer, size_t mark, char type, size_t count)
{
    struct resp_buffer *out = writer->out;
    uint8_t header[MAX_HEADER];
    const size_t size = (size_t)(put_aggregate(writer, header, type, count) - header);
    uint8_t *room = resp_buffer_reserve(out, size);

    if (room) {
        assert(mark <= resp_buffer_size(out));
        const size_t behind = resp_buffer_size(out) - mark;

        memmove(room - behind + size, room - behind, behind);
        memcpy(room - behind, header, size);
        resp_buffer_commit(out, size);
    }
}

void resp_write_double(struct resp_writer *writer, double value)
{
    uint8_t text[MAX_DOUBLE];
    size_t size;

    if (fabs(value) < WHOLE_DOUBLE && value == (double)(int64_t)value &&
        !(value == 0 && signbit(value))) {
        size = (size_t)(put_signed(text, (int64_t)value) - text);
    } else if (isnan(value)) {
        size = (size_t)(put_bytes(text, "nan", 3) - text); /* printf may add a sign */
    } else {
        size = formatted_size(snprintf((char *)text, sizeof text, "%.17g", value));
    }
    if (is_resp3(writer)) {
        write_line(writer, ',', (const char *)text, size);
    } else {
        resp_write_bulk(writer, text, size);
    }
}

void resp_write_boolean(struct resp_writer *writer, bool value)
{
    if (is_resp3(writer)) {
        write_literal(writer, value ? "#t\r\n" : "#f\r\n");
    } else {
        write_literal(writer, value ? ":1\r\n" : ":0\r\n");
    }
}

void resp_write_big_number(struct resp_writer *writer, const char *digits)
{
    if (is_resp3(writer)) {
        write_line(writer, '(', digits, strlen(digits));
    } else {
        resp_write_bulk_text(writer, digits);
    }
}

void resp_write_verbatim(struct resp_writer *writer, const char *format, const void *data,
                         size_t size)
{
    uint8_t *room;
    uint8_t *out;

    assert(strlen(format) == 3);
    if (!is_resp3(writer)) {
        resp_write_bulk(writer, data, size);
        return;
    }
    room = reserve(writer, MAX_HEADER + 4 + 2, size);
    if (room) {
        out = put_header(room, '=', 4 + (uint64_t)size);
        out = put_bytes(out, format, 3);
        *out++ = ':';
        commit(writer, room, put_line_end(put_bytes(out, data, size)));
    }
}
