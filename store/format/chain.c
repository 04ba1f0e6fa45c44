/* SPDX-License-Identifier: MIT */
/* Positions in the chain of segments. */
#include "store/format/chain.h"

#include <assert.h>
#include <string.h>

#include <openssl/crypto.h>

void chain_start(struct chain *chain, const struct format_header *header,
                 const uint8_t file_key[XAES_KEY_BYTES])
{
    memset(chain, 0, sizeof *chain);
    chain->header = *header;
    memcpy(chain->file_key, file_key, XAES_KEY_BYTES);
    chain->end = FORMAT_HEADER_BYTES;
}

bool chain_same_file(const struct chain *chain, const struct format_header *header)
{
    return memcmp(&chain->header, header, sizeof *header) == 0;
}

void chain_check(const struct chain *chain)
{
    assert(chain->base_end <= chain->end && chain->end >= FORMAT_HEADER_BYTES); /* C1 */
}

void chain_wipe(struct chain *chain)
{
    OPENSSL_cleanse(chain, sizeof *chain);
}
