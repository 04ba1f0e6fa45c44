/* SPDX-License-Identifier: MIT */
/* Protects watched keys while a commit is on its way to the disk: whether it succeeds or fails, a
 * watch reports what became visible. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "anystore.h"
#include "store/store.h"
#include "tests/store/disks/hook_disk.h"
#include "tests/store/support.h"
#include "tests/store/watch_steps.h"

struct gate {
    struct hook_disk hook; /* first */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool armed, waiting, open;
    int answer;
};

static int at_gate(struct hook_disk *hook, enum hook_call call)
{
    struct gate *gate = (struct gate *)(void *)hook;
    if (call != HOOK_FSYNC)
        return 0;
    pthread_mutex_lock(&gate->mutex);
    int answer = 0;
    if (gate->armed) {
        gate->waiting = true;
        pthread_cond_broadcast(&gate->changed);
        while (!gate->open)
            pthread_cond_wait(&gate->changed, &gate->mutex);
        answer = gate->answer;
        gate->armed = gate->waiting = gate->open = false;
    }
    pthread_mutex_unlock(&gate->mutex);
    return answer;
}

struct in_flight {
    struct anystore_submission submission; /* first */
    struct watch_steps steps;
    struct gate *gate;
    bool done;
    enum anystore_status status;
};

static void on_done(struct anystore_submission *submission, bool ran,
                    const struct anystore_error *error)
{
    struct in_flight *self = (struct in_flight *)(void *)submission;
    (void)ran;
    pthread_mutex_lock(&self->gate->mutex);
    self->done = true;
    self->status = error->status;
    pthread_cond_broadcast(&self->gate->changed);
    pthread_mutex_unlock(&self->gate->mutex);
}

static void fly(struct anystore *store, struct gate *gate, struct in_flight *flight,
                struct anystore_watch *watches, const char *const *words)
{
    *flight = (struct in_flight){.gate = gate, .steps = {.words = words, .watches = watches}};
    flight->submission = (struct anystore_submission){
        .fn = watch_run_steps, .arg = &flight->steps, .on_done = on_done};
    pthread_mutex_lock(&gate->mutex);
    gate->armed = true;
    pthread_mutex_unlock(&gate->mutex);
    anystore_submit(store, &flight->submission);
    pthread_mutex_lock(&gate->mutex);
    while (!gate->waiting)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

static enum anystore_status land(struct in_flight *flight, int answer)
{
    struct gate *gate = flight->gate;
    pthread_mutex_lock(&gate->mutex);
    gate->answer = answer;
    gate->open = true;
    pthread_cond_broadcast(&gate->changed);
    while (!flight->done)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    assert_false(flight->steps.failed);
    return flight->status;
}

static struct anystore *open_gated(struct gate *gate)
{
    memset(gate, 0, sizeof *gate);
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
    hook_disk_init(&gate->hook, &disk_system);
    gate->hook.on_call = at_gate;
    struct anystore_key *key = support_key(1);
    struct anystore_error error;
    struct anystore *store = store_open_on_disk(
        &(struct anystore_options){.path = scratch.path, .key = key}, &gate->hook.table, &error);
    assert_non_null(store);
    anystore_key_free(key);
    return store;
}

/* a is changed by the commit, b is not, c is removed with all the others, d comes and goes. */
static void test_watch_during_a_commit(void **state)
{
    static const char *const put[] = {"put a", "watch 2", "put d", "del d", NULL};
    static const char *const clear[] = {"clear", "put b", NULL};
    struct anystore_watch watches[WATCHES], late[WATCHES];
    struct in_flight flight;
    struct gate gate;

    (void)state;
    struct anystore *store = open_gated(&gate);
    support_put(store, "a", "1");
    support_put(store, "c", "1");
    watch_name(watches);
    watch_name(late);
    RUN(store, watches, "view", "watch 0", "watch 1");
    fly(store, &gate, &flight, watches, put);
    RUN(store, late, "view", "watch 0", "watch 1", "unchanged 0", "unchanged 1");
    RUN(store, watches, "view", "unchanged 1");
    assert_int_equal(land(&flight, 0), ANYSTORE_OK);
    watch_expect(store, watches, "x--");
    watch_expect(store, late, "x-");
    watch_end(store, watches, 3);
    watch_end(store, late, 2);

    RUN(store, watches, "view", "watch 0", "watch 1");
    fly(store, &gate, &flight, watches, clear);
    RUN(store, late, "view", "watch 0", "watch 1", "watch 2", "watch 3");
    assert_int_equal(land(&flight, 0), ANYSTORE_OK);
    watch_expect(store, watches, "xx");
    watch_expect(store, late, "xxx-");
    watch_end(store, watches, 2);
    watch_end(store, late, WATCHES);
    anystore_close(store);
}

/* The commit fails: a watch set in it has seen a state that never existed; one set beside it has
 * not. */
static void test_watch_during_a_failing_commit(void **state)
{
    static const char *const del[] = {"del a", "watch 0", "watch 1", NULL};
    struct anystore_watch watches[WATCHES], late[WATCHES];
    struct in_flight flight;
    struct gate gate;

    (void)state;
    struct anystore *store = open_gated(&gate);
    support_put(store, "a", "1");
    watch_name(watches);
    watch_name(late);
    fly(store, &gate, &flight, watches, del);
    RUN(store, late, "view", "watch 0", "watch 1");
    assert_int_equal(land(&flight, EIO), ANYSTORE_IO);
    support_expect(store, "a", "1");
    watch_expect(store, watches, "x");
    watch_expect(store, late, "--");
    struct anystore *there = support_open(scratch.path);
    support_clear(there);
    watch_expect(store, late, "x-");
    anystore_close(there);
    watch_end(store, watches, 2);
    watch_end(store, late, 2);
    anystore_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_set_up, support_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_watch_during_a_commit),
        TEST(test_watch_during_a_failing_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
