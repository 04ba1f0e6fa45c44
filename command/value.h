/* SPDX-License-Identifier: MIT */
/* How Redis names what keys hold.  Pure: any thread. */
#ifndef COMMAND_VALUE_H
#define COMMAND_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "anystore.h"

/* The word that TYPE replies. */
const char *value_type_name(enum anystore_type type);

/* Whether Redis would keep a string as an integer; *number is that integer. */
bool value_is_integer(const struct anystore_value *value, int64_t *number);

/* The word that OBJECT ENCODING replies: how Redis would keep the value after a plain SET. */
const char *value_encoding(const struct anystore_value *value);

#endif
