/* SPDX-License-Identifier: MIT */
/* Runs calls while they fit the scope. */
#include "server/session/run.h"

#include <stdio.h>

#include "command/access.h"
#include "command/reply.h"
#include "server/data/databases.h"
#include "server/observe/clock.h"
#include "server/server.h"
#include "server/session/admit.h"
#include "server/session/call.h"
#include "server/session/session.h"

/* Whether all databases that a call uses can be used in this scope. */
static bool is_covered(const struct session *session, const struct scope *scope)
{
    const struct needs *needs = &session->needs;
    database_bits usable = scope->databases ? scope->databases : database_bit(scope->database);
    if (needs_databases(needs) & ~usable)
        return false;
    if (needs->fresh && !scope->fresh && scope->databases == 0)
        return false;
    /* After a refusal they could not be opened. */
    return needs->open == 0 || scope->refusal ||
           (needs->open & ~databases_opened(session->server->databases)) == 0;
}

/* Whether this scope has all that the call needs. */
static bool fits(const struct session *session, const struct scope *scope)
{
    unsigned flags = session->needs.flags;
    bool has_map = scope->txn || scope->txns;
    /* A slow command must hold neither a view (it blocks publication) nor an update (it blocks all
     * writers). */
    if ((flags & COMMAND_WAITS) && has_map)
        return false;
    /* A long call holds a view for a slice at a time, and no update at all. */
    if ((flags & COMMAND_LONG) && scope->updating)
        return false;
    if (!is_covered(session, scope))
        return false;
    if (scope->refusal)
        return true;
    if ((flags & COMMAND_ALONE) && session->server->data_path && !scope->rewriting)
        return false;
    if ((flags & COMMAND_WRITE) && !scope->updating)
        return false;
    return !needs_map(&session->needs) || has_map || scope->databases != 0;
}

/* Whether the call has its scope for itself. */
static bool is_alone(const struct session *session, const struct scope *scope)
{
    return scope->databases != 0 || scope->rewriting || (session->needs.flags & COMMAND_WAITS);
}

/* Replies that the store cannot be used as the call needs it. */
static void refuse(struct call *call, const char *refusal)
{
    if (!(call->command->flags & COMMAND_RUNS_QUEUE)) {
        resp_write_errorf(call->reply, "MISCONF %s", refusal);
        return;
    }
    char reason[sizeof "MISCONF " + 1000];
    snprintf(reason, sizeof reason, "MISCONF %s", refusal);
    admit_abort_exec(call, reason);
}

/* How long a slice of a call is: others wait for it on the worker. */
#define SLICE_NS (INT64_C(1) * 1000 * 1000)

/* A call may stop and go on later where nobody waits for the scope. */
static void allow_slices(struct session *session, const struct scope *scope)
{
    bool sliced = (session->call.command->flags & COMMAND_SLICED) && !scope->updating;
    session->slices.until_ns = sliced ? steady_ns() + SLICE_NS : 0;
}

static void run_one(struct session *session, const struct scope *scope, struct resp_buffer *replies)
{
    struct call *call = &session->call;
    unsigned flags = session->needs.flags;
    bool carried = !call->scope; /* it was admitted before this scope was there */
    if (carried)
        session_aim(session, replies);
    session->slices.unfinished = false;
    call->scope = scope;
    call->txn = call_txn(call, call->database);
    bool refused = scope->refusal && (flags & NEEDS_MAP) &&
                   (!call->txn || (flags & (COMMAND_WRITE | COMMAND_ALONE)));
    if (refused)
        refuse(call, scope->refusal);
    else if (carried && scope->updating && !admit_again_or_reply(call))
        refused = true;
    else {
        allow_slices(session, scope);
        call_run(call);
    }
    if (session->slices.unfinished) {
        session->turn.over = true;
        return;
    }
    if (call->command->flags & COMMAND_SLICED)
        slices_free(&session->slices);
    session_answered(session, replies, !refused, !refused && (flags & NEEDS_MAP));
}

enum session_state session_run(struct session *session, const struct scope *scope,
                               struct resp_buffer *replies)
{
    enum session_state state;
    bool alone = false;
    do {
        state = session_next(session, scope, replies);
        if (state != SESSION_CALL || !fits(session, scope))
            break;
        alone = is_alone(session, scope);
        run_one(session, scope, replies);
    } while (!alone);
    session->call.scope = NULL; /* if a call waits, it is carried to another scope */
    return session->close_after_reply ? SESSION_CLOSE : state;
}
