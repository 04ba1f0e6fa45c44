/* SPDX-License-Identifier: MIT */
/* How much memory this process has, as INFO and MEMORY tell it, and how much it may use.
 *
 * used_memory is counted, not asked of the allocator, as that has to look through all its free blocks:
 * the data, what updates add to them until they are published, what clients take (client_memory.h), and
 * what there was at the start. */
#ifndef SERVER_DATA_MEMORY_H
#define SERVER_DATA_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/data/databases.h"

struct call;
struct server;

/* The counts; all bytes zero at first. */
struct memory_account {
    uint64_t startup;             /* constant once there are clients */
    atomic_uint_fast64_t clients; /* all of them */
    /* Of the update of each database that runs or is on its way to the disk, as far as somebody asked;
     * kept by the thread that runs it. */
    atomic_uint_fast64_t updating[DATABASES_MOST];
};

struct memory_figures {
    uint64_t used;      /* counted, see above */
    uint64_t startup;   /* of these: before there were clients or data */
    uint64_t dataset;   /* keys and values in memory, those of updates too */
    uint64_t clients;   /* buffers, queued commands */
    uint64_t allocated; /* bytes allocated, as the allocator says */
    uint64_t heap;      /* bytes the allocator has of the system for that */
    uint64_t resident;  /* of the process, in memory */
    uint64_t peak;      /* the most that was resident */
};

/* Everything is there but clients: what is allocated now and is not data is what the server takes itself. */
void memory_note_startup(struct server *server);

struct memory_figures memory_figures(struct server *server);

/* Bytes in use, counted.  Any thread; a few loads for each open database. */
uint64_t memory_used(struct server *server);

/* Whether more is used than maxmemory, before a request runs that would take more.  While an update is on
 * its way to the disk what it replaces is there, too: an eighth of maxmemory is granted for that. */
bool memory_is_short(const struct call *call);

/* What all clients together may take, as maxmemory-clients says; 0: there is no limit. */
uint64_t memory_clients_most(const struct server *server);

/* The update over these databases is published, or dropped.  On the thread that ran it. */
void memory_end_update(struct server *server, database_bits databases);

#endif
