/* SPDX-License-Identifier: MIT */
/* Links of peers to this server: accepting and greeting them, reading frames. */
#include "server/peer/visitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resp/buffer.h"
#include "server/observe/log.h"
#include "server/peer/frame.h"
#include "server/peer/message.h"
#include "server/peer/state.h"

#define VISITORS_MAX 1000
#define READ_BYTES   ((size_t)64 << 10) /* one read, at least */
#define ROUND_BYTES  ((size_t)1 << 20) /* read from one visitor before the others have their turn */
#define KEEP_BYTES   ((size_t)256 << 10)

struct peer_visitor {
    struct peers *peers;
    struct peer_visitor *previous, *next;
    int fd;
    struct event *event;
    bool greeted;
    struct peer_hello hello;
    size_t wanted; /* size of the frame at the front; 0: not known */
    struct resp_buffer in;
};

static void close_visitor(struct peer_visitor *visitor)
{
    struct peers *peers = visitor->peers;
    if (visitor->previous)
        visitor->previous->next = visitor->next;
    else
        peers->visitors = visitor->next;
    if (visitor->next)
        visitor->next->previous = visitor->previous;
    peers->visitor_count--;
    event_free(visitor->event);
    close(visitor->fd);
    resp_buffer_free(&visitor->in);
    free(visitor);
}

void peer_visitors_free(struct peers *peers)
{
    /* Closing a visitor takes it out of this list, which the analyzer cannot know. */
    while (peers->visitors)
        close_visitor(peers->visitors); /* NOLINT(clang-analyzer-unix.Malloc) */
}

/* ---- Reading ------------------------------------------------------------------------------ */

static void pass_on(struct peers *peers, struct message *message)
{
    peers->options.on_message(message, peers->options.arg);
    message_release(message);
    atomic_fetch_add_explicit(&peers->received, 1, memory_order_relaxed);
}

/* Reads the hello.  An older link of the same peer is closed, whatever is left in it.  False if the
 * visitor must be closed. */
static bool greet(struct peer_visitor *visitor)
{
    if (resp_buffer_size(&visitor->in) < PEER_HELLO_SIZE)
        return true;
    if (!peer_hello_read(resp_buffer_bytes(&visitor->in), &visitor->hello)) {
        log_write(visitor->peers->options.log, LOG_WARNING,
                  "What connected to the socket for peers does not speak our protocol: closed");
        return false;
    }
    resp_buffer_consume(&visitor->in, PEER_HELLO_SIZE);
    for (struct peer_visitor *v = visitor->peers->visitors, *next; v; v = next) {
        next = v->next;
        if (v == visitor || !v->greeted || strcmp(v->hello.run_id, visitor->hello.run_id) != 0)
            continue;
        if (v->hello.number >= visitor->hello.number)
            return false;
        close_visitor(v);
    }
    visitor->greeted = true;
    return true;
}

/* Hands over the messages that have arrived.  False if the visitor must be closed. */
static bool take_frames(struct peer_visitor *visitor)
{
    struct peers *peers = visitor->peers;
    uint64_t most = peers->options.part_most(peers->options.arg);
    for (;;) {
        struct message *message = NULL;
        size_t size = 0;
        enum peer_parse parse = peer_frame_read(
            resp_buffer_bytes(&visitor->in), resp_buffer_size(&visitor->in), most, &size, &message);
        visitor->wanted = parse == PEER_PARSE_MORE ? size : 0;
        switch (parse) {
        case PEER_PARSE_MORE:
            return true;
        case PEER_PARSE_MESSAGE:
            pass_on(peers, message);
            break;
        case PEER_PARSE_SKIP:
        case PEER_PARSE_NOMEM:
            break;
        case PEER_PARSE_BAD:
            log_write(
                peers->options.log, LOG_WARNING,
                "Peer %s: a broken frame, or a message larger than proto-max-bulk-len: closed",
                visitor->hello.run_id);
            return false;
        }
        resp_buffer_consume(&visitor->in, size);
    }
}

/* Reads what has arrived, up to a limit.  False if the peer closed the link, or reading failed. */
static bool read_some(struct peer_visitor *visitor)
{
    for (size_t total = 0; total < ROUND_BYTES;) {
        size_t have = resp_buffer_size(&visitor->in);
        size_t missing = visitor->wanted > have ? visitor->wanted - have : 0;
        /* Takes memory as bytes arrive, whatever a frame announces. */
        size_t size = missing < READ_BYTES    ? READ_BYTES
                      : missing < ROUND_BYTES ? missing
                                              : ROUND_BYTES;
        uint8_t *place = resp_buffer_reserve(&visitor->in, size);
        if (!place)
            return false;
        ssize_t n = recv(visitor->fd, place, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        resp_buffer_commit(&visitor->in, (size_t)n);
        total += (size_t)n;
        if ((size_t)n < size)
            return true;
    }
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct peer_visitor *visitor = arg;
    bool open = read_some(visitor);
    bool good = (visitor->greeted || greet(visitor)) && (!visitor->greeted || take_frames(visitor));
    if (!open || !good)
        close_visitor(visitor);
    else
        resp_buffer_trim(&visitor->in, KEEP_BYTES);
}

/* ---- Accepting ---------------------------------------------------------------------------- */

/* Sends our hello with the descriptor of our page of interest. */
static bool send_hello(struct peers *peers, int fd)
{
    uint8_t hello[PEER_HELLO_SIZE];
    struct peer_hello own = {.number = 0};
    memcpy(own.run_id, peers->options.run_id, PEER_RUN_ID_SIZE);
    peer_hello_write(hello, &own);
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {hello, sizeof hello};
    struct msghdr out = {.msg_iov = &part, .msg_iovlen = 1};
    if (peers->interest) {
        out.msg_control = control.bytes;
        out.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&out);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &peers->interest_fd, sizeof(int));
    }
    return sendmsg(fd, &out, MSG_NOSIGNAL) == (ssize_t)sizeof hello;
}

static bool add_visitor(struct peers *peers, int fd)
{
    struct peer_visitor *visitor = calloc(1, sizeof *visitor);
    struct event *event =
        visitor ? event_new(loop_base(peers->loop), fd, EV_READ | EV_PERSIST, on_readable, visitor)
                : NULL;
    if (!event || event_add(event, NULL) != 0) {
        if (event)
            event_free(event);
        free(visitor);
        return false;
    }
    visitor->peers = peers;
    visitor->fd = fd;
    visitor->event = event;
    visitor->next = peers->visitors;
    if (peers->visitors)
        peers->visitors->previous = visitor;
    peers->visitors = visitor;
    peers->visitor_count++;
    return true;
}

void peer_visitors_accept(struct peers *peers)
{
    for (;;) {
        int fd = accept4(peers->place.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            if (peers->visitor_count >= VISITORS_MAX || !send_hello(peers, fd) ||
                !add_visitor(peers, fd))
                close(fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            event_del(peers->listen_event); /* the tick adds it again */
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}
