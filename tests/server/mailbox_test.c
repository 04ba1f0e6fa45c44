/* SPDX-License-Identifier: MIT */
/* Protects the mail of a worker: each kind keeps its order, nothing is lost or taken twice, and
 * several posts wake the worker once. */
#include "server/publish/mailbox.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "server/loop/loop.h"
#include "server/publish/subscriber.h"

#define POSTERS    3
#define POSTS_EACH 5000

struct worker {
    struct loop *loop;
    struct mailbox *mailbox;
    unsigned wakes;
};

static void on_wake(void *arg)
{
    struct worker *worker = arg;
    worker->wakes++;
}

static void open_worker(struct worker *worker)
{
    const struct loop_hooks hooks = {.on_wake = on_wake, .arg = worker};
    *worker = (struct worker){.loop = loop_new(&hooks)};
    assert_non_null(worker->loop);
    worker->mailbox = mailbox_new(worker->loop);
    assert_non_null(worker->mailbox);
}

static void close_worker(struct worker *worker)
{
    mailbox_free(worker->mailbox);
    loop_free(worker->loop);
    mailbox_free(NULL);
}

static void look_once(struct worker *worker)
{
    assert_true(event_base_loop(loop_base(worker->loop), EVLOOP_NONBLOCK) >= 0);
}

static void assert_empty(struct worker *worker)
{
    struct mail mail;
    mailbox_take(worker->mailbox, &mail);
    assert_null(mail.arrivals);
    assert_null(mail.finished);
    assert_null(mail.deliveries);
    assert_false(mail.recheck_clients || mail.stop);
}

static void test_each_kind_keeps_its_order(void **state)
{
    (void)state;
    struct worker worker;
    struct arrival arrivals[3] = {{.fd = 10}, {.fd = 11, .is_unix = true}, {.fd = 12}};
    struct finished_update updates[3];
    struct delivery first, second, third, *const deliveries[3] = {&first, &second, &third};
    struct mail mail;
    open_worker(&worker);
    assert_empty(&worker);
    for (int i = 0; i < 3; i++) {
        mailbox_post_finished(worker.mailbox, &updates[i]);
        mailbox_post_arrival(worker.mailbox, &arrivals[i]);
        mailbox_post_delivery(worker.mailbox, deliveries[i]);
    }
    mailbox_take(worker.mailbox, &mail);
    const struct arrival *arrival = mail.arrivals;
    const struct finished_update *update = mail.finished;
    const struct delivery *delivery = mail.deliveries;
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(arrival, &arrivals[i]);
        assert_ptr_equal(update, &updates[i]);
        assert_ptr_equal(delivery, deliveries[i]);
        arrival = arrival->next;
        update = update->next;
        delivery = delivery->next;
    }
    assert_null(arrival);
    assert_null(update);
    assert_null(delivery);
    assert_false(mail.recheck_clients || mail.stop);
    /* Mail that comes later begins a new list. */
    mailbox_post_finished(worker.mailbox, &updates[1]);
    mailbox_take(worker.mailbox, &mail);
    assert_ptr_equal(mail.finished, &updates[1]);
    assert_null(mail.finished->next);
    assert_empty(&worker);
    close_worker(&worker);
}

static void test_requests(void **state)
{
    (void)state;
    struct worker worker;
    struct mail mail;
    open_worker(&worker);
    mailbox_ask_recheck(worker.mailbox);
    mailbox_ask_recheck(worker.mailbox);
    mailbox_take(worker.mailbox, &mail);
    assert_true(mail.recheck_clients);
    assert_false(mail.stop);
    mailbox_ask_stop(worker.mailbox);
    mailbox_take(worker.mailbox, &mail);
    assert_false(mail.recheck_clients);
    assert_true(mail.stop);
    assert_empty(&worker);
    close_worker(&worker);
}

static void test_several_posts_wake_once(void **state)
{
    (void)state;
    struct worker worker;
    struct finished_update updates[2];
    struct delivery delivery;
    struct mail mail;
    open_worker(&worker);
    look_once(&worker);
    assert_int_equal(worker.wakes, 0);
    mailbox_post_finished(worker.mailbox, &updates[0]);
    mailbox_post_finished(worker.mailbox, &updates[1]);
    mailbox_post_delivery(worker.mailbox, &delivery);
    mailbox_ask_recheck(worker.mailbox);
    look_once(&worker);
    look_once(&worker);
    assert_int_equal(worker.wakes, 1);
    mailbox_take(worker.mailbox, &mail);
    mailbox_post_finished(worker.mailbox, &updates[0]);
    look_once(&worker);
    assert_int_equal(worker.wakes, 2);
    mailbox_take(worker.mailbox, &mail);
    close_worker(&worker);
}

/* ---- Threads ------------------------------------------------------------------------------ */

struct numbered {
    struct finished_update update;
    unsigned poster, number;
};

struct poster {
    struct mailbox *mailbox;
    struct numbered *posts;
    pthread_t thread;
};

static void *post_all(void *arg)
{
    struct poster *poster = arg;
    for (unsigned i = 0; i < POSTS_EACH; i++)
        mailbox_post_finished(poster->mailbox, &poster->posts[i].update);
    return NULL;
}

static void start(struct poster *poster, struct worker *worker, unsigned number)
{
    poster->mailbox = worker->mailbox;
    poster->posts = calloc(POSTS_EACH, sizeof *poster->posts);
    assert_non_null(poster->posts);
    for (unsigned i = 0; i < POSTS_EACH; i++)
        poster->posts[i] = (struct numbered){.poster = number, .number = i};
    assert_int_equal(pthread_create(&poster->thread, NULL, post_all, poster), 0);
}

/* The posts of one thread arrive in its order, each once; a lost wake-up would block the test. */
static void test_posts_of_several_threads(void **state)
{
    (void)state;
    struct worker worker;
    struct poster posters[POSTERS];
    unsigned next[POSTERS] = {0}, total = 0;
    open_worker(&worker);
    for (unsigned i = 0; i < POSTERS; i++)
        start(&posters[i], &worker, i);
    while (total < POSTERS * POSTS_EACH) {
        struct mail mail;
        assert_int_equal(event_base_loop(loop_base(worker.loop), EVLOOP_ONCE), 0);
        mailbox_take(worker.mailbox, &mail);
        for (struct finished_update *update = mail.finished; update; update = update->next) {
            const struct numbered *post = (const struct numbered *)(const void *)update;
            assert_int_equal(post->number, next[post->poster]++);
            total++;
        }
    }
    for (unsigned i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
        assert_int_equal(next[i], POSTS_EACH);
        free(posters[i].posts);
    }
    assert_empty(&worker);
    close_worker(&worker);
}

/* ---- Deliveries --------------------------------------------------------------------------- */

static size_t send_messages(struct subscriber *subscriber, size_t payload_size, size_t count)
{
    uint8_t *bytes = calloc(1, payload_size);
    const struct resp_arg name = {(const uint8_t *)"news", 4}, payload = {bytes, payload_size};
    assert_non_null(bytes);
    struct message *message = message_new(MESSAGE_CHANNEL, &name, &payload);
    free(bytes);
    assert_non_null(message);
    for (size_t i = 0; i < count; i++)
        delivery_send(delivery_new(subscriber, message, DELIVERY_CHANNEL, NULL));
    size_t references = atomic_load(&message->references);
    message_release(message);
    return references - 1;
}

static size_t receive(struct worker *worker)
{
    struct mail mail;
    size_t count = 0;
    mailbox_take(worker->mailbox, &mail);
    for (const struct delivery *delivery = mail.deliveries; delivery; delivery = delivery->next) {
        delivery_arrived(delivery);
        count++;
    }
    deliveries_free(mail.deliveries);
    return count;
}

/* A receiver that takes too little gets the messages that exceed its limit, so that its worker
 * notices, and no more. */
static void test_what_may_wait_for_a_subscriber(void **state)
{
    (void)state;
    struct worker worker;
    struct config *config = config_new();
    char *cause = NULL;
    assert_non_null(config);
    assert_true(config_set(config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT,
                           "normal 0 0 0 replica 0 0 0 pubsub 1mb 0 0", &cause));
    open_worker(&worker);
    struct subscriber *subscriber = subscriber_new(worker.mailbox, config, NULL);
    assert_non_null(subscriber);
    assert_int_equal(subscriber_output_limit(subscriber).hard_bytes, 0);
    assert_int_equal(send_messages(subscriber, 1 << 20, 4), 4); /* a normal client has no limit */
    assert_int_equal(receive(&worker), 4);
    assert_int_equal(atomic_load(&subscriber->waiting), 0);

    atomic_fetch_add(&subscriber->count[PUBSUB_PATTERN], 1);
    assert_int_equal(subscriber_output_limit(subscriber).hard_bytes, 1 << 20);
    assert_int_equal(send_messages(subscriber, 100000, 10), 10);
    assert_false(atomic_load(&subscriber->overrun));
    assert_int_equal(send_messages(subscriber, 100000, 10), 1);
    assert_true(atomic_load(&subscriber->overrun));
    assert_int_equal(receive(&worker), 11);
    assert_int_equal(atomic_load(&subscriber->waiting), 0);
    atomic_fetch_sub(&subscriber->count[PUBSUB_PATTERN], 1);

    atomic_store(&subscriber->monitors, true); /* the limit of subscribers, if it has none */
    assert_int_equal(subscriber_output_limit(subscriber).hard_bytes, 1 << 20);
    assert_true(config_set(config, CONFIG_CLIENT_OUTPUT_BUFFER_LIMIT, "normal 2mb 0 0", &cause));
    assert_int_equal(subscriber_output_limit(subscriber).hard_bytes, 2 << 20);
    subscriber_release(subscriber);
    close_worker(&worker);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_keeps_its_order),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_several_posts_wake_once),
        cmocka_unit_test(test_posts_of_several_threads),
        cmocka_unit_test(test_what_may_wait_for_a_subscriber),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
