/* SPDX-License-Identifier: MIT */
/* How much memory this process has in use, as INFO, MEMORY and maxmemory see it.
 *
 * Memory in use is counted: the allocator would have to walk through all its free blocks to tell
 * it.  The count is the data, what updates add until they are published, what clients take
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
    atomic_uint_fast64_t clients; /* of all of them */
    atomic_uint_fast64_t peak;    /* the most that was in use when somebody looked */
    /* Of the update of each database that runs or is on its way to the disk, as last noted by the
     * thread that runs it. */
    atomic_uint_fast64_t updating[DATABASES_MOST];
};

struct memory_figures {
    uint64_t used;          /* counted, see above */
    uint64_t startup;       /* of these: before there were clients or data */
    uint64_t dataset;       /* keys and values in memory, those of updates too */
    uint64_t clients;       /* buffers, queued commands */
    uint64_t allocated;     /* bytes allocated, as the allocator says */
    uint64_t heap;          /* bytes the allocator has from the system for that */
    uint64_t resident;      /* of the process, in memory */
    uint64_t heap_resident; /* of the heap, in memory: not known, but no more than this */
    uint64_t peak;          /* the most that was in use, counted like `used` */
};

/* Counts what is allocated now and is not data as the server's own.  Before the first client. */
void memory_note_startup(struct memory_account *account, const struct databases *databases);

/* All figures.  Any thread; asks the allocator and the system, so it is slow. */
struct memory_figures memory_figures(struct memory_account *account,
                                     const struct databases *databases);

/* Bytes in use.  Any thread; a few loads for each open database. */
uint64_t memory_used(struct memory_account *account, const struct databases *databases);

/* Looks at what is in use, so that the peak is known.  Called often: a peak between two looks is
 * not seen. */
void memory_note_peak(struct memory_account *account, const struct databases *databases);

/* The same as memory_used, where the first `granted` bytes that updates have added do not count. */
uint64_t memory_used_beyond(struct memory_account *account, const struct databases *databases,
                            uint64_t granted);

/* The update that runs on a database takes so many bytes now.  On the thread that runs it. */
void memory_note_update(struct memory_account *account, unsigned database, uint64_t bytes);

/* The update over these databases is published or dropped.  On the thread that ran it. */
void memory_end_update(struct memory_account *account, database_bits databases);

#endif
