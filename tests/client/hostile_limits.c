/* SPDX-License-Identifier: MIT */
/* Clients that do not read, do not speak, are too many, go away, or connect from elsewhere. */
#include "tests/client/hostile.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/client/harness/client.h"

/* Whether the server has closed; reads nothing. */
static bool hung_up(const struct raw *raw)
{
    struct pollfd look = {.fd = raw->fd};
    return poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR));
}

/* Asks for far more than it reads; the server must close the connection and go on. */
static void do_not_read(const struct server *server)
{
    redisContext *client = client_connect(server);
    size_t size = 100000;
    char *value = malloc(size);
    check(value, "out of memory");
    memset(value, 'v', size);
    client_expect(client, "+OK", "SET big %b", value, size);
    free(value);

    struct raw *raw = raw_connect(server);
    check(raw, "cannot connect");
    struct bytes requests = {0};
    for (int i = 0; i < 100; i++)
        raw_encode_texts(&requests, "GET", "big", NULL);
    check(send(raw->fd, requests.data, requests.size, MSG_NOSIGNAL) == (ssize_t)requests.size,
          "cannot send");
    bytes_free(&requests);
    struct patience patience = {0};
    while (!hung_up(raw) && patience_left(&patience))
        ;
    check(hung_up(raw), "a client that does not read stays connected");
    raw_close(raw);

    client_expect(client, "+PONG", "PING");
    patience = (struct patience){0};
    while (client_info(client, "clients", "connected_clients") > 1 && patience_left(&patience))
        ;
    check(client_info(client, "clients", "connected_clients") == 1, "it is still counted");
    redisFree(client);
}

void hostile_output_limit(struct harness *harness)
{
    struct hostile hostile;
    hostile_start(
        harness, &hostile,
        (const char *const[]){"--client-output-buffer-limit", "normal", "1mb", "0", "0", NULL});
    do_not_read(hostile.redis);
    do_not_read(hostile.ours);
}

/* The soft limit closes a client that stays above it for so many seconds. */
void hostile_soft_output_limit(struct harness *harness)
{
    struct hostile hostile;
    hostile_start(
        harness, &hostile,
        (const char *const[]){"--client-output-buffer-limit", "normal", "0", "1mb", "1", NULL});
    do_not_read(hostile.redis);
    do_not_read(hostile.ours);
}

void hostile_query_limit(struct harness *harness)
{
    struct hostile hostile;
    hostile_start(harness, &hostile,
                  (const char *const[]){"--client-query-buffer-limit", "1mb", NULL});
    struct bytes request = {0};
    bytes_append_text(&request, "*2\r\n$4\r\nECHO\r\n$8000000\r\n");
    for (int i = 0; i < 400000; i++)
        bytes_append_text(&request, "0123456789");
    for (int i = 0; i < 2; i++) {
        const struct server *server = i ? hostile.ours : hostile.redis;
        struct raw *raw = raw_connect(server);
        check(raw, "cannot connect");
        (void)raw_send(raw, request.data, request.size);
        check(raw_closes(raw), "a request beyond the limit is taken in");
        raw_close(raw);
        hostile_alive(server);
    }
    bytes_free(&request);
}

static void fill_up(const struct server *server, unsigned limit)
{
    struct raw **clients = calloc(limit, sizeof(struct raw *));
    check(clients, "out of memory");
    for (unsigned i = 0; i < limit; i++) {
        /* The connection that waited for the server to be ready may still count. */
        struct patience patience = {0};
        struct reply *reply = NULL;
        do {
            reply_free(reply);
            raw_close(clients[i]);
            clients[i] = raw_connect(server);
            check(clients[i], "cannot connect");
            reply = raw_command(clients[i], "PING", NULL);
        } while ((!reply || reply->type != '+') && patience_left(&patience));
        check(reply && reply->type == '+', "client %u is not served", i);
        reply_free(reply);
    }
    for (int i = 0; i < 3; i++) {
        struct bytes answer = {0};
        struct raw *more = raw_connect(server);
        check(more, "cannot connect");
        check(raw_read_to_end(more, &answer), "one more than maxclients stays connected");
        check(!strcmp(bytes_text(&answer), "-ERR max number of clients reached\r\n"),
              "one more than maxclients is told: %s", bytes_text(&answer));
        bytes_free(&answer);
        raw_close(more);
    }
    for (unsigned i = 0; i < limit; i++)
        raw_expect(clients[i], "+PONG", "PING");
    raw_close(clients[0]);
    clients[0] = NULL;
    struct patience patience = {0};
    struct reply *reply = NULL;
    do {
        reply_free(reply);
        raw_close(clients[0]);
        clients[0] = raw_connect(server);
        check(clients[0], "cannot connect");
        reply = raw_command(clients[0], "PING", NULL);
    } while ((!reply || reply->type != '+') && patience_left(&patience));
    check(reply && reply->type == '+', "no client is served after another has left");
    reply_free(reply);
    for (unsigned i = 0; i < limit; i++)
        raw_close(clients[i]);
    free(clients);
}

void hostile_maxclients(struct harness *harness)
{
    struct hostile hostile;
    hostile_start(harness, &hostile, (const char *const[]){"--maxclients", "10", NULL});
    fill_up(hostile.redis, 10);
    fill_up(hostile.ours, 10);
}

/* An idle client is closed; one that sends is not, however slowly it sends one request. */
void hostile_timeout(struct harness *harness)
{
    struct hostile hostile;
    hostile_start(harness, &hostile, (const char *const[]){"--timeout", "1", NULL});
    for (int i = 0; i < 2; i++) {
        const struct server *server = i ? hostile.ours : hostile.redis;
        struct raw *idle = raw_connect(server), *busy = raw_connect(server);
        check(idle && busy, "cannot connect");
        raw_expect(idle, "+PONG", "PING");
        struct patience patience = {0};
        int64_t start = clock_ms();
        while (!hung_up(idle) && patience_left(&patience))
            raw_expect(busy, "+PONG", "PING");
        check(clock_ms() - start >= 900, "an idle client was closed before its time");
        check(raw_closes(idle), "an idle client gets an answer");
        raw_expect(busy, "+PONG", "PING");
        raw_close(idle);
        raw_close(busy);
    }
}

/* Clients go away in the middle of a request, before its answer, or with answers unread. */
void hostile_disconnects(struct harness *harness)
{
    static const char *const requests[] = {
        "",
        "*2\r\n$3\r\nGET\r\n$1",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\nabc",
        "*1\r\n$4\r\nPING\r\n",
        "INCR n\r\nINCR n\r\nGET n\r\n",
        "*x\r\n",
        "PING",
    };
    struct server *server = server_start(harness, NULL);
    redisContext *client = client_connect(server);
    unsigned rounds = harness_scaled(400);
    long long before = client_info(client, "stats", "total_connections_received");
    for (unsigned i = 0; i < rounds; i++) {
        struct raw *raw = raw_connect(server);
        check(raw, "cannot connect");
        const char *request = requests[i % (sizeof requests / sizeof *requests)];
        (void)raw_send_text(raw, request);
        raw_close(raw);
    }
    struct patience patience = {0};
    /* Clients that have left may still wait to be accepted. */
    while ((client_info(client, "stats", "total_connections_received") < before + rounds ||
            client_info(client, "clients", "connected_clients") > 1) &&
           patience_left(&patience))
        ;
    check(client_info(client, "clients", "connected_clients") == 1, "clients that left count");
    client_expect(client, "+OK", "SET after 1");
    client_expect(client, "$1", "GET after");
    redisFree(client);
    check(server_stop(server) == 0, "the server does not stop cleanly");
}

/* An address of this machine that is not loopback, as others would use it; false if there is
 * none. */
static bool outside_address(char *text, size_t size)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all))
        return false;
    for (struct ifaddrs *one = all; one && !found; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET ||
            (one->ifa_flags & IFF_LOOPBACK) || !(one->ifa_flags & IFF_UP))
            continue;
        struct sockaddr_in address;
        memcpy(&address, one->ifa_addr, sizeof address);
        found = inet_ntop(AF_INET, &address.sin_addr, text, (socklen_t)size) != NULL;
    }
    freeifaddrs(all);
    return found;
}

void hostile_protected_mode(struct harness *harness)
{
    char address[INET_ADDRSTRLEN];
    if (!outside_address(address, sizeof address))
        harness_skip(harness, "this machine has no address but loopback");
    for (int i = 0; i < 2; i++) {
        struct server_options options = {
            .kind = i ? SERVER_ANYSTORE : SERVER_REDIS,
            .tcp = true,
            .args = (const char *const[]){"--bind", "0.0.0.0", NULL},
        };
        struct server *server = server_start(harness, &options);
        struct bytes answer = {0};
        struct raw *raw = raw_connect_tcp(address, server->port);
        check(raw, "cannot connect to %s", address);
        check(raw_read_to_end(raw, &answer), "a client from elsewhere stays connected");
        check(!strncmp(bytes_text(&answer), "-DENIED ", 8) &&
                  strstr(bytes_text(&answer), "protected mode"),
              "a client from elsewhere is told: %s", bytes_text(&answer));
        check(answer.data[answer.size - 1] == '\n', "the answer does not end: %s",
              bytes_text(&answer));
        raw_close(raw);
        bytes_free(&answer);

        raw = raw_connect_tcp("127.0.0.1", server->port);
        check(raw, "cannot connect to the loopback address");
        raw_expect(raw, "+PONG", "PING");
        raw_expect(raw, "+OK", "CONFIG SET requirepass secret");
        raw_close(raw);
        raw = raw_connect_tcp(address, server->port);
        check(raw, "cannot connect to %s", address);
        raw_expect(raw, "-NOAUTH Authentication required.", "PING");
        raw_expect(raw, "+OK", "AUTH secret");
        raw_close(raw);
    }
}
