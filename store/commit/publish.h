/* SPDX-License-Identifier: MIT */
/* Every place where the published state becomes another one.
 *
 * The order is always the same.  First the mark is raised; by then the state is durable (R1).  Then
 * the map changes, with readers excluded, and its generation with it (R2). refresh_mutex is held
 * meanwhile, so a reader that sees the mark ahead waits for the map to follow.  R1 to R9 stand in
 * store/DESIGN.md. */
#ifndef STORE_COMMIT_PUBLISH_H
#define STORE_COMMIT_PUBLISH_H

#include "anystore.h"

struct anystore;
struct chain;
struct copy;
struct news;
struct pending;

/* A commit of this process, which is durable and in place: `copy` is the data file now, which ends
 * at `chain`.  map_ready must have said yes.  File lock; refresh_mutex is not held. */
void publish_commit(struct anystore *store, struct pending *pending, const struct chain *chain,
                    const struct copy *copy);

/* What was read of other processes' commits: none of it is beyond the mark.  refresh_mutex is
 * held. */
enum anystore_status publish_news(struct anystore *store, struct news *news,
                                  struct anystore_error *error);

/* The state of the file is the published one, with another generation.  File lock. */
void publish_generation(struct anystore *store);

/* The files of two stores have been exchanged; both have one generation, which neither had before.
 * Exchanges what the stores hold, too.  Both file locks.  For stores without files only the maps
 * are exchanged. */
void publish_exchange(struct anystore *a, struct anystore *b);

#endif
