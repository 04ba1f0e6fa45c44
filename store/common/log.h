/* SPDX-License-Identifier: MIT */
/* What an operator is told. */
#ifndef STORE_COMMON_LOG_H
#define STORE_COMMON_LOG_H

#include "anystore.h"

/* The caller's log, constant after open.  All bytes zero: nobody wants to know. */
struct store_log {
    void (*fn)(enum anystore_log_level level, const char *text, void *arg); /* any thread */
    void *arg;
};

/* Writes one line; a very long one is cut. */
void store_log(const struct store_log *log, enum anystore_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
