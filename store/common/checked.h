/* SPDX-License-Identifier: MIT */
/* Whether this build checks invariants while it runs: builds for tests do (ANYSTORE_CHECK), users
 * do not pay for it. */
#ifndef STORE_COMMON_CHECKED_H
#define STORE_COMMON_CHECKED_H

#include <stdbool.h>

#ifdef ANYSTORE_CHECK
static const bool store_is_checked = true;
#else
static const bool store_is_checked = false;
#endif

#endif
