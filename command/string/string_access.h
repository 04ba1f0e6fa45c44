/* SPDX-License-Identifier: MIT */
/* How the commands on strings, and on the bits of strings, read and change them.  On the thread
 * that runs the call. */
#ifndef COMMAND_STRING_STRING_ACCESS_H
#define COMMAND_STRING_STRING_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anystore.h"
#include "command/call.h"

/* As get_string_or_reply in access.h, counted as a lookup. */
bool read_string_or_reply(struct call *call, const struct resp_arg *key,
                          struct anystore_value *value, bool *exists);

/* The most bytes that a string may have: the limit of the host or of the store. */
size_t longest_string(const struct call *call);

/* Whether a string may have `size` + `more` bytes; replies an error if not. */
bool string_size_or_reply(struct call *call, size_t size, size_t more);

/* A copy of a string that may be changed (the store only lends its own bytes).  It has old->size
 * bytes or `size`, whichever is more; additional bytes are zero.  The caller frees it.  NULL if
 * memory is short: then the error has been replied. */
uint8_t *copy_string_or_reply(struct call *call, const struct anystore_value *old, size_t size);

/* Puts `bytes` in place of the string `old`, keeps its expiry, and frees `bytes`. */
enum anystore_status put_string(struct call *call, const struct resp_arg *key,
                                const struct anystore_value *old, uint8_t *bytes, size_t size);

/* For commands that must reply the old value before they change it: if the store refused the
 * change, the error replaces everything written since reply_start. */
void replace_reply_if_refused(struct call *call, size_t reply_start, enum anystore_status status);

#endif
