/* SPDX-License-Identifier: MIT */
/* The queue of a MULTI and the keys of WATCH. */
#include "transaction.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "request.h"

struct watched_key {
    struct anystore_watch watch;
    struct watched_key *next;
    unsigned database;
    struct anystore *store;
    unsigned char key[];
};

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

void transaction_end(struct transaction *transaction)
{
    for (size_t i = 0; i < transaction->count; i++)
        free(transaction->queue[i].argv);
    free(transaction->queue);
    *transaction = (struct transaction){.watched = transaction->watched};
}

bool transaction_watch(struct transaction *transaction, unsigned database, struct anystore *store,
                       struct anystore_txn *txn, const struct resp_arg *key)
{
    for (const struct watched_key *w = transaction->watched; w; w = w->next)
        if (w->database == database && w->watch.key_size == key->size &&
            memcmp(w->key, key->data, key->size) == 0)
            return true;
    struct watched_key *watched = malloc(sizeof *watched + key->size);
    if (!watched)
        return false;
    if (key->size > 0)
        memcpy(watched->key, key->data, key->size);
    watched->database = database;
    watched->store = store;
    watched->watch.key = watched->key;
    watched->watch.key_size = key->size;
    anystore_watch(txn, &watched->watch);
    watched->next = transaction->watched;
    transaction->watched = watched;
    return true;
}

database_bits transaction_watched(const struct transaction *transaction)
{
    database_bits bits = 0;
    for (const struct watched_key *w = transaction->watched; w; w = w->next)
        bits |= database_bit(w->database);
    return bits;
}

bool transaction_broken(const struct transaction *transaction, const struct request *request)
{
    for (const struct watched_key *w = transaction->watched; w; w = w->next)
        if (anystore_watch_changed(request_txn(request, w->database), &w->watch))
            return true;
    return false;
}

void transaction_unwatch(struct transaction *transaction)
{
    while (transaction->watched) {
        struct watched_key *next = transaction->watched->next;
        anystore_unwatch(transaction->watched->store, &transaction->watched->watch);
        free(transaction->watched);
        transaction->watched = next;
    }
}

void transaction_free(struct transaction *transaction)
{
    transaction_end(transaction);
    transaction_unwatch(transaction);
}
