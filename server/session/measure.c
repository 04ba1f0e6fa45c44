/* SPDX-License-Identifier: MIT */
/* Notes counts, durations and errors of commands. */
#include "server/session/measure.h"

#include <stdlib.h>

#include "command/args.h"
#include "command/table.h"
#include "server/client/client.h"
#include "server/config/config.h"
#include "server/observe/clock.h"
#include "server/observe/latency.h"
#include "server/observe/slowlog.h"
#include "server/observe/stats.h"
#include "server/observe/tally.h"
#include "server/server.h"
#include "server/session/session.h"

static void read_options(struct session *session)
{
    const struct config *config = session->server->config;
    struct measure *measure = &session->measure;
    measure->slow_us = config_number(config, CONFIG_SLOWLOG_LOG_SLOWER_THAN);
    measure->spike_ms = config_number(config, CONFIG_LATENCY_MONITOR_THRESHOLD);
    measure->histograms = config_flag(config, CONFIG_LATENCY_TRACKING);
    measure->timed = measure->slow_us >= 0 || measure->spike_ms > 0 || measure->histograms;
}

void measure_prepare(struct session *session)
{
    read_options(session);
    session->measure.last_ns = 0;
}

int64_t measure_begin(struct session *session)
{
    struct measure *measure = &session->measure;
    if (measure->timed && measure->last_ns == 0)
        measure->last_ns = steady_ns();
    return measure->timed ? measure->last_ns : 0;
}

/* While a write is in flight this is a commit thread. */
static struct tally_block *block_of(const struct session *session)
{
    return session->in_flight ? tally_shared(session->server->tally) : session->tally;
}

/* Whether the reply is an error; then it is counted. */
static bool count_error(struct call *call, size_t reply_start)
{
    const struct resp_buffer *out = call->reply->out;
    size_t size = resp_buffer_size(out);
    if (size <= reply_start || resp_buffer_bytes(out)[reply_start] != '-')
        return false;
    tally_error(call->session->server->tally, resp_buffer_bytes(out) + reply_start + 1,
                size - reply_start - 1);
    atomic_fetch_add_explicit(&call->session->server->stats->error_replies, 1,
                              memory_order_relaxed);
    return true;
}

static void note_in_slowlog(struct call *call, int64_t ns)
{
    struct server *server = call->session->server;
    struct client *client = call->session->client;
    struct resp_arg argv[SLOWLOG_ARGUMENTS];
    for (size_t i = 0; i < call->argc && i < SLOWLOG_ARGUMENTS; i++)
        argv[i] = arg_shown(call, i);
    char *name = client_text(server->clients, client, CLIENT_NAME);
    const struct slow_command command = {.argv = argv,
                                         .argc = call->argc,
                                         .address = client->address,
                                         .client_name = name,
                                         .duration_us = ns / 1000};
    slowlog_note(server->slowlog, &command,
                 (size_t)config_number(server->config, CONFIG_SLOWLOG_MAX_LEN));
    free(name);
}

static void note_slow(struct call *call, int64_t ns)
{
    struct server *server = call->session->server;
    const struct measure *measure = &call->session->measure;
    unsigned flags = call->command->flags;
    if (measure->spike_ms > 0 && ns / 1000000 >= measure->spike_ms)
        latency_note(server->latency, flags & COMMAND_FAST ? LATENCY_FAST_COMMAND : LATENCY_COMMAND,
                     ns / 1000000);
    if (measure->slow_us >= 0 && ns / 1000 >= measure->slow_us && !(flags & COMMAND_SKIP_SLOWLOG))
        note_in_slowlog(call, ns);
}

void measure_slice(struct session *session, int64_t began)
{
    if (began == 0)
        return;
    session->measure.last_ns = steady_ns();
    session->slices.spent_ns += session->measure.last_ns - began;
}

void measure_end(struct call *call, size_t reply_start, int64_t began)
{
    struct session *session = call->session;
    struct measure *measure = &session->measure;
    size_t number = call->command->number;
    bool failed = count_error(call, reply_start);
    int64_t ns = -1;
    /* It may have been CONFIG SET, which as in Redis holds for itself already. */
    if (call->command->flags & COMMAND_ADMIN)
        read_options(session);
    if (began != 0) {
        measure->last_ns = steady_ns();
        ns = measure->last_ns - began + call->slices->spent_ns;
        note_slow(call, ns);
    }
    tally_call(block_of(session), number, ns, failed, measure->histograms);
    if (!measure->timed)
        measure->last_ns = 0;
}

void measure_rejected(struct call *call, size_t reply_start)
{
    if (count_error(call, reply_start) && call->command)
        tally_reject(block_of(call->session), call->command->number);
}
