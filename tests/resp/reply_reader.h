/* SPDX-License-Identifier: MIT */
/* A strict reader of replies that knows nothing of the writer: where a reply ends, and whether it
 * is one. */
#ifndef TESTS_RESP_REPLY_READER_H
#define TESTS_RESP_REPLY_READER_H

#include <stddef.h>
#include <stdint.h>

/* The number of bytes that the first reply takes with all that is in it (attributes in front too);
 * 0 if what is there is none, or not whole.  `version` is 2 or 3, or 0 for either. */
size_t reply_size(const uint8_t *data, size_t size, int version);

#endif
