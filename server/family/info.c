/* SPDX-License-Identifier: MIT */
/* Prints the figures of the server, section by section, as INFO does. */
#include "server/family/info.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/args.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/data/databases.h"
#include "server/family/figures.h"
#include "server/observe/clock.h"
#include "server/observe/histogram.h"
#include "server/observe/tally.h"
#include "server/server.h"

static void append_args(struct resp_buffer *out, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
static void append(struct resp_buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void line(struct resp_buffer *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append_args(struct resp_buffer *out, const char *format, va_list args)
{
    char text[1024];
    int size = vsnprintf(text, sizeof text, format, args);
    if (size > 0)
        resp_buffer_append(out, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

static void append(struct resp_buffer *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_args(out, format, args);
    va_end(args);
}

static void line(struct resp_buffer *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_args(out, format, args);
    va_end(args);
    resp_buffer_append(out, "\r\n", 2);
}

/* A number of bytes in a form for people: "1.50M". */
static void human(char *out, size_t size, uint64_t bytes)
{
    static const char units[] = "BKMGT";
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && units[unit + 1]) {
        value /= 1024;
        unit++;
    }
    snprintf(out, size, unit ? "%.2f%c" : "%.0f%c", value, units[unit]);
}

/* A field, and the same in a form for people. */
static void bytes_line(struct resp_buffer *out, const char *name, uint64_t bytes)
{
    char text[32];
    human(text, sizeof text, bytes);
    line(out, "%s:%llu", name, (unsigned long long)bytes);
    line(out, "%s_human:%s", name, text);
}

static void write_figure(struct resp_buffer *out, const struct figure *figure,
                         const struct figures *figures)
{
    const void *value = (const char *)figures + figure->offset;
    const uint64_t *number = value;
    const double *real = value;
    const char *const *text = value;
    switch (figure->kind) {
    case FIGURE_CONSTANT:
        line(out, "%s:%s", figure->name, figure->text);
        break;
    case FIGURE_TEXT:
        line(out, "%s:%s", figure->name, *text ? *text : "");
        break;
    case FIGURE_COUNTER:
    case FIGURE_GAUGE:
        line(out, "%s:%llu", figure->name, (unsigned long long)*number);
        break;
    case FIGURE_BYTES:
        bytes_line(out, figure->name, *number);
        break;
    case FIGURE_RATIO:
        line(out, "%s:%.2f", figure->name, *real);
        break;
    case FIGURE_PERCENT:
        line(out, "%s:%.2f%%", figure->name, *real);
        break;
    case FIGURE_SECONDS:
        line(out, "%s:%.6f", figure->name, *real);
        break;
    }
}

/* ---- Sections with several lines of the same kind ------------------------------------------- */

static void write_keyspace(struct server *server, struct resp_buffer *out)
{
    int64_t now_ms = wall_ms();
    for (database_bits bits = databases_opened(server->databases); bits != 0; bits &= bits - 1) {
        unsigned number = database_first(bits);
        struct anystore_stats stats;
        anystore_stats_read(databases_store(server->databases, number), &stats);
        if (stats.keys)
            line(out, "db%u:keys=%llu,expires=%llu,avg_ttl=%lld", number,
                 (unsigned long long)stats.keys, (unsigned long long)stats.expiring,
                 (long long)(stats.mean_expiry_ms > now_ms ? stats.mean_expiry_ms - now_ms : 0));
    }
}

/* Writes one line; `percentiles` is the text of the option. */
static void write_percentiles(struct resp_buffer *out, const char *name, const char *percentiles,
                              const struct histogram_counts *counts)
{
    append(out, "%s:", name);
    for (const char *separator = ""; *percentiles; separator = ",") {
        char *end = NULL;
        double percent = strtod(percentiles, &end);
        append(out, "%sp%.*s=%.3f", separator, (int)(end - percentiles), percentiles,
               (double)histogram_percentile(counts, percent) / 1000);
        percentiles = end + (*end == ' ');
    }
    line(out, "%s", "");
}

/* Calls fn for each command and subcommand. */
static void each_command(struct server *server, struct resp_buffer *out,
                         void (*fn)(struct resp_buffer *out, const char *name,
                                    const struct tally_counts *counts, const char *arg),
                         const char *arg)
{
    for (size_t i = 0; i < command_count(server->commands); i++) {
        const struct command *command = command_at(server->commands, i);
        struct tally_counts counts;
        tally_collect(server->tally, command->number, &counts);
        fn(out, command_full_name(command), &counts, arg);
        for (const struct command *row = command->subcommands; row && row->name; row++) {
            tally_collect(server->tally, row->number, &counts);
            fn(out, command_full_name(row), &counts, arg);
        }
    }
}

static void write_calls(struct resp_buffer *out, const char *name,
                        const struct tally_counts *counts, const char *unused)
{
    (void)unused;
    if (counts->calls == 0 && counts->rejected == 0 && counts->failed == 0)
        return;
    uint64_t usec = counts->ns / 1000;
    line(out,
         "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
         "failed_calls=%llu",
         name, (unsigned long long)counts->calls, (unsigned long long)usec,
         counts->calls ? (double)usec / (double)counts->calls : 0.0,
         (unsigned long long)counts->rejected, (unsigned long long)counts->failed);
}

static void write_commandstats(struct server *server, struct resp_buffer *out)
{
    each_command(server, out, write_calls, NULL);
}

static void write_error(const char *code, uint64_t count, void *arg)
{
    char safe[64];
    snprintf(safe, sizeof safe, "%s", code);
    for (char *c = safe; *c; c++) { /* characters that would break INFO's form */
        if (strchr("#:\n\r", *c))
            *c = '_';
    }
    line(arg, "errorstat_%s:count=%llu", safe, (unsigned long long)count);
}

static void write_errorstats(struct server *server, struct resp_buffer *out)
{
    tally_each_error(server->tally, write_error, out);
}

static void write_durations(struct resp_buffer *out, const char *name,
                            const struct tally_counts *counts, const char *percentiles)
{
    char field[128];
    snprintf(field, sizeof field, "latency_percentiles_usec_%s", name);
    if (counts->durations.total > 0)
        write_percentiles(out, field, percentiles, &counts->durations);
}

static void write_latencystats(struct server *server, struct resp_buffer *out)
{
    char *percentiles = config_text(server->config, CONFIG_LATENCY_TRACKING_INFO_PERCENTILES);
    if (config_flag(server->config, CONFIG_LATENCY_TRACKING) && percentiles)
        each_command(server, out, write_durations, percentiles);
    free(percentiles);
}

static void write_write_latency(struct server *server, struct resp_buffer *out)
{
    struct histogram_counts times = {.total = 0};
    histogram_collect(server->commit_times, &times);
    write_percentiles(out, "write_latency_usec", "50 99 99.9", &times);
}

/* ---- All sections ------------------------------------------------------------------------- */

struct section {
    const char *name, *title;
    bool by_default;
    enum figure_section figures;                                        /* FIGURES_SECTIONS: none */
    void (*write_more)(struct server *server, struct resp_buffer *out); /* NULL: only the figures */
};

static const struct section all_sections[] = {
    {"server", "Server", true, FIGURES_SERVER, NULL},
    {"clients", "Clients", true, FIGURES_CLIENTS, NULL},
    {"memory", "Memory", true, FIGURES_MEMORY, NULL},
    {"persistence", "Persistence", true, FIGURES_PERSISTENCE, NULL},
    {"stats", "Stats", true, FIGURES_STATS, NULL},
    {"replication", "Replication", true, FIGURES_REPLICATION, NULL},
    {"cpu", "CPU", true, FIGURES_CPU, NULL},
    {"modules", "Modules", true, FIGURES_SECTIONS, NULL}, /* there are none */
    {"commandstats", "Commandstats", false, FIGURES_SECTIONS, write_commandstats},
    {"errorstats", "Errorstats", true, FIGURES_SECTIONS, write_errorstats},
    {"latencystats", "Latencystats", false, FIGURES_SECTIONS, write_latencystats},
    {"cluster", "Cluster", true, FIGURES_CLUSTER, NULL},
    {"keyspace", "Keyspace", true, FIGURES_SECTIONS, write_keyspace},
    {"anystore", "AnyStore", true, FIGURES_ANYSTORE, write_write_latency},
};

enum { SECTION_COUNT = sizeof all_sections / sizeof *all_sections };

static bool wanted(const struct section *section, const struct resp_arg *names, size_t count)
{
    if (count == 0)
        return section->by_default;
    for (size_t i = 0; i < count; i++)
        if (arg_is(&names[i], section->name) || arg_is(&names[i], "all") ||
            arg_is(&names[i], "everything") ||
            (arg_is(&names[i], "default") && section->by_default))
            return true;
    return false;
}

static void write_section(struct server *server, const struct section *section,
                          const struct figures *figures, struct resp_buffer *out)
{
    size_t count;
    const struct figure *table = figures_table(&count);
    line(out, "# %s", section->title);
    for (size_t i = 0; i < count; i++)
        if (table[i].section == section->figures)
            write_figure(out, &table[i], figures);
    if (section->write_more)
        section->write_more(server, out);
}

void info_write(struct server *server, const struct resp_arg *names, size_t count,
                struct resp_buffer *out)
{
    figure_sections sections = 0;
    for (size_t i = 0; i < SECTION_COUNT; i++)
        if (wanted(&all_sections[i], names, count) && all_sections[i].figures != FIGURES_SECTIONS)
            sections |= 1U << all_sections[i].figures;
    struct figures figures;
    figures_collect(server, sections, &figures);
    bool first = true;
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (!wanted(&all_sections[i], names, count))
            continue;
        if (!first)
            resp_buffer_append(out, "\r\n", 2);
        first = false;
        write_section(server, &all_sections[i], &figures, out);
    }
}
