/* SPDX-License-Identifier: MIT */
/* How much memory this process has, as INFO and MEMORY tell it. */
#ifndef SERVER_MEMORY_H
#define SERVER_MEMORY_H

#include <stdint.h>

struct memory_figures {
    uint64_t used;     /* bytes allocated */
    uint64_t heap;     /* bytes the allocator has of the system for that */
    uint64_t resident; /* of the process, in memory */
    uint64_t peak;     /* the most that was resident */
};

struct memory_figures memory_figures(void);

#endif
