/* SPDX-License-Identifier: MIT */
/* The master key in memory.  anystore.h has the functions over it, which read and make key
 * files. */
#ifndef STORE_MEDIUM_KEY_H
#define STORE_MEDIUM_KEY_H

#include "anystore.h"

struct anystore_key {
    uint8_t bytes[ANYSTORE_KEY_BYTES];
};

#endif
