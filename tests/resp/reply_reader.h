/* SPDX-License-Identifier: MIT */
/* A strict reader of replies that knows nothing of the writer: where a reply ends, and whether it
 * is valid. */
#ifndef TESTS_RESP_REPLY_READER_H
#define TESTS_RESP_REPLY_READER_H

#include <stddef.h>
#include <stdint.h>

/* The number of bytes of the first reply with everything in it (including attributes in front); 0
 * if it is invalid or not whole. `version` is 2 or 3, or 0 for either. */
size_t reply_size(const uint8_t *data, size_t size, int version);

#endif
