/* SPDX-License-Identifier: MIT */
/* Names: the channels or the patterns that have subscribers.  A table finds a name by its text, and
 * walks through all names in the order in which they came.
 *
 * The lock of pubsub (pubsub.c) guards everything here.  But the text of a name never changes, and
 * may be read without the lock while the name is pinned. */
#ifndef SERVER_PUBLISH_NAMES_H
#define SERVER_PUBLISH_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/parser.h"

struct subscriber;

struct name {
    struct resp_arg text; /* points at bytes; the first member, for names_compare */
    struct name *previous, *next;
    struct subscriber **subscribers;
    size_t count, capacity;
    unsigned pins; /* a pinned name is kept even without subscribers */
    uint8_t bytes[];
};

/* All bytes zero: no names. */
struct names {
    void *tree; /* of search.h */
    struct name *first, *last;
    size_t count; /* names with a subscriber */
};

/* Compares two structs that begin with a struct resp_arg, for trees of search.h. */
int names_compare(const void *a, const void *b);

/* The name with that text, or NULL if it has no subscribers. */
struct name *names_find(const struct names *names, const struct resp_arg *text);

/* Adds a subscriber to a name that does not have it yet, and makes the name if need be.  NULL if
 * memory is short. */
struct name *names_join(struct names *names, const struct resp_arg *text,
                        struct subscriber *subscriber);

/* Removes a subscriber of a name.  The name may be freed. */
void names_leave(struct names *names, struct name *name, struct subscriber *subscriber);

/* Frees all names; none of them is pinned. */
void names_free(struct names *names);

/* ---- Walking ------------------------------------------------------------------------------ */

/* A walk takes names in batches and pins the names of a batch, so that they can be read without the
 * lock.  It meets each name once that has subscribers from its beginning to its end. */
enum { NAMES_BATCH = 64 };

/* All bytes zero: the walk has not begun. */
struct names_walk {
    struct name *batch[NAMES_BATCH]; /* pinned; they had subscribers when they were taken */
    size_t count;
    bool begun;
};

/* Takes the next batch.  False if there is none; then nothing is pinned any more. */
bool names_walk_on(struct names *names, struct names_walk *walk);

/* Ends a walk early.  Nothing is pinned any more. */
void names_walk_end(struct names *names, struct names_walk *walk);

#endif
