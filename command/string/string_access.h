/* SPDX-License-Identifier: MIT */
/* What the commands on strings, and on the bits of strings, share. */
#ifndef COMMAND_STRING_STRING_ACCESS_H
#define COMMAND_STRING_STRING_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anystore.h"
#include "command/call.h"

/* As get_string_or_reply (access.h), counted as a lookup. */
bool read_string_or_reply(struct call *call, const struct resp_arg *key,
                          struct anystore_value *value, bool *there);

/* The most bytes that a string may have: proto-max-bulk-len or what the store takes. */
size_t longest_string(const struct call *call);

/* Whether a string may have `size` and `more` bytes; otherwise replies that it may not. */
bool string_size_or_reply(struct call *call, size_t size, size_t more);

/* A copy of a string, to be changed (the store's own bytes are only lent, and only until a change):
 * of old->size or of `size` bytes, whichever is more, those that are new being zero.  The caller
 * frees.  NULL if memory is short: then that has been replied. */
uint8_t *copy_string_or_reply(struct call *call, const struct anystore_value *old, size_t size);

/* Puts bytes, which it frees, in the place of the string `old`, whose expiry stays. */
enum anystore_status put_string(struct call *call, const struct resp_arg *key,
                                const struct anystore_value *old, uint8_t *bytes, size_t size);

/* For commands that must reply what was there before they change it: if the change was refused,
 * its error takes the place of what was written since reply_start. */
void replace_reply_if_refused(struct call *call, size_t reply_start, enum anystore_status status);

#endif
