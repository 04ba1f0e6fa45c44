/* SPDX-License-Identifier: MIT */
/* The file format, version 3: a header in clear, then a chain of sealed segments, then room.
 *
 *     header | base: one or more segments | delta: one or more segments | delta | ... | room
 *
 * The header, FORMAT_HEADER_BYTES long; numbers are little-endian:
 *
 *     offset  size  what
 *          0     8  magic "AnyStore"
 *          8     4  format version
 *         12     4  zero
 *         16    16  store id: random, the same in every base of one store
 *         32    16  file id: random, another one in every base
 *         48    32  salt: random, another one in every base
 *         80    16  key check: tells a wrong key from a damaged file
 *
 * HKDF-SHA256 (RFC 5869) of the master key with that salt and the info text
 * "AnyStore file" | version (4) | store id | file id gives 48 bytes: the file key (32) that seals
 * the segments, then the key check (16).
 *
 * A segment:
 *
 *     offset  size  what
 *          0     4  n: bytes of plaintext, 1 .. FORMAT_SEGMENT_BYTES
 *          4    24  nonce, random
 *         28     n  XAES-256-GCM ciphertext
 *     28 + n    16  tag
 *
 * Associated data, FORMAT_AAD_BYTES long:
 *
 *     size  what
 *        4  format version
 *        4  n
 *       16  file id
 *        8  segment number, counted from 0 in a file
 *        1  kind: 0 base, 1 delta; not stored: what comes before the first commit mark is the base
 *       16  tag of the segment before; zero for the first
 *
 * The plaintexts of all segments of a commit together are one string of records (record.h), but
 * for their ends.  The last segment of a commit ends with
 *
 *     size  what
 *       16  only in a base: the origin, which is the tag of the last segment of the chain whose
 *           state the base holds; zero in the first file
 *        8  generation
 *        8  time of the commit (Unix time in milliseconds)
 *        1  1: the commit mark
 *
 * and each other one with
 *
 *        1  0: the commit goes on in the next segment
 *
 * A segment without the mark is full: FORMAT_SEGMENT_BYTES.  One with the mark is shorter.  So the
 * end of a base can be found from the lengths alone.
 *
 * The generation counts commits over the whole life of a store.  A delta has one more than the
 * commit before it.  A base changes no data: it carries the generation and the time of the state it
 * holds.  If its file was exchanged with another one (several.c), its generation may be higher.
 * Generations stay below 2^63, so that counting on cannot wrap around.
 *
 * Room.  The chain ends with the file, or where the next segment would have the length 0 (fewer
 * than four bytes are enough if all are zero).  Zeros follow.  The file is extended ahead of need,
 * so that syncing a commit writes only the commit's bytes and not a new file length.  The zeros
 * that end the chain are written together with the commit mark before them.
 *
 * Versions:
 *
 *     3  as above
 *     2  has no room: the chain ends with the file
 *     1  the same; also, a base there holds only keys, each once, and no origin
 *
 * Since version 2 a base may hold any record, and the last one that names a key holds: so a base
 * can be written while commits go on (base_beside.h).  By its origin a process that lags behind can
 * tell that the commits it lacks are those in the file that it has open (other_file.h).  A file
 * keeps its version; its next base is of the newest. */
#ifndef STORE_FORMAT_FORMAT_H
#define STORE_FORMAT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "anystore.h"
#include "store/format/xaes.h"

#define FORMAT_VERSION       3 /* of what is written */
#define FORMAT_OLDEST        1 /* that is read */
#define FORMAT_ID_BYTES      16
#define FORMAT_SALT_BYTES    32
#define FORMAT_CHECK_BYTES   16
#define FORMAT_HEADER_BYTES  96
#define FORMAT_PREFIX_BYTES  (4 + XAES_NONCE_BYTES) /* of a segment, before the ciphertext */
#define FORMAT_FRAME_BYTES   (FORMAT_PREFIX_BYTES + XAES_TAG_BYTES) /* beside the plaintext */
#define FORMAT_SEGMENT_BYTES ((size_t)1 << 20) /* most plaintext of one segment */
#define FORMAT_MARK_BYTES    (8 + 8 + 1)       /* generation, time, commit mark */
#define FORMAT_END_BYTES     4                 /* zeros, where room begins */
#define FORMAT_BLOCK_BYTES   4096              /* files with room end with a whole one of these */
#define FORMAT_END_MOST      (XAES_TAG_BYTES + FORMAT_MARK_BYTES) /* with an origin */
#define FORMAT_AAD_BYTES     (4 + 4 + FORMAT_ID_BYTES + 8 + 1 + XAES_TAG_BYTES)

enum format_kind { FORMAT_BASE = 0, FORMAT_DELTA = 1 };

struct format_header {
    uint32_t version;
    uint8_t store_id[FORMAT_ID_BYTES];
    uint8_t file_id[FORMAT_ID_BYTES];
    uint8_t salt[FORMAT_SALT_BYTES];
    uint8_t check[FORMAT_CHECK_BYTES];
};

void format_header_encode(uint8_t out[FORMAT_HEADER_BYTES], const struct format_header *header);

/* OK, FOREIGN or VERSION. */
enum anystore_status format_header_decode(const uint8_t in[FORMAT_HEADER_BYTES],
                                          struct format_header *header);

/* A fresh header of header->version with a random file id and salt, of the given store (NULL: of a
 * new, random one), and its file key.  False if OpenSSL fails. */
bool format_header_new(struct format_header *header, const uint8_t master[ANYSTORE_KEY_BYTES],
                       const uint8_t *store_id, uint8_t file_key[XAES_KEY_BYTES]);

/* The file key of an existing header.  *fits says whether the key check agrees.  False if OpenSSL
 * fails. */
bool format_file_key(const struct format_header *header, const uint8_t master[ANYSTORE_KEY_BYTES],
                     uint8_t file_key[XAES_KEY_BYTES], bool *fits);

/* Secret numbers of a store, the same in every process that has it open. */
struct format_secrets {
    /* Added to the commit mark in the lock file, which would give away the number of commits. */
    uint64_t mark_mask;
    /* Of the map's hash: the same everywhere, so that a scan may go on in another process. */
    uint64_t map_seed[2];
};

/* False if OpenSSL fails. */
bool format_secrets(const struct format_header *header, const uint8_t master[ANYSTORE_KEY_BYTES],
                    struct format_secrets *secrets);

/* The associated data of a segment with `size` bytes of plaintext. */
void format_aad(uint8_t out[FORMAT_AAD_BYTES], const struct format_header *header, uint32_t size,
                uint64_t segment, enum format_kind kind, const uint8_t previous[XAES_TAG_BYTES]);

/* Whether there may be room behind the chain. */
static inline bool format_has_room(const struct format_header *header)
{
    return header->version >= 3;
}

/* How many bytes stand behind the records of a commit, in its last segment. */
static inline size_t format_end_bytes(const struct format_header *header, enum format_kind kind)
{
    return kind == FORMAT_BASE && header->version >= 2 ? FORMAT_END_MOST : FORMAT_MARK_BYTES;
}

#endif
