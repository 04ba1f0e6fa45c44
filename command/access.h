/* SPDX-License-Identifier: MIT */
/* How commands reach keys: lookups that are counted, changes that the store may refuse.  On the
 * thread that runs the call; a value that was looked up is lent until the next change. */
#ifndef COMMAND_ACCESS_H
#define COMMAND_ACCESS_H

#include <stdbool.h>

#include "anystore.h"
#include "command/call.h"

/* The transaction on a database; NULL if the call may not use that database. */
struct anystore_txn *call_txn(const struct call *call, unsigned database);

/* Counts a lookup by a command that only reads in call->hits or call->misses, and tells of a
 * miss. */
void count_lookup(struct call *call, const struct resp_arg *key, bool exists);

/* Looks a key up and counts that; for commands that only read.  False if the key does not exist.
 * `value` may be NULL. */
bool read_key(struct call *call, const struct resp_arg *key, struct anystore_value *value);

/* As read_key, without an event for a miss. */
bool read_key_quietly(struct call *call, const struct resp_arg *key, struct anystore_value *value);

/* Reads a string; *exists tells whether the key exists.  False if the key holds another type:
 * then WRONGTYPE has been replied. */
bool get_string_or_reply(struct call *call, const struct resp_arg *key,
                         struct anystore_value *value, bool *exists);

/* True if the store took a change.  Otherwise replies the error (memory, size) and sets
 * call->store_failed. */
bool store_ok_or_reply(struct call *call, enum anystore_status status);

/* As anystore_put, but a value whose expiry has passed removes the key. (In Redis such a key may
 * exist for a moment, but no client can see it.) */
enum anystore_status put_or_expire(struct call *call, const struct resp_arg *key,
                                   const struct anystore_value *value);

#endif
