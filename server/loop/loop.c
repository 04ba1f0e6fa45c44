/* SPDX-License-Identifier: MIT */
/* A libevent base with an eventfd and a timer. */
#include "server/loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

struct loop {
    struct loop_hooks hooks;
    struct event_base *base;
    struct event *wake_event, *tick_event;
    pthread_t thread;
    int wake_fd;
    atomic_bool woken; /* the eventfd was written to, and on_wake has not begun yet */
};

struct event_base *loop_base(const struct loop *loop)
{
    return loop->base;
}

/* The exchanges here and in on_wake are in one order: a thread that finds the flag raised left its
 * news before on_wake takes the flag down, and so before on_wake looks. */
void loop_wake(struct loop *loop)
{
    if (atomic_exchange(&loop->woken, true))
        return;
    uint64_t one = 1;
    ssize_t n = write(loop->wake_fd, &one, sizeof one);
    (void)n; /* an eventfd that holds at most one takes another */
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct loop *loop = arg;
    uint64_t count = 0;
    ssize_t n = read(fd, &count, sizeof count);
    (void)n;
    atomic_exchange(&loop->woken, false);
    loop->hooks.on_wake(loop->hooks.arg);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop *loop = arg;
    loop->hooks.on_second(loop->hooks.arg);
}

static bool add_events(struct loop *loop)
{
    const struct timeval second = {.tv_sec = 1};
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (!loop->wake_event || event_add(loop->wake_event, NULL) != 0)
        return false;
    if (!loop->hooks.on_second)
        return true;
    loop->tick_event = event_new(loop->base, -1, EV_PERSIST, on_tick, loop);
    return loop->tick_event && event_add(loop->tick_event, &second) == 0;
}

struct loop *loop_new(const struct loop_hooks *hooks)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->hooks = *hooks;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->base = event_base_new();
    if (loop->wake_fd >= 0 && loop->base && add_events(loop))
        return loop;
    int code = errno;
    loop_free(loop);
    errno = code;
    return NULL;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    if (loop->wake_event)
        event_free(loop->wake_event);
    if (loop->tick_event)
        event_free(loop->tick_event);
    if (loop->base)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    free(loop);
}

void loop_run(struct loop *loop)
{
    event_base_dispatch(loop->base);
}

void loop_end(struct loop *loop)
{
    event_base_loopbreak(loop->base);
}

static void *run_thread(void *loop)
{
    loop_run(loop);
    return NULL;
}

/* pthread_create tells its error without errno. */
bool loop_start(struct loop *loop)
{
    int code = pthread_create(&loop->thread, NULL, run_thread, loop);
    if (code != 0)
        errno = code;
    return code == 0;
}

void loop_join(struct loop *loop)
{
    pthread_join(loop->thread, NULL);
}
