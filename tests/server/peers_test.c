/* SPDX-License-Identifier: MIT */
/* Protects the transport between servers, without servers: the hooks of the others get each message
 * in order, nothing is sent that nobody wants, and a message that is too large ends a link. */
#include "server/peer/peers.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/observe/log.h"
#include "server/peer/message.h"

#define MESSAGES  2000
#define PART_MOST 100000

/* One end: a server without its other parts. */
struct end {
    char run_id[41];
    struct peers *peers;
    atomic_uint seconds;
    pthread_mutex_t mutex;
    pthread_cond_t heard_more;
    /* Guard: mutex. */
    unsigned heard, next;
    unsigned class, database; /* of the last message */
    size_t name_size, payload_size;
};

struct fixture {
    char directory[64], data[96];
    struct log *log;
    struct end ends[2];
};

/* Names are numbers, except those of the last message of a test. */
static void on_message(struct message *message, void *arg)
{
    struct end *end = arg;
    pthread_mutex_lock(&end->mutex);
    end->heard++;
    end->class = message->class;
    end->database = message->database;
    end->name_size = message->name_size;
    end->payload_size = message->payload_size;
    unsigned number;
    if (message->name_size == sizeof number) {
        memcpy(&number, message->bytes, sizeof number);
        end->next = number == end->next ? number + 1 : UINT32_MAX;
    }
    pthread_cond_signal(&end->heard_more);
    pthread_mutex_unlock(&end->mutex);
}

static void on_second(void *arg)
{
    struct end *end = arg;
    atomic_fetch_add(&end->seconds, 1);
}

static uint64_t no_limit(void *arg)
{
    (void)arg;
    return 0;
}

static uint64_t part_most(void *arg)
{
    (void)arg;
    return PART_MOST;
}

static void start(struct fixture *fixture, unsigned number)
{
    struct end *end = &fixture->ends[number];
    char *cause = NULL;
    memset(end->run_id, 'a' + (int)number, sizeof end->run_id - 1);
    pthread_mutex_init(&end->mutex, NULL);
    pthread_cond_init(&end->heard_more, NULL);
    const struct peers_options options = {.data_path = fixture->data,
                                          .run_id = end->run_id,
                                          .log = fixture->log,
                                          .on_message = on_message,
                                          .on_second = on_second,
                                          .output_most = no_limit,
                                          .part_most = part_most,
                                          .arg = end};
    end->peers = peers_start(&options, &cause);
    assert_non_null(end->peers);
    assert_non_null(peers_shown_names(end->peers));
    atomic_store(peers_shown_names(end->peers), 1);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char *cause = NULL;
    if (!fixture)
        return -1;
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/anystore-peers-XXXXXX");
    if (!mkdtemp(fixture->directory)) {
        free(fixture);
        return -1;
    }
    snprintf(fixture->data, sizeof fixture->data, "%s/data", fixture->directory);
    fixture->log = log_open("/dev/null", LOG_WARNING, &cause);
    start(fixture, 0);
    start(fixture, 1);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        peers_stop(fixture->ends[i].peers);
        pthread_mutex_destroy(&fixture->ends[i].mutex);
        pthread_cond_destroy(&fixture->ends[i].heard_more);
    }
    log_close(fixture->log);
    int result = rmdir(fixture->directory); /* fails if the sockets are still there */
    free(fixture);
    return result;
}

static void send_message(struct end *end, struct message *message)
{
    assert_non_null(message);
    peers_relay(end->peers, message);
    message_release(message);
}

static struct message *make(const void *name, size_t name_size, size_t payload_size)
{
    uint8_t *bytes = calloc(1, payload_size + 1);
    const struct resp_arg text = {name, name_size}, payload = {bytes, payload_size};
    assert_non_null(bytes);
    struct message *message = message_new(MESSAGE_CHANNEL, &text, &payload);
    free(bytes);
    return message;
}

static void wait_until_heard(struct end *end, unsigned count)
{
    pthread_mutex_lock(&end->mutex);
    while (end->heard < count)
        pthread_cond_wait(&end->heard_more, &end->mutex);
    assert_int_equal(end->heard, count);
    pthread_mutex_unlock(&end->mutex);
}

/* When the pages of interest become known depends only on time. */
static void wait_until_known(struct end *end)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    unsigned classes;
    while (!peers_wanted_events(end->peers, &classes))
        nanosleep(&moment, NULL);
}

/* Also messages sent before the link is up. */
static void test_messages_keep_their_order(void **state)
{
    struct fixture *fixture = *state;
    struct end *from = &fixture->ends[0], *to = &fixture->ends[1];
    for (unsigned i = 0; i < MESSAGES; i++)
        send_message(from, make(&i, sizeof i, i));
    wait_until_heard(to, MESSAGES);
    assert_int_equal(to->next, MESSAGES);
    assert_int_equal(to->payload_size, MESSAGES - 1);
    assert_int_equal(from->heard, 0);
    struct peer_figures figures;
    peers_figures(from->peers, &figures);
    assert_int_equal(figures.links, 1);
    assert_int_equal(figures.dropped, 0);
    peers_figures(to->peers, &figures);
    assert_true(figures.received >= MESSAGES - 1); /* counted behind the hook */
}

static void test_only_what_is_wanted_is_sent(void **state)
{
    struct fixture *fixture = *state;
    struct end *from = &fixture->ends[0], *to = &fixture->ends[1];
    const struct resp_arg event = {(const uint8_t *)"set", 3}, key = {(const uint8_t *)"k", 1};
    unsigned classes;
    wait_until_known(from);
    atomic_store(peers_shown_names(to->peers), 0);
    send_message(from, make("nobody", 6, 0));
    atomic_store(peers_shown_names(to->peers), 2);
    send_message(from, message_new_event(8, 3, &event, &key));
    peers_show_events(to->peers, 8 | 64);
    assert_true(peers_wanted_events(from->peers, &classes));
    assert_int_equal(classes, 8 | 64);
    send_message(from, message_new_event(16, 3, &event, &key));
    send_message(from, message_new_event(8, 5, &event, &key));
    wait_until_heard(to, 1);
    assert_int_equal(to->class, 8);
    assert_int_equal(to->database, 5);
    assert_int_equal(to->name_size, 3);
    assert_int_equal(to->payload_size, 1);
    send_message(from, make("somebody", 8, 0));
    wait_until_heard(to, 2);
    assert_int_equal(to->name_size, 8);
}

/* Its link ends, and the next one brings the later messages. */
static void test_a_message_that_is_too_large(void **state)
{
    struct fixture *fixture = *state;
    struct end *from = &fixture->ends[0], *to = &fixture->ends[1];
    send_message(from, make("large", 5, PART_MOST));
    wait_until_heard(to, 1);
    send_message(from, make("larger", 6, PART_MOST + 1));
    struct peer_figures figures;
    const struct timespec moment = {.tv_nsec = 1000000};
    do {
        nanosleep(&moment, NULL);
        peers_figures(from->peers, &figures);
    } while (figures.sent < 2 || figures.links == 0);
    /* A message that is sent before the end of the link is noticed is lost. */
    size_t name_size = 0;
    for (unsigned heard = 1; heard == 1; nanosleep(&moment, NULL)) {
        send_message(from, make("more", 4, 0));
        pthread_mutex_lock(&to->mutex);
        heard = to->heard;
        name_size = to->name_size;
        pthread_mutex_unlock(&to->mutex);
    }
    assert_int_equal(name_size, 4);
}

static void test_once_a_second(void **state)
{
    struct fixture *fixture = *state;
    const struct timespec moment = {.tv_nsec = 10000000};
    while (atomic_load(&fixture->ends[0].seconds) == 0 ||
           atomic_load(&fixture->ends[1].seconds) == 0)
        nanosleep(&moment, NULL);
}

static void test_without_peers(void **state)
{
    (void)state;
    struct peer_figures figures;
    unsigned classes;
    peers_stop(NULL);
    peers_relay(NULL, NULL);
    peers_show_events(NULL, 1);
    assert_false(peers_wanted_events(NULL, &classes));
    assert_null(peers_shown_names(NULL));
    peers_figures(NULL, &figures);
    assert_int_equal(figures.links, 0);
}

#define PEERS_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PEERS_TEST(test_messages_keep_their_order), PEERS_TEST(test_only_what_is_wanted_is_sent),
        PEERS_TEST(test_a_message_that_is_too_large), PEERS_TEST(test_once_a_second),
        cmocka_unit_test(test_without_peers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
