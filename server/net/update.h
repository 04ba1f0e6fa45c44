/* SPDX-License-Identifier: MIT */
/* The update of a connection: what a client writes goes to the thread that may write, with
 * everything the client sent behind it, and comes back with replies that may leave.
 *
 * Worker: update_submit or several_submit -> commit thread or databases' thread: session_run,
 * update_end -> mailbox -> worker: update_take_replies. */
#ifndef SERVER_NET_UPDATE_H
#define SERVER_NET_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "anystore.h"
#include "command/database_bits.h"
#include "server/data/databases.h"
#include "server/publish/mailbox.h"
#include "server/session/next.h"

struct connection;

enum update_kind {
    UPDATE_COMMIT,  /* by the commit thread of one database */
    UPDATE_SEVERAL, /* of one call, over the databases that it needs, by the databases' thread */
    UPDATE_NOTHING  /* nothing was run: the databases' thread opened databases */
};

/* While it is in flight it belongs to the thread that runs it. */
struct update {
    enum update_kind kind;
    unsigned database; /* UPDATE_COMMIT */
    bool rewriting;    /* it writes a new base */
    /* How it ended. */
    enum session_state state; /* of the session, if it ran */
    bool ran;
    bool kept_part; /* UPDATE_SEVERAL failed, but not in all databases */
    struct anystore_error error;

    int64_t began_ns; /* steady_ns() */
    struct anystore_submission submission;
    struct database_job job;
    database_bits opening;           /* to be opened, beside what the call needs */
    struct finished_update finished; /* on its way to the worker */
};

/* Hands the session over to the commit thread of a database, which runs what has come.
 * `rewriting`: in a commit that writes a new base.  On the worker, which has the session. */
void update_submit(struct connection *connection, unsigned database, bool rewriting);

/* Makes the session another thread's; on the worker. */
void update_begin(struct connection *connection, enum update_kind kind);

/* Gives the session back to the worker; on the thread that ran the update. */
void update_end(struct connection *connection, bool ran, const struct anystore_error *error);

/* The update came back: its replies, or the error in the place of those that depend on it, go to
 * the output, if that can still be sent.  On the worker. */
void update_take_replies(struct connection *connection);

#endif
