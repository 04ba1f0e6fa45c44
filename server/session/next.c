/* SPDX-License-Identifier: MIT */
/* The next call of a session: from the bytes of the client to a call that may run. */
#include "server/session/next.h"

#include <assert.h>
#include <stdlib.h>

#include "command/reply.h"
#include "server/client/client.h"
#include "server/client/pause.h"
#include "server/config/config.h"
#include "server/data/memory.h"
#include "server/observe/clock.h"
#include "server/observe/log.h"
#include "server/observe/stats.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/admit.h"
#include "server/session/session.h"

/* One reply may exceed what may wait by so much. */
#define REPLY_BEYOND ((size_t)1 << 20)

/* ---- A run of requests -------------------------------------------------------------------- */

/* How many bytes of replies there may be at most while they are made: what may wait, and one more
 * reply of the size that may wait; 0: no limit.  A client that asks for more would be closed for it
 * once it is made. */
static size_t output_most(const struct session *session)
{
    bool subscribed = subscriber_total(session->subscriber) > 0;
    struct config_output_limit limit = config_output_limit(
        session->server->config, subscribed ? CONFIG_CLASS_PUBSUB : CONFIG_CLASS_NORMAL);
    uint64_t most = limit.hard_bytes > 0 && limit.hard_bytes < SIZE_MAX / 4
                        ? session->output_pause + REPLY_BEYOND + limit.hard_bytes
                        : 0;
    /* Nor is a reply made for which maxmemory-clients would close the client. */
    uint64_t clients = session_clients_most(session->server->config);
    if (clients && (!most || clients < most) &&
        !atomic_load_explicit(&session->client->no_evict, memory_order_relaxed))
        most = clients;
    return (size_t)most;
}

static void set_limits(struct session *session)
{
    session->limits = session->authenticated ? resp_limits_default : resp_limits_unauthenticated;
    session->limits.max_bulk =
        (size_t)config_number(session->server->config, CONFIG_PROTO_MAX_BULK_LEN);
}

void session_begin_run(struct session *session, struct resp_buffer *replies)
{
    session->turn = (struct turn){0};
    session->answered = 0;
    session->output_pause = session_output_pause(session);
    session->output_most = output_most(session);
    set_limits(session);
    replies->most = session->output_most;
    measure_prepare(session);
}

void session_end_run(struct session *session, struct resp_buffer *replies)
{
    replies->most = 0; /* it was for the replies of this run */
    const struct transaction *transaction = &session->transaction;
    struct subscriber *subscriber = session->subscriber;
    struct client *client = session->client;
    atomic_store_explicit(&client->queued, transaction->open ? (int)transaction->count : -1,
                          memory_order_relaxed);
    atomic_store_explicit(
        &client->channels,
        atomic_load_explicit(&subscriber->count[PUBSUB_CHANNEL], memory_order_relaxed),
        memory_order_relaxed);
    atomic_store_explicit(
        &client->patterns,
        atomic_load_explicit(&subscriber->count[PUBSUB_PATTERN], memory_order_relaxed),
        memory_order_relaxed);
    atomic_store_explicit(&client->monitors, subscriber_monitors(subscriber), memory_order_relaxed);
    atomic_store_explicit(&client->queued_bytes, transaction->bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&session->server->stats->commands_processed, session->answered,
                              memory_order_relaxed);
}

/* ---- Replies ------------------------------------------------------------------------------ */

static bool is_silent(const struct session *session)
{
    return session->silence.off || session->silence.skip;
}

void session_aim(struct session *session, struct resp_buffer *replies)
{
    struct resp_buffer *out = replies;
    if (is_silent(session)) {
        out = &session->unwanted;
        out->most = session->output_most;
    }
    session->push = (struct resp_writer){replies, session->resp_version};
    session->reply = (struct resp_writer){out, session->resp_version};
    session->reply_start = resp_buffer_size(out);
    session->call.reply = &session->reply;
    session->call.push = &session->push;
}

/* A reply that was not wanted when its command began is dropped, unless CLIENT REPLY ON was that
 * command or part of it.  True if it was dropped. */
static bool drop_unwanted(struct session *session, struct resp_buffer *replies)
{
    struct resp_buffer *unwanted = &session->unwanted;
    if (session->reply.out != unwanted)
        return false;
    bool drop = is_silent(session);
    if (!drop)
        resp_buffer_append(replies, resp_buffer_bytes(unwanted), resp_buffer_size(unwanted));
    replies->failed |= unwanted->failed;
    replies->overrun |= unwanted->overrun;
    resp_buffer_free(unwanted);
    return drop;
}

/* Notes where the reply of an update ends, so that it can be replaced if the commit fails. */
static bool note_reply(struct session *session, bool touched_store)
{
    const struct command *command = session->call.command;
    if (session->reply_end_count == session->reply_end_capacity) {
        size_t capacity = session->reply_end_capacity ? 2 * session->reply_end_capacity : 16;
        struct reply_end *ends = realloc(session->reply_ends, capacity * sizeof *ends);
        if (!ends)
            return false;
        session->reply_ends = ends;
        session->reply_end_capacity = capacity;
    }
    session->reply_ends[session->reply_end_count++] =
        (struct reply_end){.end = resp_buffer_size(&session->update_replies),
                           .touched_store = touched_store,
                           .of_exec = command && (command->flags & COMMAND_RUNS_QUEUE)};
    return true;
}

static void check_steps(struct session *session)
{
#ifdef ANYSTORE_CHECK
    const struct session_steps *steps = &session->steps;
    assert(steps->parsed == steps->answered);
    assert(steps->checked == steps->answered);
    assert(steps->admitted + steps->refused == steps->answered);
#else
    (void)session;
#endif
}

void session_answered(struct session *session, struct resp_buffer *replies, bool ran,
                      bool touched_store)
{
    struct call *call = &session->call;
    if (!ran)
        measure_rejected(call, session->reply_start);
    outbox_settle(&session->outbox, touched_store);
    if (drop_unwanted(session, replies))
        touched_store = false;
    session->silence.skip = session->silence.skip_next;
    session->silence.skip_next = false;
    /* It may have been AUTH, or CONFIG SET, which hold for the next request. */
    if (call->command && (call->command->flags & (COMMAND_NO_AUTH | COMMAND_ADMIN)))
        set_limits(session);
    session->answered++;
    session->admitted = false;
    resp_buffer_consume(&session->input, session->request_size);
    if (session->in_flight && !note_reply(session, touched_store))
        session->close_after_reply = true;
    /* The clock was read behind the command, unless no option asks for durations. */
    int64_t now_ns = session->measure.last_ns ? session->measure.last_ns : steady_ns();
    turn_count(&session->turn, !session->in_flight, now_ns, session->request_size);
    SESSION_STEP(session, answered);
    check_steps(session);
}

/* ---- Requests ----------------------------------------------------------------------------- */

static enum session_state protocol_error(struct session *session, struct resp_buffer *replies)
{
    const char *text = resp_parser_error(session->parser);
    log_write(session->server->log, LOG_VERBOSE, "%s from client %s", text,
              session->client->address);
    session_aim(session, replies);
    resp_write_errorf(&session->reply, "ERR %s", text);
    drop_unwanted(session, replies);
    session->close_after_reply = true;
    return SESSION_CLOSE;
}

/* Finds the next complete request in the input: SESSION_CALL, or how to go on if there is none. */
static enum session_state parse(struct session *session, struct resp_buffer *replies)
{
    for (;;) {
        size_t size = resp_buffer_size(&session->input);
        if (size == 0)
            return SESSION_MORE_INPUT;
        switch (resp_parse(session->parser, &session->limits, resp_buffer_bytes(&session->input),
                           size, &session->request_size)) {
        case RESP_PARSE_REQUEST:
            SESSION_STEP(session, parsed);
            return SESSION_CALL;
        case RESP_PARSE_EMPTY:
            resp_buffer_consume(&session->input, session->request_size);
            break;
        case RESP_PARSE_MORE:
            return SESSION_MORE_INPUT;
        case RESP_PARSE_ERROR:
            return protocol_error(session, replies);
        case RESP_PARSE_NOMEM:
            return SESSION_CLOSE;
        }
    }
}

/* A new call, admitted or answered with a refusal. */
static void admit_next(struct session *session, const struct scope *scope,
                       struct resp_buffer *replies)
{
    session->call = (struct call){.host = session->server->host,
                                  .session = session,
                                  .database = session->database,
                                  .slices = &session->slices,
                                  .scope = scope,
                                  .argc = resp_parser_argc(session->parser),
                                  .argv = resp_parser_argv(session->parser)};
    session_aim(session, replies);
    session->admitted = admit_or_reply(&session->call);
    if (!session->admitted)
        session_answered(session, replies, false, false);
}

/* A command that would only be queued waits, too, as in Redis; a client that monitors never does.
 * What ends the pause or the server runs, and what a client needs to say first: else a pause that
 * was meant to be short could only be ended by killing the server. */
static bool is_paused(const struct session *session)
{
    if (!pause_is_possible(session->server->pause))
        return false;
    enum pause_kind kind = pause_now(session->server->pause, NULL);
    bool writes = session->needs.flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE);
    return (kind == PAUSE_ALL || (kind == PAUSE_WRITES && writes)) &&
           !(session->call.command->flags & COMMAND_NOT_PAUSED) &&
           !subscriber_monitors(session->subscriber);
}

static enum session_state before_next(const struct session *session,
                                      const struct resp_buffer *replies)
{
    if (session->close_after_reply || replies->failed || client_is_killed(session->client))
        return SESSION_CLOSE;
    if (session->turn.over && resp_buffer_size(&session->input) > 0)
        return SESSION_TURN_OVER;
    return resp_buffer_size(replies) >= session->output_pause ? SESSION_OUTPUT_FULL : SESSION_CALL;
}

enum session_state session_next(struct session *session, const struct scope *scope,
                                struct resp_buffer *replies)
{
    for (;;) {
        enum session_state state = before_next(session, replies);
        if (state == SESSION_CALL && !session->admitted)
            state = parse(session, replies);
        if (state != SESSION_CALL)
            return state;
        if (!session->admitted)
            admit_next(session, scope, replies);
        if (!session->admitted)
            continue;
        if (is_paused(session))
            return SESSION_PAUSED;
        if (!admit_is_queued(session))
            return SESSION_CALL;
        session_aim(session, replies);
        admit_queue(&session->call);
        session_answered(session, replies, false, false);
    }
}
