/* SPDX-License-Identifier: MIT */
/* The queue of a MULTI and the keys of WATCH. */
#include "server/session/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "command/access.h"
#include "command/table.h"

struct watched_key {
    struct anystore_watch watch;
    struct watched_key *next, *next_in_bucket;
    unsigned database;
    struct anystore *store;
    unsigned char key[];
};

/* Keys that transaction_tidy frees at a time: a small part of a millisecond. */
#define TIDY_MOST 1000

static size_t key_memory(const struct watched_key *key)
{
    return sizeof *key + key->watch.key_size;
}

bool transaction_queue(struct transaction *transaction, const struct command *command,
                       const struct resp_arg *argv, size_t argc)
{
    if (transaction->count == transaction->capacity) {
        size_t capacity = transaction->capacity ? 2 * transaction->capacity : 8;
        struct queued_command *queue = realloc(transaction->queue, capacity * sizeof *queue);
        if (!queue)
            return false;
        transaction->queue = queue;
        transaction->capacity = capacity;
    }
    size_t bytes = argc * sizeof *argv;
    for (size_t i = 0; i < argc; i++)
        bytes += argv[i].size;
    struct resp_arg *copy = malloc(bytes);
    if (!copy)
        return false;
    uint8_t *to = (uint8_t *)(copy + argc);
    for (size_t i = 0; i < argc; i++) {
        if (argv[i].size > 0)
            memcpy(to, argv[i].data, argv[i].size);
        copy[i] = (struct resp_arg){to, argv[i].size};
        to += argv[i].size;
    }
    transaction->queue[transaction->count++] =
        (struct queued_command){.command = command, .argc = argc, .argv = copy, .bytes = bytes};
    transaction->bytes += bytes;
    return true;
}

struct call transaction_call(const struct transaction *transaction, size_t i,
                             const struct call *exec)
{
    struct call queued = *exec;
    queued.command = transaction->queue[i].command;
    queued.argc = transaction->queue[i].argc;
    queued.argv = transaction->queue[i].argv;
    queued.in_exec = true;
    return queued;
}

size_t transaction_memory(const struct transaction *transaction)
{
    return transaction->bytes + transaction->capacity * sizeof *transaction->queue +
           transaction->watched.bytes + transaction->unwatched_bytes +
           transaction->watched.bucket_count * sizeof *transaction->watched.buckets;
}

void transaction_end(struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->count; i++)
        free(transaction->queue[i].argv);
    free(transaction->queue);
    *transaction = (struct transaction){.watched = transaction->watched,
                                        .unwatched = transaction->unwatched,
                                        .unwatched_bytes = transaction->unwatched_bytes};
}

/* ---- WATCH -------------------------------------------------------------------------------- */

static struct watched_key **bucket_of(const struct watched_keys *keys,
                                      const struct watched_key *watched)
{
    return &keys->buckets[anystore_watch_hash(&watched->watch) & (keys->bucket_count - 1)];
}

static void put(struct watched_keys *keys, struct watched_key *watched)
{
    struct watched_key **bucket = bucket_of(keys, watched);
    watched->next_in_bucket = *bucket;
    *bucket = watched;
}

/* Room for one more: as many buckets as keys.  False if memory is short. */
static bool reserve(struct watched_keys *keys)
{
    if (keys->count < keys->bucket_count)
        return true;
    size_t count = keys->bucket_count ? 2 * keys->bucket_count : 8;
    struct watched_key **buckets = calloc(count, sizeof *buckets);
    if (!buckets)
        return false;
    free(keys->buckets);
    keys->buckets = buckets;
    keys->bucket_count = count;
    for (struct watched_key *w = keys->list; w; w = w->next)
        put(keys, w);
    return true;
}

/* Whether a key of the same database and name, so of the same hash, is watched. */
static bool is_watched(const struct watched_keys *keys, const struct watched_key *watched)
{
    const struct anystore_watch *watch = &watched->watch;
    for (const struct watched_key *w = *bucket_of(keys, watched); w; w = w->next_in_bucket)
        if (anystore_watch_hash(&w->watch) == anystore_watch_hash(watch) &&
            w->database == watched->database && w->watch.key_size == watch->key_size &&
            memcmp(w->key, watched->key, watch->key_size) == 0)
            return true;
    return false;
}

bool transaction_watch(struct transaction *transaction, unsigned database, struct anystore *store,
                       struct anystore_txn *txn, const struct resp_arg *key)
{
    struct watched_keys *keys = &transaction->watched;
    struct watched_key *watched = reserve(keys) ? malloc(sizeof *watched + key->size) : NULL;
    if (!watched)
        return false;
    if (key->size > 0)
        memcpy(watched->key, key->data, key->size);
    watched->database = database;
    watched->store = store;
    watched->watch.key = watched->key;
    watched->watch.key_size = key->size;
    anystore_watch_start(txn, &watched->watch);
    if (is_watched(keys, watched)) { /* since before: that one counts */
        anystore_watch_end(store, &watched->watch);
        free(watched);
        return true;
    }
    put(keys, watched);
    watched->next = keys->list;
    keys->list = watched;
    if (!keys->first)
        keys->first = watched;
    keys->count++;
    keys->bytes += key_memory(watched);
    keys->databases |= database_bit(database);
    return true;
}

database_bits transaction_watched(const struct transaction *transaction)
{
    return transaction->watched.databases;
}

bool transaction_broken(const struct transaction *transaction, const struct call *call)
{
    for (const struct watched_key *w = transaction->watched.list; w; w = w->next)
        if (anystore_watch_changed(call_txn(call, w->database), &w->watch))
            return true;
    return false;
}

void transaction_unwatch(struct transaction *transaction)
{
    struct watched_keys *keys = &transaction->watched;
    if (!keys->list)
        return;
    keys->first->next = transaction->unwatched;
    transaction->unwatched = keys->list;
    transaction->unwatched_bytes += keys->bytes;
    free(keys->buckets);
    *keys = (struct watched_keys){.list = NULL};
}

bool transaction_tidy(struct transaction *transaction)
{
    for (unsigned i = 0; i < TIDY_MOST && transaction->unwatched; i++) {
        struct watched_key *key = transaction->unwatched;
        transaction->unwatched = key->next;
        transaction->unwatched_bytes -= key_memory(key);
        anystore_watch_end(key->store, &key->watch);
        free(key);
    }
    return transaction->unwatched != NULL;
}

void transaction_free(struct transaction *transaction)
{
    transaction_end(transaction);
    transaction_unwatch(transaction);
}
