/* SPDX-License-Identifier: MIT */
/* Filling in a struct anystore_error.  The error may be NULL everywhere: then only the status
 * comes back. */
#ifndef STORE_COMMON_ERROR_H
#define STORE_COMMON_ERROR_H

#include "anystore.h"

/* Sets status and text; returns the status. */
enum anystore_status error_set(struct anystore_error *error, enum anystore_status status,
                               const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: status and the end of the text come from errno, as in
 * "cannot write /x/y: No space left on device". */
enum anystore_status error_system(struct anystore_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum anystore_status error_ok(struct anystore_error *error);
enum anystore_status error_nomem(struct anystore_error *error);

#endif
