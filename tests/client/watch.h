/* SPDX-License-Identifier: MIT */
/* What the parts of client_watch_test share. */
#ifndef TESTS_CLIENT_WATCH_H
#define TESTS_CLIENT_WATCH_H

#include "tests/client/harness/harness.h"

/* Every command that writes, with and without an effect: what it does to a watched key is what
 * redis-server says (watch_redis.c). */
void watch_as_redis(struct harness *harness);

#endif
