/* SPDX-License-Identifier: MIT */
/* Walking the published map while it changes. */
#ifndef STORE_COMMIT_BASE_WALK_H
#define STORE_COMMIT_BASE_WALK_H

#include "store/format/segment.h"
#include "store/map/published.h"

/* Called between two records; false: the walk stops. */
typedef bool base_step_fn(void *arg);

/* Writes each key that stays in the map from the beginning to the end of the walk; of the others it
 * may write some.  Each step copies a few keys under the view lock, for some ten microseconds, and
 * writes them without it.  Calls on_step between steps.  OK or NOMEM; failures of writing stay in
 * the writer.  No lock is held. */
enum anystore_status base_walk(struct published *published, struct segment_writer *writer,
                               base_step_fn *on_step, void *arg);

#endif
