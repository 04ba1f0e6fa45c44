/* SPDX-License-Identifier: MIT */
/* What has been read from a file but is not published yet. */
#ifndef STORE_COMMIT_NEWS_H
#define STORE_COMMIT_NEWS_H

#include "store/format/segment.h"
#include "store/map/pending.h"
#include "store/medium/disk.h"

struct news {
    int fd;             /* the file that was read, owned; -1: it is the one that is loaded */
    struct stat st;     /* of fd */
    struct chain chain; /* behind what was read */
    bool reload; /* `map` takes the place of the published map, before `pending` is applied */
    struct map map;
    struct pending pending;
    /* Hashes of keys that one commit made and a later one removed.  Nothing in `pending` tells of
     * them, but the watches of these keys are to know. */
    uint32_t *vanished;
    size_t vanished_count, vanished_capacity;
};

/* Nothing is new yet: `chain` is the end of what is loaded, and `published` holds it. */
void news_init(struct news *news, const struct chain *chain, const struct map *published);
void news_free(struct news *news, const struct disk *disk);

/* The map that the pending changes will be applied to. */
static inline const struct map *news_base(const struct news *news, const struct map *published)
{
    return news->reload ? &news->map : published;
}

/* Adds the records of the reader's current commit to the pending changes over `base`. */
enum anystore_status news_read_commit(struct news *news, struct segment_reader *reader,
                                      const struct map *base);

/* Drops all changes that have been read. */
void news_forget_changes(struct news *news);

#endif
