/* SPDX-License-Identifier: MIT */
/* The version of this program, and the Redis version whose commands and replies it has. */
#ifndef SERVER_VERSION_H
#define SERVER_VERSION_H

#define ANYSTORE_VERSION_TEXT "0.1.0"

/* HELLO, INFO and LOLWUT tell it. */
#define SERVER_REDIS_VERSION "7.0.15"

#endif
