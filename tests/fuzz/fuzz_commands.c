/* SPDX-License-Identifier: MIT */
/* Any bytes as the input of clients, through parser, checks and commands, on stores in memory:
 * nothing may crash, each request has exactly one reply, which is well-formed, and the stores stay
 * consistent.
 *
 * The first byte of an input holds flags,
 *
 *   bit 0: all the rest at once, from one client; else request by request
 *   bit 1: request by request, two clients take turns
 *   bit 2: the clients speak RESP3
 *   bit 3: a password is set, and the clients have not given it
 *
 * and the rest is their input. */
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <event2/event.h>

#include "command/args.h"
#include "command/host.h"
#include "command/table.h"
#include "server/client/client.h"
#include "server/client/pause.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/net/serve.h"
#include "server/net/worker_state.h"
#include "server/observe/latency.h"
#include "server/observe/log.h"
#include "server/observe/slowlog.h"
#include "server/observe/tally.h"
#include "server/parts.h"
#include "server/publish/notify.h"
#include "server/publish/subscriber.h"
#include "server/server.h"
#include "tests/resp/reply_reader.h"

#define DATABASES 4
#define MOST_KEYS 2000 /* how many keys DEBUG POPULATE may make, and bytes of each */

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

/* ---- A server without workers' threads and sockets ---------------------------------------- */

static void on_shutdown(struct server *server)
{
    (void)server;
}

static void on_wake(void *arg)
{
    (void)arg;
}

static void set(struct server *server, enum config_id id, const char *value)
{
    require(config_set(server->config, id, value, NULL), config_row(id)->name);
}

static void open_server(struct server *server, struct worker *worker)
{
    struct anystore_error error;
    char *cause = NULL;
    *server = (struct server){.on_shutdown = on_shutdown, .run_id = "0"};
    server->config = config_new();
    require(server->config, "no options");
    set(server, CONFIG_PERSISTENCE, "no");
    set(server, CONFIG_DATABASES, "4");
    set(server, CONFIG_ENABLE_DEBUG_COMMAND, "yes");
    set(server, CONFIG_PROTO_MAX_BULK_LEN, "1mb");
    set(server, CONFIG_SLOWLOG_LOG_SLOWER_THAN, "0");
    server->log = log_open("/dev/null", LOG_WARNING, &cause);
    require(server->log && parts_make(server), "no parts");
    const struct databases_options options = {.on_expired = notify_expired,
                                              .wants_expired = notify_wants_expired,
                                              .expired_arg = server->notify,
                                              .count = DATABASES,
                                              .log = server->log};
    server->databases = databases_new(&options, &error);
    require(server->databases, "no databases");
    notify_start(server->notify, databases_store(server->databases, 0), NULL,
                 &server->host->events_wanted);
    const struct loop_hooks hooks = {.on_wake = on_wake};
    *worker = (struct worker){.server = server, .loop = loop_new(&hooks)};
    worker->mailbox = worker->loop ? mailbox_new(worker->loop) : NULL;
    worker->tally = tally_block_new(server->tally);
    require(worker->mailbox && worker->tally, "no worker");
}

static void close_server(struct server *server, struct worker *worker)
{
    for (database_bits bits = databases_opened(server->databases); bits != 0; bits &= bits - 1)
        anystore_check(databases_store(server->databases, database_first(bits)));
    databases_free(server->databases);
    mailbox_free(worker->mailbox);
    loop_free(worker->loop);
    parts_free(server);
    log_close(server->log);
    config_free(server->config);
}

/* A line of MONITOR is one line. */
static void check_lines(const struct delivery *delivery)
{
    for (; delivery; delivery = delivery->next) {
        const struct message *message = delivery->message;
        require(delivery->kind != DELIVERY_LINE ||
                    reply_size(message->bytes, message->payload_size, 2) == message->payload_size,
                "not a line");
    }
}

/* Takes the worker's mail.  Returns whether an update came back. */
static bool take_mail(struct worker *worker)
{
    struct mail mail;
    mailbox_take(worker->mailbox, &mail);
    check_lines(mail.deliveries);
    deliveries_free(mail.deliveries);
    return mail.finished != NULL;
}

/* ---- Running ------------------------------------------------------------------------------ */

/* Checks the replies, drops them, and returns their number.  Pushes do not count. `version` 0: the
 * protocol may have changed in between. */
static size_t take_replies(struct connection *connection, int version)
{
    struct resp_buffer *output = &connection->output;
    size_t count = 0;
    require(!output->failed, "memory was short");
    while (resp_buffer_size(output) > 0) {
        const uint8_t *bytes = resp_buffer_bytes(output);
        size_t size = reply_size(bytes, resp_buffer_size(output), version);
        if (size == 0)
            fwrite(bytes, 1, resp_buffer_size(output), stderr);
        require(size > 0, "not a reply");
        count += bytes[0] != '>';
        resp_buffer_consume(output, size);
    }
    return count;
}

/* Lets the databases' thread do the work of the next request and waits until the connection is
 * back, so that only one thread at a time is at work. */
static void run_elsewhere(struct connection *connection)
{
    struct worker *worker = connection->worker;
    serve_hand_over(connection);
    do {
        require(event_base_loop(loop_base(worker->loop), EVLOOP_ONCE) == 0, "not woken");
    } while (!take_mail(worker));
    update_take_replies(connection);
}

/* Runs the input and returns the number of replies. `single`: it is one command, and not EXEC, so
 * that the protocol changes once at most. */
static size_t run_input(struct connection *connection, bool single)
{
    size_t count = 0;
    for (;;) {
        int version = connection->session.resp_version;
        enum session_state state = serve_run(connection);
        if (state == SESSION_CALL) {
            run_elsewhere(connection);
            if (connection->update.state == SESSION_CLOSE)
                state = SESSION_CLOSE;
        }
        bool same = single && version == connection->session.resp_version;
        count += take_replies(connection, same ? version : 0);
        take_mail(connection->worker);
        if (state == SESSION_PAUSED)
            pause_end(connection->session.server->pause);
        else if (state != SESSION_OUTPUT_FULL && state != SESSION_CALL)
            return count;
    }
}

/* ---- Request by request ------------------------------------------------------------------- */

static bool is_command(const struct resp_arg *argv, size_t argc, const char *name, const char *sub)
{
    return argc > (sub != NULL) && arg_is(&argv[0], name) && (!sub || arg_is(&argv[1], sub));
}

/* Commands that would end or hold up this process, by design. */
static bool is_harmful(const struct resp_arg *argv, size_t argc)
{
    static const char *const words[] = {"segfault", "panic", "assert", "sleep"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (is_command(argv, argc, "debug", words[i]))
            return true;
    }
    if (is_command(argv, argc, "config", "set")) { /* larger values only take longer */
        for (size_t i = 2; i < argc; i++) {
            if (arg_is(&argv[i], "proto-max-bulk-len"))
                return true;
        }
    }
    if (!is_command(argv, argc, "debug", "populate"))
        return false;
    for (size_t i = 2; i < argc; i++) {
        int64_t number;
        if (arg_integer(&argv[i], &number) && number > MOST_KEYS)
            return true;
    }
    return false;
}

struct expected {
    size_t least, most; /* replies */
};

/* How many replies a request may have: one, with the exceptions named here. */
static struct expected replies_expected(const struct connection *connection,
                                        const struct resp_arg *argv, size_t argc)
{
    static const char *const many[] = {"subscribe", "unsubscribe", "psubscribe", "punsubscribe",
                                       "exec"}; /* they may be queued */
    const struct session *session = &connection->session;
    if (session->silence.off || session->silence.skip || is_command(argv, argc, "client", "reply"))
        return (struct expected){0, SIZE_MAX};
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        if (is_command(argv, argc, many[i], NULL))
            return (struct expected){session->resp_version == 2, SIZE_MAX};
    }
    bool none = is_command(argv, argc, "shutdown", NULL) || is_command(argv, argc, "post", NULL) ||
                is_command(argv, argc, "host:", NULL) ||
                (subscriber_monitors(connection->session.subscriber) &&
                 is_command(argv, argc, "monitor", NULL));
    return (struct expected){!none, 1};
}

/* The size of the first request in the input; its number of arguments in *argc, 0: it is empty, or
 * no request. */
static size_t next_request(struct resp_parser *parser, const uint8_t *data, size_t size,
                           size_t *argc)
{
    struct resp_limits limits = resp_limits_default;
    size_t consumed = 0;
    limits.max_bulk = 1 << 20;
    resp_parser_reset(parser);
    enum resp_parse_result result = resp_parse(parser, &limits, data, size, &consumed);
    *argc = result == RESP_PARSE_REQUEST ? resp_parser_argc(parser) : 0;
    return result == RESP_PARSE_REQUEST || result == RESP_PARSE_EMPTY ? consumed : size;
}

static void run_requests(struct connection *connections[2], unsigned turns, const uint8_t *data,
                         size_t size)
{
    struct resp_parser *parser = resp_parser_new();
    require(parser, "no parser");
    for (unsigned turn = 0; size > 0; turn++) {
        struct connection *connection = connections[turn % turns];
        size_t argc = 0;
        size_t bytes = next_request(parser, data, size, &argc);
        const struct resp_arg *argv = resp_parser_argv(parser);
        if (argc == 0 || !is_harmful(argv, argc)) {
            struct expected expected = {0, 1};
            if (argc > 0 && connection->session.authenticated)
                expected = replies_expected(connection, argv, argc);
            else if (argc > 0) /* limits are lower: it may be no request */
                expected = (struct expected){0, 1};
            if (client_is_killed(connection->session.client) ||
                connection->session.close_after_reply)
                break;
            resp_buffer_append(&connection->session.input, data, bytes);
            bool single = argc > 0 && !is_command(argv, argc, "exec", NULL);
            size_t replies = run_input(connection, single);
            require(replies >= expected.least && replies <= expected.most,
                    "not one reply to a request");
            resp_buffer_consume(&connection->session.input, bytes); /* of what is no request */
        }
        data += bytes;
        size -= bytes;
    }
    resp_parser_free(parser);
}

/* ---- All at once -------------------------------------------------------------------------- */

static bool has_word(const uint8_t *data, size_t size, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= size; i++) {
        if (strncasecmp((const char *)data + i, word, length) == 0)
            return true;
    }
    return false;
}

/* Without parsing requests: any of these words, wherever it stands. */
static bool may_harm(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"segfault", "panic", "assert",
                                        "sleep",    "popul", "proto-max"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (has_word(data, size, words[i]))
            return true;
    }
    return has_word(data, size, "debug") && has_word(data, size, "\\x");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct server server;
    struct worker worker;
    struct connection *connections[2];
    if (size == 0)
        return -1;
    unsigned flags = *data++;
    size--;
    if ((flags & 1) && may_harm(data, size))
        return -1;
    open_server(&server, &worker);
    if (flags & 8)
        set(&server, CONFIG_REQUIREPASS, "pw");
    for (unsigned i = 0; i < 2; i++) {
        connections[i] = connection_new(&server, &worker, worker.mailbox, worker.tally, -1, true);
        require(connections[i], "no connection");
        connections[i]->session.resp_version = flags & 4 ? 3 : 2;
    }
    if (flags & 1) {
        resp_buffer_append(&connections[0]->session.input, data, size);
        run_input(connections[0], false);
    } else {
        run_requests(connections, flags & 2 ? 2 : 1, data, size);
    }
    for (unsigned i = 0; i < 2; i++) {
        connection_close(connections[i]);
        while (!connection_dissolve(connections[i]))
            ;
    }
    take_mail(&worker);
    close_server(&server, &worker);
    return 0;
}
