/* SPDX-License-Identifier: MIT */
/* A client's connection: a socket, its output, and the session behind it.
 *
 * It belongs to one worker thread; see session.h for what changes hands. */
#ifndef SERVER_SESSION_CONNECTION_H
#define SERVER_SESSION_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "anystore.h"
#include "resp/buffer.h"
#include "server/data/databases.h"
#include "server/publish/mailbox.h"
#include "server/session/needs.h"
#include "server/session/session.h"

struct delivery;
struct event;
struct server;
struct worker;

enum run_result {
    RUN_MORE_INPUT,      /* all complete requests were run */
    RUN_NEEDS_UPDATE,    /* the next one changes the map, which this view cannot */
    RUN_NEEDS_ALONE,     /* the next one wants a commit of its own with a new base */
    RUN_NEEDS_DATABASES, /* the next one uses another database, or several: connection->needs */
    RUN_NEEDS_NO_MAP,    /* the next one takes its time: an empty scope, and it alone */
    RUN_PAUSED,          /* the next one has to wait for the end of a CLIENT PAUSE */
    RUN_OUTPUT_FULL,     /* stopped until replies have been taken */
    RUN_TURN_OVER,       /* stopped as it was enough for once, see turn.h */
    RUN_CLOSE            /* close when the replies are out */
};

struct connection {
    struct worker *worker;
    struct mailbox *mailbox; /* the worker's */
    int fd;
    struct event *read_event, *write_event;
    bool read_enabled, write_enabled;
    struct connection *previous, *next;           /* in the worker's list */
    struct connection *previous_turn, *next_turn; /* in its list of those that wait for a turn */
    bool waits_for_turn;

    struct session session;
    enum run_result run_result;
    bool fresh;              /* the worker has just brought all databases up to date */
    unsigned run_database;   /* of the view or update that runs or is in flight */
    struct database_job job; /* to get what it needs */
    enum update_kind {
        UPDATE_COMMIT,  /* by the commit thread of run_database */
        UPDATE_SEVERAL, /* of one request, over the databases of session.needs */
        UPDATE_NOTHING  /* nothing was run, databases were opened */
    } update_kind;

    /* The worker's side. */
    struct resp_buffer output;
    bool paused;                 /* its next request waits for the end of a CLIENT PAUSE */
    bool end_of_input;           /* the client sent EOF, or the socket failed */
    bool broken;                 /* the socket failed: nothing can be sent */
    bool half_closing;           /* close when output is empty */
    int64_t soft_limit_since_ms; /* output above the soft limit since; 0: it is not */
    int64_t update_began_ns;     /* steady_ns() */
    struct anystore_submission update;
    bool update_ran;
    bool update_kept_part; /* UPDATE_SEVERAL failed, but not in all databases */
    struct anystore_error update_error;
    struct finished_update finished; /* on its way to the worker */

    struct delivery *held, *held_last; /* messages that wait for an update's replies */
};

/* A connection over a connected, non-blocking socket, which it owns.  NULL if memory is short (the
 * socket is closed then). */
struct connection *connection_new(struct server *server, struct worker *worker,
                                  struct mailbox *mailbox, struct tally_block *tally, int fd,
                                  bool is_unix);
void connection_free(struct connection *connection);

struct call;

/* How many bytes of replies may wait before the next request has to. */
size_t connection_output_pause(const struct connection *connection);

/* Runs the complete requests in the input, as far as the scope allows.  Replies go to `replies`. */
enum run_result connection_run(struct connection *connection, const struct scope *scope,
                               struct resp_buffer *replies);

#endif
