/* SPDX-License-Identifier: MIT */
/* Expands what was compressed in LZF, the format in which Redis serialises longer strings. */
#ifndef COMMAND_KEY_LZF_H
#define COMMAND_KEY_LZF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No input comes to more than so many times its size. */
#define LZF_MOST_RATIO 88

/* True if the input is sound and comes to exactly out_size bytes.  Otherwise any part of out has
 * been written. */
bool lzf_expand(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size);

#endif
