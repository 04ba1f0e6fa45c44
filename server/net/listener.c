/* SPDX-License-Identifier: MIT */
/* Opens listening sockets, and checks new clients before they get a worker. */
#include "server/net/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "server/config/config.h"
#include "server/net/worker.h"
#include "server/observe/log.h"
#include "server/observe/stats.h"
#include "server/server.h"

#define MOST_SOCKETS     17 /* as in Redis: 16 addresses, and a UNIX socket */
#define ACCEPTS_PER_CALL 1000
#define PAUSE_US         100000 /* when there are no descriptors left */

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage storage;
};

struct socket_entry {
    struct listener *listener;
    int fd;
    bool is_unix;
    struct event *event;
};

struct listener {
    struct server *server;
    struct event_base *base;
    struct socket_entry sockets[MOST_SOCKETS];
    size_t count;
    char *unix_path; /* made by us; NULL: none */
    char text[1024];
    unsigned next_worker;
    struct event *resume; /* ends a pause */
    bool short_of_files;  /* the log says so already; until all waiting clients are accepted */
};

/* ---- Opening ------------------------------------------------------------------------------ */

static void fail(char **cause, const char *what, const char *why)
{
    if (asprintf(cause, "cannot listen on %s: %s", what, why) < 0)
        *cause = NULL;
}

static bool add_socket(struct listener *listener, int fd, bool is_unix, const char *name,
                       char **cause)
{
    int backlog = (int)config_number(listener->server->config, CONFIG_TCP_BACKLOG);
    if (listen(fd, backlog) != 0) {
        fail(cause, name, strerror(errno));
        close(fd);
        return false;
    }
    listener->sockets[listener->count++] =
        (struct socket_entry){.listener = listener, .fd = fd, .is_unix = is_unix};
    size_t used = strlen(listener->text);
    snprintf(listener->text + used, sizeof listener->text - used, "%s%s", used ? " " : "", name);
    return true;
}

/* The port of a bound socket; the system chose it if 0 was asked for. */
static uint16_t bound_port(int fd)
{
    union address address = {.storage = {0}};
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
}

/* Listens on one address of `bind`; one behind "-" may be missing on this machine. */
static bool listen_tcp(struct listener *listener, const char *host, uint16_t port, char **cause)
{
    bool optional = host[0] == '-';
    if (optional)
        host++;
    const char *node = strcmp(host, "*") == 0 ? "0.0.0.0" : strcmp(host, "::*") == 0 ? "::" : host;
    char service[8], name[300];
    snprintf(service, sizeof service, "%u", port);
    snprintf(name, sizeof name, strchr(node, ':') ? "[%s]:%u" : "%s:%u", node, port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *info = NULL;
    int result = getaddrinfo(node, service, &hints, &info);
    if (result != 0) {
        if (optional)
            return true;
        fail(cause, name, gai_strerror(result));
        return false;
    }
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              (info->ai_family != AF_INET6 ||
               setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
              bind(fd, info->ai_addr, info->ai_addrlen) == 0;
    int number = errno;
    freeaddrinfo(info);
    if (ok)
        return add_socket(listener, fd, false, name, cause);
    if (fd >= 0)
        close(fd);
    if (optional && (number == EADDRNOTAVAIL || number == EAFNOSUPPORT))
        return true;
    fail(cause, name, strerror(number));
    return false;
}

/* Whether a server answers at the path; the file of a socket may also be left over. */
static bool somebody_listens(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool answered = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0)
        close(fd);
    return answered;
}

static bool listen_unix(struct listener *listener, const char *path, char **cause)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        fail(cause, path, "the path is too long for a UNIX socket");
        return false;
    }
    memcpy(address.sun_path, path, strlen(path));
    struct stat st;
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) {
            fail(cause, path, "something that is no socket is there");
            return false;
        }
        if (somebody_listens(&address)) {
            fail(cause, path, "Address already in use");
            return false;
        }
        unlink(path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mode = (mode_t)config_number(listener->server->config, CONFIG_UNIXSOCKETPERM);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        (mode && chmod(path, mode) != 0)) {
        fail(cause, path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    listener->unix_path = strdup(path);
    return add_socket(listener, fd, true, path, cause);
}

static bool listen_all(struct listener *listener, char **cause)
{
    const struct config *config = listener->server->config;
    uint16_t port = (uint16_t)config_number(config, CONFIG_PORT);
    bool ok = true;
    if (port != 0) {
        char *addresses = config_text(config, CONFIG_BIND);
        char *rest = addresses;
        for (char *host; ok && (host = strsep(&rest, " ")) != NULL;)
            if (host[0] != '\0' && listener->count < MOST_SOCKETS - 1)
                ok = listen_tcp(listener, host, port, cause);
        free(addresses);
        if (ok && listener->count == 0) {
            fail(cause, "any address of bind", "none is there on this machine");
            ok = false;
        }
        if (ok)
            listener->server->tcp_port = bound_port(listener->sockets[0].fd);
    }
    char *path = config_text(config, CONFIG_UNIXSOCKET);
    if (ok && path && path[0] != '\0')
        ok = listen_unix(listener, path, cause);
    free(path);
    if (ok && listener->count == 0) {
        fail(cause, "nothing", "port is 0 and unixsocket is not set");
        ok = false;
    }
    return ok;
}

struct listener *listener_open(struct server *server, struct event_base *base, char **cause)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) {
        *cause = strdup("out of memory");
        return NULL;
    }
    listener->server = server;
    listener->base = base;
    if (!listen_all(listener, cause)) {
        listener_close(listener);
        return NULL;
    }
    return listener;
}

void listener_close(struct listener *listener)
{
    if (!listener)
        return;
    for (size_t i = 0; i < listener->count; i++) {
        if (listener->sockets[i].event)
            event_free(listener->sockets[i].event);
        close(listener->sockets[i].fd);
    }
    if (listener->resume)
        event_free(listener->resume);
    if (listener->unix_path)
        unlink(listener->unix_path);
    free(listener->unix_path);
    free(listener);
}

const char *listener_text(const struct listener *listener)
{
    return listener->text;
}

/* ---- Accepting ---------------------------------------------------------------------------- */

static const char protected_mode_text[] =
    "-DENIED AnyStore is running in protected mode because protected mode is enabled and no "
    "password is set for the default user. In this mode connections are only accepted from the "
    "loopback interface. If you want to connect from external computers to AnyStore you may adopt "
    "one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG "
    "SET "
    "protected-mode no' from the loopback interface by connecting to AnyStore from the same host "
    "the server is running, however MAKE SURE AnyStore is not publicly accessible from internet if "
    "you do so. 2) Start the server with '--protected-mode no'. 3) Set up a password for the "
    "default user with 'requirepass'.\r\n";

static bool from_loopback(const union address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohl(address->in.sin_addr.s_addr) >> 24 == 127;
    if (IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr))
        return address->in6.sin6_addr.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
}

/* The error for a client that gets no connection; NULL: the client is welcome. */
static const char *refusal(struct server *server, bool is_unix, const union address *address)
{
    uint64_t most = (uint64_t)config_number(server->config, CONFIG_MAXCLIENTS);
    if (atomic_load(&server->stats->clients) >= most)
        return "-ERR max number of clients reached\r\n";
    if (is_unix || from_loopback(address) || !config_flag(server->config, CONFIG_PROTECTED_MODE))
        return NULL;
    char *password = config_text(server->config, CONFIG_REQUIREPASS);
    bool open = !password || password[0] == '\0';
    free(password);
    return open ? protected_mode_text : NULL;
}

static void tune(struct server *server, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int seconds = (int)config_number(server->config, CONFIG_TCP_KEEPALIVE);
    if (seconds == 0)
        return;
    int between = seconds / 3 > 0 ? seconds / 3 : 1, count = 3;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct listener *listener = arg;
    for (size_t i = 0; i < listener->count; i++)
        if (listener->sockets[i].event)
            event_add(listener->sockets[i].event, NULL);
}

/* A connection could not be accepted.  If descriptors or memory are short it is still there, so the
 * listener waits a moment: otherwise the loop would spin and fill the log. */
static void on_accept_error(struct socket_entry *entry, int number)
{
    struct listener *listener = entry->listener;
    static const struct timeval moment = {.tv_usec = PAUSE_US};
    bool missing = number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
    if (!missing || !listener->short_of_files)
        log_write(listener->server->log, LOG_WARNING, "Accepting client connection: %s",
                  strerror(number));
    if (missing && listener->resume && event_add(listener->resume, &moment) == 0) {
        listener->short_of_files = true;
        event_del(entry->event);
    }
}

static void on_accept(evutil_socket_t listening, short what, void *arg)
{
    (void)what;
    struct socket_entry *entry = arg;
    struct listener *listener = entry->listener;
    struct server *server = listener->server;
    for (int i = 0; i < ACCEPTS_PER_CALL; i++) {
        union address address = {.storage = {0}};
        socklen_t size = sizeof address;
        int fd = accept4(listening, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                listener->short_of_files = false;
            else
                on_accept_error(entry, errno);
            return;
        }
        const char *error = refusal(server, entry->is_unix, &address);
        if (error) {
            ssize_t n = send(fd, error, strlen(error), MSG_NOSIGNAL | MSG_DONTWAIT);
            (void)n; /* a courtesy */
            atomic_fetch_add(&server->stats->connections_rejected, 1);
            close(fd);
            continue;
        }
        if (!entry->is_unix)
            tune(server, fd);
        atomic_fetch_add(&server->stats->connections_received, 1);
        atomic_fetch_add(&server->stats->clients, 1);
        worker_add(server->workers[listener->next_worker++ % server->worker_count], fd,
                   entry->is_unix);
    }
}

void listener_start(struct listener *listener)
{
    listener->resume = evtimer_new(listener->base, on_resume, listener);
    for (size_t i = 0; i < listener->count; i++) {
        struct socket_entry *entry = &listener->sockets[i];
        entry->event = event_new(listener->base, entry->fd, EV_READ | EV_PERSIST, on_accept, entry);
        if (entry->event)
            event_add(entry->event, NULL);
    }
}
