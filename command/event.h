/* SPDX-License-Identifier: MIT */
/* The classes of keyspace events, and notify-keyspace-events as text. */
#ifndef COMMAND_EVENT_H
#define COMMAND_EVENT_H

#include <stdbool.h>

/* Redis's classes of events, and the characters that stand for them.  The numbers are part of the
 * protocol between servers (server/peer/frame.h): their meaning never changes. */
enum notify_class {
    NOTIFY_KEYSPACE = 1 << 0,   /* K: no class; asks for messages named after the key */
    NOTIFY_KEYEVENT = 1 << 1,   /* E: no class; asks for messages named after the event */
    NOTIFY_GENERIC = 1 << 2,    /* g */
    NOTIFY_STRING = 1 << 3,     /* $ */
    NOTIFY_LIST = 1 << 4,       /* l */
    NOTIFY_SET = 1 << 5,        /* s */
    NOTIFY_HASH = 1 << 6,       /* h */
    NOTIFY_SORTED_SET = 1 << 7, /* z */
    NOTIFY_EXPIRED = 1 << 8,    /* x */
    NOTIFY_EVICTED = 1 << 9,    /* e */
    NOTIFY_STREAM = 1 << 10,    /* t */
    NOTIFY_KEY_MISS = 1 << 11,  /* m */
    NOTIFY_MODULE = 1 << 13,    /* d */
    NOTIFY_NEW = 1 << 14        /* n */
};

#define NOTIFY_TEXT_BYTES 16

/* Reads a text such as "KEg$".  False if a character stands for nothing; *flags then stays as it
 * was. */
bool notify_parse(const char *text, unsigned *flags);

/* Writes flags as Redis 7.0 does: "A" for all classes but m and n.  Behind an A, an n is not
 * shown. */
void notify_format(unsigned flags, char text[NOTIFY_TEXT_BYTES]);

#endif
