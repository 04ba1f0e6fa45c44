/* SPDX-License-Identifier: MIT */
/* What Redis calls the values of keys. */
#ifndef COMMAND_VALUE_H
#define COMMAND_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "anystore.h"

/* The name that TYPE answers. */
const char *value_type_name(enum anystore_type type);

/* Whether Redis would keep a string as an integer; *number is then that. */
bool value_is_integer(const struct anystore_value *value, int64_t *number);

/* The word that OBJECT ENCODING answers: how Redis would keep the value if it had been set as it
 * is. */
const char *value_encoding(const struct anystore_value *value);

#endif
