/* SPDX-License-Identifier: MIT */
/* Makes data files in memory, good ones and ones that no store would write but that authenticate.
 * Written from the description in format.h alone, independently of the store's own writer. */
#ifndef TESTS_STORE_DISKS_SEAL_H
#define TESTS_STORE_DISKS_SEAL_H

#include "store/format/format.h"

struct seal {
    uint8_t *data; /* the file */
    size_t size, capacity;
    struct format_header header;
    struct xaes *xaes;
    uint64_t segment;
    uint8_t tag[XAES_TAG_BYTES];    /* of the last segment */
    uint8_t origin[XAES_TAG_BYTES]; /* of a base that seal_commit makes */
};

/* A file that is only a header, under a master key whose bytes are all `key`; store_id NULL: a
 * random one.  All of these end the program on failure. */
void seal_begin(struct seal *seal, uint8_t key, const uint8_t *store_id);
void seal_begin_version(struct seal *seal, uint32_t version, uint8_t key, const uint8_t *store_id);
void seal_free(struct seal *seal);

/* Appends bytes as they are. */
void seal_raw(struct seal *seal, const void *data, size_t size);

/* Appends a segment of any plaintext, sealed for its place. */
void seal_segment(struct seal *seal, enum format_kind kind, const void *text, size_t size);

/* Appends a whole commit of these records. */
void seal_commit(struct seal *seal, enum format_kind kind, const void *records, size_t size,
                 uint64_t generation);

#endif
