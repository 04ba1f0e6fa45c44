/* SPDX-License-Identifier: MIT */
/* The figures that the server tells about itself, in one table: name, section, form, and where the
 * value is.  A caller, INFO for now, collects the values and walks over the table. */
#ifndef SERVER_FAMILY_FIGURES_H
#define SERVER_FAMILY_FIGURES_H

#include <stddef.h>
#include <stdint.h>

#include "anystore.h"
#include "server/data/memory.h"
#include "server/peer/peers.h"

struct server;

/* The sections, in INFO's order. */
enum figure_section {
    FIGURES_SERVER,
    FIGURES_CLIENTS,
    FIGURES_MEMORY,
    FIGURES_PERSISTENCE,
    FIGURES_STATS,
    FIGURES_REPLICATION,
    FIGURES_CPU,
    FIGURES_CLUSTER,
    FIGURES_ANYSTORE,
    FIGURES_SECTIONS
};

enum figure_kind {
    FIGURE_CONSTANT, /* the same for every server: the text is in the row */
    FIGURE_TEXT,     /* const char * */
    FIGURE_COUNTER,  /* uint64_t that only grows, but for CONFIG RESETSTAT */
    FIGURE_GAUGE,    /* uint64_t that may go up and down */
    FIGURE_BYTES,    /* uint64_t, a gauge that is also shown as "1.50M" */
    FIGURE_RATIO,    /* double */
    FIGURE_PERCENT,  /* double */
    FIGURE_SECONDS   /* double, a counter */
};

struct figure {
    enum figure_section section;
    enum figure_kind kind;
    const char *name;
    size_t offset;    /* of the value in struct figures */
    const char *text; /* of a constant */
};

/* The values at one moment, of the sections that were collected.  Texts are valid as long as the
 * server and this struct; do not copy it. */
struct figures {
    struct {
        char os_text[200], event_api_text[64];
        const char *os, *event_api, *compiler, *run_id, *executable, *config_file;
        uint64_t process_id, tcp_port, time_us, uptime_s, uptime_days, threads_active, arch_bits;
    } server;
    struct {
        uint64_t connected, most, blocked;
    } clients;
    struct memory_figures memory;
    struct {
        double peak_percent, dataset_percent, fragmentation;
        uint64_t overhead, system_total, limit;
    } memory_parts;
    struct {
        uint64_t unsaved_changes, saved_s, saving;
        const char *save_status, *write_status; /* "ok", "err" */
    } persistence;
    struct {
        uint64_t connections_received, connections_rejected, commands_processed, bytes_read,
            bytes_written, keyspace_hits, keyspace_misses, error_replies,
            output_limit_disconnections, query_limit_disconnections, evicted_clients, expired,
            channels, patterns, commands_per_second;
        double kib_read_per_second, kib_written_per_second;
    } stats;
    struct {
        double system_s, user_s;
    } cpu;
    struct anystore_stats store; /* sums over all open databases */
    struct peer_figures peers;
    const char *persistent, *data_file;
};

/* Bit n stands for section n. */
typedef unsigned figure_sections;

/* Collects the values of some sections.  Any thread.  The memory section asks the allocator, which
 * takes long if there are many free blocks. */
void figures_collect(struct server *server, figure_sections sections, struct figures *figures);

/* The table, section by section. */
const struct figure *figures_table(size_t *count);

#endif
