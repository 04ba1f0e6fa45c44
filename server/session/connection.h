/* SPDX-License-Identifier: MIT */
/* A client's connection: its input, its session, its replies.
 *
 * It belongs to one worker thread.  While a write of it is on its way through the store (`busy`),
 * input, parser, session and update_replies belong to the commit thread, which runs everything that
 * has arrived, in order; socket and output stay the worker's.  Ownership changes hands through the
 * store's queue and the worker's, which order all memory accesses. */
#ifndef SERVER_SESSION_CONNECTION_H
#define SERVER_SESSION_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "anystore.h"
#include "resp/buffer.h"
#include "resp/parser.h"
#include "resp/writer.h"
#include "server/data/databases.h"
#include "server/publish/outbox.h"
#include "server/session/measure.h"
#include "server/session/needs.h"
#include "server/session/transaction.h"

struct command;
struct delivery;
struct event;
struct server;
struct subscriber;
struct worker;

/* CLIENT REPLY: which replies the client does not want. */
struct silence {
    bool off;       /* none, until it is turned on again */
    bool skip;      /* not this one */
    bool skip_next; /* not the next one */
};

/* What commands see and change of a client. */
struct session {
    int resp_version;  /* 2 or 3 */
    unsigned database; /* SELECT */
    bool authenticated;
    bool close_after_reply; /* QUIT, a protocol error: no further command is run */
    bool closing_now;       /* SHUTDOWN: no reply either */
    struct silence silence;
    struct transaction transaction;
};

/* Where one reply of an update ends in update_replies, and whether it depends on the commit. */
struct reply_end {
    size_t end;
    bool touched_store;
    bool of_exec; /* its errors begin as those of an EXEC that was not run */
};

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

/* What a run may use of the databases; nothing but `database` set: an empty one, after
 * RUN_NEEDS_NO_MAP. */
struct scope {
    unsigned database;
    struct anystore_txn *txn; /* of `database`: a view or an update; NULL: it cannot be used */
    database_bits databases;  /* a run of one request over several: these; else 0 */
    struct anystore_txn *const *txns; /* of these, by number; NULL as txn */
    bool updating;                    /* else it is a view */
    bool fresh;                       /* all databases have been brought up to date */
    const char *refusal; /* said to what needs what cannot be used, or written; or NULL */
};

struct connection {
    struct server *server;
    struct worker *worker;
    int fd;
    struct event *read_event, *write_event;
    bool read_enabled, write_enabled;
    struct connection *previous, *next;           /* in the worker's list */
    struct connection *previous_turn, *next_turn; /* in its list of those that wait for a turn */
    bool waits_for_turn;

    /* The session side; see above. */
    struct resp_buffer input;
    struct resp_parser *parser;
    bool parsed;        /* a request is parsed that was not run yet */
    size_t parsed_size; /* its bytes at the front of input */
    struct session session;
    struct measure measure;
    struct outbox outbox; /* what its commands publish, until it may leave */
    struct resp_buffer update_replies;
    struct reply_end *reply_ends;
    size_t reply_end_count, reply_end_capacity;
    enum run_result run_result;
    bool fresh;              /* the worker has just brought all databases up to date */
    unsigned run_database;   /* of the view or update that runs or is in flight */
    struct needs needs;      /* of the request that could not be run */
    struct database_job job; /* to get what it needs */
    enum update_kind {
        UPDATE_COMMIT,  /* by the commit thread of run_database */
        UPDATE_SEVERAL, /* of one request, over the databases of `needs` */
        UPDATE_NOTHING  /* nothing was run, databases were opened */
    } update_kind;

    /* The worker's side. */
    struct resp_buffer output;
    bool busy;                   /* an update is in flight */
    bool paused;                 /* its next request waits for the end of a CLIENT PAUSE */
    bool end_of_input;           /* the client sent EOF, or the socket failed */
    bool broken;                 /* the socket failed: nothing can be sent */
    bool half_closing;           /* close when output is empty */
    int64_t soft_limit_since_ms; /* output above the soft limit since; 0: it is not */
    int64_t update_began_ns;     /* measure_clock() */
    struct anystore_request update;
    bool update_ran;
    bool update_kept_part; /* UPDATE_SEVERAL failed, but not in all databases */
    struct anystore_error update_error;
    struct connection *next_done; /* in the worker's list of finished updates */

    struct client *client;             /* what CLIENT LIST shows */
    struct subscriber *subscriber;     /* never NULL */
    struct delivery *held, *held_last; /* messages that wait for an update's replies */
};

/* A connection over a connected, non-blocking socket, which it owns.  NULL if memory is short (the
 * socket is closed then). */
struct connection *connection_new(struct server *server, struct worker *worker, int fd,
                                  bool is_unix);
void connection_free(struct connection *connection);

struct call;

/* What an error of EXEC begins with if nothing of it was done; the reason follows. */
#define CONNECTION_EXEC_ABORTED "EXECABORT Transaction discarded because of: "

/* How many bytes of replies may wait before the next request has to. */
size_t connection_output_pause(const struct connection *connection);

/* Makes a database the selected one. */
void connection_select(struct connection *connection, unsigned database);

/* Runs one command whose checks have been made, for EXEC too. */
void connection_run_command(struct call *call);

/* Runs the complete requests in the input, as far as the scope allows.  Replies go to `replies`. */
enum run_result connection_run(struct connection *connection, const struct scope *scope,
                               struct resp_buffer *replies);

#endif
