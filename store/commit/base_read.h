/* SPDX-License-Identifier: MIT */
/* Reading a base: the whole map, without the history of its changes. */
#ifndef STORE_COMMIT_BASE_READ_H
#define STORE_COMMIT_BASE_READ_H

#include "store/format/segment.h"
#include "store/map/map.h"

/* Reads a base, from its start, into an empty map.  Then the reader stands behind it. */
enum anystore_status base_read(struct segment_reader *reader, struct map *map);

#endif
