/* SPDX-License-Identifier: MIT */
/* Counts memory in use, and asks the allocator and the system about it. */
#include "server/data/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "server/data/databases.h"

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

/* The published data of all databases, and what updates have added to them so far. */
static void count_data(struct memory_account *account, const struct databases *databases,
                       uint64_t *published, uint64_t *updating)
{
    *published = *updating = 0;
    for (database_bits bits = databases_opened(databases); bits != 0; bits &= bits - 1) {
        unsigned number = database_first(bits);
        *published += anystore_memory(databases_store(databases, number));
        *updating += atomic_load_explicit(&account->updating[number], memory_order_relaxed);
    }
}

void memory_note_startup(struct memory_account *account, const struct databases *databases)
{
    struct mallinfo2 heap = mallinfo2();
    uint64_t allocated = heap.uordblks + heap.hblkhd, published, updating;
    count_data(account, databases, &published, &updating);
    account->startup = allocated > published ? allocated - published : 0;
}

uint64_t memory_used_beyond(struct memory_account *account, const struct databases *databases,
                            uint64_t granted)
{
    uint64_t published, updating;
    count_data(account, databases, &published, &updating);
    return account->startup + published + (updating > granted ? updating - granted : 0) +
           atomic_load(&account->clients);
}

uint64_t memory_used(struct memory_account *account, const struct databases *databases)
{
    return memory_used_beyond(account, databases, 0);
}

/* Raises the peak to `used` if it is lower; returns it. */
static uint64_t raise_peak(struct memory_account *account, uint64_t used)
{
    uint64_t peak = atomic_load_explicit(&account->peak, memory_order_relaxed);
    while (used > peak && !atomic_compare_exchange_weak(&account->peak, &peak, used))
        ;
    return used > peak ? used : peak;
}

void memory_note_peak(struct memory_account *account, const struct databases *databases)
{
    raise_peak(account, memory_used(account, databases));
}

struct memory_figures memory_figures(struct memory_account *account,
                                     const struct databases *databases)
{
    struct mallinfo2 heap = mallinfo2();
    struct memory_figures figures = {
        .startup = account->startup,
        .clients = atomic_load(&account->clients),
        .allocated = heap.uordblks + heap.hblkhd,
        .heap = heap.arena + heap.hblkhd,
        .resident = resident_bytes(),
    };
    figures.heap_resident = figures.heap < figures.resident ? figures.heap : figures.resident;
    uint64_t published, updating;
    count_data(account, databases, &published, &updating);
    figures.dataset = published + updating;
    figures.used = figures.startup + figures.clients + figures.dataset;
    figures.peak = raise_peak(account, figures.used);
    return figures;
}

void memory_note_update(struct memory_account *account, unsigned database, uint64_t bytes)
{
    atomic_store_explicit(&account->updating[database], bytes, memory_order_relaxed);
}

void memory_end_update(struct memory_account *account, database_bits databases)
{
    for (; databases != 0; databases &= databases - 1)
        memory_note_update(account, database_first(databases), 0);
}
