/* SPDX-License-Identifier: MIT */
/* Makes and frees the parts of a server that live in memory only. */
#include "server/parts.h"

#include <stdlib.h>

#include "command/families.h"
#include "command/table.h"
#include "server/client/client.h"
#include "server/client/pause.h"
#include "server/data/memory.h"
#include "server/family/families.h"
#include "server/observe/histogram.h"
#include "server/observe/latency.h"
#include "server/observe/rates.h"
#include "server/observe/slowlog.h"
#include "server/observe/stats.h"
#include "server/observe/tally.h"
#include "server/publish/monitor.h"
#include "server/publish/notify.h"
#include "server/publish/pubsub.h"
#include "server/server.h"
#include "server/session/host.h"

bool parts_make(struct server *server)
{
    server->host = host_new(server->config);
    server->commands = command_table_new(command_families, server_families);
    server->clients = client_registry_new();
    server->pause = calloc(1, sizeof *server->pause);
    server->pubsub = pubsub_new();
    server->monitors = monitors_new();
    server->notify = server->pubsub ? notify_new(server->config, server->pubsub) : NULL;
    server->memory = calloc(1, sizeof *server->memory);
    server->stats = calloc(1, sizeof *server->stats);
    server->rates = calloc(1, sizeof *server->rates);
    server->commit_times = calloc(1, sizeof *server->commit_times);
    server->tally = server->commands ? tally_new(command_total(server->commands)) : NULL;
    server->slowlog = slowlog_new();
    server->latency = latency_new();
    return server->host && server->commands && server->clients && server->pause && server->pubsub &&
           server->monitors && server->notify && server->memory && server->stats && server->rates &&
           server->commit_times && server->tally && server->slowlog && server->latency;
}

void parts_free(struct server *server)
{
    client_registry_free(server->clients);
    free(server->pause);
    pubsub_free(server->pubsub);
    monitors_free(server->monitors);
    notify_free(server->notify);
    free(server->memory);
    free(server->stats);
    free(server->rates);
    free(server->commit_times);
    tally_free(server->tally);
    slowlog_free(server->slowlog);
    latency_free(server->latency);
    command_table_free(server->commands);
    host_free(server->host);
}
