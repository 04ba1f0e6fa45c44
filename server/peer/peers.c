/* SPDX-License-Identifier: MIT */
/* The thread of the peers: finding them, keeping links to them, handing messages to the links. */
#include "server/peer/peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "server/peer/link.h"
#include "server/peer/state.h"
#include "server/peer/visitor.h"

#define STOP_MS 1000 /* for peers to take what waits at the end */

/* ---- On any thread ------------------------------------------------------------------------ */

static void on_found(const char *run_id, void *arg)
{
    struct peers *peers = arg;
    peer_link_add_locked(peers, run_id);
}

/* A server has its name in the directory before it says that it is ready, and inotify reports the
 * name at once.  So a message that is published later finds a link to that server, connected or
 * not. */
void peers_relay(struct peers *peers, struct message *message)
{
    if (!peers)
        return;
    uint64_t most = peers->options.output_most(peers->options.arg);
    bool wake = false;
    pthread_mutex_lock(&peers->mutex);
    peer_place_news(&peers->place, on_found, peers);
    for (struct peer_link *link = peers->links; link; link = link->next)
        wake |= peer_link_push_locked(link, message, most);
    pthread_mutex_unlock(&peers->mutex);
    if (wake)
        loop_wake(peers->loop);
}

atomic_uint_least32_t *peers_shown_names(struct peers *peers)
{
    return peers && peers->interest ? &peers->interest->names : NULL;
}

void peers_show_events(struct peers *peers, unsigned classes)
{
    if (peers && peers->interest)
        atomic_store(&peers->interest->events, classes);
}

bool peers_wanted_events(struct peers *peers, unsigned *classes)
{
    *classes = 0;
    if (!peers)
        return false;
    pthread_mutex_lock(&peers->mutex);
    peer_place_news(&peers->place, on_found, peers);
    bool all = peers->place.directory >= 0;
    for (const struct peer_link *link = peers->links; link; link = link->next) {
        all = all && link->interest;
        if (link->interest)
            *classes |= (unsigned)atomic_load(&link->interest->events);
    }
    pthread_mutex_unlock(&peers->mutex);
    return all;
}

void peers_figures(struct peers *peers, struct peer_figures *figures)
{
    *figures = (struct peer_figures){0};
    if (!peers)
        return;
    figures->links = atomic_load(&peers->connected);
    figures->sent = atomic_load(&peers->sent);
    figures->received = atomic_load(&peers->received);
    figures->dropped = atomic_load(&peers->dropped);
    figures->cuts = atomic_load(&peers->cuts);
}

/* ---- The place ---------------------------------------------------------------------------- */

static void on_listening(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    peer_visitors_accept(arg);
}

static void go_on_all(struct peers *peers)
{
    pthread_mutex_lock(&peers->mutex);
    struct peer_link *link = peers->links;
    pthread_mutex_unlock(&peers->mutex);
    while (link) {
        struct peer_link *next = link->next;
        peer_link_go_on(link);
        link = next;
    }
}

static void look_for_news(struct peers *peers)
{
    pthread_mutex_lock(&peers->mutex);
    peer_place_news(&peers->place, on_found, peers);
    pthread_mutex_unlock(&peers->mutex);
    go_on_all(peers);
}

static void on_news(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    look_for_news(arg);
}

static void leave_place(struct peers *peers)
{
    if (peers->watch_event)
        event_free(peers->watch_event);
    if (peers->listen_event)
        event_free(peers->listen_event);
    peers->watch_event = peers->listen_event = NULL;
    pthread_mutex_lock(&peers->mutex);
    peer_place_close(&peers->place);
    pthread_mutex_unlock(&peers->mutex);
}

/* Opens the place and finds who is there.  False and *cause if it cannot be used. */
static bool take_place(struct peers *peers, char **cause)
{
    pthread_mutex_lock(&peers->mutex);
    bool open =
        peer_place_open(&peers->place, peers->options.data_path, peers->options.run_id, cause);
    if (open)
        peer_place_scan(&peers->place, on_found, peers);
    pthread_mutex_unlock(&peers->mutex);
    if (!open)
        return false;
    peers->watch_event =
        event_new(loop_base(peers->loop), peers->place.watch, EV_READ | EV_PERSIST, on_news, peers);
    peers->listen_event = event_new(loop_base(peers->loop), peers->place.listener,
                                    EV_READ | EV_PERSIST, on_listening, peers);
    if (peers->watch_event && peers->listen_event && event_add(peers->watch_event, NULL) == 0 &&
        event_add(peers->listen_event, NULL) == 0)
        return true;
    leave_place(peers);
    return false;
}

/* Opens the place again if somebody removed the socket or the directory, or if opening has failed
 * so far. */
static void heal_place(struct peers *peers)
{
    char *cause = NULL;
    if (peer_place_is_whole(&peers->place))
        return;
    bool lost = peers->place.directory >= 0;
    leave_place(peers);
    if (take_place(peers, &cause))
        log_write(peers->options.log, LOG_NOTICE, "The socket for peers is made%s",
                  lost ? " anew" : "");
    else if (lost)
        log_write(peers->options.log, LOG_WARNING, "No link to other servers: %s",
                  cause ? cause : "out of memory");
    free(cause);
}

/* ---- The loop ----------------------------------------------------------------------------- */

static void on_wake(void *arg)
{
    struct peers *peers = arg;
    go_on_all(peers);
    if (atomic_load(&peers->stop_asked) && !peers->stopping) {
        peers->stopping = true;
        peers->stop_by_ms = steady_ms() + STOP_MS;
    }
    peer_links_end_if_done(peers);
}

/* Once a second: tries again what has failed. */
static void on_second(void *arg)
{
    struct peers *peers = arg;
    if (!peers->stopping)
        heal_place(peers);
    if (peers->listen_event)
        event_add(peers->listen_event, NULL);
    look_for_news(peers);
    peers->options.on_second(peers->options.arg);
    peer_links_end_if_done(peers);
}

static void peers_free(struct peers *peers)
{
    leave_place(peers);
    while (peers->links)
        peer_link_free(peers->links);
    peer_visitors_free(peers);
    loop_free(peers->loop);
    if (peers->interest_fd >= 0)
        close(peers->interest_fd);
    peer_interest_unmap(peers->interest);
    pthread_mutex_destroy(&peers->mutex);
    free(peers);
}

/* Without a page of interest peers send every message.  That is slower, but nothing is lost. */
static void make_interest(struct peers *peers)
{
    peers->interest_fd = peer_interest_make(&peers->interest);
    if (!peers->interest)
        log_write(peers->options.log, LOG_WARNING,
                  "No shared page for peers: they will send messages that nobody waits for: %s",
                  strerror(errno));
}

struct peers *peers_start(const struct peers_options *options, char **cause)
{
    struct peers *peers = calloc(1, sizeof *peers);
    *cause = NULL;
    if (!peers)
        return NULL;
    peers->options = *options;
    peers->interest_fd = -1;
    peers->place = (struct peer_place){.directory = -1, .watch = -1, .listener = -1};
    pthread_mutex_init(&peers->mutex, NULL);
    const struct loop_hooks hooks = {.on_wake = on_wake, .on_second = on_second, .arg = peers};
    peers->loop = loop_new(&hooks);
    if (peers->loop) {
        char *trouble = NULL;
        make_interest(peers);
        if (!take_place(peers, &trouble))
            log_write(peers->options.log, LOG_WARNING,
                      "PUBLISH does not reach the subscribers of other servers: %s",
                      trouble ? trouble : "out of memory");
        free(trouble);
        loop_wake(peers->loop); /* connects to the servers that were found */
        if (loop_start(peers->loop))
            return peers;
    }
    if (asprintf(cause, "cannot start the thread for peers: %s", strerror(errno)) < 0)
        *cause = NULL;
    peers_free(peers);
    return NULL;
}

void peers_stop(struct peers *peers)
{
    if (!peers)
        return;
    atomic_store(&peers->stop_asked, true);
    loop_wake(peers->loop);
    loop_join(peers->loop);
    peers_free(peers);
}
