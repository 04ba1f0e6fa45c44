/* SPDX-License-Identifier: MIT */
/* Chooses where calls run, and goes on with a connection until it has to wait. */
#include "server/net/serve.h"

#include <stdio.h>

#include "command/table.h"
#include "server/client/client.h"
#include "server/client/pause.h"
#include "server/data/memory.h"
#include "server/net/connection_memory.h"
#include "server/net/messages.h"
#include "server/net/several.h"
#include "server/net/socket.h"
#include "server/net/turns.h"
#include "server/net/worker_state.h"
#include "server/observe/clock.h"
#include "server/publish/subscriber.h"
#include "server/server.h"
#include "server/session/run.h"

#define LONGEST_WAIT_MS (3600 * 1000)      /* then the end of a pause is looked at again */
#define SEND_BYTES      ((size_t)64 << 10) /* of messages that are sent without waiting for more */

/* ---- Places ------------------------------------------------------------------------------- */

/* Where a call can run. */
enum place {
    PLACE_OUTSIDE,   /* here, without a map */
    PLACE_VIEW,      /* here, in a view */
    PLACE_UPDATE,    /* here, in an update: the store has no file */
    PLACE_COMMIT,    /* on the commit thread of the database */
    PLACE_REWRITE,   /* there, in a commit that writes a new base */
    PLACE_DATABASES, /* on the databases' thread */
};

/* The place of the call that waits. */
struct destination {
    enum place place;
    unsigned database;
    database_bits opening; /* PLACE_DATABASES: to be opened, beside what the call says itself */
};

static struct destination open_first(unsigned database)
{
    return (struct destination){.place = PLACE_DATABASES, .opening = database_bit(database)};
}

static struct destination choose(const struct session *session)
{
    const struct server *server = session->server;
    const struct needs *needs = &session->needs;
    database_bits bits = needs_databases(needs);
    bool several = bits != 0 && !database_is_single(bits);
    unsigned database = bits != 0 && !several ? database_first(bits) : session->database;
    if ((needs->open & ~databases_opened(server->databases)) != 0 || several)
        return (struct destination){.place = PLACE_DATABASES};
    if (!needs_map(needs))
        return (struct destination){.place = PLACE_OUTSIDE, .database = session->database};
    /* A new base of a store without a file is nothing to wait for. */
    bool rewrites = (needs->flags & COMMAND_ALONE) && server->data_path;
    if (!rewrites && !(needs->flags & COMMAND_WRITE))
        return databases_to_read(server->databases, database)
                   ? (struct destination){.place = PLACE_VIEW, .database = database}
                   : open_first(database);
    if (!databases_store(server->databases, database))
        return open_first(database);
    return (struct destination){.place = rewrites            ? PLACE_REWRITE
                                         : server->data_path ? PLACE_COMMIT
                                                             : PLACE_UPDATE,
                                .database = database};
}

/* ---- Running here ------------------------------------------------------------------------- */

/* One visit to a database. */
struct visit {
    struct connection *connection;
    unsigned database;
    bool fresh;               /* all databases have been brought up to date */
    enum session_state state; /* when it ends */
};

static void run_in_scope(struct visit *visit, const struct scope *scope)
{
    struct connection *connection = visit->connection;
    visit->state = session_run(&connection->session, scope, &connection->output);
}

static bool run_view(struct anystore_txn *txn, void *arg)
{
    struct visit *visit = arg;
    run_in_scope(visit,
                 &(struct scope){.database = visit->database, .txn = txn, .fresh = visit->fresh});
    return true;
}

static void visit_view(struct visit *visit)
{
    const struct session *session = &visit->connection->session;
    struct anystore *store = databases_to_read(session->server->databases, visit->database);
    struct anystore_error error;
    if (anystore_view(store, run_view, visit, &error) == ANYSTORE_OK)
        return;
    char refusal[sizeof error.text + 64];
    snprintf(refusal, sizeof refusal, "Cannot catch up with the data file: %s", error.text);
    run_in_scope(
        visit,
        &(struct scope){.database = visit->database, .fresh = visit->fresh, .refusal = refusal});
}

/* Readers are excluded meanwhile. */
static bool run_update(struct anystore_txn *txn, void *arg)
{
    struct visit *visit = arg;
    run_in_scope(visit, &(struct scope){.database = visit->database, .txn = txn, .updating = true});
    return true;
}

static void visit_update(struct visit *visit)
{
    struct server *server = visit->connection->session.server;
    anystore_update(databases_store(server->databases, visit->database), run_update, visit, NULL);
    memory_end_update(server->memory, database_bit(visit->database));
}

static bool look(struct anystore_txn *txn, void *arg)
{
    (void)txn;
    (void)arg;
    return true;
}

/* A look into each open database, which brings it up to date.  Outside of any view: a thread that
 * holds one must not wait for another. */
static void freshen(struct visit *visit)
{
    const struct databases *databases = visit->connection->session.server->databases;
    database_bits bits = databases_opened(databases);
    for (; bits != 0; bits &= bits - 1)
        anystore_view(databases_store(databases, database_first(bits)), look, NULL, NULL);
    visit->fresh = true;
}

/* Runs the call that waits and those that fit the same scope.  False if it cannot run here. */
static bool run_here(struct visit *visit)
{
    const struct session *session = &visit->connection->session;
    struct destination destination = choose(session);
    visit->database = destination.database;
    if (session->needs.fresh)
        freshen(visit);
    switch (destination.place) {
    case PLACE_OUTSIDE:
        run_in_scope(visit, &(struct scope){.database = visit->database, .fresh = visit->fresh});
        return true;
    case PLACE_VIEW:
        visit_view(visit);
        return true;
    case PLACE_UPDATE:
        visit_update(visit);
        return true;
    case PLACE_COMMIT:
    case PLACE_REWRITE:
    case PLACE_DATABASES:
        break;
    }
    return false;
}

enum session_state serve_run(struct connection *connection)
{
    struct session *session = &connection->session;
    struct visit visit = {.connection = connection};
    session_begin_run(session, &connection->output);
    do
        visit.state = session_next(session, NULL, &connection->output);
    while (visit.state == SESSION_CALL && run_here(&visit) && visit.state == SESSION_CALL);
    session_end_run(session, &connection->output);
    return visit.state;
}

void serve_hand_over(struct connection *connection)
{
    struct destination destination = choose(&connection->session);
    connection_memory_count(connection); /* later the session is the other thread's */
    if (destination.place == PLACE_DATABASES)
        several_submit(connection, destination.opening);
    else
        update_submit(connection, destination.database, destination.place == PLACE_REWRITE);
}

/* ---- Going on ----------------------------------------------------------------------------- */

/* The next call waits for the end of a CLIENT PAUSE, at which the worker looks again. */
static void set_paused(struct connection *connection, bool paused)
{
    struct worker *worker = connection->worker;
    int64_t left_ms = 0;
    if (connection->paused != paused) {
        connection->paused = paused;
        atomic_store_explicit(&connection->session.client->blocked, paused, memory_order_relaxed);
    }
    if (!paused)
        return;
    (void)pause_now(worker->server->pause, &left_ms);
    left_ms = left_ms < 1 ? 1 : left_ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : left_ms;
    const struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(worker->resume_event, &left);
}

/* Everything that can be done now is done: counts what the connection takes. */
static void note_idle(struct connection *connection)
{
    struct session *session = &connection->session;
    struct client *client = session->client;
    atomic_store_explicit(&client->input_size, resp_buffer_size(&session->input),
                          memory_order_relaxed);
    atomic_store_explicit(&client->input_capacity, session->input.capacity, memory_order_relaxed);
    atomic_store_explicit(&client->output_size, resp_buffer_size(&connection->output),
                          memory_order_relaxed);
    if (resp_buffer_size(&session->input) == 0) {
        resp_buffer_trim(&session->input, SOCKET_KEEP_BYTES);
        resp_parser_reset(session->parser);
    }
    connection_memory_count(connection);
}

enum verdict serve_continue(struct connection *connection)
{
    struct session *session = &connection->session;
    enum session_state state;
    bool full;
    turns_leave(connection);
    do {
        state = resp_buffer_size(&session->input) > 0 ? serve_run(connection) : SESSION_MORE_INPUT;
        set_paused(connection, state == SESSION_PAUSED);
        if (session->closing_now)
            return CONNECTION_CLOSE;
        if (state == SESSION_CALL)
            serve_hand_over(connection);
        if (state == SESSION_CLOSE || (state == SESSION_MORE_INPUT && connection->end_of_input))
            connection->half_closing = true;
        if (connection->half_closing)
            socket_enable_read(connection, false);
        if (socket_send(connection) == CONNECTION_CLOSE)
            return CONNECTION_CLOSE;
        if (connection->half_closing || session->in_flight)
            return CONNECTION_KEEP;
        full = socket_output_full(connection);
    } while (state == SESSION_OUTPUT_FULL && !full);
    bool untidy = session_tidy(session);
    bool wait = (state == SESSION_TURN_OVER && !full) || untidy;
    if (wait)
        turns_wait(connection);
    /* A client that does not take its replies is not read from. */
    socket_enable_read(connection, !full && !wait && !connection->paused &&
                                       !connection->end_of_input && !connection->worker->stopping);
    note_idle(connection);
    return CONNECTION_KEEP;
}

enum verdict serve_readable(struct connection *connection)
{
    if (connection->session.in_flight) {
        /* More is coming while a write is in flight: it waits in the socket, and the loop must not
         * be told again and again. */
        socket_enable_read(connection, false);
        return CONNECTION_KEEP;
    }
    if (socket_read(connection) == CONNECTION_CLOSE)
        return CONNECTION_CLOSE;
    return serve_continue(connection);
}

enum verdict serve_writable(struct connection *connection)
{
    if (socket_send(connection) == CONNECTION_CLOSE)
        return CONNECTION_CLOSE;
    if (connection->session.in_flight || connection->half_closing || socket_output_full(connection))
        return CONNECTION_KEEP;
    return serve_continue(connection);
}

enum verdict serve_finish_update(struct connection *connection)
{
    update_take_replies(connection);
    if (connection->broken)
        return CONNECTION_CLOSE;
    messages_write_held(connection);
    if (connection->update.state == SESSION_CLOSE)
        connection->half_closing = true;
    return serve_continue(connection);
}

enum verdict serve_messages(struct connection *connection)
{
    return connection->read_enabled ? socket_send(connection) : serve_writable(connection);
}

enum verdict serve_message(struct connection *connection, struct delivery *delivery)
{
    delivery->next = NULL;
    if (connection->half_closing || connection->broken) {
        delivery_free(delivery);
        return CONNECTION_KEEP;
    }
    if (atomic_load_explicit(&delivery->subscriber->overrun, memory_order_relaxed)) {
        socket_note_overrun(connection, atomic_load(&delivery->subscriber->waiting));
        delivery_free(delivery);
        return CONNECTION_CLOSE;
    }
    if (connection->session.in_flight) {
        messages_hold(connection, delivery);
        return CONNECTION_KEEP;
    }
    messages_write(connection, delivery);
    delivery_free(delivery);
    return resp_buffer_size(&connection->output) < SEND_BYTES ? CONNECTION_KEEP
                                                              : serve_messages(connection);
}
