/* SPDX-License-Identifier: MIT */
/* Protects the table of subscriptions: who receives what, also when receivers are found in steps
 * and subscriptions change between them, and walks through the names meanwhile. */
#include "server/publish/pubsub.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SUBSCRIBERS 3

struct fixture {
    struct config *config;
    struct pubsub *pubsub;
    struct subscriber *subscribers[SUBSCRIBERS];
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture)
        return -1;
    fixture->config = config_new();
    fixture->pubsub = pubsub_new();
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        fixture->subscribers[i] = subscriber_new(NULL, fixture->config, NULL);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        while (subscriber_unsubscribe(fixture->pubsub, fixture->subscribers[i], 10))
            ;
        assert_int_equal(atomic_load(&fixture->subscribers[i]->bytes), 0);
        assert_int_equal(atomic_load(&fixture->subscribers[i]->references), 1);
        subscriber_release(fixture->subscribers[i]);
    }
    assert_int_equal(pubsub_names(fixture->pubsub, PUBSUB_CHANNEL), 0);
    assert_int_equal(pubsub_names(fixture->pubsub, PUBSUB_PATTERN), 0);
    pubsub_free(fixture->pubsub);
    config_free(fixture->config);
    free(fixture);
    return 0;
}

static struct resp_arg text(const char *bytes)
{
    return (struct resp_arg){(const uint8_t *)bytes, strlen(bytes)};
}

static void subscribe(struct fixture *fixture, size_t subscriber, enum pubsub_kind kind,
                      const char *name)
{
    const struct resp_arg arg = text(name);
    assert_true(pubsub_subscribe(fixture->pubsub, fixture->subscribers[subscriber], kind, &arg));
}

static void unsubscribe(struct fixture *fixture, size_t subscriber, enum pubsub_kind kind,
                        const char *name)
{
    const struct resp_arg arg = text(name);
    pubsub_unsubscribe(fixture->pubsub, fixture->subscribers[subscriber], kind, &arg);
}

static struct message *make_message(const char *channel)
{
    const struct resp_arg name = text(channel), payload = text("hello");
    struct message *message = message_new(MESSAGE_CHANNEL, &name, &payload);
    assert_non_null(message);
    return message;
}

/* Patterns numbered from..to-1, none of which is a prefix of another: "p<number>*x". */
static void subscribe_patterns(struct fixture *fixture, size_t subscriber, unsigned from,
                               unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "*%04u*x", i);
        subscribe(fixture, subscriber, PUBSUB_PATTERN, pattern);
    }
}

static size_t count_of(const struct delivery *delivery)
{
    size_t count = 0;
    for (; delivery; delivery = delivery->next)
        count++;
    return count;
}

static void test_receivers(void **state)
{
    struct fixture *fixture = *state;
    subscribe(fixture, 0, PUBSUB_CHANNEL, "news");
    subscribe(fixture, 0, PUBSUB_CHANNEL, "news"); /* once is enough */
    subscribe(fixture, 1, PUBSUB_CHANNEL, "news");
    subscribe(fixture, 1, PUBSUB_PATTERN, "n*");
    subscribe(fixture, 2, PUBSUB_PATTERN, "*s");
    subscribe(fixture, 2, PUBSUB_PATTERN, "x*");
    struct message *message = make_message("news");
    struct delivery *deliveries = NULL;
    assert_int_equal(pubsub_address(fixture->pubsub, message, &deliveries), 4);
    assert_int_equal(count_of(deliveries), 4);
    assert_int_equal(deliveries->kind, DELIVERY_CHANNEL);
    /* A subscription that ends meanwhile wants nothing any more; the others do. */
    for (const struct delivery *d = deliveries; d; d = d->next)
        assert_true(pubsub_wants(fixture->pubsub, d));
    unsubscribe(fixture, 1, PUBSUB_PATTERN, "n*");
    for (const struct delivery *d = deliveries; d; d = d->next)
        assert_int_equal(pubsub_wants(fixture->pubsub, d),
                         d->subscriber != fixture->subscribers[1] || d->kind == DELIVERY_CHANNEL);
    deliveries_free(deliveries);
    message_release(message);
}

/* However few steps are done at a time, all are found, each once. */
static void test_receivers_in_steps(void **state)
{
    struct fixture *fixture = *state;
    enum { PATTERNS = 500 };
    subscribe_patterns(fixture, 0, 0, PATTERNS);
    subscribe_patterns(fixture, 1, 0, PATTERNS);
    subscribe(fixture, 2, PUBSUB_CHANNEL, "0001 0002 0250 0499 x");
    struct message *message = make_message("0001 0002 0250 0499 x");
    for (size_t steps = 1; steps < 10000; steps *= 7) {
        struct addressing addressing = {.message = message};
        size_t calls = 0;
        for (bool done = false; !done; calls++) {
            size_t left = steps;
            done = pubsub_address_some(fixture->pubsub, &addressing, &left);
        }
        assert_true(steps > 1 || calls > PATTERNS);
        assert_int_equal(addressing.count, 9);
        assert_int_equal(count_of(addressing.first), 9);
        deliveries_free(addressing.first);
    }
    message_release(message);
}

/* Patterns come and go while receivers are found: what is there all the time is found once, nothing
 * is used after it is freed, and a pattern that went and came again is there. */
static void test_changes_between_steps(void **state)
{
    struct fixture *fixture = *state;
    enum { PATTERNS = 300 };
    struct message *message = make_message("0000 0031 0299 x");
    for (unsigned stop = 1; stop < 20; stop++) {
        subscribe_patterns(fixture, 0, 0, PATTERNS);
        subscribe(fixture, 1, PUBSUB_PATTERN, "*0031*x");
        struct addressing addressing = {.message = message};
        size_t steps = 200 * stop;
        bool done = pubsub_address_some(fixture->pubsub, &addressing, &steps);
        assert_false(done);
        while (subscriber_unsubscribe(fixture->pubsub, fixture->subscribers[0], 100))
            ;
        assert_int_equal(pubsub_names(fixture->pubsub, PUBSUB_PATTERN), 1);
        if (stop % 2)
            subscribe_patterns(fixture, 2, 0, PATTERNS);
        while (!done) {
            steps = 100;
            done = pubsub_address_some(fixture->pubsub, &addressing, &steps);
        }
        size_t stayed = 0;
        for (const struct delivery *d = addressing.first; d; d = d->next)
            stayed += d->subscriber == fixture->subscribers[1];
        assert_int_equal(stayed, 1);
        deliveries_free(addressing.first);
        while (subscriber_unsubscribe(fixture->pubsub, fixture->subscribers[2], 100))
            ;
        assert_int_equal(pubsub_names(fixture->pubsub, PUBSUB_PATTERN), 1);
    }
    message_release(message);
}

/* A client that is gone before its message was addressed leaves nothing. */
static void test_giving_up(void **state)
{
    struct fixture *fixture = *state;
    subscribe_patterns(fixture, 0, 0, 200);
    subscribe(fixture, 1, PUBSUB_CHANNEL, "0000 x");
    struct message *message = make_message("0000 x");
    struct addressing addressing = {.message = message};
    size_t steps = 2000;
    assert_false(pubsub_address_some(fixture->pubsub, &addressing, &steps));
    assert_true(addressing.count > 0);
    while (subscriber_unsubscribe(fixture->pubsub, fixture->subscribers[0], 100))
        ;
    pubsub_address_end(fixture->pubsub, &addressing);
    assert_null(addressing.first);
    assert_int_equal(atomic_load(&message->references), 1);
    message_release(message);
}

static void test_walk(void **state)
{
    struct fixture *fixture = *state;
    struct names_walk walk = {0};
    enum { CHANNELS = 1000 };
    bool met[CHANNELS] = {false};
    assert_false(pubsub_walk_on(fixture->pubsub, PUBSUB_CHANNEL, &walk));
    assert_false(pubsub_walk_on(fixture->pubsub, PUBSUB_CHANNEL, &walk)); /* it has ended */
    for (unsigned i = 0; i < CHANNELS; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        subscribe(fixture, i % 2, PUBSUB_CHANNEL, name);
    }
    /* Every second channel loses its subscriber on the way. */
    walk = (struct names_walk){0};
    for (unsigned batch = 0; pubsub_walk_on(fixture->pubsub, PUBSUB_CHANNEL, &walk); batch++) {
        for (size_t i = 0; i < walk.count; i++) {
            unsigned number = (unsigned)strtoul((const char *)walk.batch[i]->bytes, NULL, 10);
            assert_false(met[number]);
            met[number] = true;
        }
        if (batch == 3)
            while (subscriber_unsubscribe(fixture->pubsub, fixture->subscribers[0], 100))
                ;
    }
    unsigned gone = 0;
    for (unsigned i = 0; i < CHANNELS; i++) {
        assert_true(met[i] || i % 2 == 0);
        gone += !met[i];
    }
    assert_true(gone > 0);
    walk = (struct names_walk){0};
    assert_true(pubsub_walk_on(fixture->pubsub, PUBSUB_CHANNEL, &walk));
    while (subscriber_unsubscribe(fixture->pubsub, fixture->subscribers[1], 100))
        ;
    pubsub_walk_end(fixture->pubsub, PUBSUB_CHANNEL, &walk);
    assert_false(pubsub_walk_on(fixture->pubsub, PUBSUB_CHANNEL, &walk));
}

/* What peers look at: it counts names, not subscribers. */
static void test_shown_count(void **state)
{
    struct fixture *fixture = *state;
    atomic_uint_least32_t shown = 99;
    subscribe(fixture, 0, PUBSUB_CHANNEL, "a");
    pubsub_show_count(fixture->pubsub, &shown);
    assert_int_equal(shown, 1);
    subscribe(fixture, 1, PUBSUB_CHANNEL, "a");
    assert_int_equal(shown, 1);
    subscribe(fixture, 1, PUBSUB_PATTERN, "a");
    assert_int_equal(shown, 2);
    struct names_walk walk = {0};
    assert_true(pubsub_walk_on(fixture->pubsub, PUBSUB_PATTERN, &walk));
    unsubscribe(fixture, 1, PUBSUB_PATTERN, "a"); /* pinned, but nobody's */
    assert_int_equal(shown, 1);
    pubsub_walk_end(fixture->pubsub, PUBSUB_PATTERN, &walk);
    unsubscribe(fixture, 0, PUBSUB_CHANNEL, "a");
    assert_int_equal(shown, 1);
    unsubscribe(fixture, 1, PUBSUB_CHANNEL, "a");
    assert_int_equal(shown, 0);
    pubsub_show_count(fixture->pubsub, NULL);
}

#define PUBSUB_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PUBSUB_TEST(test_receivers),
        PUBSUB_TEST(test_receivers_in_steps),
        PUBSUB_TEST(test_changes_between_steps),
        PUBSUB_TEST(test_giving_up),
        PUBSUB_TEST(test_walk),
        PUBSUB_TEST(test_shown_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
