/* SPDX-License-Identifier: MIT */
/* Protects the byte queue: bytes come out in the order in which they went in, space is used again,
 * and lack of memory is remembered and does no harm. */
#include "resp/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static unsigned seed;

static unsigned random_below(unsigned bound)
{
    return (unsigned)rand_r(&seed) % bound;
}

static void check_invariants(const struct resp_buffer *buffer)
{
    assert_true(buffer->start <= buffer->end);
    assert_true(buffer->end <= buffer->capacity);
    assert_true((buffer->data == NULL) == (buffer->capacity == 0));
    assert_true(buffer->start < buffer->end || buffer->start == 0);
}

static void test_all_zero_is_empty(void **state)
{
    struct resp_buffer zero = {0};
    struct resp_buffer buffer;

    (void)state;
    resp_buffer_init(&buffer);
    assert_memory_equal(&buffer, &zero, sizeof zero);
    assert_int_equal(resp_buffer_size(&buffer), 0);
    assert_null(resp_buffer_bytes(&buffer));
    resp_buffer_consume(&buffer, 0);
    resp_buffer_consume(&buffer, 5);
    resp_buffer_truncate(&buffer, 0);
    resp_buffer_truncate(&buffer, 5);
    resp_buffer_trim(&buffer, 0);
    resp_buffer_append(&buffer, NULL, 0);
    assert_memory_equal(&buffer, &zero, sizeof zero);
    assert_non_null(resp_buffer_reserve(&buffer, 0));
    resp_buffer_commit(&buffer, 0);
    assert_int_equal(resp_buffer_size(&buffer), 0);
    check_invariants(&buffer);
    resp_buffer_free(&buffer);
    resp_buffer_free(&buffer);
    assert_memory_equal(&buffer, &zero, sizeof zero);
}

static void test_bytes_keep_their_order(void **state)
{
    struct resp_buffer buffer = {0};

    (void)state;
    resp_buffer_append(&buffer, "hello ", 6);
    resp_buffer_append(&buffer, "world", 5);
    assert_int_equal(resp_buffer_size(&buffer), 11);
    assert_memory_equal(resp_buffer_bytes(&buffer), "hello world", 11);
    resp_buffer_consume(&buffer, 6);
    assert_memory_equal(resp_buffer_bytes(&buffer), "world", 5);
    resp_buffer_truncate(&buffer, 4);
    resp_buffer_append(&buffer, "ds", 2);
    assert_int_equal(resp_buffer_size(&buffer), 6);
    assert_memory_equal(resp_buffer_bytes(&buffer), "worlds", 6);
    resp_buffer_consume(&buffer, 7); /* more than there is */
    assert_int_equal(resp_buffer_size(&buffer), 0);
    assert_int_equal(buffer.start, 0);
    check_invariants(&buffer);
    resp_buffer_free(&buffer);
}

/* Random steps, beside a plain array that does the same. */
static void test_random_steps(void **state)
{
    enum { MODEL_SIZE = 1 << 16 };
    uint8_t *model = malloc(MODEL_SIZE);
    uint8_t bytes[1024];

    (void)state;
    assert_non_null(model);
    for (int round = 0; round < 50; round++) {
        struct resp_buffer buffer = {0};
        size_t size = 0;

        for (int step = 0; step < 2000; step++) {
            const size_t amount = random_below(random_below(8) == 0 ? sizeof bytes : 32);
            size_t kept;
            uint8_t *room;

            for (size_t i = 0; i < amount; i++) {
                bytes[i] = (uint8_t)random_below(256);
            }
            switch (random_below(8)) {
            case 0:
            case 1:
            case 2:
                if (size + amount <= MODEL_SIZE) {
                    resp_buffer_append(&buffer, bytes, amount);
                    memcpy(model + size, bytes, amount);
                    size += amount;
                }
                break;
            case 3:
                kept = random_below((unsigned)amount + 1);
                if (size + kept <= MODEL_SIZE) {
                    room = resp_buffer_reserve(&buffer, amount);
                    assert_non_null(room);
                    memcpy(room, bytes, amount);
                    resp_buffer_commit(&buffer, kept);
                    memcpy(model + size, bytes, kept);
                    size += kept;
                }
                break;
            case 4:
            case 5:
            case 6:
                kept = amount < size ? amount : size;
                resp_buffer_consume(&buffer, amount);
                memmove(model, model + kept, size - kept);
                size -= kept;
                break;
            default:
                if (random_below(20) == 0) {
                    kept = size - (amount < size ? amount : size);
                    resp_buffer_truncate(&buffer, kept);
                    size = kept;
                    resp_buffer_trim(&buffer, 512);
                }
                break;
            }
            check_invariants(&buffer);
            assert_int_equal(resp_buffer_size(&buffer), size);
            if (size > 0) {
                assert_memory_equal(resp_buffer_bytes(&buffer), model, size);
            }
        }
        assert_false(buffer.failed);
        resp_buffer_free(&buffer);
    }
    free(model);
}

/* A buffer through which bytes flow for ever needs no more memory than it holds at a time. */
static void test_consumed_space_is_used_again(void **state)
{
    struct resp_buffer buffer = {0};
    uint8_t bytes[100] = {0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        resp_buffer_append(&buffer, bytes, sizeof bytes);
    }
    for (int i = 0; i < 100000; i++) {
        resp_buffer_append(&buffer, bytes, sizeof bytes);
        resp_buffer_consume(&buffer, sizeof bytes);
    }
    assert_int_equal(resp_buffer_size(&buffer), 100 * sizeof bytes);
    assert_true(buffer.capacity <= 8 * 100 * sizeof bytes);

    /* With little left, nothing is allocated. */
    const size_t capacity = buffer.capacity;

    resp_buffer_consume(&buffer, 99 * sizeof bytes);
    assert_non_null(resp_buffer_reserve(&buffer, capacity - sizeof bytes));
    assert_int_equal(buffer.capacity, capacity);
    assert_int_equal(buffer.start, 0);
    resp_buffer_free(&buffer);
}

static void test_capacity_doubles(void **state)
{
    struct resp_buffer buffer = {0};
    size_t growths = 0;

    (void)state;
    for (int i = 0; i < 1 << 20; i++) {
        const size_t before = buffer.capacity;

        resp_buffer_append(&buffer, "x", 1);
        if (buffer.capacity != before) {
            assert_true(buffer.capacity >= 2 * before);
            growths++;
        }
    }
    assert_true(growths <= 20);
    resp_buffer_free(&buffer);

    /* A large request is granted as it is, and repeating it costs nothing. */
    const uint8_t *room = resp_buffer_reserve(&buffer, 3000000);

    assert_non_null(room);
    assert_int_equal(buffer.capacity, 3000000);
    assert_ptr_equal(resp_buffer_reserve(&buffer, 3000000), room);
    assert_int_equal(buffer.capacity, 3000000);
    resp_buffer_free(&buffer);
}

static void test_trim(void **state)
{
    struct resp_buffer buffer = {0};

    (void)state;
    resp_buffer_reserve(&buffer, 1000);
    resp_buffer_trim(&buffer, 1000);
    assert_int_equal(buffer.capacity, 1000);
    resp_buffer_append(&buffer, "x", 1);
    resp_buffer_trim(&buffer, 999); /* not empty */
    assert_int_equal(buffer.capacity, 1000);
    resp_buffer_consume(&buffer, 1);
    resp_buffer_trim(&buffer, 999);
    assert_int_equal(buffer.capacity, 0);
    assert_null(buffer.data);
    resp_buffer_append(&buffer, "x", 1);
    assert_int_equal(resp_buffer_size(&buffer), 1);
    resp_buffer_free(&buffer);
}

/* Impossible sizes: the failure stays, the contents stay, nothing is added. */
static void test_want_of_memory(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4, SIZE_MAX / 2 + 1};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t used = 0; used < 5; used++) {
            struct resp_buffer buffer = {0};

            resp_buffer_append(&buffer, "abcde", used);
            resp_buffer_consume(&buffer, used / 2);
            assert_null(resp_buffer_reserve(&buffer, sizes[i]));
            assert_true(buffer.failed);
            resp_buffer_append(&buffer, "x", 1);
            assert_null(resp_buffer_reserve(&buffer, 0));
            assert_null(resp_buffer_reserve(&buffer, 1));
            assert_int_equal(resp_buffer_size(&buffer), used - used / 2);
            check_invariants(&buffer);
            resp_buffer_consume(&buffer, used);
            assert_true(buffer.failed);
            resp_buffer_free(&buffer);
            resp_buffer_append(&buffer, "x", 1);
            assert_int_equal(resp_buffer_size(&buffer), 1);
            assert_false(buffer.failed);
            resp_buffer_free(&buffer);
        }
    }
}

/* Nobody gets more than the limit, nor memory for more; bytes that fit are not affected. */
static void test_limit(void **state)
{
    (void)state;
    struct resp_buffer buffer = {.most = 1000};

    for (int i = 0; i < 100; i++) {
        resp_buffer_append(&buffer, "0123456789", 10);
        check_invariants(&buffer);
        assert_true(buffer.capacity <= 1000);
    }
    assert_false(buffer.failed);
    assert_int_equal(resp_buffer_size(&buffer), 1000);
    /* Consumed room counts as room. */
    resp_buffer_consume(&buffer, 600);
    resp_buffer_append(&buffer, "0123456789", 10);
    assert_false(buffer.failed);
    assert_int_equal(resp_buffer_size(&buffer), 410);
    assert_null(resp_buffer_reserve(&buffer, 1000));
    assert_true(buffer.failed && buffer.overrun);
    assert_int_equal(resp_buffer_size(&buffer), 410);
    resp_buffer_free(&buffer);
    assert_false(buffer.failed || buffer.overrun);

    buffer.most = 1000;
    assert_null(resp_buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer.failed && buffer.overrun && buffer.capacity == 0);
    resp_buffer_free(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_zero_is_empty),
        cmocka_unit_test(test_bytes_keep_their_order),
        cmocka_unit_test(test_random_steps),
        cmocka_unit_test(test_consumed_space_is_used_again),
        cmocka_unit_test(test_capacity_doubles),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_want_of_memory),
        cmocka_unit_test(test_limit),
    };
    const char *given = getenv("ANYSTORE_TEST_SEED");

    seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("ANYSTORE_TEST_SEED=%u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
