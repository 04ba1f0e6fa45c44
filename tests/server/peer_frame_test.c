/* SPDX-License-Identifier: MIT */
/* Protects the protocol between servers: golden bytes, frames there and back, whole and in pieces,
 * and that damaged frames of every kind are refused without an access outside. */
#include "server/peer/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static uint64_t random_state;

static uint64_t next_random(uint64_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % limit;
}

static int seed(void **state)
{
    const char *text = getenv("ANYSTORE_TEST_SEED");
    (void)state;
    random_state = text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    printf("ANYSTORE_TEST_SEED=%llu\n", (unsigned long long)random_state);
    return 0;
}

#define RUN_ID "0123456789abcdef0123456789abcdef01234567"

static void test_hello(void **state)
{
    (void)state;
    const uint8_t golden[PEER_HELLO_SIZE] = "ANYPEER1" RUN_ID "\x08\x07\x06\x05\x04\x03\x02\x01";
    struct peer_hello hello = {.run_id = RUN_ID, .number = UINT64_C(0x0102030405060708)}, back;
    uint8_t bytes[PEER_HELLO_SIZE];
    peer_hello_write(bytes, &hello);
    assert_memory_equal(bytes, golden, sizeof golden);
    assert_true(peer_hello_read(bytes, &back));
    assert_string_equal(back.run_id, RUN_ID);
    assert_true(back.number == hello.number);
    /* Everything but the number counts. */
    for (size_t i = 0; i < PEER_HELLO_SIZE; i++) {
        bytes[i] ^= 0x80;
        assert_true(peer_hello_read(bytes, &back) == (i >= 48 && i < 56));
        bytes[i] ^= 0x80;
    }
}

static struct message *make(const char *name, size_t name_size, const char *payload,
                            size_t payload_size)
{
    const struct resp_arg a = {(const uint8_t *)name, name_size};
    const struct resp_arg b = {(const uint8_t *)payload, payload_size};
    struct message *message = message_new(MESSAGE_CHANNEL, &a, &b);
    assert_non_null(message);
    return message;
}

static uint8_t *frame_of(const struct message *message, size_t *size)
{
    size_t bytes = message->name_size + message->payload_size;
    uint8_t *frame = malloc(PEER_FRAME_SIZE + bytes);
    assert_non_null(frame);
    peer_frame_write(frame, message);
    memcpy(frame + PEER_FRAME_SIZE, message->bytes, bytes);
    *size = PEER_FRAME_SIZE + bytes;
    return frame;
}

static void test_golden_frame(void **state)
{
    (void)state;
    static const uint8_t golden[] = "\1\0\0\0"
                                    "\0\0\0\0\0\0\0\0\0\0\0\0"
                                    "\2\0\0\0\0\0\0\0"
                                    "\3\0\0\0\0\0\0\0"
                                    "chmsg";
    struct message *message = make("ch", 2, "msg", 3);
    size_t size;
    uint8_t *frame = frame_of(message, &size);
    assert_int_equal(size, sizeof golden - 1);
    assert_memory_equal(frame, golden, size);
    free(frame);
    message_release(message);
}

static void test_golden_event(void **state)
{
    (void)state;
    static const uint8_t golden[] = "\2\0\0\0"
                                    "\4\2\0\0"
                                    "\7\0\0\0"
                                    "\0\0\0\0"
                                    "\3\0\0\0\0\0\0\0"
                                    "\1\0\0\0\0\0\0\0"
                                    "delk";
    struct message *message = make("del", 3, "k", 1), *back = NULL;
    size_t size, found;
    message->kind = MESSAGE_EVENT;
    message->class = 0x204;
    message->database = 7;
    uint8_t *frame = frame_of(message, &size);
    assert_int_equal(size, sizeof golden - 1);
    assert_memory_equal(frame, golden, size);
    assert_int_equal(peer_frame_read(frame, size, 100, &found, &back), PEER_PARSE_MESSAGE);
    assert_int_equal(back->kind, MESSAGE_EVENT);
    assert_int_equal(back->class, 0x204);
    assert_int_equal(back->database, 7);
    message_release(back);
    frame[0] = MESSAGE_CHANNEL; /* which has neither */
    assert_int_equal(peer_frame_read(frame, size, 100, &found, &back), PEER_PARSE_BAD);
    free(frame);
    message_release(message);
}

/* Every length there and back; each beginning of a frame is incomplete, read from memory of exactly
 * that size. */
static void test_there_and_back(void **state)
{
    (void)state;
    char text[40];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)next_random(256);
    for (size_t name = 0; name < 20; name++) {
        for (size_t payload = 0; payload < 20; payload++) {
            struct message *message = make(text, name, text + name, payload), *back = NULL;
            size_t size, found;
            uint8_t *frame = frame_of(message, &size);
            for (size_t cut = 0; cut < size; cut++) {
                uint8_t *piece = malloc(cut + 1);
                assert_non_null(piece);
                memcpy(piece + 1, frame, cut);
                assert_int_equal(peer_frame_read(piece + 1, cut, 100, &found, &back),
                                 PEER_PARSE_MORE);
                assert_int_equal(found, cut < PEER_FRAME_SIZE ? 0 : size);
                free(piece);
            }
            assert_int_equal(peer_frame_read(frame, size, 100, &found, &back), PEER_PARSE_MESSAGE);
            assert_int_equal(found, size);
            assert_int_equal(back->name_size, name);
            assert_int_equal(back->payload_size, payload);
            assert_memory_equal(back->bytes, text, name + payload);
            message_release(back);
            message_release(message);
            free(frame);
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {101, UINT64_MAX, UINT64_MAX - 31, UINT64_C(1) << 63};
    struct message *message = make("name", 4, "payload", 7), *back = NULL;
    size_t size, found;
    uint8_t *frame = frame_of(message, &size);
    assert_int_equal(peer_frame_read(frame, size, 6, &found, &back), PEER_PARSE_BAD);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t at = 16; at < 32; at += 8) {
            uint8_t copy[PEER_FRAME_SIZE];
            memcpy(copy, frame, sizeof copy);
            for (size_t b = 0; b < 8; b++)
                copy[at + b] = (uint8_t)(sizes[i] >> (8 * b));
            assert_int_equal(peer_frame_read(copy, sizeof copy, 100, &found, &back),
                             PEER_PARSE_BAD);
            uint64_t most = UINT64_MAX; /* no limit does not allow an overflow */
            enum peer_parse parse = peer_frame_read(copy, sizeof copy, most, &found, &back);
            assert_true(parse == PEER_PARSE_BAD || parse == PEER_PARSE_MORE);
        }
    }
    frame[0] = 99; /* a kind of a newer version */
    assert_int_equal(peer_frame_read(frame, size, 100, &found, &back), PEER_PARSE_SKIP);
    assert_int_equal(found, size);
    free(frame);
    message_release(message);
}

static void test_noise(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        size_t size = (size_t)next_random(80), found;
        uint8_t *noise = malloc(size + 1);
        struct message *message = NULL;
        assert_non_null(noise);
        for (size_t at = 0; at < size; at++)
            noise[at + 1] = next_random(4) ? 0 : (uint8_t)next_random(256);
        enum peer_parse parse = peer_frame_read(noise + 1, size, 1000, &found, &message);
        if (parse == PEER_PARSE_MESSAGE || parse == PEER_PARSE_SKIP)
            assert_true(found <= size && found >= PEER_FRAME_SIZE);
        if (parse == PEER_PARSE_MESSAGE)
            message_release(message);
        free(noise);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),          cmocka_unit_test(test_golden_frame),
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_noise),          cmocka_unit_test(test_golden_event),
    };
    return cmocka_run_group_tests(tests, seed, NULL);
}
