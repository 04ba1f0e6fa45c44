/* SPDX-License-Identifier: MIT */
/* Links to peers: the bounded queue of each, connecting, sending, finding out that a peer is
 * dead. */
#include "server/peer/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "server/peer/message.h"
#include "server/peer/state.h"

#define ROUNDS   64   /* sends in a row to one peer before the others have their turn */
#define RETRY_MS 1000 /* between two attempts to connect to a peer */

struct peer_waiting {
    struct peer_waiting *next;
    struct message *message;
};

/* ---- The queue ---------------------------------------------------------------------------- */

void peer_link_add_locked(struct peers *peers, const char *run_id)
{
    for (const struct peer_link *link = peers->links; link; link = link->next)
        if (strcmp(link->run_id, run_id) == 0)
            return;
    struct peer_link *link = calloc(1, sizeof *link);
    if (!link)
        return; /* the next scan finds it again */
    link->peers = peers;
    link->fd = -1;
    memcpy(link->run_id, run_id, sizeof link->run_id);
    link->next = peers->links;
    peers->links = link;
}

static size_t cost_of(const struct message *message)
{
    return sizeof(struct peer_waiting) + message_cost(message);
}

static uint64_t drop_waiting_locked(struct peer_link *link)
{
    uint64_t dropped = 0;
    while (link->first) {
        struct peer_waiting *waiting = link->first;
        link->first = waiting->next;
        link->waiting_bytes -= cost_of(waiting->message);
        message_release(waiting->message);
        free(waiting);
        dropped++;
    }
    link->last = NULL;
    return dropped;
}

static bool wants_locked(const struct peer_link *link, const struct message *message)
{
    if (!link->interest)
        return true;
    if (message->kind == MESSAGE_EVENT && !(atomic_load(&link->interest->events) & message->class))
        return false;
    return atomic_load(&link->interest->names) > 0;
}

bool peer_link_push_locked(struct peer_link *link, struct message *message, uint64_t most_bytes)
{
    struct peers *peers = link->peers;
    if (!wants_locked(link, message))
        return false;
    size_t cost = cost_of(message);
    /* As with a client, one message always fits: the limit holds for the next one. */
    bool full = most_bytes && link->waiting_bytes > 0 && link->waiting_bytes + cost > most_bytes;
    struct peer_waiting *waiting = full || link->cut ? NULL : malloc(sizeof *waiting);
    if (!waiting) {
        atomic_fetch_add(&peers->dropped, 1 + (full ? drop_waiting_locked(link) : 0));
        bool first = full && !link->cut;
        link->overflowed |= first;
        link->cut |= first;
        return first;
    }
    *waiting = (struct peer_waiting){.message = message_hold(message)};
    if (link->last)
        link->last->next = waiting;
    else
        link->first = waiting;
    link->last = waiting;
    link->waiting_bytes += cost;
    return true;
}

/* Moves the next messages from the queue to the batch.  False if there are none. */
static bool fill_batch(struct peer_link *link)
{
    struct peer_batch *batch = &link->batch;
    batch->first = batch->count = batch->offset = 0;
    pthread_mutex_lock(&link->peers->mutex);
    while (link->first && batch->count < PEER_BATCH) {
        struct peer_waiting *waiting = link->first;
        link->first = waiting->next;
        if (!link->first)
            link->last = NULL;
        peer_frame_write(batch->headers[batch->count], waiting->message);
        batch->messages[batch->count++] = waiting->message;
        free(waiting);
    }
    pthread_mutex_unlock(&link->peers->mutex);
    return batch->count > 0;
}

/* Releases the first `count` messages of the batch. */
static void release_batch(struct peer_link *link, size_t count)
{
    struct peer_batch *batch = &link->batch;
    size_t cost = 0;
    for (size_t i = 0; i < count; i++)
        cost += cost_of(batch->messages[batch->first + i]);
    pthread_mutex_lock(&link->peers->mutex);
    link->waiting_bytes -= cost;
    pthread_mutex_unlock(&link->peers->mutex);
    for (size_t i = 0; i < count; i++)
        message_release(batch->messages[batch->first++]);
}

/* ---- Connecting --------------------------------------------------------------------------- */

/* A message that was sent in part stays in the batch, to be sent again. */
static void disconnect(struct peer_link *link)
{
    if (link->fd < 0)
        return;
    event_free(link->read_event);
    event_free(link->write_event);
    link->read_event = link->write_event = NULL;
    link->write_enabled = false;
    close(link->fd);
    link->fd = -1;
    link->hello_size = 0;
    link->batch.offset = 0;
    atomic_fetch_sub(&link->peers->connected, 1);
    pthread_mutex_lock(&link->peers->mutex);
    const struct peer_interest *interest = link->interest;
    link->interest = NULL;
    pthread_mutex_unlock(&link->peers->mutex);
    peer_interest_unmap(interest);
}

void peer_link_free(struct peer_link *link)
{
    struct peers *peers = link->peers;
    disconnect(link);
    release_batch(link, link->batch.count - link->batch.first);
    pthread_mutex_lock(&peers->mutex);
    struct peer_link **place = &peers->links;
    while (*place != link)
        place = &(*place)->next;
    *place = link->next;
    drop_waiting_locked(link);
    pthread_mutex_unlock(&peers->mutex);
    free(link);
}

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

static bool adopt(struct peer_link *link, int fd)
{
    struct peers *peers = link->peers;
    uint8_t hello[PEER_HELLO_SIZE];
    struct peer_hello own = {.number = ++peers->link_number};
    memcpy(own.run_id, peers->options.run_id, PEER_RUN_ID_SIZE);
    peer_hello_write(hello, &own);
    struct event *read_event =
        event_new(loop_base(peers->loop), fd, EV_READ | EV_PERSIST, on_readable, link);
    struct event *write_event =
        event_new(loop_base(peers->loop), fd, EV_WRITE | EV_PERSIST, on_writable, link);
    /* A new socket has room for a whole hello. */
    if (read_event && write_event && event_add(read_event, NULL) == 0 &&
        send(fd, hello, sizeof hello, MSG_NOSIGNAL) == (ssize_t)sizeof hello) {
        link->fd = fd;
        link->read_event = read_event;
        link->write_event = write_event;
        atomic_fetch_add(&peers->connected, 1);
        return true;
    }
    if (read_event)
        event_free(read_event);
    if (write_event)
        event_free(write_event);
    close(fd);
    return false;
}

/* False if the link is not connected.  *gone: the peer is dead, and the link is freed. */
static bool connect_link(struct peer_link *link, bool *gone)
{
    struct peers *peers = link->peers;
    int64_t now = steady_ms();
    *gone = false;
    if (peers->place.directory < 0 || now < link->next_try_ms)
        return false;
    link->next_try_ms = now + RETRY_MS;
    int fd = peer_place_connect(&peers->place, link->run_id);
    if (fd >= 0 && adopt(link, fd)) {
        pthread_mutex_lock(&peers->mutex);
        link->cut = false;
        pthread_mutex_unlock(&peers->mutex);
        link->complained = false;
        log_write(peers->options.log, LOG_VERBOSE, "Peer %s: linked", link->run_id);
        return true;
    }
    if (fd < 0 && (errno == ECONNREFUSED || errno == ENOENT)) {
        log_write(peers->options.log, LOG_VERBOSE, "Peer %s: gone", link->run_id);
        if (errno == ECONNREFUSED)
            peer_place_remove(&peers->place, link->run_id);
        peer_link_free(link);
        *gone = true;
    } else if (fd < 0 && errno != EAGAIN && !link->complained) {
        link->complained = true;
        log_write(peers->options.log, LOG_WARNING, "Peer %s: cannot connect: %s", link->run_id,
                  strerror(errno));
    }
    return false;
}

/* ---- Sending ------------------------------------------------------------------------------ */

static void enable_write(struct peer_link *link, bool enable)
{
    if (link->write_enabled == enable)
        return;
    if (enable)
        event_add(link->write_event, NULL);
    else
        event_del(link->write_event);
    link->write_enabled = enable;
}

static ssize_t send_batch(struct peer_link *link)
{
    struct peer_batch *batch = &link->batch;
    struct iovec parts[2 * PEER_BATCH];
    size_t count = 0, skip = batch->offset;
    for (size_t i = batch->first; i < batch->count; i++) {
        struct message *message = batch->messages[i];
        const struct iovec whole[] = {
            {batch->headers[i], PEER_FRAME_SIZE},
            {message->bytes, message->name_size + message->payload_size},
        };
        for (size_t part = 0; part < 2; part++) {
            size_t skipped = skip < whole[part].iov_len ? skip : whole[part].iov_len;
            skip -= skipped;
            if (skipped < whole[part].iov_len)
                parts[count++] = (struct iovec){(uint8_t *)whole[part].iov_base + skipped,
                                                whole[part].iov_len - skipped};
        }
    }
    struct msghdr out = {.msg_iov = parts, .msg_iovlen = count};
    return sendmsg(link->fd, &out, MSG_NOSIGNAL);
}

static void note_sent(struct peer_link *link, size_t size)
{
    struct peer_batch *batch = &link->batch;
    size_t whole = 0;
    batch->offset += size;
    while (batch->first + whole < batch->count) {
        const struct message *message = batch->messages[batch->first + whole];
        size_t frame = PEER_FRAME_SIZE + message->name_size + message->payload_size;
        if (batch->offset < frame)
            break;
        batch->offset -= frame;
        whole++;
    }
    if (whole == 0)
        return;
    release_batch(link, whole);
    atomic_fetch_add(&link->peers->sent, whole);
}

/* Sends as much as the socket takes.  False if the connection is lost. */
static bool flush(struct peer_link *link)
{
    for (int round = 0; round < ROUNDS; round++) {
        if (link->batch.first == link->batch.count && !fill_batch(link)) {
            enable_write(link, false);
            return true;
        }
        ssize_t n = send_batch(link);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            note_sent(link, (size_t)n);
    }
    enable_write(link, true);
    return true;
}

/* Cuts the link if its queue grew too long. */
static void cut_if_overflowed(struct peer_link *link)
{
    struct peers *peers = link->peers;
    pthread_mutex_lock(&peers->mutex);
    bool overflowed = link->overflowed;
    link->overflowed = false;
    pthread_mutex_unlock(&peers->mutex);
    if (!overflowed)
        return;
    size_t left = link->batch.count - link->batch.first;
    disconnect(link);
    release_batch(link, left);
    atomic_fetch_add(&peers->dropped, left);
    atomic_fetch_add(&peers->cuts, 1);
    link->next_try_ms = steady_ms() + RETRY_MS;
    log_write(
        peers->options.log, LOG_WARNING,
        "Peer %s: cut, as it does not take its messages and client-output-buffer-limit's hard "
        "limit for pubsub is reached; they are lost for its subscribers",
        link->run_id);
}

void peer_link_go_on(struct peer_link *link)
{
    bool gone = false;
    cut_if_overflowed(link);
    if (link->fd < 0 && !connect_link(link, &gone))
        return;
    if (!flush(link)) {
        /* Most likely the peer is dead; then its socket refuses the connection. */
        disconnect(link);
        connect_link(link, &gone);
    }
}

static bool is_busy_locked(const struct peer_link *link)
{
    return link->fd >= 0 && (link->first || link->batch.first < link->batch.count);
}

void peer_links_end_if_done(struct peers *peers)
{
    if (!peers->stopping)
        return;
    bool busy = false;
    pthread_mutex_lock(&peers->mutex);
    for (const struct peer_link *link = peers->links; link && !busy; link = link->next)
        busy = is_busy_locked(link);
    pthread_mutex_unlock(&peers->mutex);
    if (!busy || steady_ms() >= peers->stop_by_ms)
        loop_end(peers->loop);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct peer_link *link = arg;
    struct peers *peers = link->peers;
    peer_link_go_on(link);
    peer_links_end_if_done(peers);
}

/* ---- The peer's hello --------------------------------------------------------------------- */

/* Reads a part of the hello, and the descriptor that is passed with it.  Returns what recv
 * would. */
static ssize_t receive_hello(struct peer_link *link, int *passed)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {link->hello + link->hello_size, sizeof link->hello - link->hello_size};
    struct msghdr in = {.msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(link->fd, &in, MSG_CMSG_CLOEXEC);
    *passed = -1;
    if (n < 0)
        return n;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&in);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(passed, CMSG_DATA(header), sizeof(int));
    return n;
}

static void set_interest(struct peer_link *link, int fd)
{
    const struct peer_interest *interest = peer_interest_map(fd);
    close(fd);
    pthread_mutex_lock(&link->peers->mutex);
    const struct peer_interest *old = link->interest;
    link->interest = interest;
    pthread_mutex_unlock(&link->peers->mutex);
    peer_interest_unmap(old);
}

/* A peer sends nothing behind its hello: only the end of the connection can be read then. */
static bool take_hello(struct peer_link *link)
{
    struct peer_hello hello;
    char more;
    if (link->hello_size == sizeof link->hello)
        return recv(link->fd, &more, 1, 0) < 0 && (errno == EAGAIN || errno == EINTR);
    int passed = -1;
    ssize_t n = receive_hello(link, &passed);
    if (passed >= 0)
        set_interest(link, passed);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    link->hello_size += (size_t)n;
    if (link->hello_size < sizeof link->hello)
        return true;
    if (peer_hello_read(link->hello, &hello) && strcmp(hello.run_id, link->run_id) == 0)
        return true;
    log_write(link->peers->options.log, LOG_WARNING, "Peer %s: does not speak our protocol",
              link->run_id);
    return false;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct peer_link *link = arg;
    struct peers *peers = link->peers;
    if (take_hello(link))
        return;
    disconnect(link);
    peer_link_go_on(link);
    peer_links_end_if_done(peers);
}
