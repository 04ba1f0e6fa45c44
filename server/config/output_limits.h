/* SPDX-License-Identifier: MIT */
/* The limits of client-output-buffer-limit, which workers look at for each reply: too often for a
 * lock.
 *
 * A limit is three numbers that belong together.  So they are kept as a sequence lock: `version` is
 * odd while somebody sets them, and a reader that saw it odd or changed reads again. */
#ifndef SERVER_CONFIG_OUTPUT_LIMITS_H
#define SERVER_CONFIG_OUTPUT_LIMITS_H

#include <stdatomic.h>

#include "server/config/config.h"

/* All bytes zero: no limits. */
struct output_limits {
    _Atomic unsigned version;
    struct output_limit_cell {
        _Atomic uint64_t hard_bytes, soft_bytes;
        _Atomic int64_t soft_seconds;
    } cells[CONFIG_CLASS_COUNT];
};

/* The limit of one class, as one call of output_limits_set left it.  Any thread. */
struct config_output_limit output_limits_get(const struct output_limits *limits,
                                             enum config_client_class class);

/* Sets the limits of all classes.  One thread at a time: the caller holds a lock. */
void output_limits_set(struct output_limits *limits,
                       const struct config_output_limit values[CONFIG_CLASS_COUNT]);

#endif
