/* SPDX-License-Identifier: MIT */
/* The transaction handle. anystore.h has the functions over it. */
#ifndef STORE_MAP_TXN_H
#define STORE_MAP_TXN_H

#include "store/map/pending.h"
#include "store/map/watch.h"

enum txn_mode {
    TXN_VIEW,    /* reads the published map */
    TXN_PENDING, /* reads through pending changes and adds to them */
    TXN_DIRECT   /* changes the published map itself, readers excluded: a store without a file */
};

/* How to undo one change, and what it left over. */
struct txn_undo {
    enum txn_undo_kind { UNDO_ENTRY, UNDO_EXPIRY, UNDO_CLEAR } kind;
    struct entry *added;   /* UNDO_ENTRY: now there, NULL after a removal; UNDO_EXPIRY: changed */
    struct entry *old;     /* UNDO_ENTRY: was there before, or NULL */
    int64_t old_expire_ms; /* UNDO_EXPIRY */
    struct map *old_map;   /* UNDO_CLEAR: all that was in the map written to */
    bool old_cleared;      /* UNDO_CLEAR: of pending */
};

struct anystore_txn {
    enum txn_mode mode;
    struct map *map;             /* published */
    struct pending *pending;     /* TXN_PENDING */
    struct watch_table *watches; /* NULL: nobody can watch */
    uint64_t round;              /* TXN_PENDING: the number of the round of commits */
    int64_t now_ms;
    struct txn_undo *undo;
    size_t undo_count, undo_capacity;
    bool settled;          /* part of the journal is gone: the update cannot be undone any more */
    uint64_t began_memory; /* TXN_DIRECT: of the map at the start */
    struct entry
        *expired; /* TXN_DIRECT, after txn_end: entries that had expired and were replaced */
};

/* Begins a transaction over the published map, at the time of now; in TXN_PENDING with changes. */
void txn_begin(struct anystore_txn *txn, enum txn_mode mode, struct map *map,
               struct pending *pending);

/* The update function said no: undoes all that it did. */
void txn_abort(struct anystore_txn *txn);

/* The end of an update function's run: frees what its changes left over.  In TXN_DIRECT call it
 * when readers are back. */
void txn_end(struct anystore_txn *txn);

/* Frees the handle's own memory, after txn_end. */
void txn_free(struct anystore_txn *txn);

#endif
