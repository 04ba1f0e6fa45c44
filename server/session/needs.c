/* SPDX-License-Identifier: MIT */
/* What requests need: the flags of their commands, and which databases they use. */
#include "server/session/needs.h"

#include "command/args.h"
#include "command/table.h"
#include "server/server.h"
#include "server/session/session.h"

/* What one command needs while call->database is the selected database. */
static struct needs needs_of_command(const struct call *call)
{
    const struct command *command = call->command;
    struct needs needs = {.flags = command_call_flags(command, call->argc, call->argv)};
    if (needs.flags & (COMMAND_WRITE | COMMAND_ALONE))
        needs.write = database_bit(call->database);
    else if (needs.flags & NEEDS_MAP)
        needs.read = database_bit(call->database);
    if (command->call_databases)
        command->call_databases(call, &needs);
    return needs;
}

/* SELECT among queued commands: the database of those behind it. */
static void follow_select(const struct call *queued, unsigned *selected)
{
    int64_t number;
    if ((queued->command->flags & COMMAND_SELECTS) &&
        arg_is_database(queued, &queued->argv[1], &number))
        *selected = (unsigned)number;
}

/* What EXEC needs beside itself: what is queued, and the watched keys. */
static void add_queue(const struct call *call, struct needs *needs)
{
    const struct transaction *transaction = &call->session->transaction;
    unsigned selected = call->database;
    for (size_t i = 0; i < transaction->count; i++) {
        struct call queued = *call;
        queued.command = transaction->queue[i].command;
        queued.argc = transaction->queue[i].argc;
        queued.argv = transaction->queue[i].argv;
        queued.in_exec = true;
        follow_select(&queued, &selected);
        queued.database = selected;
        struct needs one = needs_of_command(&queued);
        needs->flags |= one.flags & (NEEDS_MAP | COMMAND_MAY_REPLICATE | COMMAND_DENYOOM);
        needs->read |= one.read;
        needs->write |= one.write;
        needs->open |= one.open;
        needs->swap |= one.swap;
    }
    needs->read |= transaction_watched(transaction);
    if (needs->read)
        needs->flags |= COMMAND_VIEW;
}

struct needs needs_of(const struct call *call)
{
    const struct session *session = call->session;
    struct needs needs = needs_of_command(call);
    if ((needs.flags & COMMAND_RUNS_QUEUE) && session->transaction.open &&
        !session->transaction.failed)
        add_queue(call, &needs);
    return needs;
}

bool needs_too_many(const struct call *call, const struct needs *needs)
{
    return (call->command->flags & COMMAND_RUNS_QUEUE) && needs->write != 0 &&
           !database_is_single(needs->write);
}
