/* SPDX-License-Identifier: MIT */
/* Finding the keys that the owner is told of. */
#include "store/commit/expired.h"

bool expired_is_wanted(const struct expired_listener *listener)
{
    return listener->on_expired &&
           (!listener->wants_expired || listener->wants_expired(listener->arg));
}

static void tell(const struct expired_listener *listener, const struct entry *entry)
{
    listener->on_expired(entry_key(entry), entry->key_size, listener->arg);
}

void expired_tell(const struct expired_listener *listener, const struct entry *entries)
{
    for (; entries && listener->on_expired; entries = entries->next)
        tell(listener, entries);
}

struct dropped {
    const struct expired_listener *listener;
    const struct map *now;
    int64_t time_ms;
};

static bool tell_if_dropped(struct entry *entry, void *arg)
{
    const struct dropped *dropped = arg;
    if (!entry_expired(entry, dropped->time_ms))
        return true;
    uint32_t hash = map_hash(dropped->now, entry_key(entry), entry->key_size);
    const struct entry *now = map_find(dropped->now, hash, entry_key(entry), entry->key_size);
    if (!now || now->expire_ms != entry->expire_ms)
        tell(dropped->listener, entry);
    return true;
}

void expired_tell_dropped(const struct expired_listener *listener, const struct map *before,
                          const struct map *now, int64_t time_ms)
{
    struct dropped dropped = {listener, now, time_ms};
    if (before->expiring > 0 && expired_is_wanted(listener))
        map_each(before, tell_if_dropped, &dropped);
}
