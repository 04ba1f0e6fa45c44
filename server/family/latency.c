/* SPDX-License-Identifier: MIT */
/* LATENCY: slow events of this server, and the durations of its commands. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/args.h"
#include "command/reply.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/family/families.h"
#include "server/observe/clock.h"
#include "server/observe/latency.h"
#include "server/observe/tally.h"
#include "server/server.h"
#include "server/session/session.h"

enum { GRAPH_ROWS = 4, GRAPH_COLUMNS = 80 };

static void run_latency_history(struct call *call)
{
    const struct resp_arg *name = &call->argv[2];
    struct latency_history history;
    enum latency_event event = latency_event_find(name->data, name->size, false);
    if (event == LATENCY_EVENT_COUNT ||
        !latency_history(call->session->server->latency, event, &history)) {
        resp_write_array(call->reply, 0);
        return;
    }
    resp_write_array(call->reply, history.count);
    for (size_t i = 0; i < history.count; i++) {
        resp_write_array(call->reply, 2);
        resp_write_integer(call->reply, history.samples[i].time_s);
        resp_write_integer(call->reply, history.samples[i].ms);
    }
}

static void run_latency_latest(struct call *call)
{
    size_t count = 0;
    size_t mark = resp_write_begin(call->reply);
    for (enum latency_event event = 0; event < LATENCY_EVENT_COUNT; event++) {
        struct latency_history history;
        if (!latency_history(call->session->server->latency, event, &history))
            continue;
        const struct latency_sample *last = &history.samples[history.count - 1];
        resp_write_array(call->reply, 4);
        resp_write_bulk_text(call->reply, latency_event_name(event));
        resp_write_integer(call->reply, last->time_s);
        resp_write_integer(call->reply, last->ms);
        resp_write_integer(call->reply, history.worst_ms);
        count++;
    }
    resp_write_end(call->reply, mark, '*', count);
}

static void run_latency_reset(struct call *call)
{
    struct latency *latency = call->session->server->latency;
    int64_t count = 0;
    for (enum latency_event event = 0; call->argc == 2 && event < LATENCY_EVENT_COUNT; event++)
        count += latency_reset(latency, event);
    for (size_t i = 2; i < call->argc; i++) {
        const struct resp_arg *name = &call->argv[i];
        enum latency_event event = latency_event_find(name->data, name->size, true);
        if (event != LATENCY_EVENT_COUNT)
            count += latency_reset(latency, event);
    }
    resp_write_integer(call->reply, count);
}

/* ---- In a form for people ------------------------------------------------------------------- */

static void append(struct resp_buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct resp_buffer *out, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size > 0)
        resp_buffer_append(out, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void reply_text(struct call *call, struct resp_buffer *text)
{
    if (text->failed)
        reply_out_of_memory(call);
    else
        resp_write_verbatim(call->reply, "txt", resp_buffer_bytes(text), resp_buffer_size(text));
    resp_buffer_free(text);
}

/* The age of an event: "5s", "3m", "2h" or "1d". */
static void format_age(char out[16], int64_t seconds)
{
    if (seconds < 60)
        snprintf(out, 16, "%ds", (int)seconds);
    else if (seconds < 3600)
        snprintf(out, 16, "%dm", (int)(seconds / 60));
    else if (seconds < 86400)
        snprintf(out, 16, "%dh", (int)(seconds / 3600));
    else
        snprintf(out, 16, "%dd", (int)(seconds / 86400));
}

/* Draws columns of '#' as high as the samples, the newest on the right.  Below each stands its age,
 * from top to bottom. */
static void draw(struct resp_buffer *out, const struct latency_sample *samples, size_t count,
                 int64_t high)
{
    int64_t now_s = wall_ms() / 1000;
    for (int row = GRAPH_ROWS; row > 0; row--) {
        for (size_t i = 0; i < count; i++) {
            int64_t height = high ? (samples[i].ms * GRAPH_ROWS + high - 1) / high : 0;
            append(out, "%c", height >= row ? '#' : row == 1 ? '_' : ' ');
        }
        append(out, "\n");
    }
    append(out, "\n");
    for (size_t row = 0;; row++) {
        bool more = false;
        char line[GRAPH_COLUMNS + 2];
        for (size_t i = 0; i < count; i++) {
            char age[16];
            format_age(age, now_s - samples[i].time_s);
            bool reaches = row < strlen(age);
            line[i] = ' ';
            if (reaches)
                line[i] = age[row];
            more = more || reaches;
        }
        if (!more)
            break;
        line[count] = '\n';
        line[count + 1] = '\0';
        append(out, "%s", line);
    }
}

static void run_latency_graph(struct call *call)
{
    const struct resp_arg *name = &call->argv[2];
    struct latency_history history;
    enum latency_event event = latency_event_find(name->data, name->size, false);
    if (event == LATENCY_EVENT_COUNT ||
        !latency_history(call->session->server->latency, event, &history)) {
        resp_write_errorf(call->reply, "ERR No samples available for event '%.*s'",
                          (int)(name->size < 1024 ? name->size : 1024),
                          name->size > 0 ? arg_text(name) : "");
        return;
    }
    int64_t high = history.samples[0].ms, low = high;
    for (size_t i = 1; i < history.count; i++) {
        int64_t ms = history.samples[i].ms;
        high = ms > high ? ms : high;
        low = ms < low ? ms : low;
    }
    struct resp_buffer text = {0};
    append(&text, "%s - high %lld ms, low %lld ms (all time high %lld ms)\n",
           latency_event_name(event), (long long)high, (long long)low, (long long)history.worst_ms);
    for (int i = 0; i < GRAPH_COLUMNS; i++)
        append(&text, "-");
    append(&text, "\n");
    for (size_t at = 0; at < history.count; at += GRAPH_COLUMNS) {
        size_t left = history.count - at;
        draw(&text, history.samples + at, left < GRAPH_COLUMNS ? left : GRAPH_COLUMNS, high);
    }
    reply_text(call, &text);
}

static const char *advice(enum latency_event event)
{
    switch (event) {
    case LATENCY_COMMAND:
        return "Look at SLOWLOG GET: which commands are slow? Large values and commands that go "
               "through all keys (KEYS, SORT, FLUSHALL) are the usual reason.";
    case LATENCY_COMMIT:
        return "Writes wait for the disk. Use a fast local one, see that nothing else keeps it "
               "busy, and let clients write at the same time or in pipelines: they share a commit.";
    case LATENCY_FAST_COMMAND:
        return "These commands do little: the processor was not available. Lower the load of this "
               "host, or give the server fewer io-threads than there are cores.";
    case LATENCY_EVENT_COUNT:
        break;
    }
    return "";
}

static void run_latency_doctor(struct call *call)
{
    struct server *server = call->session->server;
    struct resp_buffer text = {0};
    size_t events = 0;
    for (enum latency_event event = 0; event < LATENCY_EVENT_COUNT; event++) {
        struct latency_history history;
        if (!latency_history(server->latency, event, &history))
            continue;
        assert(history.count > 0);
        int64_t sum = 0;
        for (size_t i = 0; i < history.count; i++)
            sum += history.samples[i].ms;
        append(&text,
               "%zu. %s: %zu latency spikes (average %lldms). Worst all time event %lldms.\n",
               ++events, latency_event_name(event), history.count,
               (long long)(sum / (int64_t)history.count), (long long)history.worst_ms);
        append(&text, "   %s\n", advice(event));
    }
    if (events == 0 && config_number(server->config, CONFIG_LATENCY_MONITOR_THRESHOLD) == 0)
        append(&text, "Latency monitoring is off. CONFIG SET latency-monitor-threshold "
                      "<milliseconds> turns it on.\n");
    else if (events == 0)
        append(&text, "No latency spike was observed.\n");
    reply_text(call, &text);
}

/* ---- LATENCY HISTOGRAM -------------------------------------------------------------------- */

/* The durations in the answer double, beginning with about a microsecond.  The numbers are
 * Redis's. */
static int64_t step_us(unsigned doublings)
{
    int64_t ns = INT64_C(1024) << doublings;
    return (ns + ns / 128 - 1) / 1000;
}

/* Replies name and distribution of a command and of its subcommands, of those that were called.
 * Returns their number. */
static size_t reply_histogram(struct call *call, const struct command *command)
{
    struct server *server = call->session->server;
    struct resp_writer *reply = call->reply;
    struct tally_counts counts;
    size_t count = 0;
    tally_collect(server->tally, command->number, &counts);
    if (counts.durations.total > 0) {
        resp_write_bulk_text(reply, command_full_name(command));
        resp_write_map(reply, 2);
        resp_write_bulk_text(reply, "calls");
        resp_write_integer(reply, (int64_t)counts.durations.total);
        resp_write_bulk_text(reply, "histogram_usec");
        size_t mark = resp_write_begin(reply);
        size_t steps = 0;
        uint64_t seen = 0;
        for (unsigned i = 0; i <= HISTOGRAM_DOUBLINGS; i++) {
            uint64_t below = histogram_below(&counts.durations, i);
            if (below == seen)
                continue;
            seen = below;
            resp_write_integer(reply, step_us(i));
            resp_write_integer(reply, (int64_t)below);
            steps++;
        }
        resp_write_end(reply, mark, '%', steps);
        count++;
    }
    for (const struct command *row = command->subcommands; row && row->name; row++)
        count += reply_histogram(call, row);
    return count;
}

static void run_latency_histogram(struct call *call)
{
    const struct command_table *table = call->session->server->commands;
    size_t mark = resp_write_begin(call->reply);
    size_t count = 0;
    for (size_t i = 0; call->argc == 2 && i < command_count(table); i++)
        count += reply_histogram(call, command_at(table, i));
    for (size_t i = 2; i < call->argc; i++) {
        const struct command *command =
            command_find_full(table, call->argv[i].data, call->argv[i].size);
        if (command)
            count += reply_histogram(call, command);
    }
    resp_write_end(call->reply, mark, '%', count);
}

static void run_latency_help(struct call *call)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Return a human readable latency analysis report.",
        "GRAPH <event>",
        "    Return an ASCII latency graph for the <event> class.",
        "HISTOGRAM [<command> ...]",
        "    Return how long calls of the commands, or of all, took.",
        "HISTORY <event>",
        "    Return time-latency samples for the <event> class.",
        "LATEST",
        "    Return the latest latency samples for all events.",
        "RESET [<event> ...]",
        "    Forget the samples of the <event> classes, or of all.",
        NULL,
    };
    reply_help(call, lines);
}

/* ---- Rows --------------------------------------------------------------------------------- */

#define LATENCY_SUB                                                                                \
    .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE,                   \
    .group = "server", .complexity = "O(1)"
#define LATENCY_TIPS                                                                               \
    .tips = "nondeterministic_output request_policy:all_nodes response_policy:special"

static const struct command latency_rows[] = {
    {.name = "doctor",
     .full_name = "latency|doctor",
     .run = run_latency_doctor,
     .arity = 2,
     LATENCY_SUB,
     LATENCY_TIPS,
     .since = "2.8.13",
     .summary = "Returns a report about latency, for people to read."},
    {.name = "graph",
     .full_name = "latency|graph",
     .run = run_latency_graph,
     .arity = 3,
     LATENCY_SUB,
     LATENCY_TIPS,
     .since = "2.8.13",
     .summary = "Draws the latency of an event over time."},
    {.name = "help",
     .full_name = "latency|help",
     .run = run_latency_help,
     HELP_SUB,
     .group = "server",
     .since = "2.8.13"},
    {.name = "histogram",
     .full_name = "latency|histogram",
     .run = run_latency_histogram,
     .arity = -2,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE,
     .group = "server",
     .complexity =
         "O(N) where N is the number of commands with latency information being retrieved",
     LATENCY_TIPS,
     .since = "7.0.0",
     .summary = "Returns how long calls of commands took."},
    {.name = "history",
     .full_name = "latency|history",
     .run = run_latency_history,
     .arity = 3,
     LATENCY_SUB,
     LATENCY_TIPS,
     .since = "2.8.13",
     .summary = "Returns the latency of an event over time."},
    {.name = "latest",
     .full_name = "latency|latest",
     .run = run_latency_latest,
     .arity = 2,
     LATENCY_SUB,
     LATENCY_TIPS,
     .since = "2.8.13",
     .summary = "Returns the newest latency of each event."},
    {.name = "reset",
     .full_name = "latency|reset",
     .run = run_latency_reset,
     .arity = -2,
     LATENCY_SUB,
     .tips = "request_policy:all_nodes response_policy:all_succeeded",
     .since = "2.8.13",
     .summary = "Forgets the latency of events."},
    {0},
};

const struct command command_latency_rows[] = {
    {.name = "latency",
     .arity = -2,
     .subcommands = latency_rows,
     .since = "2.8.13",
     .group = "server",
     .complexity = "Depends on the subcommand",
     .summary = "A container for commands about latency."},
    {0},
};
