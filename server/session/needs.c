/* SPDX-License-Identifier: MIT */
/* What requests need: the flags of their commands, and which databases they use. */
#include "server/session/needs.h"

#include "command/args.h"
#include "command/table.h"
#include "server/server.h"
#include "server/session/session.h"

/* What one command needs while call->database is the selected database. */
static void needs_of_command(const struct call *call, struct needs *needs)
{
    const struct command *command = call->command;
    unsigned flags = command_call_flags(command, call->argc, call->argv);
    bool writes = flags & (COMMAND_WRITE | COMMAND_ALONE);
    bool reads = !writes && (flags & NEEDS_MAP);
    needs->flags = flags;
    needs->read = reads ? database_bit(call->database) : 0;
    needs->write = writes ? database_bit(call->database) : 0;
    needs->open = 0;
    needs->swap = needs->fresh = false;
    if (command->call_databases)
        command->call_databases(call, needs);
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
        struct call queued = transaction_call(transaction, i, call);
        struct needs one;
        follow_select(&queued, &selected);
        queued.database = selected;
        needs_of_command(&queued, &one);
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

void needs_of(const struct call *call, struct needs *needs)
{
    const struct transaction *transaction = &call->session->transaction;
    needs_of_command(call, needs);
    if ((needs->flags & COMMAND_RUNS_QUEUE) && transaction->open && !transaction->failed)
        add_queue(call, needs);
}

bool needs_too_many(const struct call *call, const struct needs *needs)
{
    return (call->command->flags & COMMAND_RUNS_QUEUE) && needs->write != 0 &&
           !database_is_single(needs->write);
}
