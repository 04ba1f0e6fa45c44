/* SPDX-License-Identifier: MIT */
/* The channels, or the patterns, that somebody is subscribed to: found by their text, and walked
 * through in the order in which they came.
 *
 * All of it is guarded by the lock of pubsub (pubsub.c), but the text of a name never changes, and
 * whoever has pinned the name may read it without the lock. */
#ifndef SERVER_PUBLISH_NAMES_H
#define SERVER_PUBLISH_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/parser.h"

struct subscriber;

struct name {
    struct resp_arg text; /* points at bytes; it comes first, for the order of trees */
    struct name *previous, *next;
    struct subscriber **subscribers;
    size_t count, capacity;
    unsigned pins; /* the name stays while there are any, with or without subscribers */
    uint8_t bytes[];
};

/* All bytes zero: no names. */
struct names {
    void *tree; /* of search.h */
    struct name *first, *last;
    size_t count; /* names with a subscriber */
};

/* The order of names, for trees of search.h over anything that begins with a struct resp_arg. */
int names_compare(const void *a, const void *b);

/* NULL: nobody is subscribed to it. */
struct name *names_find(const struct names *names, const struct resp_arg *text);

/* Adds a subscriber, which the name does not have yet, to a name, which is made if need be.  NULL
 * if memory is short. */
struct name *names_join(struct names *names, const struct resp_arg *text,
                        struct subscriber *subscriber);

/* Takes out a subscriber, which the name has.  The name may be freed. */
void names_leave(struct names *names, struct name *name, struct subscriber *subscriber);

/* Nobody has pinned a name. */
void names_free(struct names *names);

/* ---- Walking ------------------------------------------------------------------------------ */

/* A walk takes names in batches and pins those of a batch, so that the lock need not be held
 * meanwhile.  A name that has a subscriber all the time is met once. */
enum { NAMES_BATCH = 64 };

/* All bytes zero: at the beginning. */
struct names_walk {
    struct name *batch[NAMES_BATCH]; /* pinned; they had subscribers when they were taken */
    size_t count;
    bool begun;
};

/* The next batch; false: there is none, and nothing is pinned any more. */
bool names_walk_on(struct names *names, struct names_walk *walk);

/* Ends a walk early: nothing is pinned any more. */
void names_walk_end(struct names *names, struct names_walk *walk);

#endif
