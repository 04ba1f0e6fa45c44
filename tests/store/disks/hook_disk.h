/* SPDX-License-Identifier: MIT */
/* A disk that asks, before each call of another disk, whether it fails, and how. */
#ifndef TESTS_STORE_DISKS_HOOK_DISK_H
#define TESTS_STORE_DISKS_HOOK_DISK_H

#include "store/medium/disk.h"

enum hook_call {
    HOOK_OPEN,
    HOOK_CLOSE,
    HOOK_PREAD,
    HOOK_PWRITE,
    HOOK_FSYNC, /* and fdatasync */
    HOOK_FTRUNCATE,
    HOOK_FSTAT,
    HOOK_STAT,
    HOOK_RENAME,
    HOOK_EXCHANGE,
    HOOK_UNLINK,
    HOOK_CLONE,
    HOOK_COPY_RANGE,
    HOOK_LOCK,
    HOOK_UNLOCK,
    HOOK_ENTER,
    HOOK_LEAVE,
    HOOK_CLAIM,
    HOOK_ALONE,
    HOOK_MAP,
    HOOK_UNMAP
};

/* on_call's result, beside an errno: 0 goes on.  HOOK_SHORT transfers half of the bytes (at least
 * one); calls that transfer nothing go on. */
#define HOOK_SHORT (-1)

struct hook_disk {
    struct disk table; /* give &table to the store */
    const struct disk *under;
    /* Before each call, on any thread; NULL: never fails.  A failing close, unlock or leave does
     * its work all the same, like that of the system. */
    int (*on_call)(struct hook_disk *hook, enum hook_call call);
    void *arg;
};

void hook_disk_init(struct hook_disk *hook, const struct disk *under);

const char *hook_call_name(enum hook_call call);

#endif
