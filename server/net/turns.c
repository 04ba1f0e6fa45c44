/* SPDX-License-Identifier: MIT */
/* A doubly linked list of connections, and the event that serves it. */
#include "server/net/turns.h"

#include "server/net/connection.h"
#include "server/net/worker_state.h"

void turns_wake(struct worker *worker)
{
    const struct timeval at_once = {0};
    event_add(worker->turn_event, &at_once);
}

void turns_wait(struct connection *connection)
{
    struct worker *worker = connection->worker;
    connection->waits_for_turn = true;
    connection->previous_turn = worker->last_turn;
    connection->next_turn = NULL;
    *(worker->last_turn ? &worker->last_turn->next_turn : &worker->turns) = connection;
    worker->last_turn = connection;
    turns_wake(worker);
}

void turns_leave(struct connection *connection)
{
    struct worker *worker = connection->worker;
    if (!connection->waits_for_turn)
        return;
    connection->waits_for_turn = false;
    *(connection->previous_turn ? &connection->previous_turn->next_turn : &worker->turns) =
        connection->next_turn;
    *(connection->next_turn ? &connection->next_turn->previous_turn : &worker->last_turn) =
        connection->previous_turn;
}
