/* SPDX-License-Identifier: MIT */
/* Runs a call over several databases, or opens databases, on the databases' thread. */
#include "server/net/several.h"

#include <stddef.h>

#include "command/table.h"
#include "server/data/databases.h"
#include "server/net/connection.h"
#include "server/server.h"
#include "server/session/run.h"

/* One call over several databases.  The first of `numbers` becomes durable last. */
struct several {
    struct connection *connection;
    unsigned numbers[DATABASES_MOST];
    struct anystore *stores[DATABASES_MOST];
    size_t count;
    database_bits databases;
    bool ran;
};

static void add(struct several *several, database_bits bits)
{
    const struct databases *databases = several->connection->session.server->databases;
    for (bits &= ~several->databases; bits != 0; bits &= bits - 1) {
        unsigned number = database_first(bits);
        several->numbers[several->count] = number;
        several->stores[several->count++] = databases_store(databases, number);
        several->databases |= database_bit(number);
    }
}

/* What is only read comes first and so is held until what is written is durable: nobody can change
 * it and be answered before that.  Of the others the selected one is durable last: MOVE takes the
 * key out of it when it is safe in the other one. */
static void arrange(struct several *several)
{
    const struct connection *connection = several->connection;
    database_bits written = connection->session.needs.write;
    add(several, needs_databases(&connection->session.needs) & ~written);
    add(several, written & database_bit(connection->session.database));
    add(several, written);
}

static void run_one(struct several *several, struct anystore_txn *const *txns)
{
    struct connection *connection = several->connection;
    struct session *session = &connection->session;
    const struct scope scope = {.database = session->database,
                                .databases = several->databases,
                                .commits_first = database_bit(several->numbers[several->count - 1]),
                                .txns = txns,
                                .updating = true,
                                .rewriting = connection->update.rewriting};
    session_begin_run(session, &session->update_replies);
    connection->update.state = session_run(session, &scope, &session->update_replies);
    session_end_run(session, &session->update_replies);
    several->ran = true;
}

static bool run_together(struct anystore_txn *const *txns, void *arg)
{
    struct several *several = arg;
    struct anystore_txn *by_number[DATABASES_MOST] = {NULL};
    for (size_t i = 0; i < several->count; i++)
        by_number[several->numbers[i]] = txns[i];
    run_one(several, by_number);
    return true;
}

/* Several at once: for each of them an update, at the same time. */
static void update_together(struct several *several, struct anystore_error *error)
{
    struct connection *connection = several->connection;
    bool new_base = (connection->session.needs.flags & COMMAND_ALONE) != 0;
    size_t failed = 0;
    connection->update.rewriting = new_base;
    if (anystore_update_several(several->stores, several->count, run_together, several, new_base,
                                &failed, error) != ANYSTORE_OK)
        connection->update.kept_part =
            several->ran && failed + 1 < several->count &&
            (connection->session.needs.write & database_bit(several->numbers[failed + 1])) != 0;
}

/* The command itself has only to answer. */
static void swap(struct several *several, struct anystore_error *error)
{
    if (anystore_swap(several->stores[0], several->stores[1], error) == ANYSTORE_OK)
        run_one(several, NULL);
}

static void run_job(struct database_job *job)
{
    struct connection *connection =
        (struct connection *)(void *)((char *)job - offsetof(struct connection, update.job));
    struct databases *databases = connection->session.server->databases;
    const struct needs *needs = &connection->session.needs;
    struct several several = {.connection = connection};
    struct anystore_error error;
    if (databases_open(databases, needs_databases(needs) | needs->open | connection->update.opening,
                       &error) == ANYSTORE_OK) {
        arrange(&several);
        if (needs->swap)
            swap(&several, &error);
        else if (several.count > 1)
            update_together(&several, &error);
        else
            connection->update.kind = UPDATE_NOTHING; /* the worker can go on itself now */
    }
    update_end(connection, several.ran, &error);
}

void several_submit(struct connection *connection, database_bits opening)
{
    update_begin(connection, UPDATE_SEVERAL);
    connection->update.opening = opening;
    connection->update.job.run = run_job;
    databases_submit(connection->session.server->databases, &connection->update.job);
}
