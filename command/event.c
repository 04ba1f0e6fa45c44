/* SPDX-License-Identifier: MIT */
/* The flags of notify-keyspace-events as text. */
#include "command/event.h"

#include <stddef.h>

/* The classes that Redis 7.0 means by A. */
#define NOTIFY_ALL                                                                                 \
    (NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET | NOTIFY_HASH | NOTIFY_SORTED_SET | \
     NOTIFY_EXPIRED | NOTIFY_EVICTED | NOTIFY_STREAM | NOTIFY_MODULE)

/* In the order in which Redis writes them. */
static const struct {
    char character;
    bool within_all; /* not written behind an A */
    unsigned flag;
} characters[] = {
    {'g', true, NOTIFY_GENERIC},   {'$', true, NOTIFY_STRING},    {'l', true, NOTIFY_LIST},
    {'s', true, NOTIFY_SET},       {'h', true, NOTIFY_HASH},      {'z', true, NOTIFY_SORTED_SET},
    {'x', true, NOTIFY_EXPIRED},   {'e', true, NOTIFY_EVICTED},   {'t', true, NOTIFY_STREAM},
    {'d', true, NOTIFY_MODULE},    {'n', true, NOTIFY_NEW},       {'K', false, NOTIFY_KEYSPACE},
    {'E', false, NOTIFY_KEYEVENT}, {'m', false, NOTIFY_KEY_MISS},
};

#define CHARACTERS (sizeof characters / sizeof *characters)
_Static_assert(CHARACTERS < NOTIFY_TEXT_BYTES, "all and a NUL fit");

bool notify_parse(const char *text, unsigned *flags)
{
    unsigned sum = 0;
    for (; *text; text++) {
        unsigned flag = *text == 'A' ? NOTIFY_ALL : 0;
        for (size_t i = 0; i < CHARACTERS && flag == 0; i++)
            if (characters[i].character == *text)
                flag = characters[i].flag;
        if (flag == 0)
            return false;
        sum |= flag;
    }
    *flags = sum;
    return true;
}

void notify_format(unsigned flags, char text[NOTIFY_TEXT_BYTES])
{
    bool all = (flags & NOTIFY_ALL) == NOTIFY_ALL;
    if (all)
        *text++ = 'A';
    for (size_t i = 0; i < CHARACTERS; i++)
        if ((flags & characters[i].flag) && !(all && characters[i].within_all))
            *text++ = characters[i].character;
    *text = '\0';
}
