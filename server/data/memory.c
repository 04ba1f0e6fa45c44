/* SPDX-License-Identifier: MIT */
/* Counts memory, and asks the allocator and the system about it. */
#include "server/data/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "command/reply.h"
#include "command/table.h"
#include "server/config/config.h"
#include "server/server.h"
#include "server/session/session.h"

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file) {
        if (fscanf(file, "%llu %llu", &size, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Of all databases: what is published, and what updates have added so far. */
static void count_data(struct server *server, uint64_t *published, uint64_t *updating)
{
    *published = *updating = 0;
    for (database_bits bits = databases_opened(server->databases); bits != 0; bits &= bits - 1) {
        unsigned number = database_first(bits);
        *published += anystore_memory(databases_store(server->databases, number));
        *updating += atomic_load_explicit(&server->memory->updating[number], memory_order_relaxed);
    }
}

void memory_note_startup(struct server *server)
{
    struct mallinfo2 heap = mallinfo2();
    uint64_t allocated = heap.uordblks + heap.hblkhd, published, updating;
    count_data(server, &published, &updating);
    server->memory->startup = allocated > published ? allocated - published : 0;
}

uint64_t memory_used(struct server *server)
{
    uint64_t published, updating;
    count_data(server, &published, &updating);
    return server->memory->startup + published + updating + atomic_load(&server->memory->clients);
}

struct memory_figures memory_figures(struct server *server)
{
    struct mallinfo2 heap = mallinfo2();
    struct rusage usage = {0};
    struct memory_figures figures = {
        .startup = server->memory->startup,
        .clients = atomic_load(&server->memory->clients),
        .allocated = heap.uordblks + heap.hblkhd,
        .heap = heap.arena + heap.hblkhd,
        .resident = resident_bytes(),
    };
    uint64_t published, updating;
    getrusage(RUSAGE_SELF, &usage);
    count_data(server, &published, &updating);
    figures.dataset = published + updating;
    figures.used = figures.startup + figures.clients + figures.dataset;
    figures.peak = (uint64_t)usage.ru_maxrss * 1024;
    if (figures.peak < figures.used) /* what is allocated need not be resident */
        figures.peak = figures.used;
    return figures;
}

/* What the update that runs the request has added so far. */
static void note_update(const struct call *call)
{
    struct memory_account *account = call->session->server->memory;
    const struct scope *scope = call->scope;
    database_bits bits = scope->databases ? scope->databases : database_bit(scope->database);
    for (; scope->updating && bits != 0; bits &= bits - 1) {
        unsigned number = database_first(bits);
        const struct anystore_txn *txn = call_txn(call, number);
        if (txn)
            atomic_store_explicit(&account->updating[number], anystore_update_memory(txn),
                                  memory_order_relaxed);
    }
}

uint64_t memory_clients_most(const struct server *server)
{
    const uint64_t least = 128 * 1024; /* as in Redis: nobody could say anything else */
    int64_t most = config_number(server->config, CONFIG_MAXMEMORY_CLIENTS);
    uint64_t memory = (uint64_t)config_number(server->config, CONFIG_MAXMEMORY);
    if (most == 0 || (most < 0 && memory == 0))
        return 0;
    uint64_t bytes = most > 0 ? (uint64_t)most : memory / 100 * (uint64_t)-most;
    return bytes > least ? bytes : least;
}

void memory_end_update(struct server *server, database_bits databases)
{
    for (; databases != 0; databases &= databases - 1)
        atomic_store_explicit(&server->memory->updating[database_first(databases)], 0,
                              memory_order_relaxed);
}

bool memory_is_short(const struct call *call)
{
    struct server *server = call->session->server;
    uint64_t most = (uint64_t)config_number(server->config, CONFIG_MAXMEMORY);
    if (most == 0)
        return false;
    note_update(call);
    uint64_t published, updating;
    count_data(server, &published, &updating);
    uint64_t granted = server->data_path ? most / 8 : 0;
    uint64_t used = server->memory->startup + published + atomic_load(&server->memory->clients) +
                    (updating > granted ? updating - granted : 0);
    return used > most;
}
