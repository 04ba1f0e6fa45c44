/* SPDX-License-Identifier: MIT */
/* What a request needs before it can run: found without running it. */
#ifndef SERVER_SESSION_NEEDS_H
#define SERVER_SESSION_NEEDS_H

#include <stdbool.h>

#include "command/needs.h"

struct call;

/* Of a request whose checks have been made. */
void needs_of(const struct call *call, struct needs *needs);

/* Whether EXEC is to be refused: what is queued writes in more than one database, and each has a
 * commit of its own. */
bool needs_too_many(const struct call *call, const struct needs *needs);

#endif
