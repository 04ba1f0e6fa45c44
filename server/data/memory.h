/* SPDX-License-Identifier: MIT */
/* The memory that this process has in use, as INFO, MEMORY and maxmemory see it.
 *
 * It is counted, because the allocator would have to walk through all its free blocks to tell.  The
 * count is the data, the additions of updates until they are published, what clients take
 * (server/net/connection_memory.h), and what was allocated when the server started. */
#ifndef SERVER_DATA_MEMORY_H
#define SERVER_DATA_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>

#include "command/database_bits.h"

struct databases;

/* The counts; all bytes zero at first. */
struct memory_account {
    uint64_t startup;             /* constant once there are clients */
    atomic_uint_fast64_t clients; /* of all clients together */
    atomic_uint_fast64_t peak;    /* the most that was in use at any look */
    /* Of the update of each database that runs or is on its way to the disk, as its thread last
     * noted. */
    atomic_uint_fast64_t updating[DATABASES_MOST];
};

struct memory_figures {
    uint64_t used;          /* counted, see above */
    uint64_t startup;       /* part of `used`: before there were clients or data */
    uint64_t dataset;       /* part of `used`: keys and values, also those of updates */
    uint64_t clients;       /* part of `used`: buffers, queued commands */
    uint64_t allocated;     /* bytes allocated, as the allocator says */
    uint64_t heap;          /* bytes that the allocator has from the system */
    uint64_t resident;      /* bytes of the process that are in memory */
    uint64_t heap_resident; /* at most so much of the heap is in memory; no figure is exact */
    uint64_t peak;          /* the most that was in use, counted like `used` */
};

/* Notes that what is allocated now and is not data is the server's own.  Before the first
 * client. */
void memory_note_startup(struct memory_account *account, const struct databases *databases);

/* Collects all figures.  Any thread.  Slow: asks the allocator and the system. */
struct memory_figures memory_figures(struct memory_account *account,
                                     const struct databases *databases);

/* The bytes in use.  Any thread; a few loads for each open database. */
uint64_t memory_used(struct memory_account *account, const struct databases *databases);

/* Looks at what is in use, to know the peak.  Called often: a peak between two looks is missed. */
void memory_note_peak(struct memory_account *account, const struct databases *databases);

/* As memory_used, but the first `granted` bytes that updates have added do not count. */
uint64_t memory_used_beyond(struct memory_account *account, const struct databases *databases,
                            uint64_t granted);

/* Notes how many bytes the running update of a database takes.  On the thread that runs it. */
void memory_note_update(struct memory_account *account, unsigned database, uint64_t bytes);

/* Notes that the update over these databases is published or dropped.  On the thread that ran
 * it. */
void memory_end_update(struct memory_account *account, database_bits databases);

#endif
