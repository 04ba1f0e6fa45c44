/* SPDX-License-Identifier: MIT */
/* What views see: the map of one durable generation, and who watches its keys. */
#ifndef STORE_MAP_PUBLISHED_H
#define STORE_MAP_PUBLISHED_H

#include <stdatomic.h>

#include "store/map/map.h"
#include "store/map/view_lock.h"
#include "store/map/watch.h"

struct published {
    struct view_lock lock;
    struct map map;             /* guard: lock */
    struct watch_table watches; /* has a lock of its own, which comes after `lock` */
    /* Of the map.  Stored under `lock`; readers may load it without.  0 without a file. */
    _Atomic uint64_t generation;
};

#endif
