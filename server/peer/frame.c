/* SPDX-License-Identifier: MIT */
/* Writes hellos and frames, and reads them without trusting a byte. */
#include "server/peer/frame.h"

#include <string.h>

static const char magic[8] = {'A', 'N', 'Y', 'P', 'E', 'E', 'R', '1'};

enum { HELLO_RUN_ID = 8, HELLO_NUMBER = 48, HELLO_END = 56 };
enum {
    FRAME_KIND = 0,
    FRAME_CLASS = 4,
    FRAME_DATABASE = 8,
    FRAME_ZERO = 12,
    FRAME_NAME = 16,
    FRAME_PAYLOAD = 24
};

static void put(uint8_t *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t take(const uint8_t *in, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)in[i] << (8 * i);
    return value;
}

bool peer_is_run_id(const char *text)
{
    for (size_t i = 0; i < PEER_RUN_ID_SIZE; i++)
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
            return false;
    return true;
}

void peer_hello_write(uint8_t *out, const struct peer_hello *hello)
{
    memset(out, 0, PEER_HELLO_SIZE);
    memcpy(out, magic, sizeof magic);
    memcpy(out + HELLO_RUN_ID, hello->run_id, PEER_RUN_ID_SIZE);
    put(out + HELLO_NUMBER, hello->number, 8);
}

bool peer_hello_read(const uint8_t *in, struct peer_hello *hello)
{
    if (memcmp(in, magic, sizeof magic) != 0 || take(in + HELLO_END, 8) != 0)
        return false;
    memcpy(hello->run_id, in + HELLO_RUN_ID, PEER_RUN_ID_SIZE);
    hello->run_id[PEER_RUN_ID_SIZE] = '\0';
    hello->number = take(in + HELLO_NUMBER, 8);
    return peer_is_run_id(hello->run_id);
}

void peer_frame_write(uint8_t *out, const struct message *message)
{
    memset(out, 0, PEER_FRAME_SIZE);
    put(out + FRAME_KIND, (uint64_t)message->kind, 4);
    put(out + FRAME_CLASS, message->class, 4);
    put(out + FRAME_DATABASE, message->database, 4);
    put(out + FRAME_NAME, message->name_size, 8);
    put(out + FRAME_PAYLOAD, message->payload_size, 8);
}

enum peer_parse peer_frame_read(const uint8_t *in, size_t available, uint64_t most, size_t *size,
                                struct message **message)
{
    *size = 0;
    if (available < PEER_FRAME_SIZE)
        return PEER_PARSE_MORE;
    uint64_t name_size = take(in + FRAME_NAME, 8), payload_size = take(in + FRAME_PAYLOAD, 8);
    if (most > SIZE_MAX / 4)
        most = SIZE_MAX / 4; /* so that the sum of both fits a size_t */
    if (name_size > most || payload_size > most)
        return PEER_PARSE_BAD;
    *size = PEER_FRAME_SIZE + (size_t)name_size + (size_t)payload_size;
    if (available < *size)
        return PEER_PARSE_MORE;
    uint64_t kind = take(in + FRAME_KIND, 4);
    uint64_t class = take(in + FRAME_CLASS, 4), database = take(in + FRAME_DATABASE, 4);
    if (kind != MESSAGE_CHANNEL && kind != MESSAGE_EVENT)
        return PEER_PARSE_SKIP;
    if (take(in + FRAME_ZERO, 4) != 0 || (kind == MESSAGE_CHANNEL && (class || database)))
        return PEER_PARSE_BAD;
    const struct resp_arg name = {in + PEER_FRAME_SIZE, (size_t)name_size};
    const struct resp_arg payload = {in + PEER_FRAME_SIZE + name_size, (size_t)payload_size};
    *message = kind == MESSAGE_EVENT
                   ? message_new_event((unsigned)class, (unsigned)database, &name, &payload)
                   : message_new(MESSAGE_CHANNEL, &name, &payload);
    return *message ? PEER_PARSE_MESSAGE : PEER_PARSE_NOMEM;
}
