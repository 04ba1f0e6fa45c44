/* SPDX-License-Identifier: MIT */
/* Reading records into news. */
#include "store/commit/news.h"

#include <stdlib.h>

#include "store/common/error.h"
#include "store/map/record.h"

void news_init(struct news *news, const struct chain *chain, const struct map *published)
{
    *news = (struct news){.fd = -1, .chain = *chain};
    map_init(&news->map, &published->seed);
    pending_init(&news->pending, published);
}

void news_free(struct news *news, const struct disk *disk)
{
    if (news->fd >= 0)
        disk->close(disk, news->fd);
    map_clear(&news->map);
    pending_free(&news->pending);
    free(news->vanished);
    chain_wipe(&news->chain);
}

void news_forget_changes(struct news *news)
{
    pending_free(&news->pending);
    news->vanished_count = 0;
}

/* Notes a change that pending is about to forget.  False if memory is short. */
static bool note_vanished(struct entry *change, void *arg)
{
    struct news *news = arg;
    if (news->vanished_count == news->vanished_capacity) {
        size_t capacity = news->vanished_capacity ? 2 * news->vanished_capacity : 16;
        uint32_t *vanished = realloc(news->vanished, capacity * sizeof *vanished);
        if (!vanished)
            return false;
        news->vanished = vanished;
        news->vanished_capacity = capacity;
    }
    news->vanished[news->vanished_count++] = change->hash;
    return true;
}

/* Notes the changes that a record will make pending forget.  After a reload all keys count as
 * changed: there is nothing to note.  False if memory is short. */
static bool note_forgotten(struct news *news, const struct record *record)
{
    struct map *changes = &news->pending.map;
    if (news->reload || changes->count == 0)
        return true;
    if (record->kind == RECORD_CLEAR)
        return map_each(changes, note_vanished, news);
    if (record->kind != RECORD_DELETE)
        return true;
    const struct entry *entry = record->entry;
    struct entry *change = map_find(changes, map_hash(changes, entry_key(entry), entry->key_size),
                                    entry_key(entry), entry->key_size);
    return !change || note_vanished(change, news);
}

static enum anystore_status does_not_fit(struct segment_reader *reader)
{
    return error_set(reader->error, ANYSTORE_DAMAGED,
                     "%s is damaged: a change before offset %llu is of a key that is not there",
                     reader->file.path, (unsigned long long)reader->chain.end);
}

/* Takes the record's entry over. */
static enum anystore_status add_record(struct news *news, struct segment_reader *reader,
                                       const struct map *base, const struct record *record)
{
    if (!note_forgotten(news, record)) {
        entry_free(record->entry);
        return error_nomem(reader->error);
    }
    if (record->kind == RECORD_CLEAR) {
        pending_clear(&news->pending);
        return ANYSTORE_OK;
    }
    if (!record->entry)
        return ANYSTORE_OK;
    if (!map_ready(&news->pending.map)) {
        entry_free(record->entry);
        return error_nomem(reader->error);
    }
    return pending_add(&news->pending, base, record->entry) ? ANYSTORE_OK : does_not_fit(reader);
}

enum anystore_status news_read_commit(struct news *news, struct segment_reader *reader,
                                      const struct map *base)
{
    for (;;) {
        bool end = false;
        struct record record;
        enum anystore_status status = segment_reader_at_end(reader, &end);
        if (status == ANYSTORE_OK && !end)
            status = record_read(reader, &record);
        if (status == ANYSTORE_OK && !end)
            status = add_record(news, reader, base, &record);
        if (status != ANYSTORE_OK || end)
            return status;
    }
}
