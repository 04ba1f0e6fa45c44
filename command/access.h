/* SPDX-License-Identifier: MIT */
/* How commands reach keys: lookups that count, changes that the store may refuse. */
#ifndef COMMAND_ACCESS_H
#define COMMAND_ACCESS_H

#include <stdbool.h>

#include "anystore.h"
#include "command/call.h"

/* The map of a database that the call needs; NULL: it does not. */
struct anystore_txn *call_txn(const struct call *call, unsigned database);

/* Counts a lookup of a command that only reads in call->hits or call->misses, and tells of a
 * miss. */
void count_lookup(struct call *call, const struct resp_arg *key, bool there);

/* Looks a key up for a command that only reads, and counts that.  value may be NULL. */
bool read_key(struct call *call, const struct resp_arg *key, struct anystore_value *value);

/* The same without an event for a miss. */
bool read_key_quietly(struct call *call, const struct resp_arg *key, struct anystore_value *value);

/* Reads a key that must hold a string, if it is there.  False if it holds another type: then
 * WRONGTYPE has been replied. */
bool get_string_or_reply(struct call *call, const struct resp_arg *key,
                         struct anystore_value *value, bool *there);

/* Replies the error of a change that the store refused (memory, size) and sets store_failed.  True
 * if there was none. */
bool store_ok_or_reply(struct call *call, enum anystore_status status);

/* As anystore_put.  A time that has come already: in Redis the key may then be there, but nobody
 * can see it; here it is not even written. */
enum anystore_status put_or_expire(struct call *call, const struct resp_arg *key,
                                   const struct anystore_value *value);

#endif
