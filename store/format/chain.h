/* SPDX-License-Identifier: MIT */
/* A position in the chain of sealed segments of one file: all that is needed to read on from there,
 * or to write the next segment. */
#ifndef STORE_FORMAT_CHAIN_H
#define STORE_FORMAT_CHAIN_H

#include "store/format/format.h"

/* Plain data: a copy can be used to try something, and be thrown away if that fails.  It holds the
 * file key, so chain_wipe ends its life.
 *
 * C1. base_end <= end; end is the offset just behind a commit mark, or FORMAT_HEADER_BYTES.
 * C2. segment is the number of segments before end, and tag is the tag of the last of them. */
struct chain {
    struct format_header header;
    uint8_t file_key[XAES_KEY_BYTES];
    uint64_t end;
    uint64_t base_end; /* 0: still in the base */
    uint64_t segment;
    uint8_t tag[XAES_TAG_BYTES];
    uint8_t origin[XAES_TAG_BYTES]; /* of the base; zero if there is none */
    uint64_t generation;            /* of the last commit */
    int64_t time_ms;                /* of the last commit */
};

/* The start of a chain, behind its header.  The caller has checked the key. */
void chain_start(struct chain *chain, const struct format_header *header,
                 const uint8_t file_key[XAES_KEY_BYTES]);

/* Whether two positions are in the same file, by id. */
bool chain_same_file(const struct chain *chain, const struct format_header *header);

/* Aborts if C1 does not hold. */
void chain_check(const struct chain *chain);

void chain_wipe(struct chain *chain);

#endif
