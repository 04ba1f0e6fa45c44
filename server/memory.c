/* SPDX-License-Identifier: MIT */
/* Asks the allocator and the system about memory. */
#include "memory.h"

#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

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

struct memory_figures memory_figures(void)
{
    struct mallinfo2 heap = mallinfo2();
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (struct memory_figures){
        .used = heap.uordblks + heap.hblkhd,
        .heap = heap.arena + heap.hblkhd,
        .resident = resident_bytes(),
        .peak = (uint64_t)usage.ru_maxrss * 1024,
    };
}
