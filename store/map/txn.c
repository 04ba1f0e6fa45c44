/* SPDX-License-Identifier: MIT */
/* Reading and changing the map through a transaction, with a journal to take changes back. */
#include "store/map/txn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/common/clock.h"

void txn_begin(struct anystore_txn *txn, enum txn_mode mode, struct map *map,
               struct pending *pending)
{
    *txn = (struct anystore_txn){
        .mode = mode, .map = map, .pending = pending, .now_ms = clock_now_ms()};
    if (mode == TXN_DIRECT)
        txn->began_memory = map_memory(map);
}

/* ---- The journal -------------------------------------------------------------------------- */

/* The map that changes go to. */
static struct map *layer(struct anystore_txn *txn)
{
    assert(txn->mode != TXN_VIEW); /* a view must not write */
    return txn->mode == TXN_PENDING ? &txn->pending->map : txn->map;
}

/* Makes room for one more entry, before the change is made. */
static bool journal_ready(struct anystore_txn *txn)
{
    if (txn->undo_count < txn->undo_capacity)
        return true;
    size_t capacity = txn->undo_capacity ? 2 * txn->undo_capacity : 16;
    struct txn_undo *undo = realloc(txn->undo, capacity * sizeof *undo);
    if (!undo)
        return false;
    txn->undo = undo;
    txn->undo_capacity = capacity;
    return true;
}

/* Marks the watches of a key.  For them it was a change even if it is undone later. */
static void touch(struct anystore_txn *txn, uint32_t hash, const void *key, size_t key_size)
{
    if (txn->watches)
        watch_touch(txn->watches, hash, key, key_size);
}

/* Undoes one change.  A watch that was set since then has seen what is undone, so it is marked,
 * too. */
static void undo_one(struct anystore_txn *txn, struct txn_undo *undo)
{
    struct map *map = layer(txn);
    const struct entry *changed = undo->added ? undo->added : undo->old;
    if (changed)
        touch(txn, changed->hash, entry_key(changed), changed->key_size);
    switch (undo->kind) {
    case UNDO_ENTRY:
        if (undo->added) {
            struct entry *added =
                map_remove(map, undo->added->hash, entry_key(undo->added), undo->added->key_size);
            assert(added == undo->added);
            entry_free(added);
        }
        if (undo->old)
            map_put(map, undo->old);
        break;
    case UNDO_EXPIRY:
        map_set_expiry(map, undo->added, undo->old_expire_ms);
        break;
    case UNDO_CLEAR:
        if (txn->watches)
            watch_touch_all(txn->watches);
        map_clear(map);
        *map = *undo->old_map;
        free(undo->old_map);
        if (txn->pending)
            txn->pending->cleared = undo->old_cleared;
        break;
    }
}

size_t anystore_savepoint(const struct anystore_txn *txn)
{
    return txn->undo_count;
}

void anystore_rollback(struct anystore_txn *txn, size_t savepoint)
{
    while (txn->undo_count > savepoint)
        undo_one(txn, &txn->undo[--txn->undo_count]);
}

void txn_end(struct anystore_txn *txn)
{
    for (size_t i = 0; i < txn->undo_count; i++) {
        struct txn_undo *undo = &txn->undo[i];
        /* undo->added must not be looked into: a later change may have replaced and freed it. */
        if (txn->mode == TXN_DIRECT && undo->kind == UNDO_ENTRY && undo->added && undo->old &&
            entry_expired(undo->old, txn->now_ms)) {
            undo->old->next = txn->expired;
            txn->expired = undo->old;
        } else if (undo->kind == UNDO_ENTRY) {
            entry_free(undo->old);
        } else if (undo->kind == UNDO_CLEAR) {
            map_clear(undo->old_map);
            free(undo->old_map);
        }
    }
    txn->undo_count = 0;
    txn->settled = false;
}

void anystore_settle(struct anystore_txn *txn)
{
    bool settled = txn->settled || txn->undo_count > 0;
    txn_end(txn);
    txn->settled = settled;
}

void txn_abort(struct anystore_txn *txn)
{
    assert(!txn->settled); /* anystore_settle promised that this would not come */
    anystore_rollback(txn, 0);
}

uint64_t anystore_update_memory(const struct anystore_txn *txn)
{
    if (txn->mode == TXN_VIEW)
        return 0;
    if (txn->mode == TXN_PENDING)
        return map_memory(&txn->pending->map);
    uint64_t now = map_memory(txn->map);
    return now > txn->began_memory ? now - txn->began_memory : 0;
}

void txn_free(struct anystore_txn *txn)
{
    free(txn->undo);
    entry_free_list(txn->expired);
    txn->expired = NULL;
    txn->undo = NULL;
    txn->undo_capacity = 0;
}

/* ---- Reading ------------------------------------------------------------------------------ */

/* The entry that holds the value of a key, and the key's expiry, even if it has expired. */
static struct entry *look(const struct anystore_txn *txn, uint32_t hash, const void *key,
                          size_t key_size, int64_t *expire_ms)
{
    if (txn->pending) {
        struct entry *change = map_find(&txn->pending->map, hash, key, key_size);
        if (change && change->kind == ENTRY_DELETE)
            return NULL;
        if (change && change->kind == ENTRY_PUT) {
            *expire_ms = change->expire_ms;
            return change;
        }
        if (txn->pending->cleared)
            return NULL;
        struct entry *entry = map_find(txn->map, hash, key, key_size);
        if (entry)
            *expire_ms = change ? change->expire_ms : entry->expire_ms;
        return entry;
    }
    struct entry *entry = map_find(txn->map, hash, key, key_size);
    if (entry)
        *expire_ms = entry->expire_ms;
    return entry;
}

/* The same, but NULL if the key has expired at the time of the transaction. */
static struct entry *look_live(const struct anystore_txn *txn, uint32_t hash, const void *key,
                               size_t key_size, int64_t *expire_ms)
{
    struct entry *entry = look(txn, hash, key, key_size, expire_ms);
    return entry && *expire_ms != 0 && *expire_ms <= txn->now_ms ? NULL : entry;
}

static struct anystore_value value_of(const struct entry *entry, int64_t expire_ms)
{
    return (struct anystore_value){.type = (enum anystore_type)entry->type,
                                   .data = entry_value(entry),
                                   .size = entry->value_size,
                                   .expire_ms = expire_ms};
}

bool anystore_get(struct anystore_txn *txn, const void *key, size_t key_size,
                  struct anystore_value *value)
{
    int64_t expire_ms = 0;
    const struct entry *entry =
        look_live(txn, map_hash(txn->map, key, key_size), key, key_size, &expire_ms);
    if (entry && value)
        *value = value_of(entry, expire_ms);
    return entry != NULL;
}

struct counting {
    const struct anystore_txn *txn;
    uint64_t count;
};

static bool count_change(struct entry *change, void *arg)
{
    struct counting *counting = arg;
    const struct anystore_txn *txn = counting->txn;
    bool exists = !txn->pending->cleared &&
                  map_find(txn->map, change->hash, entry_key(change), change->key_size);
    if (change->kind == ENTRY_PUT && !exists)
        counting->count++;
    else if (change->kind == ENTRY_DELETE)
        counting->count--; /* P1: it is there */
    return true;
}

uint64_t anystore_count(struct anystore_txn *txn)
{
    if (!txn->pending)
        return txn->map->count;
    struct counting counting = {txn, txn->pending->cleared ? 0 : txn->map->count};
    map_each(&txn->pending->map, count_change, &counting);
    return counting.count;
}

struct visiting {
    const struct anystore_txn *txn;
    anystore_each_fn *fn;
    void *arg;
};

static bool visit(const struct visiting *visiting, const struct entry *entry, int64_t expire_ms)
{
    if (expire_ms != 0 && expire_ms <= visiting->txn->now_ms)
        return true;
    struct anystore_value value = value_of(entry, expire_ms);
    return visiting->fn(entry_key(entry), entry->key_size, &value, visiting->arg);
}

static bool visit_published(struct entry *entry, void *arg)
{
    const struct visiting *visiting = arg;
    const struct pending *pending = visiting->txn->pending;
    const struct entry *change =
        pending ? map_find(&pending->map, entry->hash, entry_key(entry), entry->key_size) : NULL;
    if (!change)
        return visit(visiting, entry, entry->expire_ms);
    if (change->kind == ENTRY_EXPIRE)
        return visit(visiting, entry, change->expire_ms);
    return true; /* deleted; or put, and then it comes with the changes */
}

static bool visit_change(struct entry *change, void *arg)
{
    return change->kind != ENTRY_PUT || visit(arg, change, change->expire_ms);
}

void anystore_each(struct anystore_txn *txn, anystore_each_fn *fn, void *arg)
{
    struct visiting visiting = {txn, fn, arg};
    if (txn->pending && txn->pending->cleared) {
        map_each(&txn->pending->map, visit_change, &visiting);
        return;
    }
    if (map_each(txn->map, visit_published, &visiting) && txn->pending)
        map_each(&txn->pending->map, visit_change, &visiting);
}

/* A pending change belongs to the step that visits the low bits of its hash. */
struct scanning {
    struct visiting visiting;
    uint64_t cursor, group_mask;
};

static bool scan_change(struct entry *change, void *arg)
{
    struct scanning *scanning = arg;
    if (((change->hash ^ scanning->cursor) & scanning->group_mask) == 0)
        visit_change(change, &scanning->visiting);
    return true;
}

static bool skip_published(struct entry *entry, void *arg)
{
    (void)entry;
    (void)arg;
    return true;
}

uint64_t anystore_scan(struct anystore_txn *txn, uint64_t cursor, anystore_each_fn *fn, void *arg)
{
    struct scanning scanning = {.visiting = {txn, fn, arg}, .cursor = cursor};
    bool cleared = txn->pending && txn->pending->cleared;
    uint64_t next = map_scan(txn->map, cursor, cleared ? skip_published : visit_published,
                             &scanning.visiting, &scanning.group_mask);
    if (txn->pending)
        map_each(&txn->pending->map, scan_change, &scanning);
    return next;
}

int64_t anystore_now(const struct anystore_txn *txn)
{
    return txn->now_ms;
}

/* ---- Changing ----------------------------------------------------------------------------- */

/* Whether a change replaces a published entry that has expired; `old` is the change that the layer
 * had of the key before. */
static bool replaces_expired(const struct anystore_txn *txn, const struct entry *change,
                             const struct entry *old)
{
    if (txn->mode == TXN_DIRECT)
        return false; /* txn_end finds out */
    if (old || txn->pending->cleared || txn->map->expiring == 0)
        return old && old->replaces_expired;
    const struct entry *published =
        map_find(txn->map, change->hash, entry_key(change), change->key_size);
    return published && entry_expired(published, txn->now_ms);
}

/* Puts an entry, whose hash is set, into the layer, and notes that in the journal. */
static enum anystore_status put_entry(struct anystore_txn *txn, struct entry *entry)
{
    struct map *map = layer(txn);
    if (!map_ready(map) || !journal_ready(txn)) {
        entry_free(entry);
        return ANYSTORE_NOMEM;
    }
    struct entry *old = map_put(map, entry);
    entry->replaces_expired = replaces_expired(txn, entry, old);
    touch(txn, entry->hash, entry_key(entry), entry->key_size);
    txn->undo[txn->undo_count++] =
        (struct txn_undo){.kind = UNDO_ENTRY, .added = entry, .old = old};
    return ANYSTORE_OK;
}

static enum anystore_status put_new(struct anystore_txn *txn, enum entry_kind kind, uint32_t hash,
                                    const void *key, size_t key_size,
                                    const struct anystore_value *value)
{
    struct entry *entry = entry_new(kind, key_size, value->size);
    if (!entry)
        return ANYSTORE_NOMEM;
    entry->hash = hash;
    entry->expire_ms = value->expire_ms;
    entry->type = (uint8_t)value->type;
    if (key_size > 0)
        memcpy(entry->bytes, key, key_size);
    if (value->size > 0)
        memcpy(entry->bytes + key_size, value->data, value->size);
    return put_entry(txn, entry);
}

enum anystore_status anystore_put(struct anystore_txn *txn, const void *key, size_t key_size,
                                  const struct anystore_value *value)
{
    if (key_size > ANYSTORE_MAX_BYTES || value->size > ANYSTORE_MAX_BYTES)
        return ANYSTORE_TOO_LARGE;
    return put_new(txn, ENTRY_PUT, map_hash(txn->map, key, key_size), key, key_size, value);
}

enum anystore_status anystore_delete(struct anystore_txn *txn, const void *key, size_t key_size,
                                     bool *existed)
{
    uint32_t hash = map_hash(txn->map, key, key_size);
    int64_t expire_ms = 0;
    bool exists = look_live(txn, hash, key, key_size, &expire_ms) != NULL;
    if (existed)
        *existed = exists;
    if (!exists)
        return ANYSTORE_OK;
    if (txn->mode == TXN_PENDING && !txn->pending->cleared &&
        map_find(txn->map, hash, key, key_size)) {
        struct anystore_value nothing = {.size = 0};
        return put_new(txn, ENTRY_DELETE, hash, key, key_size, &nothing);
    }
    if (!journal_ready(txn))
        return ANYSTORE_NOMEM;
    struct entry *old = map_remove(layer(txn), hash, key, key_size);
    touch(txn, hash, key, key_size);
    txn->undo[txn->undo_count++] = (struct txn_undo){.kind = UNDO_ENTRY, .old = old};
    return ANYSTORE_OK;
}

enum anystore_status anystore_set_expiry(struct anystore_txn *txn, const void *key, size_t key_size,
                                         int64_t expire_ms, bool *existed)
{
    uint32_t hash = map_hash(txn->map, key, key_size);
    int64_t old_expire_ms = 0;
    struct entry *entry = look_live(txn, hash, key, key_size, &old_expire_ms);
    if (existed)
        *existed = entry != NULL;
    if (!entry)
        return ANYSTORE_OK;
    if (txn->mode == TXN_DIRECT) {
        if (!journal_ready(txn))
            return ANYSTORE_NOMEM;
        txn->undo[txn->undo_count++] =
            (struct txn_undo){.kind = UNDO_EXPIRY, .added = entry, .old_expire_ms = old_expire_ms};
        map_set_expiry(layer(txn), entry, expire_ms);
        touch(txn, hash, key, key_size);
        return ANYSTORE_OK;
    }
    /* A published key without an expiry can get one by a small record.  One that has an expiry may
     * be gone already from the memory of a process whose clock is ahead: its value goes along. */
    bool published = !txn->pending->cleared && map_find(txn->map, hash, key, key_size) == entry;
    struct anystore_value value = {.expire_ms = expire_ms};
    if (published && entry->expire_ms == 0)
        return put_new(txn, ENTRY_EXPIRE, hash, key, key_size, &value);
    value = value_of(entry, expire_ms);
    return put_new(txn, ENTRY_PUT, hash, key, key_size, &value);
}

enum anystore_status anystore_clear(struct anystore_txn *txn)
{
    struct map *map = layer(txn);
    if (anystore_count(txn) == 0)
        return ANYSTORE_OK; /* changes nothing: no commit */
    struct map *old = malloc(sizeof *old);
    if (!old || !journal_ready(txn)) {
        free(old);
        return ANYSTORE_NOMEM;
    }
    *old = *map;
    map_init(map, &old->seed);
    if (txn->watches)
        watch_touch_clear(txn->watches);
    txn->undo[txn->undo_count++] = (struct txn_undo){
        .kind = UNDO_CLEAR,
        .old_map = old,
        .old_cleared = txn->pending && txn->pending->cleared,
    };
    if (txn->pending)
        txn->pending->cleared = true;
    return ANYSTORE_OK;
}

/* ---- Watching ----------------------------------------------------------------------------- */

void anystore_watch_start(struct anystore_txn *txn, struct anystore_watch *watch)
{
    struct watch *self = watch_of(watch);
    self->hash = map_hash(txn->map, watch->key, watch->key_size);
    self->expire_ms = 0;
    self->existed =
        look_live(txn, self->hash, watch->key, watch->key_size, &self->expire_ms) != NULL;
    self->round = txn->round;
    atomic_init(&self->changed, false);
    watch_add(txn->watches, watch);
}

bool anystore_watch_changed(const struct anystore_txn *txn, const struct anystore_watch *watch)
{
    const struct watch *self = watch_of_const(watch);
    return atomic_load_explicit(&self->changed, memory_order_acquire) ||
           (self->existed && self->expire_ms != 0 && self->expire_ms <= txn->now_ms);
}

uint32_t anystore_watch_hash(const struct anystore_watch *watch)
{
    return watch_of_const(watch)->hash;
}
