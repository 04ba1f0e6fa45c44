/* SPDX-License-Identifier: MIT */
/* Expands LZF, in which Redis compresses longer strings. */
#ifndef COMMAND_KEY_LZF_H
#define COMMAND_KEY_LZF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The output is at most so many times as long as the input. */
#define LZF_MOST_RATIO 88

/* True if the input is sound and expands to exactly out_size bytes.  Otherwise the contents of
 * `out` are undefined.  Pure: any thread. */
bool lzf_expand(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);

#endif
